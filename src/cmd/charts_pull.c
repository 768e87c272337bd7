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

static int run_helm(void *arg, struct mill_strv *argv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	struct mill_run run = MILL_RUN_INIT;
	int status = 0, r;

	run.spawn.argv = mill_strv_argv(argv);
	run.merge_stderr = true;
	run.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_run(&run, &said, NULL, &status, err);
	if (r == 0 && status != 0) {
		_cleanup_free_ char *reason = mill_chart_reason(said.data);

		r = mill_fail(err, EIO, "helm pull: %s", reason);
	}
	return r;
}

/* "minio 0.13.3 sha256:..": one that the manifest does not hold yet is there to be copied into it. */
static int one(const struct mill_chart_helm *helm, const struct mill_chart *chart, const char *folder, struct mill_error *err)
{
	_cleanup_free_ char *package = NULL;
	char digest[MILL_SHA256_HEX];
	int r = mill_chart_package_get(helm, chart, folder, run_helm, NULL, &package, err);

	r = r < 0 ? r : mill_hash_file(MILL_SHA256, package, digest, err);
	if (r == 0)
		mill_outf("%s %s sha256:%s%s\n", chart->name, chart->version, digest, chart->digest ? "" : " (not in the manifest)");
	return r;
}

/* The package as the repository has it now, whatever the cache holds. */
static int fetch_digest(const struct mill_chart_helm *helm, const struct mill_chart *chart, char digest[MILL_SHA256_HEX], struct mill_error *err)
{
	struct mill_chart unpinned = *chart;
	char dir[] = "/tmp/data-mill-chart-XXXXXX";
	_cleanup_free_ char *package = NULL;
	int r;

	if (!mkdtemp(dir))
		return mill_fail_errno(err, errno, "a folder for a chart");
	unpinned.digest = NULL;
	r = mill_chart_package_pull(helm, chart, dir, run_helm, NULL, err);
	r = r < 0 ? r : mill_chart_package_find(dir, &unpinned, &package, err);
	r = r < 0 ? r : mill_hash_file(MILL_SHA256, package, digest, err);
	mill_rm_rf(dir, NULL);
	if (r < 0 || !chart->digest || mill_streq(chart->digest, digest))
		return r;
	mill_fail(err, EBADMSG, "%s has another %s %s than the manifest says: its SHA-256 is %s, expected %s", chart->repository, chart->name,
		  chart->version, digest, chart->digest);
	return mill_error_hint(err, "the same version was published twice: look at why; `digest` removed from the manifest, relock takes the new one");
}

int mill_charts_relock(struct mill_context *ctx, const struct mill_component *c, struct mill_error *err)
{
	_cleanup_free_ char *program = NULL;
	char (*digests)[MILL_SHA256_HEX] = mill_xcalloc(c->n_charts, sizeof(*digests));
	int r = mill_cluster_tool(&ctx->layout, "helm", &program, err);
	struct mill_chart_helm helm = {.helm = program};

	for (size_t i = 0; r == 0 && i < c->n_charts; i++)
		if (c->charts[i].repository) {
			mill_note(ctx->ui, "%s: fetching %s %s ...", c->name, c->charts[i].name, c->charts[i].version);
			r = fetch_digest(&helm, &c->charts[i], digests[i], err);
		}
	for (size_t i = c->n_charts; r == 0 && i > 0; i--) {
		const struct mill_chart *chart = &c->charts[i - 1];

		if (!chart->repository)
			continue;
		if (!chart->digest)
			r = mill_chart_lock(c, i - 1, digests[i - 1], err);
		if (r == 0)
			mill_note(ctx->ui, "%s: %s %s sha256:%s%s", c->name, chart->name, chart->version, digests[i - 1],
				  chart->digest ? "" : ", now in its manifest");
	}
	free(digests);
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
