/*
 * Python: a virtual environment at the entry's final path, filled by uv from a
 * lock in which every file has its hash.  Programs in it are run as
 * `${store}/bin/python -m X`.
 */
#include "base/base.h"
#include "base/io.h"
#include "base/proc.h"
#include "runtime/native/step.h"

/* An index that only pip's own configuration file names is handed on to uv. */
static void ask_pip_for_index(struct mill_step_ctx *x, const struct mill_toolchain *python)
{
	static const struct {
		const char *key, *variable;
	} keys[] = {{"global.index-url", "UV_DEFAULT_INDEX"}, {"global.extra-index-url", "UV_INDEX"}};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_strv_ struct mill_strv lines = {0};
	if (mill_strv_getenv(&x->env, "UV_DEFAULT_INDEX") || mill_strv_getenv(&x->env, "UV_INDEX_URL") ||
	    mill_strv_getenv(&x->env, "UV_CONFIG_FILE"))
		return;
	char *argv[] = {python->program, "-m", "pip", "config", "list", NULL};
	struct mill_run run = MILL_RUN_INIT;
	int status;
	run.spawn.argv = argv;
	run.spawn.env = mill_strv_argv(&x->env);
	run.spawn.cwd = x->build;
	run.spawn.set_ids = x->store->set_ids;
	run.spawn.uid = x->store->uid;
	run.spawn.gid = x->store->gid;
	run.timeout_ms = 30000;
	/* No pip, no configuration of pip's. */
	if (mill_run(&run, &out, NULL, &status, NULL) < 0 || status != 0)
		return;
	mill_strv_split(&lines, out.data, "\n");
	for (size_t i = 0; i < lines.n; i++)
		for (size_t k = 0; k < MILL_ARRAY_LEN(keys); k++) {
			size_t n = strlen(keys[k].key);
			const char *line = lines.items[i];
			if (strncmp(line, keys[k].key, n) != 0 || strncmp(line + n, "='", 2) != 0)
				continue;
			_cleanup_free_ char *value = mill_xstrndup(line + n + 2, strcspn(line + n + 2, "'\\ "));
			mill_strv_setenv(&x->env, keys[k].variable, value);
		}
}

static int make_venv(struct mill_step_ctx *x, const char *uv, const char *python, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	mill_strv_add(&argv, uv);
	mill_strv_add(&argv, "venv");
	mill_strv_add(&argv, "--no-project");
	mill_strv_add(&argv, "--allow-existing"); /* the entry's folder is there */
	mill_strv_addf(&argv, "--python=%s", python);
	mill_strv_add(&argv, x->dest);
	return mill_step_exec(x, &(struct mill_step_run){.what = "uv venv", .phase = MILL_INSTALL_BUILD,
							 .argv = mill_strv_argv(&argv)},
			      err);
}

int mill_install_pip(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain uv = {0}, python = {0};
	int r = mill_step_tool(x, "python", &python, err);
	if (r == 0)
		r = mill_step_tool(x, "uv", &uv, err);
	if (r < 0)
		return r;
	ask_pip_for_index(x, &python);
	r = make_venv(x, uv.program, python.program, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *lock = mill_step_staged(x, x->step->lock);
	_cleanup_strv_ struct mill_strv argv = {0};
	mill_strv_add(&argv, uv.program);
	mill_strv_add(&argv, "pip");
	mill_strv_add(&argv, "sync");
	mill_strv_add(&argv, "--require-hashes");
	mill_strv_add(&argv, "--compile-bytecode");
	/* A hard link into the cache would make the cache's copy read-only, and writable by others. */
	mill_strv_add(&argv, "--link-mode=copy");
	mill_strv_add(&argv, "--strict");
	mill_strv_addf(&argv, "--python=%s/bin/python", x->dest);
	mill_strv_add(&argv, lock);
	_cleanup_free_ char *jobs = mill_xasprintf("%u", mill_step_jobs(x));
	mill_strv_setenv(&x->env, "UV_CONCURRENT_BUILDS", jobs);
	/* A layer keeps no times: compiled files are not to be compared with their sources by time. */
	if (x->store->image)
		mill_strv_setenv(&x->env, "PYC_INVALIDATION_MODE", "UNCHECKED_HASH");
	return mill_step_exec(x, &(struct mill_step_run){.what = "uv pip sync", .phase = MILL_INSTALL_FETCH,
							 .argv = mill_strv_argv(&argv)},
			      err);
}
