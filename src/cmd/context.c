#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/context.h"
#include "runtime/native/store.h"
#include "cmd/interrupt.h"
#include "plan/plan.h"

int mill_context_layout(struct mill_context *ctx, struct mill_error *err)
{
	int r;

	if (ctx->has_layout)
		return 0;
	r = mill_layout_init(&ctx->layout, err);
	ctx->has_layout = true; /* what was set so far is released */
	return r;
}

int mill_context_check_location(const struct mill_context *ctx, struct mill_error *err)
{
	const char *location = mill_opt_location(ctx->inv);

	if (mill_opt(ctx->inv, "kubeconfig") && (!location || strcmp(location, "hybrid") != 0))
		return mill_fail_usage(err, "--kubeconfig: it belongs to the hybrid location (-h)");
	return 0;
}

/* A path that was given must be there; a bare name is looked up later. */
static int check_file(const struct mill_invocation *inv, const char *option, const char *flag,
		      struct mill_error *err)
{
	const char *path = mill_opt(inv, option);

	if (!path || !strchr(path, '/') || path[0] == '~' || mill_exists(path))
		return 0;
	return mill_fail_usage(err, "%s: %s: no such file", flag, path);
}

static int check_files(const struct mill_invocation *inv, struct mill_error *err)
{
	int r = check_file(inv, "target", "-t", err);

	if (r == 0)
		r = check_file(inv, "kubeconfig", "--kubeconfig", err);
	return r;
}

void mill_context_print_diags(struct mill_context *ctx)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

	mill_diags_render(&ctx->diags, &text, ctx->ui->err_colour);
	fflush(stdout);
	fputs(text.data, stderr);
}

/* The flavour that the platform in force was made from, owned; NULL when there is none. */
static char *recorded_flavour(struct mill_context *ctx)
{
	struct mill_platform *p = NULL;
	const char *path;
	char *found = NULL;

	if (mill_platform_choose(&ctx->layout, mill_opt(ctx->inv, "platform"), &p, NULL) < 0)
		return NULL;
	path = mill_json_get_string(p->record, "flavour_path", NULL);
	if (path && mill_is_file(path))
		found = mill_xstrdup(path);
	mill_platform_close(p);
	return found;
}

/* The project that a flavour's file lies in counts, wherever the command is run: its components are found there. */
static void enter_project(struct mill_context *ctx, bool recorded)
{
	_cleanup_free_ char *file = NULL, *dir = NULL;
	char *project;

	if ((ctx->layout.project && !recorded) || !ctx->flavour || !mill_is_file(ctx->flavour))
		return;
	file = mill_path_absolute(ctx->flavour);
	dir = mill_path_dirname(file);
	project = mill_layout_find_project(dir, ctx->layout.resources);
	if (!project)
		return;
	free(ctx->layout.project);
	ctx->layout.project = project;
}

static void choose_flavour(struct mill_context *ctx)
{
	const char *given = mill_opt(ctx->inv, "flavour");
	const char *environment = getenv("DATA_MILL_FLAVOUR");

	if (ctx->flavour) { /* an argument of the command */
		enter_project(ctx, false);
		return;
	}
	if (given || (environment && *environment)) {
		ctx->flavour = mill_xstrdup(given ? given : environment);
		ctx->flavour_from = given ? "-f" : "DATA_MILL_FLAVOUR";
		enter_project(ctx, false);
		return;
	}
	ctx->flavour = recorded_flavour(ctx);
	enter_project(ctx, true);
	if (ctx->flavour)
		mill_note(ctx->ui, "flavour %s, as this platform's last time; -f chooses another", ctx->flavour);
}

static void fill_request(struct mill_context *ctx, struct mill_model_request *q)
{
	const struct mill_strv *components = mill_opt_list(ctx->inv, "component");
	const struct mill_strv *without = NULL;

	if (mill_option_find(ctx->inv->command->options, "without"))
		without = mill_opt_list(ctx->inv, "without");
	q->resources = ctx->layout.resources;
	q->project = ctx->layout.project;
	q->flavour = ctx->flavour;
	q->flavour_from = ctx->flavour_from;
	q->target = mill_opt(ctx->inv, "target");
	q->location = mill_opt_location(ctx->inv);
	q->kubeconfig = mill_opt(ctx->inv, "kubeconfig");
	for (size_t i = 0; components && i < components->n; i++)
		mill_strv_add(&ctx->components, components->items[i]);
	q->components = ctx->components.n ? (const char *const *)ctx->components.items : NULL;
	q->without = without ? (const char *const *)without->items : NULL;
}

int mill_context_model(struct mill_context *ctx, bool all_manifests, struct mill_error *err)
{
	struct mill_model_request q = {.all_manifests = all_manifests, .needed_only = ctx->needed_only};
	int r = check_files(ctx->inv, err);

	if (r == 0)
		r = mill_context_layout(ctx, err);
	if (r < 0)
		return r;
	choose_flavour(ctx);
	fill_request(ctx, &q);
	r = mill_model_load(&q, &ctx->diags, &ctx->model, err);
	if (r < 0)
		return r;
	if (ctx->diags.n_errors == 0)
		r = mill_resolve(ctx->model, NULL);
	if (ctx->diags.n && (ctx->diags.n_errors ? !ctx->hold_errors : !ctx->hold_warnings))
		mill_context_print_diags(ctx);
	if (mill_diags_fail(&ctx->diags, err) < 0)
		return mill_error_hint(err, "nothing was changed; after mending it: data-mill validate");
	return r;
}

int mill_context_plan_model(struct mill_context *ctx, struct mill_error *err)
{
	int r = mill_context_check_location(ctx, err);

	ctx->needed_only = true;
	if (r == 0)
		r = mill_context_model(ctx, false, err);
	return r;
}

int mill_context_model_platform(struct mill_context *ctx, struct mill_error *err)
{
	const char *wanted = mill_opt(ctx->inv, "platform");
	const char *name = ctx->model->project.name;

	if (!mill_streq(ctx->model->project.provider, "native"))
		return mill_context_cluster_platform(ctx, err);
	if (wanted && strcmp(wanted, name) != 0 &&
	    !(mill_starts_with(wanted, "native.") && strcmp(wanted + 7, name) == 0)) {
		mill_fail_usage(err, "--platform: the flavour makes the platform 'native.%s', not '%s'", name,
				wanted);
		return mill_error_hint(err, "the name is the flavour's project.k8s_namespace");
	}
	return mill_platform_open(&ctx->layout, ctx->model->project.provider, name, &ctx->platform, err);
}

static int refuse_absent(const struct mill_context *ctx, struct mill_error *err)
{
	if (ctx->platform->exists)
		return 0;
	mill_fail_usage(err, "there is no platform '%s.%s'", ctx->platform->target, ctx->platform->name);
	return mill_error_hint(err, "data-mill platform list    what there is\ndata-mill up -f FLAVOUR     makes it");
}

int mill_context_platform(struct mill_context *ctx, struct mill_error *err)
{
	const char *location = mill_opt_location(ctx->inv);
	int r = mill_context_check_location(ctx, err);

	if (r < 0)
		return r;
	if (mill_opt(ctx->inv, "flavour") || mill_opt(ctx->inv, "target") || (location && !mill_streq(location, "local"))) {
		r = mill_context_plan_model(ctx, err);
		if (r == 0)
			r = mill_context_model_platform(ctx, err);
		return r < 0 ? r : refuse_absent(ctx, err);
	}
	r = mill_context_layout(ctx, err);
	if (r < 0)
		return r;
	return mill_platform_choose(&ctx->layout, mill_opt(ctx->inv, "platform"), &ctx->platform, err);
}

void mill_context_announce(const struct mill_context *ctx)
{
	mill_note(ctx->ui, "platform %s.%s in %s", ctx->platform->target, ctx->platform->name,
		  ctx->platform->dir);
}

static void on_wait(void *arg, const char *holder)
{
	mill_note(arg, "waiting for %s, which changes this platform now", holder ? holder : "another data-mill");
}

int mill_context_lock(struct mill_context *ctx, struct mill_error *err)
{
	int wait_ms = -1, r;

	if (mill_option_find(ctx->inv->command->options, "wait-lock") && mill_opt(ctx->inv, "wait-lock"))
		wait_ms = (int)(mill_opt_duration_ns(ctx->inv, "wait-lock", 0) / 1000000);
	r = mill_platform_lock(ctx->platform, wait_ms, on_wait, ctx->ui, err);
	if (r < 0 || !mill_context_is_cluster(ctx))
		return r;
	r = mill_context_cluster_runtime(ctx, err);
	if (r == 0)
		r = mill_context_cluster_save(ctx, err);
	return r < 0 ? r : mill_kube_lock(ctx->kube, wait_ms, on_wait, ctx->ui, err);
}

int mill_context_runtime(struct mill_context *ctx, struct mill_error *err)
{
	if (ctx->native)
		return 0;
	if (mill_context_is_cluster(ctx))
		return mill_context_cluster_runtime(ctx, err);
	return mill_native_open(&ctx->layout, ctx->platform, &ctx->native, err);
}

int mill_context_change(struct mill_context *ctx, struct mill_error *err)
{
	int r = mill_context_platform(ctx, err);

	if (r < 0)
		return r;
	mill_context_announce(ctx);
	r = mill_context_lock(ctx, err);
	return r < 0 ? r : mill_context_runtime(ctx, err);
}

int mill_context_store(struct mill_context *ctx, struct mill_store **ret, struct mill_error *err)
{
	_cleanup_free_ char *toolchains = NULL;
	int r = mill_context_layout(ctx, err);

	if (r < 0)
		return r;
	toolchains = mill_path_join(ctx->layout.resources, "components/_toolchains");
	/* As root installers run as the user that services run as: the cache is theirs. */
	return mill_store_open(&(struct mill_store_paths){.store = ctx->layout.store, .cache = ctx->layout.cache,
							  .state = ctx->layout.state, .toolchains = toolchains,
							  .set_ids = ctx->layout.root, .uid = ctx->layout.uid,
							  .gid = ctx->layout.gid},
			       ret, err);
}

int mill_context_end(const struct mill_context *ctx, int r, struct mill_error *err)
{
	if (r != -ECANCELED && !(r < 0 && mill_interrupted()))
		return r;
	mill_warn(ctx->ui, "interrupted; the same command goes on from here");
	return MILL_EXIT_INTERRUPTED;
}

void mill_context_names(const struct mill_context *ctx, struct mill_strv *ret)
{
	const struct mill_strv *components = mill_opt_list(ctx->inv, "component");

	for (size_t i = 0; i < ctx->inv->args.n; i++)
		mill_strv_add(ret, ctx->inv->args.items[i]);
	for (size_t i = 0; components && i < components->n; i++)
		mill_strv_add(ret, components->items[i]);
}

void mill_context_release(struct mill_context *ctx)
{
	mill_context_cluster_release(ctx);
	ctx->native = mill_native_close(ctx->native);
	ctx->platform = mill_platform_close(ctx->platform);
	ctx->model = mill_model_free(ctx->model);
	mill_diags_release(&ctx->diags);
	if (ctx->has_layout)
		mill_layout_release(&ctx->layout);
	mill_strv_release(&ctx->components);
	free(ctx->flavour);
	ctx->flavour = NULL;
}
