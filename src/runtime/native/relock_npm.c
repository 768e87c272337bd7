#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/native/npm.h"
#include "runtime/native/relock_step.h"

/* Where a file was fetched from is this machine's business: only name, version and integrity stay. */
static void drop_addresses(json_t *lock)
{
	json_t *packages = json_object_get(lock, "packages"), *package;
	const char *name;
	json_object_foreach(packages, name, package)
		json_object_del(package, "resolved");
}

static int write_json(struct mill_step_ctx *x, const char *path, const json_t *j, struct mill_error *err)
{
	char *dump = json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	_cleanup_free_ char *text = mill_xasprintf("%s\n", dump ? dump : "{}");
	free(dump);
	return mill_step_write(x, path, text, err);
}

int mill_relock_npm(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain node = {0};
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_json_ json_t *package = NULL, *lock = NULL;
	_cleanup_free_ char *work = mill_relock_work(x, err);
	int r = work ? mill_step_tool(x, "node", &node, err) : -err->code;
	if (r < 0)
		return r;
	package = json_pack("{s:s, s:b, s:O}", "name", x->recipe->name, "private", 1, "dependencies",
			    json_object_get(x->step->json, "packages"));
	if (!package)
		return mill_fail_usage(err, "packages: must be {name: range}");
	_cleanup_free_ char *manifest = mill_path_join(work, "package.json");
	_cleanup_free_ char *made = mill_path_join(work, "package-lock.json");
	_cleanup_free_ char *bin = mill_path_join(node.dir, "bin");
	r = write_json(x, manifest, package, err);
	if (r < 0)
		return r;
	mill_step_path_prepend(&x->env, bin);
	mill_npm_command(&node, &argv);
	mill_strv_add(&argv, "install");
	mill_strv_add(&argv, "--package-lock-only");
	mill_strv_add(&argv, "--ignore-scripts");
	mill_strv_add(&argv, "--no-audit");
	mill_strv_add(&argv, "--no-fund");
	mill_strv_add(&argv, "--omit-lockfile-registry-resolved");
	r = mill_step_exec(x, &(struct mill_step_run){.what = "npm install", .phase = MILL_INSTALL_FETCH,
						      .argv = mill_strv_argv(&argv), .cwd = work}, err);
	if (r == 0)
		r = mill_json_load(made, MILL_LOCK_FILE_MAX, &lock, err);
	if (r < 0)
		return r;
	drop_addresses(lock);
	_cleanup_free_ char *to_manifest = mill_relock_path(x, 0), *to_lock = mill_relock_path(x, 1);
	r = write_json(x, to_manifest, package, err);
	return r < 0 ? r : write_json(x, to_lock, lock, err);
}
