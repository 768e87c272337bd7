#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"

/* The one that commands take without --platform, owned; NULL: none. */
static char *current(struct mill_context *ctx)
{
	struct mill_platform *p = NULL;
	char *name = NULL;

	if (mill_platform_choose(&ctx->layout, NULL, &p, NULL) == 0) {
		name = mill_xasprintf("%s.%s", p->target, p->name);
		mill_platform_close(p);
	}
	return name;
}

static void add(struct mill_context *ctx, const char *full, const char *chosen, struct mill_table *t,
		json_t *all)
{
	struct mill_platform *p = NULL;
	_cleanup_error_ struct mill_error err = {0};
	const char *flavour = "?", *dir = err.message;
	bool is_chosen = mill_streq(full, chosen);

	if (mill_platform_choose(&ctx->layout, full, &p, &err) == 0) {
		flavour = mill_json_get_string(p->record, "flavour", "?");
		dir = p->dir;
	} else {
		dir = err.message;
	}
	mill_table_add(t, is_chosen ? MILL_LOOK_GOOD : MILL_LOOK_DIM, is_chosen ? "*" : " ");
	mill_table_add(t, MILL_LOOK_NAME, full);
	mill_table_add(t, MILL_LOOK_PLAIN, flavour);
	mill_table_add(t, MILL_LOOK_PLAIN, dir);
	json_array_append_new(all, json_pack("{s:s, s:b, s:s, s:s}", "name", full, "current", is_chosen, "flavour",
					     flavour, "dir", dir ? dir : ""));
	mill_platform_close(p);
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {" ", "PLATFORM", "FLAVOUR", "FOLDER", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_json_ json_t *all = json_array();
	_cleanup_free_ char *chosen = NULL;
	int r = mill_context_layout(&ctx, err);

	if (r == 0)
		r = mill_platform_list(&ctx.layout, &names, err);
	if (r < 0)
		return r;
	mill_table_init(&t, headers);
	chosen = current(&ctx);
	for (size_t i = 0; i < names.n; i++)
		add(&ctx, names.items[i], chosen, &t, all);
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
	} else if (names.n) {
		mill_table_show(&t, inv->ui);
	} else {
		mill_note(inv->ui, "there is no platform yet; `data-mill up -f FLAVOUR` makes one");
	}
	return MILL_EXIT_OK;
}

static int run_use(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r = mill_context_layout(&ctx, err);

	if (r == 0)
		r = mill_platform_use(&ctx.layout, mill_arg(inv, 0), err);
	if (r < 0)
		return r;
	mill_note(inv->ui, "commands without -f and --platform now mean %s", mill_arg(inv, 0));
	return MILL_EXIT_OK;
}

static int run_show(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	uint64_t bytes = 0;
	char size[32];
	int r = mill_context_layout(&ctx, err);

	if (r == 0)
		r = mill_platform_choose(&ctx.layout, mill_arg(inv, 0) ? mill_arg(inv, 0) : mill_opt(inv, "platform"),
					 &ctx.platform, err);
	if (r < 0)
		return r;
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(ctx.platform->record, JSON_INDENT(2));

		mill_outf("%s\n", text);
		return MILL_EXIT_OK;
	}
	mill_disk_usage(ctx.platform->dir, &bytes, NULL);
	mill_outf("platform  %s.%s\n", ctx.platform->target, ctx.platform->name);
	mill_outf("flavour   %s\n", mill_json_get_string(ctx.platform->record, "flavour", "?"));
	mill_outf("folder    %s (%s)\n", ctx.platform->dir, mill_format_size(bytes, size, sizeof(size)));
	mill_outf("store     %s\n", ctx.layout.store);
	return MILL_EXIT_OK;
}

static const struct mill_command list = {
	.name = "list", .summary = "list your platforms; * is the current one", .usage = "", .run = run_list,
};
static const struct mill_command use = {
	.name = "use", .summary = "choose the platform that commands mean", .usage = "PLATFORM",
	.word = MILL_WORD_PLATFORM, .min_args = 1, .max_args = 1, .run = run_use,
};
static const struct mill_command show = {
	.name = "show", .summary = "show a platform's record", .usage = "[PLATFORM]",
	.word = MILL_WORD_PLATFORM, .max_args = 1, .run = run_show,
};
static const struct mill_command *const subcommands[] = {&list, &use, &show, NULL};

const struct mill_command mill_cmd_platform = {
	.name = "platform",
	.group = "Platform",
	.summary = "your platforms, and which one is meant",
	.usage = "",
	.description = "A platform is a running flavour; its name is TARGET.NAMESPACE. With several of them, a command "
		       "means the flavour's (-f), else --platform, else the current one.",
	.examples = "data-mill platform list\n"
		    "data-mill platform use native.small\n"
		    "data-mill platform show --json",
	.subcommands = subcommands,
};
