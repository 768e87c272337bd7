#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/utf8.h"
#include "lake/fetch.h"
#include "lake/scan.h"

/* One pattern against one path (a file, or a folder above it). */
static bool matches(const char *pattern, const char *path, bool is_dir)
{
	char bare[512];
	size_t n = strlen(pattern);
	if (n > 1 && pattern[n - 1] == '/') {
		if (!is_dir || n > sizeof(bare))
			return false;
		memcpy(bare, pattern, n - 1);
		bare[n - 1] = '\0';
		pattern = bare;
	}
	const char *slash = strrchr(path, '/');
	return fnmatch(pattern, path, 0) == 0 || (slash && fnmatch(pattern, slash + 1, 0) == 0);
}

bool mill_lake_excluded(char *const *patterns, const char *path, bool is_dir)
{
	if (!patterns || !patterns[0])
		return false;
	_cleanup_free_ char *part = mill_xstrdup(path);
	size_t len = strlen(part);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char keep = part[i];
		part[i] = '\0';
		for (size_t p = 0; patterns[p]; p++)
			if (matches(patterns[p], part, i < len || is_dir))
				return true;
		part[i] = keep;
	}
	return false;
}

static void skip(struct mill_lake_scan *s, const char *path, enum mill_lake_action why,
		 const char *detail)
{
	if (s->on_skip)
		s->on_skip(s->arg, path, why, detail);
}

static bool cancelled(const struct mill_lake_scan *s)
{
	struct pollfd p = {.fd = s->cancel_fd, .events = POLLIN};
	return s->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

static const char *kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return "a symbolic link, not followed";
	case S_IFSOCK:
		return "a socket";
	case S_IFIFO:
		return "a pipe";
	default:
		return "a device";
	}
}

static int scan_dir(struct mill_lake_scan *s, int fd, struct mill_strbuf *path, unsigned depth,
		    struct mill_error *err);

/* path holds the entry's path. */
static int scan_entry(struct mill_lake_scan *s, int dir_fd, const char *name,
		      struct mill_strbuf *path, unsigned depth, struct mill_error *err)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT) /* gone meanwhile is no news */
			skip(s, path->data, MILL_LAKE_FAIL, "cannot be examined");
		return 0;
	}
	bool dir = S_ISDIR(st.st_mode);
	if (mill_lake_excluded(s->exclude, path->data, dir))
		return 0;
	if (mill_utf8_check(path->data, path->len) != path->len) {
		skip(s, path->data, MILL_LAKE_FAIL, "the name is not UTF-8, which a key must be");
		return 0;
	}
	if (dir) {
		if (depth >= MILL_LAKE_DEPTH_MAX) {
			skip(s, path->data, MILL_LAKE_FAIL, "too many folders inside each other");
			return 0;
		}
		int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			skip(s, path->data, MILL_LAKE_FAIL, "the folder cannot be opened");
			return 0;
		}
		return scan_dir(s, fd, path, depth + 1, err);
	}
	if (!S_ISREG(st.st_mode)) {
		skip(s, path->data, MILL_LAKE_SKIP, kind(st.st_mode));
		return 0;
	}
	if (path->len > s->key_max) {
		skip(s, path->data, MILL_LAKE_FAIL, "the key would be longer than 1024 bytes");
		return 0;
	}
	MILL_GROW(s->files, s->n, s->cap);
	s->files[s->n++] = (struct mill_lake_file){
		.path = mill_arena_strndup(&s->arena, path->data, path->len),
		.size = (uint64_t)st.st_size,
		.ino = st.st_ino,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
	return 0;
}

/* Takes fd over. */
static int scan_dir(struct mill_lake_scan *s, int fd, struct mill_strbuf *path, unsigned depth,
		    struct mill_error *err)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		int code = errno;
		close(fd);
		return mill_fail_errno(err, code, "read folder %s", path->data);
	}
	size_t base = path->len;
	int r = 0;
	struct dirent *e;
	if (cancelled(s))
		r = mill_fail(err, ECANCELED, "cancelled");
	while (r == 0 && (e = readdir(d))) {
		if (mill_streq(e->d_name, ".") || mill_streq(e->d_name, "..") ||
		    mill_starts_with(e->d_name, MILL_LAKE_TEMP_PREFIX))
			continue;
		if (base)
			mill_strbuf_addch(path, '/');
		mill_strbuf_addstr(path, e->d_name);
		r = scan_entry(s, dirfd(d), e->d_name, path, depth, err);
		mill_strbuf_truncate(path, base);
	}
	closedir(d);
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct mill_lake_file *)a)->path,
		      ((const struct mill_lake_file *)b)->path);
}

int mill_lake_scan(struct mill_lake_scan *s, int dir_fd, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return mill_fail_errno(err, errno, "open the folder");
	int r = scan_dir(s, fd, &path, 0, err);
	if (s->n)
		qsort(s->files, s->n, sizeof(*s->files), by_path);
	return r;
}

void mill_lake_scan_release(struct mill_lake_scan *s)
{
	mill_arena_release(&s->arena);
	free(s->files);
	s->files = NULL;
	s->n = s->cap = 0;
}
