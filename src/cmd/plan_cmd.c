#include "base/base.h"
#include "cmd/apply.h"
#include "cmd/commands.h"

static const struct mill_option options[] = {
	{.name = "detailed-exitcode", .help = "exit code 3 when something would change"},
	{.name = "prune", .help = "with the stops that `up --prune` would do"},
	{.name = "without", .arg = "NAME", .word = MILL_WORD_COMPONENT, .many = true,
	 .help = "leave this component out; may be repeated"},
	{.name = "no-data", .help = "without mirroring the data folder"},
	{.name = "move-ports", .help = "with other ports where strangers took them"},
	{0},
};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_apply_options o = {
		.dry_run = true,
		.detailed_exitcode = mill_opt_on(inv, "detailed-exitcode"),
		.plan = {.prune = mill_opt_on(inv, "prune"),
			 .no_data = mill_opt_on(inv, "no-data"),
			 .move_ports = mill_opt_on(inv, "move-ports")},
	};

	return mill_apply(inv, &o, err);
}

const struct mill_command mill_cmd_plan = {
	.name = "plan",
	.group = "Platform",
	.summary = "show what `up` would change, and why",
	.usage = "",
	.description = "Compares the flavour with what is installed and runs, and lists each step of the way with "
		       "its reason, what it downloads and how much memory it needs. Changes nothing.",
	.examples = "data-mill plan -f datalake\n"
		    "data-mill plan --detailed-exitcode   # 0: nothing to do, 3: changes\n"
		    "data-mill plan --json",
	.options = options,
	.run = run,
};
