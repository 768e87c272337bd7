/* From argv to the exit code. */
#include <signal.h>

#include "base/base.h"
#include "cmd/commands.h"

static void show_help(const struct mill_invocation *inv)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	if (inv->command)
		mill_help_command(inv->ui, inv->parent, inv->command, &out);
	else
		mill_help_overview(inv->ui, &out);
	mill_out(out.data);
}

static int dispatch(struct mill_invocation *inv, struct mill_error *err)
{
	if (inv->help || (!inv->command && !inv->version && inv->n_values == 0)) {
		show_help(inv);
		return MILL_EXIT_OK;
	}
	if (inv->version)
		return mill_cmd_version.run(inv, err);
	if (!inv->command) {
		mill_fail_usage(err, "--%s: no command given", inv->values[0].option->name);
		return mill_error_hint(err, "data-mill help");
	}
	return inv->command->run(inv, err);
}

/* The original's flags become words of a subcommand line; everything else is parsed as it stands. */
static int parse(int argc, char **argv, struct mill_strv *words, struct mill_invocation *inv,
		 struct mill_error *err)
{
	int r = mill_legacy_translate(argc, argv, words, err);

	if (r < 0)
		return r;
	if (r > 0)
		return mill_cmdline_parse((int)words->n, words->items, inv, err);
	return mill_cmdline_parse(argc, argv, inv, err);
}

int mill_main(int argc, char **argv)
{
	_cleanup_invocation_ struct mill_invocation inv = {0};
	_cleanup_strv_ struct mill_strv words = {0};
	_cleanup_error_ struct mill_error err = {0};
	struct mill_ui ui;
	int r = parse(argc > 0 ? argc - 1 : 0, argv + (argc > 0), &words, &inv, &err);

	mill_ui_init(&ui, r >= 0 && mill_opt_on(&inv, "no-color"));
	if (r >= 0) {
		inv.ui = &ui;
		ui.quiet = mill_opt_on(&inv, "quiet");
		ui.json = mill_opt_on(&inv, "json");
		ui.verbose = mill_opt_on(&inv, "verbose");
		ui.yes = mill_opt_on(&inv, "yes");
		if (ui.verbose && words.n) {
			_cleanup_free_ char *line = mill_strv_join(&words, " ");

			mill_note(&ui, "same as: data-mill %s", line);
		}
		r = dispatch(&inv, &err);
	}
	/* A full disk or a closed pipe behind standard output is a failure too. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && r == MILL_EXIT_OK) {
		r = mill_fail_errno(&err, errno ? errno : EIO, "standard output");
		err.usage = false;
	}
	if (r >= 0)
		return r;
	mill_ui_error(&ui, &err);
	return err.usage ? MILL_EXIT_USAGE : MILL_EXIT_FAILED;
}
