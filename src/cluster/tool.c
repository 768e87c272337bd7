/* The vendors' tools: found, checked against a minimum, or installed into the store by checksum. */
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "cluster/internal.h"
#include "runtime/native/install.h"
#include "runtime/native/toolchain.h"
#include "runtime/native/tools.h"

/* The minimum is the oldest whose options and answers we know; `how` installs it where the store cannot. */
static const struct tool {
	const char *name, *minimum;
	bool in_store, plain_version, snap; /* plain: `tool version` instead of --version, where the store has none */
	const char *how;
} tools[] = {
	{"kubectl", "1.30", true, false, false, "https://kubernetes.io/docs/tasks/tools/install-kubectl-linux/"},
	{"helm", "3.14", true, false, false, "https://helm.sh/docs/intro/install/"},
	{"minikube", "1.33", true, false, false, "https://minikube.sigs.k8s.io/docs/start/"},
	{"kind", "0.23", true, false, false, "https://kind.sigs.k8s.io/docs/user/quick-start/#installation"},
	{"k3d", "5.6", true, false, false, "https://k3d.io/stable/#installation"},
	{"kops", "1.30", true, false, false, "https://kops.sigs.k8s.io/getting_started/install/"},
	{"aws", "2.0", false, false, true, "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"},
	{"gcloud", "450.0", false, true, true, "https://cloud.google.com/sdk/docs/install"},
	{"multipass", "1.13", false, true, true, "sudo snap install multipass"},
	{"microk8s", "1.28", false, true, true, "sudo snap install microk8s --classic"},
	{"docker", "20.10", false, false, false, "https://docs.docker.com/engine/install/"},
	{"podman", "4.0", false, false, false, "https://podman.io/docs/installation"},
};

static const struct tool *find_tool(const char *name)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(tools); i++)
		if (mill_streq(tools[i].name, name))
			return &tools[i];
	BUG("no tool '%s'", name);
}

static int open_store(const struct mill_layout *l, struct mill_store **ret, struct mill_error *err)
{
	_cleanup_free_ char *toolchains = mill_path_join(l->resources, "components/_toolchains");

	return mill_store_open(&(struct mill_store_paths){.store = l->store, .cache = l->cache, .state = l->state,
							  .toolchains = toolchains, .set_ids = l->root, .uid = l->uid,
							  .gid = l->gid},
			       ret, err);
}

/* Those that need the person's own home are asked each time: snaps are links whose time says nothing. */
static char *ask_version(const struct tool *t, const char *path)
{
	char *argv[] = {(char *)path, t->plain_version ? "version" : "--version", NULL};
	struct mill_run run = MILL_RUN_INIT;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int status;

	run.spawn.argv = argv;
	run.output_max = 8192;
	run.timeout_ms = MILL_CALL_ASK_MS;
	if (mill_run(&run, &out, NULL, &status, NULL) < 0 || status != 0)
		return NULL;
	return mill_version_in(out.data);
}

/* Is the program at `path` new enough?  0, or -ENOTSUP. */
static int check_version(const struct mill_store *store, const struct tool *t, const char *path, char **ret_version,
			 struct mill_error *err)
{
	_cleanup_free_ char *version = t->in_store ? mill_tool_version(store, t->name, path) : ask_version(t, path);

	if (!version)
		return mill_fail(err, ENOTSUP, "%s does not say which version it is", path);
	if (mill_toolchain_compare(version, t->minimum) < 0) {
		mill_fail(err, ENOTSUP, "%s is version %s; %s or newer is needed", path, version, t->minimum);
		return mill_error_hint(err, "%s", t->how);
	}
	if (ret_version)
		*ret_version = MILL_TAKE(version);
	return 0;
}

int mill_tool_find(const struct mill_cluster_host *host, const char *name, char **ret_path, char **ret_version,
		   struct mill_error *err)
{
	const struct tool *t = find_tool(name);
	_cleanup_free_ char *path = mill_path_find_program(name, getenv("PATH"));
	struct mill_store *store = NULL;
	int r;

	if (!path && t->snap)
		path = mill_path_find_program(name, "/snap/bin");
	if (!path) {
		mill_fail(err, ENOENT, "%s is not on PATH", name);
		return mill_error_hint(err, "%s", t->how);
	}
	r = open_store(host->layout, &store, err);
	if (r == 0)
		r = check_version(store, t, path, ret_version, err);
	mill_store_close(store);
	if (r == 0)
		*ret_path = MILL_TAKE(path);
	return r;
}

/* ---- from the store ---- */

/* The project's recipe goes before the shipped one. */
static int load_recipe(const struct mill_layout *l, const char *name, struct mill_recipe **ret, char **ret_file,
		       struct mill_error *err)
{
	const char *const roots[] = {l->project, l->resources};
	_cleanup_json_ json_t *j = NULL;
	int r = -ENOENT;

	for (size_t i = 0; i < MILL_ARRAY_LEN(roots) && r == -ENOENT; i++) {
		_cleanup_free_ char *dir = roots[i] ? mill_xasprintf("%s/k8s/tools/%s", roots[i], name) : NULL;

		mill_error_release(err);
		if (dir)
			r = mill_recipe_load(dir, &j, err);
		if (r == 0)
			*ret_file = mill_path_join(dir, "recipe.json");
	}
	return r < 0 ? r : mill_recipe_from_json(j, ret, err);
}

/* A checksum that nobody could compare with the vendor's is not made up: then a person must write it. */
static int check_sum(const struct mill_recipe *recipe, const char *file, const struct tool *t, struct mill_error *err)
{
	const json_t *step = recipe->steps[0].json, *sums = json_object_get(step, "sha256");
	const char *url = mill_json_get_string(step, "url", "");

	if (json_is_string(json_object_get(sums, mill_machine_arch())))
		return 0;
	mill_fail(err, ENOENT, "%s is not on PATH, and %s has no SHA-256 for %s: nothing was fetched", t->name, file,
		  mill_machine_arch());
	return mill_error_hint(err, "install it: %s\nor write the vendor's SHA-256 of %s there", t->how, url);
}

static void on_progress(void *arg, const struct mill_install_progress *p)
{
	const struct mill_cluster_host *host = arg;
	_cleanup_free_ char *line = NULL;

	if (!host->output || !p->text || !*p->text)
		return;
	line = mill_xasprintf("%s: %s", p->name, p->text);
	host->output(host->arg, line);
}

/* <state>/tools/<name>/<key>: what `store gc` must leave. */
static void remember(const struct mill_layout *l, const char *name, const char *key)
{
	_cleanup_free_ char *dir = mill_xasprintf("%s/tools/%s", l->state, name);
	_cleanup_free_ char *mark = mill_path_join(dir, key);

	if (mill_exists(mark))
		return;
	(void)mill_rm_rf(dir, NULL);
	if (mill_mkdir_p(dir, 0755, NULL) == 0)
		(void)mill_write_file(mark, "", 0, 0644, 0, NULL);
}

static int from_store(const struct mill_cluster_host *host, const struct tool *t, char **ret_path, struct mill_error *err)
{
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	struct mill_recipe *recipe = NULL;
	struct mill_store *store = NULL;
	_cleanup_free_ char *file = NULL, *key = NULL, *entry = NULL;
	int r = load_recipe(host->layout, t->name, &recipe, &file, err);

	if (r == 0)
		r = check_sum(recipe, file, t, err);
	if (r == 0)
		r = open_store(host->layout, &store, err);
	if (r == 0)
		r = mill_recipe_key(store, recipe, &key, err);
	if (r == 0 && !mill_store_has(store, key)) {
		_cleanup_free_ char *line = mill_xasprintf("installing %s %s into the store", t->name, recipe->version);

		if (host->note)
			host->note(host->arg, line);
		o.cancel_fd = host->cancel_fd;
		o.on_progress = on_progress;
		o.arg = (void *)host;
		r = mill_install(store, recipe, &o, NULL, err);
		if (r < 0)
			mill_error_wrap(err, "%s is not on PATH; installing it", t->name);
	}
	if (r == 0) {
		remember(host->layout, t->name, key);
		entry = mill_store_path(store, key);
		*ret_path = mill_xasprintf("%s/bin/%s", entry, t->name);
	}
	mill_recipe_free(recipe);
	mill_store_close(store);
	return r;
}

/* In the store already?  No network, no change. */
static bool have_in_store(const struct mill_layout *l, const struct tool *t, char **ret_path)
{
	struct mill_recipe *recipe = NULL;
	struct mill_store *store = NULL;
	_cleanup_free_ char *file = NULL, *key = NULL, *entry = NULL;
	bool have = load_recipe(l, t->name, &recipe, &file, NULL) == 0 && open_store(l, &store, NULL) == 0 &&
		    mill_recipe_key(store, recipe, &key, NULL) == 0 && mill_store_has(store, key);

	if (have) {
		entry = mill_store_path(store, key);
		*ret_path = mill_xasprintf("%s/bin/%s", entry, t->name);
	}
	mill_recipe_free(recipe);
	mill_store_close(store);
	return have;
}

int mill_cluster_tool_for(const struct mill_cluster_host *host, const char *name, char **ret_path,
			  struct mill_error *err)
{
	const struct tool *t = find_tool(name);
	_cleanup_error_ struct mill_error own = {0};
	int r = mill_tool_find(host, name, ret_path, NULL, err ? err : &own);

	if (r == 0 || !t->in_store || r == -ECANCELED)
		return r;
	if (r == -ENOTSUP && host->note) {
		_cleanup_free_ char *line = mill_xasprintf("%s; the store's is used", (err ? err : &own)->message);

		host->note(host->arg, line);
	}
	mill_error_release(err ? err : &own);
	return from_store(host, t, ret_path, err ? err : &own);
}

int mill_cluster_tool(const struct mill_layout *l, const char *name, char **ret_path, struct mill_error *err)
{
	return mill_cluster_tool_for(&(struct mill_cluster_host){.layout = l, .cancel_fd = -1}, name, ret_path, err);
}

int mill_tool_prepare_snap(struct mill_cluster *c, bool install, const char *snap, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *why = NULL, *path = NULL;
	struct mill_call call = {.what = "installing the snap", .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS};
	int r;

	if (c->tool)
		return 0;
	r = mill_tool_find(&c->host, c->driver->tool, &path, NULL, err);
	if (r == -ENOENT && install) {
		mill_error_release(err);
		mill_argv(&argv, "snap", "install", NULL);
		mill_strv_split(&argv, snap, " ");
		why = mill_xasprintf("%s is not installed; it comes as a snap, which needs root.", c->driver->tool);
		r = mill_call_as_root(c, &call, why, err);
		if (r == 0)
			r = mill_tool_find(&c->host, c->driver->tool, &path, NULL, err);
	}
	if (r == 0)
		c->tool = mill_arena_strdup(&c->arena, path);
	return r;
}

int mill_tool_engine(struct mill_cluster *c, char **ret_path, struct mill_error *err)
{
	return mill_tool_find(&c->host, mill_streq(c->vm_driver, "podman") ? "podman" : "docker", ret_path, NULL, err);
}

int mill_tool_prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	const struct tool *t = find_tool(c->driver->tool);
	_cleanup_free_ char *path = NULL;
	int r;

	if (c->tool)
		return 0;
	if (install) {
		r = mill_cluster_tool_for(&c->host, t->name, &path, err);
	} else {
		r = mill_tool_find(&c->host, t->name, &path, NULL, err);
		if (r < 0 && t->in_store && have_in_store(c->host.layout, t, &path)) {
			mill_error_release(err);
			r = 0;
		}
	}
	if (r == 0)
		c->tool = mill_arena_strdup(&c->arena, path);
	return r;
}
