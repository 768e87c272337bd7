#include "base/base.h"
#include "cmd/apply.h"
#include "cmd/commands.h"

static const struct mill_option options[] = {
	{.name = "dry-run", .help = "show what would be installed and stop"},
	{.name = "without", .arg = "NAME", .word = MILL_WORD_COMPONENT, .many = true,
	 .help = "leave this component out; may be repeated"},
	{.name = "force", .help = "go on where preflight finds too little memory or disk"},
	MILL_OPTION_WAIT_LOCK,
	{0},
};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_apply_options o = {
		.dry_run = mill_opt_on(inv, "dry-run"),
		.force = mill_opt_on(inv, "force"),
		.plan = {.install_only = true},
	};

	return mill_apply(inv, &o, err);
}

const struct mill_command mill_cmd_install = {
	.name = "install",
	.group = "Software",
	.summary = "put the software of a flavour into the store",
	.usage = "[COMPONENT...]",
	.description = "Installs what the flavour, or the named components and what they need, run on, and starts "
		       "nothing. `up` does this by itself; on its own it is for preparing a machine before it "
		       "loses its network.",
	.examples = "data-mill install -f datalake\n"
		    "data-mill install minio",
	.options = options,
	.word = MILL_WORD_COMPONENT,
	.max_args = -1,
	.run = run,
};
