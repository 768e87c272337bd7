#include "base/base.h"
#include "base/json.h"
#include "cmd/apply.h"
#include "cmd/cluster_layer.h"
#include "cmd/interrupt.h"
#include "cmd/pace.h"
#include "cmd/progress.h"
#include "cmd/status_table.h"

struct run {
	struct mill_context *ctx;
	const struct mill_apply_options *o;
	struct mill_plan_host host;
	struct mill_plan *plan;
	struct mill_view *view;
	struct mill_pace *pace; /* NULL: nothing was done */
	struct mill_error *failures; /* shown in full at the end */
	size_t n_failures, cap_failures;
};

/* ---- before ---- */

static void print_json_line(const char *event, const char *key, const char *json)
{
	_cleanup_json_ json_t *value = NULL, *line = NULL;
	_cleanup_free_ char *text = NULL;

	if (mill_json_parse(key, json, strlen(json), &value, NULL) < 0)
		BUG("%s: no JSON", key);
	line = json_pack("{s:s, s:O}", "event", event, key, value);
	text = json_dumps(line, JSON_COMPACT);
	mill_outf("%s\n", text);
	fflush(stdout);
}

static void show_plan(const struct run *run)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	if (run->ctx->ui->json) {
		mill_plan_to_json(run->plan, &out);
		if (run->o->dry_run)
			mill_outf("%s%s", out.data, mill_ends_with(out.data, "\n") ? "" : "\n");
		else
			print_json_line("plan", "plan", out.data);
		return;
	}
	mill_plan_print(run->plan, &out);
	if (!run->ctx->ui->quiet || run->o->dry_run)
		mill_out(out.data);
	fflush(stdout);
}

static int make_plan(struct run *run, struct mill_error *err)
{
	struct mill_context *ctx = run->ctx;
	struct mill_plan_options options = run->o->plan;
	int r = mill_context_runtime(ctx, err);

	if (r < 0)
		return r;
	if (ctx->components.n)
		options.only = (const char *const *)ctx->components.items;
	mill_plan_host_init(&run->host, ctx->platform);
	if (ctx->kube)
		mill_kube_host(ctx->kube, &run->host);
	else
		mill_native_host(ctx->native, &run->host);
	r = mill_plan_make(ctx->model, ctx->platform, &run->host, &options, &run->plan, err);
	if (ctx->diags.n)
		mill_context_print_diags(ctx);
	return r;
}

/* Prints what preflight found; the number of errors. */
static int show_preflight(const struct run *run, size_t *ret_errors, struct mill_error *err)
{
	struct mill_preflight *f = NULL;
	const struct mill_ui *ui = run->ctx->ui;
	int r;

	*ret_errors = 0;
	if (run->ctx->kube) { /* the machine's memory, disk and ports are not the cluster's */
		r = mill_cluster_layer_check(run->ctx, err); /* first: of kinds that are not there, nobody has rights */
		return r < 0 ? r : mill_kube_preflight(run->ctx->kube, run->plan, err);
	}
	r = mill_preflight(run->ctx->model, run->ctx->platform, &run->host, run->plan, &f, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < f->n; i++) {
		const struct mill_check *c = &f->checks[i];
		bool bad = strcmp(c->level, "error") == 0;

		if (strcmp(c->level, "ok") == 0)
			continue;
		mill_warn(ui, "%s%s: %s%s%s", bad ? "preflight: " : "", c->name, c->text, c->hint ? "; " : "",
			  c->hint ? c->hint : "");
	}
	*ret_errors = f->n_errors;
	mill_preflight_free(f);
	return 0;
}

static int check(const struct run *run, struct mill_error *err)
{
	size_t errors = 0;
	int r = show_preflight(run, &errors, err);

	if (r < 0 || errors == 0 || run->o->force)
		return r;
	mill_fail(err, ENOSPC, "preflight found %zu problem%s; nothing was changed", errors,
		  errors == 1 ? "" : "s");
	return mill_error_hint(err, "mend that, or add --force to go on all the same");
}

static int confirm(const struct run *run, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf question = MILL_STRBUF_INIT;

	for (size_t i = 0; i < run->plan->n_actions; i++) {
		const struct mill_action *a = &run->plan->actions[i];

		if (a->destructive)
			mill_strbuf_printf(&question, "%s  %s %s: %s", question.len ? "\n" : "This destroys data:\n",
					   mill_action_verb(a->kind), a->component ? a->component : "",
					   a->reason ? a->reason : "");
	}
	if (question.len == 0)
		return 0;
	return mill_ui_confirm(run->ctx->ui, question.data, run->ctx->platform->name, err);
}

/* ---- the run ---- */

static void keep_failure(struct run *run, const struct mill_error *e)
{
	struct mill_error *copy;

	MILL_GROW(run->failures, run->n_failures, run->cap_failures);
	copy = &run->failures[run->n_failures++];
	*copy = (struct mill_error){.code = e->code, .usage = e->usage};
	copy->message = e->message ? mill_xstrdup(e->message) : NULL;
	copy->hint = e->hint ? mill_xstrdup(e->hint) : NULL;
	copy->detail = e->detail ? mill_xstrdup(e->detail) : NULL;
}

static void on_event(void *arg, const struct mill_event *e)
{
	struct run *run = arg;

	if (e->kind == MILL_EVENT_FAILED && e->error)
		keep_failure(run, e->error);
	mill_pace_event(run->pace, e);
	mill_view_event(run->view, e);
}

static int carry_out(struct run *run, struct mill_engine_result *result, struct mill_error *err)
{
	struct mill_context *ctx = run->ctx;
	struct mill_executor executor;
	struct mill_engine_options options = {
		.jobs = mill_opt_count(ctx->inv, "jobs", 0),
		.serial = run->o->one_by_one,
		.cancel_fd = mill_interrupt_fd(err),
		.on_event = on_event,
		.arg = run,
	};
	struct mill_native_flavour flavour = {
		.name = ctx->model->project.flavour_name,
		.path = ctx->model->project.flavour_path,
		.whole = ctx->components.n == 0,
	};
	int r = options.cancel_fd < 0 ? options.cancel_fd
				      : mill_native_begin(ctx->native, run->plan, &flavour, err);

	if (r < 0 || mill_plan_is_empty(run->plan))
		return r;
	executor = mill_native_executor(ctx->native);
	run->view = mill_view_new(ctx->ui);
	run->pace = mill_pace_new(run->plan);
	r = mill_engine_run(run->plan, &executor, &options, result, err);
	run->view = mill_view_free(run->view);
	return r;
}

/* ---- after ---- */

static void show_status(const struct run *run)
{
	_cleanup_json_ json_t *status = NULL, *pace = NULL;
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *text = NULL;

	if (mill_ops_status(run->ctx->native, run->pace != NULL, &status, &err) < 0) {
		mill_ui_error(run->ctx->ui, &err);
		return;
	}
	if (run->pace)
		pace = mill_pace_json(run->pace, status, run->host.cpus);
	if (!run->ctx->ui->json) {
		if (!run->ctx->ui->quiet)
			mill_out("\n");
		mill_status_show_short(status, run->ctx->ui);
		if (pace)
			mill_pace_show(run->ctx->ui, pace);
		return;
	}
	if (pace)
		json_object_set(status, "pace", pace);
	text = json_dumps(status, JSON_COMPACT);
	print_json_line("end", "status", text);
}

/* What is retained is fitted to the budget; what people put there is not. */
static void warn_of_disk(const struct run *run)
{
	_cleanup_json_ json_t *disk = NULL;

	if (run->ctx->kube)
		return;
	if (mill_ops_disk(run->ctx->native, &disk, NULL) == 0 && mill_json_get_bool(disk, "warn", false))
		mill_warn(run->ctx->ui, "%s: %s", run->ctx->platform->name, mill_json_get_string(disk, "text", ""));
}

static int end(const struct run *run, const struct mill_engine_result *result, struct mill_error *err)
{
	const struct mill_ui *ui = run->ctx->ui;

	for (size_t i = 0; i < run->n_failures && !ui->json; i++)
		mill_ui_error(ui, &run->failures[i]);
	if (mill_interrupted() || result->cancelled) {
		mill_warn(ui, "interrupted after %zu of %zu steps; the same command goes on from here",
			  result->done, run->plan->n_actions);
		return MILL_EXIT_INTERRUPTED;
	}
	if (!run->o->plan.install_only)
		show_status(run);
	warn_of_disk(run);
	if (result->failed) {
		mill_fail(err, EIO, "%zu of %zu steps failed, %zu were not tried for it; the rest is done",
			  result->failed, run->plan->n_actions, result->skipped);
		return mill_error_hint(err, "the same command tries again what is missing");
	}
	if (run->o->plan.install_only)
		mill_note(ui, "everything is installed; `data-mill up` starts it");
	return MILL_EXIT_OK;
}

static int apply(struct run *run, struct mill_error *err)
{
	struct mill_context *ctx = run->ctx;
	struct mill_engine_result result = {0};
	int r = mill_context_plan_model(ctx, err);

	if (r == 0)
		r = mill_context_model_platform(ctx, err);
	if (r < 0)
		return r;
	mill_context_announce(ctx);
	if (!run->o->dry_run)
		r = mill_context_lock(ctx, err);
	if (r == 0)
		r = make_plan(run, err);
	if (r < 0)
		return r;
	show_plan(run);
	if (run->o->dry_run) {
		size_t errors;
		bool empty = mill_plan_is_empty(run->plan);

		r = empty ? 0 : show_preflight(run, &errors, err);
		return r < 0 ? r : run->o->detailed_exitcode && !empty ? MILL_EXIT_CHANGES : MILL_EXIT_OK;
	}
	if (!mill_plan_is_empty(run->plan)) {
		r = check(run, err);
		if (r == 0)
			r = confirm(run, err);
	}
	if (r == 0)
		r = carry_out(run, &result, err);
	return r < 0 ? mill_context_end(ctx, r, err) : end(run, &result, err);
}

int mill_apply(struct mill_invocation *inv, const struct mill_apply_options *o,
	       struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct run run = {.ctx = &ctx, .o = o};
	int r;

	ctx.hold_warnings = true;
	for (size_t i = 0; i < inv->args.n; i++)
		mill_strv_add(&ctx.components, inv->args.items[i]);
	r = apply(&run, err);
	mill_pace_free(run.pace);
	mill_plan_free(run.plan);
	for (size_t i = 0; i < run.n_failures; i++)
		mill_error_release(&run.failures[i]);
	free(run.failures);
	return r;
}
