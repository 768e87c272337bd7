/* -p of the original: forwards the Kubernetes UI.  Natively there is none. */
#include "base/base.h"
#include "cmd/commands.h"

static int run(struct mill_invocation *inv, struct mill_error *err)
{
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
	.run = run,
};
