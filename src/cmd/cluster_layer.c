/* cluster install, cluster uninstall: operators and CRDs, once for every platform. */
#include "base/io.h"
#include "base/json.h"
#include "chart/layer.h"
#include "chart/resolve.h"
#include "cluster/cluster.h"
#include "cmd/cluster_layer.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

struct work {
	struct mill_context ctx;
	struct mill_strv names; /* components in order: what others need first */
	char *kubeconfig, *context, *helm, *kubectl, *packages;
	struct mill_render *render;
	struct mill_plan_host host;
	struct mill_chart_pool secrets; /* new ones each time: a Secret that is in the cluster already keeps what it holds */
};

static void work_release(struct work *w)
{
	mill_render_free(w->render);
	mill_chart_pool_release(&w->secrets);
	mill_context_release(&w->ctx);
	mill_strv_release(&w->names);
	free(w->kubeconfig);
	free(w->context);
	free(w->helm);
	free(w->kubectl);
	free(w->packages);
}

static bool has_cluster_chart(const struct mill_component *c)
{
	for (size_t i = 0; i < c->n_charts; i++)
		if (c->charts[i].cluster)
			return true;
	return false;
}

/* What it needs, then it; components without a chart of this layer stand for what they need. */
static void add_with_needs(struct work *w, const struct mill_component *c, unsigned depth)
{
	for (size_t i = 0; depth < 8 && i < c->n_charts; i++)
		for (size_t k = 0; k < c->charts[i].n_needs; k++) {
			const struct mill_component *other = mill_model_find(w->ctx.model, c->charts[i].needs[k]);

			if (other && other != c)
				add_with_needs(w, other, depth + 1);
		}
	if (has_cluster_chart(c) && !mill_strv_contains(&w->names, c->name))
		mill_strv_add(&w->names, c->name);
}

/* The components of the command line, else of the flavour as far as it runs them by chart. */
static int find_names(struct work *w, struct mill_error *err)
{
	const struct mill_strv *args = &w->ctx.inv->args;
	const struct mill_model *m = w->ctx.model;

	for (size_t i = 0; i < args->n; i++) {
		const struct mill_component *c = mill_model_find(m, args->items[i]);

		if (!c)
			return mill_fail_usage(err, "there is no component '%s'", args->items[i]);
		add_with_needs(w, c, 0);
	}
	for (size_t i = 0; !args->n && i < m->n_selected; i++)
		if (mill_streq(m->selected[i]->deployment, "chart"))
			add_with_needs(w, m->selected[i], 0);
	if (w->names.n)
		return 0;
	mill_fail_usage(err, args->n ? "none of these has a chart of the cluster's layer" : "nothing in this flavour wants a chart of the cluster's layer");
	return mill_error_hint(err, "data-mill charts list");
}

static int load(struct work *w, const struct mill_strv *only, struct mill_error *err)
{
	int r;

	for (size_t i = 0; only && i < only->n; i++)
		mill_strv_add(&w->ctx.components, only->items[i]);
	r = mill_context_model(&w->ctx, true, err);
	if (r == 0 && mill_streq(w->ctx.model->project.provider, "native")) {
		mill_fail_usage(err, "the cluster's layer is a cluster's, and this flavour's target is this machine");
		return mill_error_hint(err, "name a target (-t), or a location (-r, -h)");
	}
	return r;
}

static int reach(struct work *w, struct mill_error *err)
{
	struct mill_cluster_host host = {.layout = &w->ctx.layout, .cancel_fd = mill_interrupt_fd(NULL)};
	_cleanup_cluster_ struct mill_cluster *cluster = NULL;
	int r = mill_cluster_new(&w->ctx.model->project, &host, &cluster, err);

	return r < 0 ? r : mill_cluster_access(cluster, &w->kubeconfig, &w->context, err);
}

static int find_tools(struct work *w, struct mill_error *err)
{
	const char *packages = mill_opt(w->ctx.inv, "packages");
	int r;

	w->packages = packages ? mill_xstrdup(packages) : mill_path_join(w->ctx.layout.cache, "charts");
	r = mill_cluster_tool(&w->ctx.layout, "helm", &w->helm, err);
	return r < 0 ? r : mill_cluster_tool(&w->ctx.layout, "kubectl", &w->kubectl, err);
}

/* Two loads: the first says what is needed, the second binds exactly that. */
static int begin(struct work *w, struct mill_invocation *inv, bool ask_cluster, struct mill_error *err)
{
	int r;

	w->ctx = (struct mill_context)MILL_CONTEXT_INIT(inv);
	r = load(w, NULL, err);
	r = r < 0 ? r : find_names(w, err);
	if (r < 0)
		return r;
	mill_context_release(&w->ctx);
	w->ctx = (struct mill_context)MILL_CONTEXT_INIT(inv);
	r = load(w, &w->names, err);
	r = r < 0 || !ask_cluster ? r : reach(w, err);
	r = r < 0 ? r : find_tools(w, err);
	r = r < 0 ? r : mill_platform_open(&w->ctx.layout, "layer", w->ctx.model->project.name, &w->ctx.platform, err);
	if (r < 0)
		return r;
	mill_chart_host_init(&w->host, w->ctx.platform);
	return mill_render_new(w->ctx.model, w->ctx.platform, &w->host, NULL, &w->render, err);
}

static int resolve(void *arg, const json_t *value, struct mill_strbuf *out, struct mill_error *err)
{
	struct work *w = arg;

	return mill_chart_resolve_pool(&w->secrets, value, out, err);
}

static void on_step(void *arg, const char *text)
{
	struct work *w = arg;

	mill_note(w->ctx.ui, "  %s", text);
}

static struct mill_layer layer_of(struct work *w)
{
	return (struct mill_layer){
		.helm = {.helm = w->helm, .kubectl = w->kubectl, .kubeconfig = w->kubeconfig, .context = w->context},
		.packages = w->packages, .cancel_fd = mill_interrupt_fd(NULL), .resolve = resolve, .on_step = on_step, .arg = w};
}

static int make_secrets(struct work *w, const struct mill_component *c, struct mill_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_secrets; i++)
		r = mill_chart_pool_add(&w->secrets, c->name, c->secrets[i].name, c->secrets[i].length, c->secrets[i].alphabet, err);
	return r;
}

static int each(struct work *w, const char *name, bool install, struct mill_error *err)
{
	struct mill_rendered *c = mill_render_find(w->render, name);
	struct mill_layer l = layer_of(w);
	int r = c && install ? make_secrets(w, c->component, err) : 0;

	if (!c)
		return mill_fail(err, ENOENT, "%s: it does not run on a cluster", name);
	l.wait = install && !mill_opt_on(w->ctx.inv, "no-wait");
	for (size_t i = 0; r == 0 && i < c->component->n_charts; i++) {
		/* what needs others goes first when it goes */
		const struct mill_chart *chart = &c->component->charts[install ? i : c->component->n_charts - 1 - i];
		_cleanup_chart_release_ struct mill_chart_release rel = {0};
		enum mill_layer_found found = MILL_LAYER_INSTALLED;

		if (!chart->cluster)
			continue;
		r = mill_chart_render(w->render, c, chart, NULL, &rel, err);
		if (r < 0) {
			mill_context_print_diags(&w->ctx);
			return r;
		}
		mill_note(w->ctx.ui, "%s (namespace %s)", rel.name, rel.own_namespace);
		r = install ? mill_layer_install(&l, &rel, &found, err) :
			      mill_layer_uninstall(&l, &rel, mill_opt_on(w->ctx.inv, "force"), err);
		if (found == MILL_LAYER_FOREIGN)
			mill_note(w->ctx.ui, "  there already, and not ours: used as it is");
	}
	return r;
}

int mill_cluster_layer_render(struct mill_invocation *inv, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	_cleanup_json_ json_t *seen = json_object();
	int r = begin(&w, inv, false, err);

	for (size_t i = 0; r == 0 && i < w.names.n; i++) {
		struct mill_rendered *c = mill_render_find(w.render, w.names.items[i]);
		struct mill_layer l = layer_of(&w);

		if (!c)
			r = mill_fail(err, ENOENT, "%s: it does not run on a cluster", w.names.items[i]);
		for (size_t k = 0; r == 0 && k < c->component->n_charts; k++) {
			_cleanup_chart_release_ struct mill_chart_release rel = {0};

			if (!c->component->charts[k].cluster)
				continue;
			r = mill_chart_render(w.render, c, &c->component->charts[k], NULL, &rel, err);
			r = r < 0 ? r : mill_layer_render(&l, &rel, seen, out, err);
		}
	}
	return r < 0 ? mill_context_end(&w.ctx, r, err) : 0;
}

int mill_cluster_layer_check(struct mill_context *ctx, struct mill_error *err)
{
	struct mill_kube_access a = mill_kube_access_of(ctx->kube);
	struct mill_layer l = {.helm = {.helm = a.helm, .kubectl = a.kubectl, .kubeconfig = a.kubeconfig, .context = a.context},
			       .cancel_fd = mill_interrupt_fd(NULL)};

	return mill_layer_needs_check(&l, ctx->model, err);
}

static const char *const whose_text[] = {
	[MILL_LAYER_MISSING] = "missing", [MILL_LAYER_THERE] = "there", [MILL_LAYER_THERE_OURS] = "there, by data-mill",
	[MILL_LAYER_THERE_FOREIGN] = "there, installed by others", [MILL_LAYER_UNKNOWN] = "not known: no CRD tells"};

/* Changes nothing, and needs no right but to reach the API server. */
static int check(struct work *w, struct mill_error *err)
{
	_cleanup_(mill_layer_needs_release) struct mill_layer_needs needs = {0};
	struct mill_layer l = layer_of(w);
	int r = mill_layer_needs(&l, w->ctx.model, &needs, err);

	for (size_t i = 0; r == 0 && i < needs.n; i++) {
		const struct mill_layer_need *need = &needs.items[i];
		_cleanup_free_ char *missing = mill_strv_join(&need->missing, " ");

		mill_outf("%s: %s%s%s\n", need->component->name, whose_text[need->whose], need->missing.n ? ": " : "", missing);
	}
	return r < 0 ? r : mill_layer_needs_check(&l, w->ctx.model, err);
}

static int run_install(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	int r = begin(&w, inv, true, err);

	if (r == 0 && mill_opt_on(inv, "check"))
		r = check(&w, err);
	else
		for (size_t i = 0; r == 0 && i < w.names.n; i++)
			r = each(&w, w.names.items[i], true, err);
	return r < 0 ? mill_context_end(&w.ctx, r, err) : MILL_EXIT_OK;
}

/* Only what is named, or what the flavour itself is: what others need may serve other platforms, and is named to go. */
static int run_uninstall(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	int r = begin(&w, inv, true, err);

	for (size_t i = w.names.n; r == 0 && i > 0; i--)
		if (!inv->args.n || mill_strv_contains(&inv->args, w.names.items[i - 1]))
			r = each(&w, w.names.items[i - 1], false, err);
	return r < 0 ? mill_context_end(&w.ctx, r, err) : MILL_EXIT_OK;
}

#define OPTION_PACKAGES                                                                                                    \
	{.name = "packages", .arg = "FOLDER", .word = MILL_WORD_FOLDER,                                                     \
	 .help = "packaged charts; what is not there is pulled into it; default: the cache"}

static const struct mill_option install_options[] = {
	OPTION_PACKAGES, {.name = "check", .help = "say what of it is there and what is missing, install nothing"},
	{.name = "no-wait", .help = "do not wait for the operators to be ready"}, {0}};
static const struct mill_option uninstall_options[] = {
	OPTION_PACKAGES, {.name = "force", .help = "with every object of its kinds, in all namespaces"}, {0}};

const struct mill_command mill_cmd_cluster_install = {
	.name = "install", .summary = "install operators and CRDs, once for every platform", .usage = "[COMPONENT...]",
	.description = "The cluster's layer: what a flavour's charts need (Strimzi for Kafka, cert-manager for KServe), or the components "
		       "that are named with what they need. An administrator does this once. An operator that is there already is used as "
		       "it is. Run again, it upgrades, CRDs too. With --check it only looks, and fails when something is missing.",
	.options = install_options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_install,
};
const struct mill_command mill_cmd_cluster_uninstall = {
	.name = "uninstall", .summary = "remove operators and CRDs that data-mill installed", .usage = "[COMPONENT...]",
	.description = "Lists the objects of an operator's kinds in all namespaces, and is refused as long as there are any. Only what "
		       "`cluster install` made is removed.",
	.options = uninstall_options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_uninstall,
};
