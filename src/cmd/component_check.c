/* component validate, component relock, component schema. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/charts.h"
#include "cmd/component.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/words.h"
#include "runtime/native/relock.h"

/* A model without a flavour, to hold manifests that are loaded one by one. */
static int empty_model(struct mill_context *ctx, struct mill_error *err)
{
	int r = mill_component_load_all(ctx, err);

	/* What other manifests say is not the question. */
	mill_diags_release(&ctx->diags);
	return r;
}

static int print_result(struct mill_context *ctx, const struct mill_strv *names,
			struct mill_error *err)
{
	if (ctx->ui->json) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		struct mill_json_writer w;

		mill_json_writer_init(&w, &out, true);
		mill_diags_write_json(&ctx->diags, &w);
		mill_outf("%s\n", out.data);
		return ctx->diags.n_errors ? MILL_EXIT_USAGE : MILL_EXIT_OK;
	}
	mill_context_print_diags(ctx);
	if (mill_diags_fail(&ctx->diags, err) < 0)
		return -EINVAL;
	for (size_t i = 0; i < names->n; i++)
		mill_outf("%s: valid\n", names->items[i]);
	return MILL_EXIT_OK;
}

static int run_validate(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	int r = empty_model(&ctx, err);

	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	if (names.n == 0)
		mill_words_list(MILL_WORD_COMPONENT, &names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = mill_component_folder(&ctx, names.items[i], err);

		if (!dir)
			return -EINVAL;
		mill_model_load_manifest(ctx.model, mill_path_basename(dir), dir);
	}
	return print_result(&ctx, &names, err);
}

const struct mill_command mill_cmd_component_validate = {
	.name = "validate", .summary = "check manifests, with line and column", .usage = "[COMPONENT...]",
	.description = "Checks the manifests of the named components or folders, or of all: unknown keys, types, "
		       "interpolations, literal addresses, secrets where they must not be, missing locks and hooks. "
		       "Exit code 2 when there is an error.",
	.examples = "data-mill component validate hello\n"
		    "data-mill component validate ./components/hello",
	.word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_validate,
};

static int run_schema(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	const char *which = mill_arg(inv, 0) ? mill_arg(inv, 0) : "manifest";
	int r = mill_schema_json(which, &out);

	if (r < 0)
		return mill_fail_errno(err, -r, "schema %s", which);
	mill_outf("%s%s", out.data, mill_ends_with(out.data, "\n") ? "" : "\n");
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_component_schema = {
	.name = "schema", .summary = "print a JSON Schema for editors", .usage = "[manifest|flavour|target|config]",
	.description = "Prints the JSON Schema of manifests, flavours, target files or component configurations, made "
		       "from the same tables that check the files.",
	.examples = "data-mill component schema > component.schema.json\n"
		    "data-mill component schema flavour",
	.choices = "manifest|flavour|target|config", .max_args = 1, .run = run_schema,
};

static const struct mill_option relock_options[] = {
	{.name = "measure", .help = "also install it from nothing, and note what that takes"},
	{0},
};

struct relock {
	struct mill_view *view;
};

static void on_progress(void *arg, const struct mill_install_progress *p)
{
	const struct relock *r = arg;

	mill_view_status(r->view, p->text ? p->text : mill_install_phase_name(p->phase), p->fraction);
}

/* Takes the recipe over; its locks are below dir. */
static int relock_recipe(struct mill_context *ctx, const char *name, const char *dir, json_t *json, bool measure, struct mill_error *err)
{
	struct mill_store *store = NULL;
	_cleanup_json_ json_t *owned = json;
	_cleanup_free_ char *locks = mill_path_join(dir, "locks");
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	struct mill_recipe *recipe = NULL;
	struct relock state;
	int r = mill_context_store(ctx, &store, err);

	if (r == 0)
		r = mill_recipe_from_json(owned, &recipe, err);
	if (r < 0) {
		mill_store_close(store);
		return r;
	}
	state.view = mill_view_new(ctx->ui);
	o.cancel_fd = mill_interrupt_fd(NULL);
	o.jobs = mill_opt_count(ctx->inv, "jobs", 0);
	o.on_progress = on_progress;
	o.arg = &state;
	mill_note(ctx->ui, "%s: locking ...", name);
	r = mill_relock(store, recipe, &o, measure, err);
	mill_view_free(state.view);
	mill_recipe_free(recipe);
	mill_store_close(store);
	if (r < 0)
		return r;
	if (mill_is_dir(locks))
		mill_note(ctx->ui, "%s: locked in %s", name, locks);
	else
		mill_note(ctx->ui, "%s: the checksums in its manifest are right", name);
	return 0;
}

int mill_component_relock(struct mill_context *ctx, const struct mill_component *c, bool measure, struct mill_error *err)
{
	json_t *json = mill_component_recipe(c);

	bool charts = false;
	int r;

	for (size_t i = 0; i < c->n_charts; i++)
		charts = charts || c->charts[i].repository;
	r = charts ? mill_charts_relock(ctx, c, err) : 0;
	if (r < 0 || (!json && charts)) {
		json_decref(json);
		return r;
	}
	if (!json) {
		mill_note(ctx->ui, "%s: installs nothing, there is nothing to lock", c->name);
		return 0;
	}
	return relock_recipe(ctx, c->name, c->dir, json, measure, err);
}

/* components/_tools, components/_image_base: recipes that are no component's. */
static int relock_shared(struct mill_context *ctx, const char *name, bool measure, struct mill_error *err)
{
	_cleanup_free_ char *below = mill_path_join("components", name), *dir = mill_path_join(ctx->layout.resources, below);
	json_t *json = NULL;
	int r = mill_recipe_load(dir, &json, err);

	return r < 0 ? r : relock_recipe(ctx, name, dir, json, measure, err);
}

/* A folder whose name begins with _ and that has a recipe. */
static bool is_shared(const struct mill_context *ctx, const char *name)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/components/%s/recipe.json", ctx->layout.resources, name);

	return name[0] == '_' && !strchr(name, '/') && mill_is_file(path);
}

static int run_relock(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	bool measure = mill_opt_on(inv, "measure");
	int r = mill_interrupt_fd(err) < 0 ? -err->code : mill_component_load_all(&ctx, err);

	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	for (size_t i = 0; i < names.n; i++)
		if (!is_shared(&ctx, names.items[i]) && !mill_component_named(&ctx, names.items[i], err))
			return -EINVAL;
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = is_shared(&ctx, names.items[i])
			    ? relock_shared(&ctx, names.items[i], measure, err)
			    : mill_component_relock(&ctx, mill_model_find(ctx.model, names.items[i]), measure, err);
	return mill_context_end(&ctx, r, err);
}

const struct mill_command mill_cmd_component_relock = {
	.name = "relock", .summary = "write the lock files of a component anew", .usage = "COMPONENT...",
	.description = "Asks the package clients for what the manifest's install steps name and writes names, versions "
		       "and hashes into the component's locks/. The old locks stay unless everything worked. Of a component with a "
		       "chart, the pinned package is fetched from its repository and its SHA-256 written into the manifest (`digest:`).",
	.examples = "data-mill component relock hello\n"
		    "data-mill component relock hello --measure",
	.options = relock_options, .word = MILL_WORD_COMPONENT, .min_args = 1, .max_args = -1, .run = run_relock,
};
