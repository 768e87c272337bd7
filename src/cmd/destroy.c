#include "base/base.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "cmd/inventory.h"
#include "cmd/watch.h"

static const struct mill_option options[] = {
	{.name = "delete-data", .help = "delete buckets, databases and files too; they are listed first"},
	MILL_OPTION_WAIT_LOCK,
	{0},
};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	bool data = mill_opt_on(inv, "delete-data");
	_cleanup_free_ char *question = NULL;
	struct mill_watch watch;
	int r;

	if (mill_opt(inv, "component")) {
		mill_fail_usage(err, "-c: `destroy` ends the whole platform");
		return mill_error_hint(err, "data-mill uninstall NAME --purge removes one component");
	}
	r = mill_context_change(&ctx, err);
	if (r == 0)
		r = mill_watch_init(&watch, inv->ui, err);
	if (r == 0)
		r = mill_inventory_show(&ctx, NULL, data, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	question = mill_xasprintf("This ends platform %s.%s%s.", ctx.platform->target, ctx.platform->name,
				  data ? " and deletes its data for good" : "; its data is kept");
	r = mill_ui_confirm(inv->ui, question, ctx.platform->name, err);
	if (r == 0)
		r = mill_ops_destroy(ctx.native, data, &watch.ops, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	if (data)
		mill_note(inv->ui, "platform %s.%s is gone", ctx.platform->target, ctx.platform->name);
	else
		mill_note(inv->ui, "platform %s.%s is stopped and removed; its data stays in %s%s", ctx.platform->target,
			  ctx.platform->name, ctx.kube ? "the volume claims of namespace " : "",
			  ctx.kube ? ctx.platform->name : ctx.platform->dir);
	if (ctx.cluster && !mill_streq(mill_cluster_provider(ctx.cluster), "kubeconfig"))
		mill_note(inv->ui, "%s itself stays; `data-mill cluster delete` deletes it", mill_cluster_title(ctx.cluster));
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_destroy = {
	.name = "destroy",
	.group = "Platform",
	.summary = "end a platform; with --delete-data its data, too",
	.usage = "",
	.description = "Stops everything and removes configuration and run state. Data folders, secrets and the record "
		       "stay, so that `up` can bring the platform back, unless --delete-data is given: then buckets, "
		       "databases and files are listed with their sizes and deleted for good. It asks for the platform's "
		       "name to be typed; --yes answers.",
	.examples = "data-mill destroy\n"
		    "data-mill destroy --yes --delete-data\n"
		    "data-mill -l -x                 # the same in the original's flags",
	.options = options,
	.run = run,
};
