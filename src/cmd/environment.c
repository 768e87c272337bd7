/* environment list, build, remove, shell. */
#include "cmd/environment.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/component.h"

/* ---- list ---- */

static char *kernels_of(const struct mill_component *c)
{
	struct mill_strbuf b = MILL_STRBUF_INIT;

	for (size_t i = 0; i < c->n_kernels; i++)
		mill_strbuf_printf(&b, "%s%s", i ? ", " : "", c->kernels[i]);
	return mill_strbuf_steal(&b);
}

/* One without a lock is listed, too: that is what is wrong with it. */
static void list_one(struct mill_context *ctx, const struct mill_component *c, struct mill_table *t, json_t *all)
{
	_cleanup_free_ char *kernels = kernels_of(c);
	_cleanup_error_ struct mill_error err = {0};
	const char *why_not = mill_environment_unusable(c);
	struct mill_environment e;
	json_t *o, *names = json_array();
	char size[32];

	if (mill_environment_of(ctx, c, &e, &err) < 0)
		why_not = err.message;
	mill_table_add(t, MILL_LOOK_NAME, c->name);
	mill_table_add(t, MILL_LOOK_PLAIN, kernels);
	mill_table_add(t, MILL_LOOK_PLAIN, c->size_installed ? mill_format_size(c->size_installed, size, sizeof(size)) : NULL);
	mill_table_add(t, e.built ? MILL_LOOK_GOOD : MILL_LOOK_PLAIN,
		       e.built ? "built" : err.message ? "not locked" : why_not ? "no GPU" : "not built");
	mill_table_addf(t, MILL_LOOK_DIM, "%.12s", e.key ? e.key : "-");
	mill_table_add(t, MILL_LOOK_PLAIN, c->summary);
	for (size_t i = 0; i < c->n_kernels; i++)
		json_array_append_new(names, json_string(c->kernels[i]));
	o = json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:b}", "name", c->name, "title", c->title, "summary", c->summary, "kernels",
		      names, "gpu", (int)c->gpu, "built", (int)e.built, "available", (int)(why_not == NULL));
	json_object_set_new(o, "why", why_not ? json_string(why_not) : json_null());
	json_object_set_new(o, "extends", c->extends ? json_string(c->extends) : json_null());
	json_object_set_new(o, "hash", e.key ? json_string(e.key) : json_null());
	json_object_set_new(o, "path", e.dir ? json_string(e.dir) : json_null());
	json_object_set_new(o, "folder", json_string(c->dir));
	json_object_set_new(o, "size", json_integer((json_int_t)c->size_installed));
	json_array_append_new(all, o);
	mill_environment_release(&e);
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"ENVIRONMENT", "KERNELS", "SIZE", "STATE", "HASH", "SUMMARY", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_json_ json_t *all = json_array();
	int r = mill_component_load_all(&ctx, err);

	mill_table_init(&t, headers);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ctx.model->n_known; i++)
		if (ctx.model->known[i]->is_environment)
			list_one(&ctx, ctx.model->known[i], &t, all);
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
	} else {
		mill_table_show(&t, inv->ui);
	}
	return MILL_EXIT_OK;
}

/* ---- show ---- */

static void show_steps(const json_t *steps)
{
	static const char *const lists[] = {"requirements", "packages", "artifacts"};
	const json_t *step, *item;
	size_t i, k;

	json_array_foreach(steps, i, step)
		for (size_t j = 0; j < MILL_ARRAY_LEN(lists); j++) {
			const json_t *list = json_object_get(step, lists[j]);

			if (json_is_array(list))
				mill_outf("\n%s:\n", mill_json_get_string(step, "kind", ""));
			json_array_foreach(list, k, item)
				mill_outf("  %s\n", json_string_value(item));
		}
}

static int run_show(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *one = json_array();
	_cleanup_table_ struct mill_table unused = {0};
	struct mill_environment e;
	const char *why_not;
	int r = mill_environment_find(&ctx, mill_arg(inv, 0), &e, err);

	if (r < 0)
		return r;
	if (inv->ui->json) {
		_cleanup_free_ char *text = NULL;

		list_one(&ctx, e.component, &unused, one);
		json_object_set(json_array_get(one, 0), "steps", json_object_get(e.recipe, "steps"));
		text = json_dumps(json_array_get(one, 0), JSON_INDENT(2));
		mill_outf("%s\n", text);
	} else {
		_cleanup_free_ char *kernels = kernels_of(e.component);

		why_not = mill_environment_unusable(e.component);
		mill_outf("%s: %s\nkernels  %s\nextends  %s\nhash     %s\nstate    %s%s%s\nfolder   %s\n", e.component->title,
			  e.component->summary, kernels, e.component->extends ? e.component->extends : "-", e.key,
			  e.built ? "built, " : "not built", e.built ? e.dir : why_not ? ": " : "", e.built || !why_not ? "" : why_not,
			  e.component->dir);
		show_steps(json_object_get(e.recipe, "steps"));
	}
	mill_environment_release(&e);
	return MILL_EXIT_OK;
}

/* ---- build, remove ---- */

static int run_build(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r = 0;

	for (size_t i = 0; i < inv->args.n && r == 0; i++) {
		struct mill_environment e;
		const char *why_not;

		r = mill_environment_find(&ctx, inv->args.items[i], &e, err);
		if (r < 0)
			break;
		why_not = mill_environment_unusable(e.component);
		if (why_not && !mill_opt_on(inv, "force")) {
			mill_fail_usage(err, "environment %s: %s", e.component->name, why_not);
			r = mill_error_hint(err, "--force builds it all the same");
		} else {
			r = mill_environment_build(&ctx, &e, err);
		}
		if (r == 0)
			mill_outf("%s  %s\n", e.component->name, e.dir);
		mill_environment_release(&e);
	}
	return r < 0 ? mill_context_end(&ctx, r, err) : MILL_EXIT_OK;
}

static int run_remove(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r = 0;

	for (size_t i = 0; i < inv->args.n && r == 0; i++) {
		_cleanup_free_ char *kept = NULL;
		struct mill_environment e;

		r = mill_environment_find(&ctx, inv->args.items[i], &e, err);
		if (r < 0)
			break;
		kept = mill_xasprintf("%s/environments/%s/%s", ctx.layout.state, e.component->name, e.key);
		if (mill_is_dir(kept))
			r = mill_rm_rf(kept, err);
		if (r == 0)
			mill_note(inv->ui, "%s: `data-mill store gc` frees its place unless a platform still names it",
				  e.component->name);
		mill_environment_release(&e);
	}
	return r < 0 ? r : MILL_EXIT_OK;
}

/* ---- shell ---- */

static int run_shell(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const char *shell = getenv("SHELL");
	struct mill_strv argv = {0};

	mill_strv_add(&argv, shell && shell[0] == '/' ? shell : "/bin/sh");
	return mill_environment_become(&ctx, mill_arg(inv, 0), &argv, err);
}

static const struct mill_option build_options[] = {
	{.name = "force", .help = "also where this machine has no GPU for it"},
	{0},
};
static const struct mill_command list = {
	.name = "list", .examples = "data-mill environment list --json", .summary = "environments, their kernels, size and whether they are built", .usage = "", .run = run_list,
};
static const struct mill_command show = {
	.name = "show", .summary = "what an environment has, and where", .usage = "NAME[@HASH]",
	.examples = "data-mill environment show scipy",
	.word = MILL_WORD_ENVIRONMENT, .min_args = 1, .max_args = 1, .run = run_show,
};
static const struct mill_command build = {
	.name = "build", .summary = "build environments into the store", .usage = "NAME[@HASH]...",
	.description = "Installs what an environment's lock names, byte for byte, unless the store has it. HASH is the beginning "
		       "of a hash as `list` shows it and as tracked runs are tagged with it: an older one is built again from "
		       "the locks that were kept when it was first built.",
	.examples = "data-mill environment build scipy pyspark\n"
		    "data-mill environment build scipy@3f2a91",
	.options = build_options, .word = MILL_WORD_ENVIRONMENT, .min_args = 1, .max_args = -1, .run = run_build,
};
static const struct mill_command remove_it = {
	.name = "remove", .summary = "let `store gc` remove environments that no platform names", .usage = "NAME[@HASH]...",
	.examples = "data-mill environment remove scipy && data-mill store gc",
	.word = MILL_WORD_ENVIRONMENT, .min_args = 1, .max_args = -1, .run = run_remove,
};
static const struct mill_command shell = {
	.name = "shell", .summary = "a shell in an environment, with the platform's variables", .usage = "NAME[@HASH]",
	.description = "Builds the environment if need be and starts your shell in it. `pip install` there goes to a folder of "
		       "your own for this environment, never into the store.",
	.examples = "data-mill environment shell scipy",
	.word = MILL_WORD_ENVIRONMENT, .min_args = 1, .max_args = 1, .run = run_shell,
};
static const struct mill_command *const subcommands[] = {&list, &show, &build, &mill_cmd_environment_add, &remove_it, &shell, NULL};

const struct mill_command mill_cmd_environment = {
	.name = "environment",
	.group = "Use",
	.summary = "data-science environments",
	.usage = "",
	.description = "An environment is a folder environments/NAME with a manifest and a lock: Python, R or Scala with their "
		       "Jupyter kernels. It is built once into the store and serves the hub's spawn page, `notebook run` and "
		       "`environment shell` alike. Your project's environments/ is searched before the shipped one.",
	.examples = "data-mill environment list\n"
		    "data-mill environment shell scipy",
	.subcommands = subcommands,
};
