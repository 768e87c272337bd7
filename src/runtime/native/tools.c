#include <ctype.h>
#include <pthread.h>
#include <sys/stat.h>

#include "runtime/native/tools.h"

#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"

#define ASK_TIMEOUT_MS 20000

/* One for the program: many stores in one program are only in tests. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *loaded_from;
static json_t *known; /* real path -> {size, mtime_ns, version} */

static char *cache_path(const struct mill_store *s)
{
	return mill_path_join(s->cache, "tools.json");
}

static void load(const char *path)
{
	if (mill_streq(loaded_from, path))
		return;
	free(loaded_from);
	loaded_from = mill_xstrdup(path);
	json_decref(known);
	known = NULL;
	if (mill_json_load(path, 1 << 20, &known, NULL) < 0 || !json_is_object(known)) {
		json_decref(known);
		known = json_object();
	}
}

/* A cache that cannot be written costs a question each time, nothing else. */
static void save(const struct mill_store *s, const char *path)
{
	char *text = json_dumps(known, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (text && mill_mkdir_p(s->cache, 0755, NULL) == 0)
		(void)mill_write_file(path, text, strlen(text), 0644, 0, NULL);
	free(text);
}

/* The first number with a dot, or after the word "version"/"v"; "1.26.8" of "go version go1.26.8 linux/amd64". */
char *mill_version_in(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (!isdigit((unsigned char)*p) || (p > text && (isdigit((unsigned char)p[-1]) || p[-1] == '[')))
			continue;
		size_t n = strspn(p, "0123456789.");
		bool plain = memchr(p, '.', n) || p[n] == '"';
		if (plain) {
			while (n && p[n - 1] == '.')
				n--;
			return mill_xstrndup(p, n);
		}
		p += n - 1;
	}
	return NULL;
}

/* How a tool is asked for its version, where that is not --version. */
static const struct question {
	const char *tool, *words[2];
} questions[] = {
	{"go", {"version"}},   {"java", {"-version"}}, {"kubectl", {"version", "--client"}}, {"helm", {"version"}},
	{"kind", {"version"}}, {"k3d", {"version"}},   {"kops", {"version"}},		       {"minikube", {"version"}},
};

static char *ask(const char *tool, const char *path)
{
	char *argv[] = {(char *)path, "--version", NULL, NULL};
	for (size_t i = 0; i < MILL_ARRAY_LEN(questions); i++)
		if (mill_streq(questions[i].tool, tool))
			memcpy(argv + 1, questions[i].words, sizeof(questions[i].words));
	_cleanup_strv_ struct mill_strv env = {0};
	const char *search = getenv("PATH");
	mill_strv_setenv(&env, "PATH", search ? search : "/usr/bin:/bin");
	mill_strv_setenv(&env, "HOME", "/nonexistent");
	mill_strv_setenv(&env, "LANG", "C.UTF-8");
	mill_strv_setenv(&env, "GOTOOLCHAIN", "local");
	struct mill_run run = MILL_RUN_INIT;
	run.spawn.argv = argv;
	run.spawn.env = mill_strv_argv(&env);
	run.spawn.cwd = "/";
	run.spawn.new_group = true;
	run.merge_stderr = true;
	run.output_max = 8192;
	run.timeout_ms = ASK_TIMEOUT_MS;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int status;
	if (mill_run(&run, &out, NULL, &status, NULL) < 0 || status != 0)
		return NULL;
	return mill_version_in(out.data);
}

char *mill_tool_version(const struct mill_store *s, const char *tool, const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return NULL;
	json_int_t mtime = (json_int_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	_cleanup_free_ char *file = cache_path(s);
	char *version = NULL;
	pthread_mutex_lock(&lock);
	load(file);
	const json_t *k = json_object_get(known, path);
	if (k && mill_json_get_int(k, "mtime_ns", -1) == mtime &&
	    mill_json_get_int(k, "size", -1) == (json_int_t)st.st_size) {
		version = mill_xstrdup(mill_json_get_string(k, "version", ""));
	} else {
		version = ask(tool, path);
		if (version) {
			json_object_set_new(known, path,
					    json_pack("{s:I, s:I, s:s}", "mtime_ns", mtime, "size",
						      (json_int_t)st.st_size, "version", version));
			save(s, file);
		}
	}
	pthread_mutex_unlock(&lock);
	return version;
}
