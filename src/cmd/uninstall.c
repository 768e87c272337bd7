#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/inventory.h"
#include "cmd/watch.h"

static const struct mill_option options[] = {
	{.name = "all", .help = "every component of the platform"},
	{.name = "purge", .help = "delete its data too; it is listed first, and asked for"},
	{.name = "delete-data", .help = "the same as --purge"},
	MILL_OPTION_WAIT_LOCK,
	{0},
};

/* Every recorded component. */
static int all_components(const struct mill_context *ctx, struct mill_strv *ret,
			  struct mill_error *err)
{
	_cleanup_json_ json_t *status = NULL;
	const json_t *component;
	size_t i;
	int r = mill_ops_status(ctx->native, false, &status, err);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(status, "components"), i, component)
		mill_strv_add(ret, mill_json_get_string(component, "name", ""));
	return 0;
}

static int confirm(struct mill_context *ctx, const struct mill_strv *names, struct mill_error *err)
{
	_cleanup_free_ char *list = mill_strv_join(names, ", ");
	_cleanup_free_ char *question =
		mill_xasprintf("This removes %s and deletes the data for good.", list);

	for (size_t i = 0; i < names->n; i++) {
		int r = mill_inventory_show(ctx, names->items[i], true, err);

		if (r < 0)
			return r;
	}
	return mill_ui_confirm(ctx->ui, question, names->n == 1 ? names->items[0] : ctx->platform->name, err);
}

/* Dependants first: rounds over what is left until a round removes nothing. */
static int uninstall_in_order(struct mill_context *ctx, const struct mill_strv *names, bool purge,
			      const struct mill_watch *watch, struct mill_error *err)
{
	_cleanup_free_ bool *done = mill_xcalloc(names->n, sizeof(bool));
	size_t left = names->n, before;
	int r = 0;

	do {
		before = left;
		for (size_t i = 0; i < names->n; i++) {
			if (done[i])
				continue;
			r = mill_ops_uninstall(ctx->native, names->items[i], purge, &watch->ops, err);
			if (r < 0 && r != -EBUSY)
				return r;
			if (r < 0)
				continue;
			done[i] = true;
			left--;
			mill_note(ctx->ui, "%s: uninstalled%s", names->items[i], purge ? ", data deleted" : "");
		}
	} while (left && left < before);
	if (left == 0)
		return MILL_EXIT_OK;
	/* err still holds the last refusal. */
	err->usage = true;
	return r < 0 ? r : -EBUSY;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	bool purge = mill_opt_on(inv, "purge") || mill_opt_on(inv, "delete-data");
	struct mill_watch watch;
	int r;

	mill_context_names(&ctx, &names);
	if (names.n == 0 && !mill_opt_on(inv, "all")) {
		mill_fail_usage(err, "uninstall: COMPONENT... is missing");
		return mill_error_hint(err, "--all removes every component of the platform");
	}
	r = mill_context_change(&ctx, err);
	if (r == 0)
		r = mill_watch_init(&watch, inv->ui, err);
	if (r == 0 && names.n == 0)
		r = all_components(&ctx, &names, err);
	if (r == 0 && purge)
		r = confirm(&ctx, &names, err);
	if (r == 0)
		r = uninstall_in_order(&ctx, &names, purge, &watch, err);
	return mill_context_end(&ctx, r, err);
}

const struct mill_command mill_cmd_uninstall = {
	.name = "uninstall",
	.group = "Software",
	.summary = "remove components from a platform; data is kept",
	.usage = "[COMPONENT...]",
	.description = "Stops the named components and forgets them. It is refused while components that need them run. "
		       "Their data stays for the next `up`, unless --purge is given. The software itself stays in the "
		       "store, which platforms share, until `store gc`.",
	.examples = "data-mill uninstall prometheus\n"
		    "data-mill uninstall minio --purge --yes\n"
		    "data-mill -l -u                 # every component, in the original's flags",
	.options = options,
	.word = MILL_WORD_COMPONENT,
	.max_args = -1,
	.run = run,
};
