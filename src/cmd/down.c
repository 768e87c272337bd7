#include "base/base.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/watch.h"

static const struct mill_option options[] = {MILL_OPTION_WAIT_LOCK, {0}};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct mill_watch watch;
	int r;

	if (mill_opt(inv, "component")) {
		mill_fail_usage(err, "-c: `down` stops the whole platform");
		return mill_error_hint(err, "data-mill stop NAME stops one component");
	}
	r = mill_context_change(&ctx, err);
	if (r == 0)
		r = mill_watch_init(&watch, inv->ui, err);
	if (r == 0)
		r = mill_ops_down(ctx.native, &watch.ops, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	mill_note(inv->ui, "everything is stopped; data is kept, `data-mill up` brings it back");
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_down = {
	.name = "down",
	.group = "Platform",
	.summary = "stop everything of a platform; data is kept",
	.usage = "",
	.description = "Stops all services, each after those that depend on it, and the platform's daemon last. "
		       "Nothing is removed: `up` or `start` brings everything back as it was.",
	.examples = "data-mill down\n"
		    "data-mill down --platform native.data-mill\n"
		    "data-mill -l -a                 # the same in the original's flags",
	.options = options,
	.run = run,
};
