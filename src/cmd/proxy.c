/* -p of the original: forwards the Kubernetes UI.  Natively there is none. */
#include "base/base.h"
#include "cmd/commands.h"
#include "cmd/context.h"

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r = mill_context_check_location(&ctx, err);

	if (r < 0)
		return r;
	mill_fail_usage(err, "-p: a native platform has no Kubernetes UI; nothing was opened");
	return mill_error_hint(err, "data-mill open     the consoles of the components\n"
				    "data-mill status   what runs and where to reach it");
}

const struct mill_command mill_cmd_proxy = {
	.name = "proxy",
	.summary = "the Kubernetes UI",
	.usage = "",
	.description = "Forwards the Kubernetes UI. A native platform has none: this says so, opens nothing and "
		       "ends with exit code 2.",
	.examples = "data-mill -h -p",
	.run = run,
};
