/* -p of the original: forwards the Kubernetes UI, on the flavour's proxy_port.  Natively there is none. */
#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"

static int forward(struct mill_context *ctx, struct mill_error *err)
{
	int port = ctx->model ? ctx->model->project.proxy_port : (int)mill_json_get_int(ctx->platform->record, "proxy_port", 8088);
	_cleanup_free_ char *path = NULL;
	int r = mill_context_runtime(ctx, err);

	if (r < 0)
		return r;
	if (mill_kube_has_dashboard(ctx->kube, &path) == 1)
		mill_outf("http://127.0.0.1:%d%s\n", port, path);
	else
		mill_note(ctx->ui, "this cluster has no Kubernetes dashboard: the API itself is at http://127.0.0.1:%d/", port);
	mill_note(ctx->ui, "Ctrl-C ends it");
	fflush(stdout);
	return mill_kube_proxy(ctx->kube, (unsigned)port, err);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r = mill_context_platform(&ctx, err);

	if (r == 0 && mill_context_is_cluster(&ctx))
		return forward(&ctx, err);
	if (r < 0 && mill_opt_location(inv) && !mill_streq(mill_opt_location(inv), "local"))
		return r;
	mill_error_release(err);
	mill_fail_usage(err, "-p: a native platform has no Kubernetes UI; nothing was opened");
	return mill_error_hint(err, "data-mill open     the consoles of the components\n"
				    "data-mill status   what runs and where to reach it");
}

const struct mill_command mill_cmd_proxy = {
	.name = "proxy",
	.summary = "the Kubernetes UI",
	.usage = "",
	.description = "Runs a proxy to the cluster on project.proxy_port of this machine, for its dashboard and API, "
		       "until Ctrl-C. A native platform has none: this says so, opens nothing and ends with exit code 2.",
	.examples = "data-mill -h -p",
	.run = run,
};
