#include "base/base.h"
#include "cmd/apply.h"
#include "cmd/commands.h"

static const struct mill_option options[] = {
	{.name = "dry-run", .help = "show the plan and stop, as `plan` does"},
	{.name = "prune", .help = "stop what runs here but is not in the flavour; its data is kept"},
	{.name = "without", .arg = "NAME", .word = MILL_WORD_COMPONENT, .many = true,
	 .help = "leave this component out; may be repeated"},
	{.name = "no-data", .help = "do not mirror the data folder into the lake"},
	{.name = "move-ports", .help = "give services whose port a stranger took another one"},
	{.name = "one-by-one", .help = "one step at a time: slower, and shows what each takes by itself"},
	{.name = "start-cluster", .help = "make or start the target's cluster first, if it is not this machine; -s -i of the original"},
	{.name = "force", .help = "go on where preflight finds too little memory or disk"},
	MILL_OPTION_WAIT_LOCK,
	{0},
};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_apply_options o = {
		.dry_run = mill_opt_on(inv, "dry-run"),
		.force = mill_opt_on(inv, "force"),
		.one_by_one = mill_opt_on(inv, "one-by-one"),
		.plan = {.prune = mill_opt_on(inv, "prune"),
			 .no_data = mill_opt_on(inv, "no-data"),
			 .move_ports = mill_opt_on(inv, "move-ports")},
	};

	return mill_apply(inv, &o, err);
}

const struct mill_command mill_cmd_up = {
	.name = "up",
	.group = "Platform",
	.summary = "install, start and fill a platform",
	.usage = "",
	.description =
		"Shows what would change, says what it downloads and needs, installs what is missing, starts "
		"services along their dependencies, waits until each is ready, and mirrors the flavour's data "
		"folder into the lake. It ends with a table of what runs and where.\n"
		"\n"
		"It changes only what differs: a second `up` does nothing. What the flavour does not name is "
		"left alone unless --prune is given. It may be interrupted at any moment; the same command "
		"goes on from there.\n"
		"\n"
		"Without -f the flavour is $DATA_MILL_FLAVOUR, else the one this platform was made from, else "
		"`default`.",
	.examples = "data-mill up -f datalake                 # a flavour that is shipped\n"
		    "data-mill up -f my/flavour.yaml --dry-run   # show, change nothing\n"
		    "data-mill up --without prometheus\n"
		    "data-mill -l -s -i -f datalake           # the same in the original's flags",
	.options = options,
	.run = run,
};
