#include "base/base.h"
#include "base/parse.h"
#include "cmd/commands.h"

static int unknown(const char *parent, const char *name, struct mill_error *err)
{
	mill_fail_usage(err, "help: there is no command '%s%s%s'", parent ? parent : "",
			parent ? " " : "", name);
	return mill_error_hint(err, "data-mill help");
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	const char *name = mill_arg(inv, 0), *sub_name = mill_arg(inv, 1);
	const struct mill_command *c, *sub;

	if (inv->ui->json) {
		mill_help_json(&out);
		mill_out(out.data);
		return MILL_EXIT_OK;
	}
	if (!name) {
		mill_help_overview(inv->ui, &out);
		mill_out(out.data);
		return MILL_EXIT_OK;
	}
	c = mill_command_find(name);
	if (!c)
		return unknown(NULL, name, err);
	sub = sub_name ? mill_command_sub(c, sub_name) : NULL;
	if (sub_name && !sub)
		return unknown(name, sub_name, err);
	mill_help_command(inv->ui, sub ? c : NULL, sub ? sub : c, &out);
	mill_out(out.data);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_help = {
	.name = "help",
	.group = "Program",
	.summary = "help on a command",
	.usage = "[COMMAND [SUBCOMMAND]]",
	.description = "Shows all commands, or one command's options with examples. `data-mill COMMAND "
		       "--help` shows the same. With --json: all commands and options, for other programs.",
	.examples = "data-mill help up\n"
		    "data-mill help component new\n"
		    "data-mill help --json",
	.word = MILL_WORD_COMMAND,
	.max_args = 2,
	.run = run,
};
