/* The cluster of a target file: made, started, stopped, deleted, reached. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cluster/cluster.h"
#include "cmd/cluster_layer.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

struct work {
	struct mill_context ctx;
	struct mill_cluster *cluster;
};

static void work_release(struct work *w)
{
	mill_cluster_free(w->cluster);
	mill_context_release(&w->ctx);
}

static void on_note(void *arg, const char *line)
{
	mill_note(arg, "%s", line);
}

/* What the vendor's tool says goes by, dimmed. */
static void on_output(void *arg, const char *line)
{
	const struct mill_ui *ui = arg;
	_cleanup_strbuf_ struct mill_strbuf safe = MILL_STRBUF_INIT;

	mill_text_safe(&safe, line);
	mill_note(ui, "%s  | %s%s", mill_look_on(ui->err_colour, MILL_LOOK_DIM), safe.data, mill_look_off(ui->err_colour));
}

static int on_confirm(void *arg, const char *question, const char *expected, struct mill_error *err)
{
	return mill_ui_confirm(arg, question, expected, err);
}

/*
 * The flavour is read for its target alone: whether its components can run on a cluster is nobody's question here, so
 * it is not resolved.
 */
static int load_model(struct mill_context *ctx, struct mill_error *err)
{
	const char *variable = getenv("DATA_MILL_FLAVOUR");
	const char *target = mill_opt(ctx->inv, "target"), *file = mill_opt(ctx->inv, "kubeconfig");
	struct mill_model_request q = {.needed_only = true, .flavour = mill_opt(ctx->inv, "flavour"), .target = target,
				       .location = mill_opt_location(ctx->inv), .kubeconfig = file};
	int r = mill_context_layout(ctx, err);

	if (r < 0)
		return r;
	if (file && !mill_streq(q.location, "hybrid"))
		return mill_fail_usage(err, "--kubeconfig: it belongs to the hybrid location (-h)");
	if (target && strchr(target, '/') && target[0] != '~' && !mill_exists(target))
		return mill_fail_usage(err, "-t: %s: no such file", target);
	q.flavour_from = q.flavour ? "-f" : NULL;
	if (!q.flavour && variable && *variable) {
		q.flavour = variable;
		q.flavour_from = "DATA_MILL_FLAVOUR";
	}
	q.resources = ctx->layout.resources;
	q.project = ctx->layout.project;
	r = mill_model_load(&q, &ctx->diags, &ctx->model, err);
	if (r < 0)
		return r;
	if (ctx->diags.n)
		mill_context_print_diags(ctx);
	return mill_diags_fail(&ctx->diags, err);
}

static int begin(struct mill_invocation *inv, struct work *w, struct mill_error *err)
{
	struct mill_cluster_host host;
	int fd = mill_interrupt_fd(err), r;

	w->ctx = (struct mill_context)MILL_CONTEXT_INIT(inv);
	if (fd < 0)
		return fd;
	r = load_model(&w->ctx, err);
	if (r < 0)
		return r;
	host = (struct mill_cluster_host){.layout = &w->ctx.layout, .cancel_fd = fd, .note = on_note, .output = on_output,
					  .confirm = on_confirm, .arg = inv->ui};
	if (mill_option_find(inv->command->options, "timeout"))
		host.timeout_ms = (int)(mill_opt_duration_ns(inv, "timeout", 0) / 1000000);
	return mill_cluster_new(&w->ctx.model->project, &host, &w->cluster, err);
}

static void print_json(const json_t *v)
{
	_cleanup_free_ char *text = json_dumps(v, JSON_INDENT(2));

	mill_outf("%s\n", text);
}

/* ---- changes ---- */
static int change(struct mill_invocation *inv, int (*act)(struct mill_cluster *, struct mill_error *), const char *done,
		  struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	int r = begin(inv, &w, err);

	if (r == 0)
		r = act(w.cluster, err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	mill_note(inv->ui, "%s %s", mill_cluster_title(w.cluster), done);
	return MILL_EXIT_OK;
}

static int run_create(struct mill_invocation *inv, struct mill_error *err)
{
	return change(inv, mill_cluster_create, "runs", err);
}

static int run_start(struct mill_invocation *inv, struct mill_error *err)
{
	return change(inv, mill_cluster_start, "runs", err);
}

static int run_stop(struct mill_invocation *inv, struct mill_error *err)
{
	return change(inv, mill_cluster_stop, "is stopped; its data is kept", err);
}

static int run_delete(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	int r = begin(inv, &w, err);

	if (r == 0)
		r = mill_cluster_delete(w.cluster, mill_opt_on(inv, "force"), err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	mill_note(inv->ui, "%s is gone", mill_cluster_title(w.cluster));
	return MILL_EXIT_OK;
}

/* ---- questions ---- */
static int run_status(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	_cleanup_json_ json_t *o = NULL;
	int r = begin(inv, &w, err);

	if (r == 0)
		r = mill_cluster_status(w.cluster, &s, err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	if (inv->ui->json) {
		o = mill_cluster_describe(w.cluster);
		json_object_set_new(o, "state", json_string(mill_cluster_state_name(s.state)));
		json_object_set_new(o, "text", s.text ? json_string(s.text) : json_null());
		json_object_set_new(o, "version", s.version ? json_string(s.version) : json_null());
		json_object_set_new(o, "made_by_data_mill", json_boolean(s.ours));
		print_json(o);
		return MILL_EXIT_OK;
	}
	mill_outf("cluster   %s\n", mill_cluster_title(w.cluster));
	mill_outf("state     %s%s%s\n", mill_cluster_state_name(s.state), s.text ? ": " : "", s.text ? s.text : "");
	if (s.version)
		mill_outf("version   %s\n", s.version);
	return MILL_EXIT_OK;
}

static int run_kubeconfig(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_(work_release) struct work w = {0};
	_cleanup_free_ char *path = NULL, *context = NULL;
	_cleanup_json_ json_t *o = NULL;
	int r = begin(inv, &w, err);

	if (r == 0)
		r = mill_opt_on(inv, "check") ? mill_cluster_access(w.cluster, &path, &context, err)
					      : mill_cluster_kubeconfig(w.cluster, &path, &context, err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	if (inv->ui->json) {
		o = json_pack("{s:s, s:s}", "kubeconfig", path, "context", context);
		print_json(o);
		return MILL_EXIT_OK;
	}
	mill_outf("%s\n", path);
	mill_note(inv->ui, "context %s; kubectl --kubeconfig %s --context %s get nodes", context, path, context);
	return MILL_EXIT_OK;
}

static int run_gpu(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const plugins[] = {"none", "vendor", "layer"};
	_cleanup_(work_release) struct work w = {0};
	_cleanup_(mill_cluster_gpu_release) struct mill_cluster_gpu gpu = {0};
	_cleanup_json_ json_t *o = NULL;
	bool plan = mill_opt_on(inv, "dry-run");
	int r = begin(inv, &w, err);

	if (r == 0)
		r = plan ? mill_cluster_gpu_plan(w.cluster, &gpu, err) : mill_cluster_gpu_enable(w.cluster, &gpu, err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	if (inv->ui->json) {
		o = json_pack("{s:s, s:b, s:s}", "device_plugin", plugins[gpu.plugin], "at_creation", (int)gpu.at_creation,
			      "text", gpu.text);
		print_json(o);
	} else {
		mill_outf("%s\n", gpu.text);
	}
	return gpu.plugin == MILL_PLUGIN_NONE ? MILL_EXIT_FAILED : MILL_EXIT_OK;
}

#define OPTION_TIMEOUT                                                                                                     \
	{.name = "timeout", .arg = "TIME", .value = MILL_VALUE_DURATION,                                                    \
	 .help = "how long each of the vendor's commands may take; default: 15 to 60 minutes"}

static const struct mill_option change_options[] = {OPTION_TIMEOUT, {0}};
static const struct mill_option delete_options[] = {
	{.name = "force", .help = "also one that data-mill did not make"}, OPTION_TIMEOUT, {0}};
static const struct mill_option kubeconfig_options[] = {
	{.name = "check", .help = "ask its API server too; says what is in the way"}, {0}};
static const struct mill_option gpu_options[] = {{.name = "dry-run", .help = "say what it means, change nothing"}, {0}};

static const struct mill_command create = {
	.name = "create", .summary = "make the target's cluster, or go on making it", .usage = "", .options = change_options,
	.description = "Makes the cluster with its vendor's tool and waits until its API server answers. A missing minikube, kind, "
		       "k3d or kops is installed into the store by checksum; what needs snap or root is shown and run after asking. "
		       "Cloud clusters cost money: nodes and size are said, and asked about, first. What was interrupted goes on "
		       "when the command is run again.",
	.run = run_create,
};
static const struct mill_command start = {
	.name = "start", .summary = "start the stopped cluster", .usage = "", .options = change_options, .run = run_start,
};
static const struct mill_command stop = {
	.name = "stop", .summary = "stop the cluster, its data is kept", .usage = "", .options = change_options, .run = run_stop,
};
static const struct mill_command delete = {
	.name = "delete", .summary = "delete the cluster with everything on it", .usage = "", .options = delete_options,
	.run = run_delete,
};
static const struct mill_command status = {
	.name = "status", .summary = "does it exist, does it run", .usage = "", .run = run_status,
};
static const struct mill_command kubeconfig = {
	.name = "kubeconfig", .summary = "write its kubeconfig and print the path", .usage = "",
	.options = kubeconfig_options, .run = run_kubeconfig,
};
static const struct mill_command gpu = {
	.name = "gpu", .summary = "give the cluster its GPUs, as far as that can be done", .usage = "", .options = gpu_options,
	.run = run_gpu,
};
static const struct mill_command *const subcommands[] = {&create, &start, &stop, &delete, &status, &kubeconfig, &gpu,
							&mill_cmd_cluster_install, &mill_cmd_cluster_uninstall, NULL};

const struct mill_command mill_cmd_cluster = {
	.name = "cluster",
	.group = "Platform",
	.summary = "the cluster of a target: make it, stop it, delete it",
	.usage = "",
	.description = "Target files (-t, `data-mill target list`) describe clusters: minikube, microk8s, multipass, kind, k3d on this "
		       "machine (-l), AWS by kops or GKE (-r), or one that exists (-h). Its vendor's tool does the work. The page of each "
		       "target in docs/targets says what it costs and how to clean up.",
	.examples = "data-mill cluster create -t kind.yaml\n"
		    "data-mill cluster status -r -t aws.yaml --json\n"
		    "data-mill cluster stop -t kind.yaml\n"
		    "data-mill cluster start -t kind.yaml\n"
		    "data-mill cluster kubeconfig -h --kubeconfig ~/.kube/config --check\n"
		    "data-mill cluster gpu -t microk8s.yaml --dry-run\n"
		    "data-mill cluster install -h -f streaming\n"
		    "data-mill cluster uninstall -h strimzi\n"
		    "data-mill cluster delete -r -t gke.yaml",
	.subcommands = subcommands,
};
