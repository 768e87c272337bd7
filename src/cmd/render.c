/* render: what `up` would apply to a cluster, for those who let Argo CD or Flux do it. */
#include "base/base.h"
#include "base/io.h"
#include "cmd/cluster_layer.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "plan/plan.h"

static const struct mill_option options[] = {
	{.name = "layer", .arg = "LAYER", .choices = "namespace|values|role|cluster",
	 .help = "manifests of the namespace, the values of each release, the Role that a user needs, or what `cluster install` "
		 "would apply; default: namespace"},
	{.name = "packages", .arg = "FOLDER", .word = MILL_WORD_FOLDER,
	 .help = "of the cluster's layer: packaged charts; what is not there is pulled into it; default: the cache"},
	{.name = "output", .arg = "FILE", .word = MILL_WORD_FILE, .help = "write there instead of to standard output"},
	{0},
};

/* The Role of a flavour without charts is the same whatever the plan: it needs no registry. */
static bool has_charts(const struct mill_model *m)
{
	for (size_t i = 0; i < m->n_selected; i++)
		if (mill_streq(m->selected[i]->deployment, "chart"))
			return true;
	return false;
}

static int make(struct mill_context *ctx, const char *layer, struct mill_strbuf *out, struct mill_error *err)
{
	struct mill_plan_options o = {0};
	struct mill_plan_host host;
	struct mill_plan *plan = NULL;
	int r;

	if (mill_streq(layer, "role") && !has_charts(ctx->model)) {
		mill_kube_render_role(ctx->kube, NULL, out);
		return 0;
	}
	mill_plan_host_init(&host, ctx->platform);
	mill_kube_host(ctx->kube, &host);
	host.drift = NULL;
	r = mill_plan_make(ctx->model, ctx->platform, &host, &o, &plan, err);
	if (ctx->diags.n)
		mill_context_print_diags(ctx);
	if (r == 0 && mill_streq(layer, "role"))
		mill_kube_render_role(ctx->kube, plan, out);
	else if (r == 0)
		r = mill_kube_render(ctx->kube, plan, mill_streq(layer, "values"), out, err);
	mill_plan_free(plan);
	return r;
}

static int print(const char *path, const struct mill_strbuf *out, struct mill_error *err)
{
	if (path)
		return mill_write_file(path, out->data, out->len, 0644, 0, err);
	mill_out(out->data);
	return 0;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const char *layer = mill_opt(inv, "layer") ? mill_opt(inv, "layer") : "namespace", *path = mill_opt(inv, "output");
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX((size_t)64 << 20);
	bool of_cluster = mill_streq(layer, "cluster");
	int r = of_cluster ? mill_cluster_layer_render(inv, &out, err) : mill_context_plan_model(&ctx, err);

	ctx.hold_warnings = true;
	if (r == 0 && !of_cluster)
		r = mill_context_model_platform(&ctx, err);
	if (r == 0 && !of_cluster)
		r = mill_context_runtime(&ctx, err);
	if (r == 0 && !of_cluster && !ctx.kube) {
		r = mill_fail_usage(err, "render: the target is this machine, which applies nothing to a cluster");
		mill_error_hint(err, "name a cluster: data-mill render -h --kubeconfig FILE -f FLAVOUR");
	}
	if (r == 0 && !of_cluster)
		r = make(&ctx, layer, &out, err);
	if (r == 0)
		r = print(path, &out, err);
	mill_strbuf_release(&out);
	return r;
}

const struct mill_command mill_cmd_render = {
	.name = "render",
	.group = "Platform",
	.summary = "what `up` would apply to a cluster",
	.usage = "",
	.description = "Prints the manifests of a flavour on a cluster, for Argo CD, Flux or a look. Secrets are named with "
		       "their keys and not contained. Changes nothing.",
	.examples = "data-mill render -h --kubeconfig ~/.kube/config -f datalake --output platform.yaml\n"
		    "data-mill render -h -f datalake --layer role | kubectl apply -f -\n"
		    "data-mill render -h -f streaming --layer cluster --output operators.yaml",
	.options = options,
	.run = run,
};
