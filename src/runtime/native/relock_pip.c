/* uv resolves once for every platform and Python from the lowest one on, with a hash for each file. */
#include "base/base.h"
#include "base/io.h"
#include "runtime/native/relock_step.h"

int mill_relock_pip(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain uv = {0}, python = {0};
	_cleanup_strv_ struct mill_strv wanted = {0}, argv = {0};
	_cleanup_free_ char *work = mill_relock_work(x, err);
	int r = work ? mill_step_tool(x, "uv", &uv, err) : -err->code;
	if (r == 0)
		r = mill_step_tool(x, "python", &python, err);
	if (r < 0)
		return r;
	mill_step_list(x->step, "requirements", &wanted);
	_cleanup_free_ char *list = mill_strv_join(&wanted, "\n");
	_cleanup_free_ char *text = mill_xasprintf("%s\n", list);
	_cleanup_free_ char *in = mill_path_join(work, "requirements.in");
	_cleanup_free_ char *out = mill_relock_path(x, 0);
	const char *lowest = mill_step_string(x->step, "python", ">=3.10");
	r = mill_step_write(x, in, text, err);
	if (r < 0)
		return r;
	mill_strv_add(&argv, uv.program);
	mill_strv_add(&argv, "pip");
	mill_strv_add(&argv, "compile");
	mill_strv_add(&argv, "--universal");
	mill_strv_add(&argv, "--generate-hashes");
	mill_strv_add(&argv, "--no-header");
	mill_strv_add(&argv, "--no-annotate");
	mill_strv_add(&argv, "--no-emit-index-url");
	mill_strv_add(&argv, "--no-emit-find-links");
	mill_strv_addf(&argv, "--python=%s", python.program);
	mill_strv_addf(&argv, "--python-version=%s", lowest + strspn(lowest, ">=~ "));
	mill_strv_addf(&argv, "--output-file=%s", out);
	mill_strv_add(&argv, in);
	return mill_step_exec(x, &(struct mill_step_run){.what = "uv pip compile", .phase = MILL_INSTALL_FETCH,
							 .argv = mill_strv_argv(&argv)},
			      err);
}
