/* notebook run: a notebook or script, executed in an environment. */
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/environment.h"

static const struct mill_option options[] = {
	{.letter = 'e', .name = "environment", .arg = "NAME[@HASH]", .word = MILL_WORD_ENVIRONMENT, .help = "where it runs; default: base"},
	{.letter = 'o', .name = "output", .arg = "FILE", .word = MILL_WORD_FILE,
	 .help = "where the executed notebook goes; default: back into the notebook"},
	{.letter = 'k', .name = "kernel", .arg = "KERNEL", .help = "another kernel than the notebook names"},
	{.name = "timeout", .arg = "TIME", .value = MILL_VALUE_DURATION, .help = "for each cell; default: 10m"},
	{0},
};

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const char *file = mill_arg(inv, 0), *output = mill_opt(inv, "output"), *kernel = mill_opt(inv, "kernel");
	const char *environment = mill_opt(inv, "environment") ? mill_opt(inv, "environment") : "base";
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	if (!mill_is_file(file))
		return mill_fail_usage(err, "%s: no such file", file);
	r = mill_context_layout(&ctx, err);
	if (r < 0)
		return r;
	if (mill_ends_with(file, ".ipynb")) {
		mill_strv_add(&argv, "python");
		mill_strv_addf(&argv, "%s/environments/_shared/run_notebook.py", ctx.layout.resources);
		mill_strv_add(&argv, file);
		mill_strv_add(&argv, output ? output : file);
		mill_strv_addf(&argv, "%llu", (unsigned long long)(mill_opt_duration_ns(inv, "timeout", 600000000000ULL) / 1000000000ULL));
		mill_strv_add(&argv, kernel ? kernel : "");
	} else if (mill_ends_with(file, ".R") || mill_ends_with(file, ".r")) {
		mill_strv_add(&argv, "Rscript");
		mill_strv_add(&argv, file);
	} else if (mill_ends_with(file, ".py")) {
		mill_strv_add(&argv, "python");
		mill_strv_add(&argv, file);
	} else {
		return mill_fail_usage(err, "%s: neither a notebook (.ipynb) nor a script (.py, .R)", file);
	}
	for (size_t i = 1; i < inv->args.n; i++)
		mill_strv_add(&argv, inv->args.items[i]);
	return mill_environment_become(&ctx, environment, &argv, err);
}

static const struct mill_command run_it = {
	.name = "run", .summary = "execute a notebook or a script in an environment", .usage = "FILE [ARGUMENT...]",
	.description = "Executes every cell and keeps the outputs, in the notebook or in --output. A cell that fails is named with "
		       "its last lines; what came before it is kept. Scripts (.py, .R) run in the same way. It is given the "
		       "platform's variables, as `env` prints them, if there is a platform.",
	.examples = "data-mill notebook run report.ipynb --environment scipy --output report.out.ipynb\n"
		    "data-mill notebook run train.py -e tensorflow",
	.options = options, .word = MILL_WORD_FILE, .min_args = 1, .max_args = -1, .run = run,
};
static const struct mill_command *const subcommands[] = {&run_it, NULL};

const struct mill_command mill_cmd_notebook = {
	.name = "notebook",
	.group = "Use",
	.summary = "execute notebooks without the hub",
	.usage = "",
	.description = "Runs notebooks in an environment, from the command line.",
	.examples = "data-mill notebook run report.ipynb --environment scipy",
	.subcommands = subcommands,
};
