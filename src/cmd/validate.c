#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/component.h"
#include "plan/plan.h"

static const struct mill_option options[] = {
	{.name = "all", .help = "check every manifest, not only those that the flavour can need"},
	{0},
};

static int print_json(const struct mill_context *ctx, int r)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;

	mill_json_writer_init(&w, &out, true);
	mill_diags_write_json(&ctx->diags, &w);
	mill_outf("%s\n", out.data);
	return r < 0 ? MILL_EXIT_USAGE : MILL_EXIT_OK;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r;

	if (mill_arg(inv, 0)) {
		if (mill_opt(inv, "flavour"))
			return mill_fail_usage(err, "validate: one flavour, please: -f %s or %s",
					       mill_opt(inv, "flavour"), mill_arg(inv, 0));
		ctx.flavour = mill_xstrdup(mill_arg(inv, 0));
	}
	ctx.hold_warnings = ctx.hold_errors = inv->ui->json;
	r = mill_context_model(&ctx, mill_opt_on(inv, "all"), err);
	if (inv->ui->json && ctx.model && (r == 0 || ctx.diags.n_errors))
		return print_json(&ctx, r);
	if (r < 0)
		return r;
	if (!ctx.model->project.flavour_name) {
		mill_outf("all %zu manifests are valid\n", ctx.model->n_known);
		return MILL_EXIT_OK;
	}
	mill_outf("%s: valid, %zu component%s, target %s (%s)\n",
		  ctx.model->project.flavour_name, ctx.model->n_selected,
		  ctx.model->n_selected == 1 ? "" : "s", ctx.model->project.location,
		  ctx.model->project.provider);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_validate = {
	.name = "validate",
	.group = "Project",
	.summary = "check a flavour and all that it names",
	.usage = "[FLAVOUR]",
	.description = "Reads the flavour, the target file, the manifests and the configurations, and reports every "
		       "mistake of every file at once, with line and column. Changes nothing. Exit code 2 when there "
		       "is an error.",
	.examples = "data-mill validate -f datalake\n"
		    "data-mill validate my/flavour.yaml --json\n"
		    "data-mill validate --all",
	.options = options,
	.word = MILL_WORD_FLAVOUR,
	.max_args = 1,
	.run = run,
};
