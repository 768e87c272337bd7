#include <pwd.h>
#include <sys/stat.h>

#include "platform/layout.h"

#include "base/io.h"
#include "base/proc.h"
#include "source_root.h"

#define SYSTEM_USER "data-mill"
#define ROOT_HOME "/var/lib/data-mill"

/* An environment variable that names a folder: only absolute paths count (XDG says so; it
 * also keeps a platform from depending on where a command was typed). */
static char *env_folder(const char *name)
{
	const char *v = getenv(name);
	if (!v || v[0] != '/')
		return NULL;
	return mill_path_absolute(v);
}

static char *user_home(struct mill_error *err)
{
	char *home = env_folder("HOME");
	if (home)
		return home;
	const struct passwd *pw = getpwuid(getuid());
	if (pw && pw->pw_dir && pw->pw_dir[0] == '/')
		return mill_path_absolute(pw->pw_dir);
	mill_fail(err, ENOENT, "no home folder: HOME is not set to an absolute path");
	mill_error_hint(err, "set HOME, or DATA_MILL_HOME to the folder that data-mill may use");
	return NULL;
}

static char *xdg(const char *variable, const char *home, const char *fallback)
{
	_cleanup_free_ char *base = env_folder(variable);
	if (base)
		return mill_path_join(base, "data-mill");
	return mill_xasprintf("%s/%s/data-mill", strcmp(home, "/") == 0 ? "" : home, fallback);
}

static void under_one_home(struct mill_layout *l, const char *h)
{
	l->store = mill_path_join(h, "store");
	l->platforms = mill_path_join(h, "platforms");
	l->cache = mill_path_join(h, "cache");
	l->state = mill_path_join(h, "state");
	l->config = mill_path_join(h, "config");
}

static int user_folders(struct mill_layout *l, struct mill_error *err)
{
	_cleanup_free_ char *home = user_home(err);
	if (!home)
		return -ENOENT;
	_cleanup_free_ char *data = xdg("XDG_DATA_HOME", home, ".local/share");
	l->store = mill_path_join(data, "store");
	l->platforms = mill_path_join(data, "platforms");
	l->cache = xdg("XDG_CACHE_HOME", home, ".cache");
	l->state = xdg("XDG_STATE_HOME", home, ".local/state");
	l->config = xdg("XDG_CONFIG_HOME", home, ".config");
	return 0;
}

static void override(char **folder, const char *variable)
{
	char *v = env_folder(variable);
	if (v) {
		free(*folder);
		*folder = v;
	}
}

static bool is_resources(const char *dir)
{
	_cleanup_free_ char *components = mill_path_join(dir, "components");
	_cleanup_free_ char *flavours = mill_path_join(dir, "flavours");
	return mill_is_dir(components) && mill_is_dir(flavours);
}

/* DATA_MILL_ROOT; beside the executable; the source tree around it; the tree it was built from. */
static char *find_resources(void)
{
	char *dir = env_folder("DATA_MILL_ROOT");
	if (dir)
		return dir;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		char *at = mill_path_dirname(exe);
		_cleanup_free_ char *share = mill_path_join(at, "../share/data-mill");
		dir = mill_path_absolute(share);
		while (!is_resources(dir) && strcmp(at, "/") != 0) {
			free(dir);
			dir = mill_xstrdup(at);
			char *up = mill_path_dirname(at);
			free(at);
			at = up;
		}
		free(at);
		if (is_resources(dir))
			return dir;
		free(dir);
	}
	return mill_xstrdup(MILL_SOURCE_ROOT);
}

char *mill_layout_find_project(const char *from, const char *resources)
{
	_cleanup_free_ char *shipped = resources ? realpath(resources, NULL) : NULL;
	char *at = mill_path_absolute(from);
	for (;;) {
		_cleanup_free_ char *marker = mill_path_join(at, "data-mill.yaml");
		_cleanup_free_ char *flavours = mill_path_join(at, "flavours");
		_cleanup_free_ char *real = realpath(at, NULL);
		bool is_shipped = shipped && real && strcmp(shipped, real) == 0;
		if (mill_is_file(marker) || (!is_shipped && mill_is_dir(flavours)))
			return at;
		if (strcmp(at, "/") == 0)
			break;
		char *up = mill_path_dirname(at);
		free(at);
		at = up;
	}
	free(at);
	return NULL;
}

static bool system_user(struct mill_layout *l)
{
	const struct passwd *pw = getpwnam(SYSTEM_USER);
	if (!pw)
		return false;
	l->uid = pw->pw_uid;
	l->gid = pw->pw_gid;
	return true;
}

int mill_layout_init(struct mill_layout *l, struct mill_error *err)
{
	*l = (struct mill_layout){.root = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
	_cleanup_free_ char *h = env_folder("DATA_MILL_HOME");
	const char *raw = getenv("DATA_MILL_HOME");
	if (!h && raw && *raw)
		return mill_fail_usage(err, "DATA_MILL_HOME: \"%s\" is not an absolute path", raw);
	if (h || l->root)
		under_one_home(l, h ? h : ROOT_HOME);
	else if (user_folders(l, err) < 0)
		return -ENOENT;
	override(&l->store, "DATA_MILL_STORE");
	override(&l->cache, "DATA_MILL_CACHE");
	_cleanup_free_ char *beside = mill_path_dirname(l->store);
	l->image_store = mill_path_join(beside, "images/store");
	override(&l->image_store, "DATA_MILL_IMAGE_STORE");
	l->resources = find_resources();
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	l->project = cwd ? mill_layout_find_project(cwd, l->resources) : NULL;
	if (l->root)
		system_user(l); /* absent: mill_layout_ensure_user() makes it when it is needed */
	return 0;
}

void mill_layout_release(struct mill_layout *l)
{
	char **all[] = {&l->store, &l->platforms, &l->cache,    &l->state,
			&l->config, &l->resources, &l->project, &l->image_store};
	for (size_t i = 0; i < MILL_ARRAY_LEN(all); i++)
		free(*all[i]);
	*l = (struct mill_layout){0};
}

static int make_user(const char *home, struct mill_error *err)
{
	char *const argv[] = {"useradd", "--system", "--user-group", "--no-create-home",
			      "--home-dir", (char *)home, "--shell", "/usr/sbin/nologin",
			      "--comment", "Data-Mill services", SYSTEM_USER, NULL};
	char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	struct mill_run run = MILL_RUN_INIT;
	run.spawn.argv = argv;
	run.spawn.env = env;
	run.merge_stderr = true;
	run.timeout_ms = 30000;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int status = 0;
	char text[64];
	int r = mill_run(&run, &out, NULL, &status, err);
	if (r < 0)
		mill_error_wrap(err, "make the system user %s", SYSTEM_USER);
	else if (status != 0 && !getpwnam(SYSTEM_USER)) { /* another up may have been quicker */
		r = mill_fail(err, EIO, "make the system user %s: useradd: %s", SYSTEM_USER,
			      mill_status_text(status, text, sizeof(text)));
		mill_error_detail(err, out.data);
	}
	if (r < 0)
		mill_error_hint(err, "make it by hand (useradd --system --user-group %s), or run "
				     "data-mill as an ordinary user", SYSTEM_USER);
	return r;
}

/* Services run as another user than ours: each folder on the way must let them through. */
static int open_the_way(const char *platforms, struct mill_error *err)
{
	_cleanup_free_ char *home = mill_path_dirname(platforms);
	int r = mill_mkdir_p(home, 0755, err);
	if (r < 0)
		return r;
	struct stat st;
	if (stat(home, &st) == 0 && !(st.st_mode & S_IXOTH) && st.st_uid == 0)
		(void)chmod(home, (st.st_mode & 07777) | S_IXGRP | S_IXOTH);
	char *at = mill_xstrdup(home);
	while (r == 0 && strcmp(at, "/") != 0) {
		if (stat(at, &st) == 0 && !(st.st_mode & S_IXOTH)) {
			r = mill_fail(err, EACCES, "the system user %s cannot pass %s (mode %04o)", SYSTEM_USER,
				      at, (unsigned)st.st_mode & 07777);
			mill_error_hint(err, "chmod o+x %s, or set DATA_MILL_HOME to a folder that all users "
					     "can pass (default " ROOT_HOME ")", at);
		}
		char *up = mill_path_dirname(at);
		free(at);
		at = up;
	}
	free(at);
	return r;
}

int mill_layout_ensure_user(struct mill_layout *l, struct mill_error *err)
{
	if (!l->root)
		return 0;
	if (!system_user(l)) {
		int r = make_user(l->platforms, err);
		if (r < 0)
			return r;
		if (!system_user(l))
			return mill_fail(err, ENOENT, "the system user %s was made but is not found", SYSTEM_USER);
	}
	return open_the_way(l->platforms, err);
}

char *mill_layout_platform_dir(const struct mill_layout *l, const char *target, const char *name)
{
	return mill_xasprintf("%s/%s.%s", l->platforms, target, name);
}
