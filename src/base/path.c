#include <sys/stat.h>

#include "base/io.h"

char *mill_path_join(const char *a, const char *b)
{
	size_t n = strlen(a);
	if (*b == '/' || n == 0)
		return mill_xstrdup(b);
	if (*b == '\0')
		return mill_xstrdup(a);
	return mill_xasprintf("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

/* Length without trailing slashes; "/" keeps its one. */
static size_t trimmed(const char *path)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

char *mill_path_dirname(const char *path)
{
	size_t n = trimmed(path);
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n == 0)
		return mill_xstrdup(".");
	while (n > 1 && path[n - 1] == '/')
		n--;
	return mill_xstrndup(path, n);
}

const char *mill_path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *mill_path_absolute(const char *path)
{
	_cleanup_free_ char *full = NULL;
	if (*path == '/') {
		full = mill_xstrdup(path);
	} else {
		_cleanup_free_ char *cwd = getcwd(NULL, 0);
		/* A deleted working directory has no name; "/" keeps the result absolute. */
		full = mill_path_join(cwd ? cwd : "/", path);
	}
	struct mill_strbuf out = MILL_STRBUF_INIT;
	const char *s = full;
	while (*s) {
		while (*s == '/')
			s++;
		size_t n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.') {
			while (out.len && out.data[out.len - 1] != '/')
				mill_strbuf_truncate(&out, out.len - 1);
			if (out.len)
				mill_strbuf_truncate(&out, out.len - 1);
		} else if (n && !(n == 1 && s[0] == '.')) {
			mill_strbuf_addch(&out, '/');
			mill_strbuf_add(&out, s, n);
		}
		s += n;
	}
	if (out.len == 0)
		mill_strbuf_addch(&out, '/');
	return mill_strbuf_steal(&out);
}

bool mill_path_is_inside(const char *relative)
{
	if (!*relative || *relative == '/')
		return false;
	for (const char *s = relative; *s;) {
		size_t n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.')
			return false;
		s += n;
		while (*s == '/')
			s++;
	}
	return true;
}

char *mill_path_find_program(const char *name, const char *path_env)
{
	if (!*name)
		return NULL;
	if (strchr(name, '/'))
		return mill_is_file(name) && access(name, X_OK) == 0 ? mill_xstrdup(name) : NULL;
	if (!path_env)
		return NULL;
	for (const char *s = path_env;; s++) {
		size_t n = strcspn(s, ":");
		/* An empty entry would mean the working directory: not searched. */
		if (n) {
			char *full = mill_xasprintf("%.*s/%s", (int)n, s, name);
			if (mill_is_file(full) && access(full, X_OK) == 0)
				return full;
			free(full);
		}
		s += n;
		if (!*s)
			return NULL;
	}
}

bool mill_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

bool mill_file_is(const char *path, const void *data, size_t len)
{
	_cleanup_free_ char *have = NULL;
	struct stat st;
	size_t n = 0;
	return stat(path, &st) == 0 && (uint64_t)st.st_size == len &&
	       mill_read_file(path, len + 1, &have, &n, NULL) == 0 && n == len && memcmp(have, data, len) == 0;
}

bool mill_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool mill_is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}
