/* charts pull: upstream's packages into a folder, with their digests. */
#include "base/hash.h"
#include "base/io.h"
#include "base/proc.h"
#include "chart/chart.h"
#include "cluster/cluster.h"
#include "cmd/charts.h"
#include "cmd/component.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

/* Cache of packages unless --output says otherwise; owned. */
static char *folder_of(const struct mill_context *ctx)
{
	const char *output = mill_opt(ctx->inv, "output");

	return output ? mill_xstrdup(output) : mill_path_join(ctx->layout.cache, "charts");
}

static int pull(const struct mill_chart_helm *helm, const struct mill_chart *chart, const char *folder, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_run run = MILL_RUN_INIT;
	int status = 0, r;

	mill_chart_argv_pull(helm, chart, folder, &argv);
	run.spawn.argv = mill_strv_argv(&argv);
	run.merge_stderr = true;
	run.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_run(&run, &said, NULL, &status, err);
	if (r == 0 && status != 0) {
		_cleanup_free_ char *reason = mill_chart_reason(said.data);

		r = mill_fail(err, EIO, "helm pull %s %s: %s", chart->name, chart->version, reason);
	}
	return r;
}

/* "minio 0.13.3 sha256:..": one that the manifest does not hold yet is there to be copied into it. */
static int one(const struct mill_chart_helm *helm, const struct mill_chart *chart, const char *folder, struct mill_error *err)
{
	_cleanup_free_ char *package = NULL;
	char digest[MILL_SHA256_HEX];
	int r = mill_chart_package_find(folder, chart, &package, err);

	if (r == -ENOENT) {
		r = pull(helm, chart, folder, err);
		r = r < 0 ? r : mill_chart_package_find(folder, chart, &package, err);
	}
	r = r < 0 ? r : mill_hash_file(MILL_SHA256, package, digest, err);
	if (r == 0)
		mill_outf("%s %s sha256:%s%s\n", chart->name, chart->version, digest, chart->digest ? "" : " (not in the manifest)");
	return r;
}

static bool is_wanted(const struct mill_invocation *inv, const struct mill_component *c)
{
	return !inv->args.n || mill_strv_contains(&inv->args, c->name);
}

static int run_pull(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_free_ char *program = NULL, *folder = NULL;
	size_t failed = 0;
	int r = mill_component_load_all(&ctx, err);

	for (size_t i = 0; r == 0 && i < inv->args.n; i++)
		if (!mill_component_named(&ctx, inv->args.items[i], err))
			return -EINVAL;
	r = r < 0 ? r : mill_cluster_tool(&ctx.layout, "helm", &program, err);
	if (r < 0)
		return r;
	folder = folder_of(&ctx);
	r = mill_mkdir_p(folder, 0755, err);
	struct mill_chart_helm helm = {.helm = program};
	for (size_t i = 0; r == 0 && i < ctx.model->n_known; i++)
		for (size_t k = 0; k < ctx.model->known[i]->n_charts; k++) {
			const struct mill_chart *chart = &ctx.model->known[i]->charts[k];
			_cleanup_error_ struct mill_error why = {0};

			if (!chart->repository || !is_wanted(inv, ctx.model->known[i]) || one(&helm, chart, folder, &why) == 0)
				continue;
			mill_warn(inv->ui, "%s", why.message);
			failed++;
		}
	if (r == 0 && failed)
		r = mill_fail(err, EIO, "%zu chart%s could not be had", failed, failed == 1 ? "" : "s");
	return r;
}

static const struct mill_option options[] = {
	{.name = "output", .arg = "FOLDER", .word = MILL_WORD_FOLDER, .help = "where packages go; default: the cache, where `cluster install` looks"},
	{0},
};
const struct mill_command mill_cmd_charts_pull = {
	.name = "pull", .summary = "fetch upstream's packages and say their digests", .usage = "[COMPONENT...]",
	.description = "Fetches the pinned charts of the components that are named, or of all, and prints the SHA-256 of each. One that the "
		       "manifest holds is compared; one that it does not hold yet can be copied into it (`digest:`). What is in the folder "
		       "already is not fetched again.",
	.options = options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_pull,
};
