/* charts lint, package, index, serve: our own charts as a Helm repository. */
#include "base/io.h"
#include "base/proc.h"
#include "chart/chart.h"
#include "cluster/cluster.h"
#include "cmd/charts.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "net/net.h"
#include "net/serve.h"

#define FOLDER "helm-charts"
#define PACKAGES "dist/charts"
#define PORT 8879 /* what `helm serve` had */

/* Folders of charts: those that are named, else all of the project and of ours. */
static int find_charts(struct mill_context *ctx, struct mill_strv *ret, struct mill_error *err)
{
	const char *const roots[] = {ctx->layout.project, ctx->layout.resources};
	const struct mill_strv *named = &ctx->inv->args;

	for (size_t i = 0; i < MILL_ARRAY_LEN(roots); i++) {
		_cleanup_free_ char *folder = roots[i] ? mill_path_join(roots[i], FOLDER) : NULL;
		_cleanup_strv_ struct mill_strv names = {0};

		if (!folder || (i && mill_streq(roots[0], roots[1])) || mill_list_dir(folder, &names, NULL) < 0)
			continue;
		for (size_t k = 0; k < names.n; k++) {
			_cleanup_free_ char *chart = mill_xasprintf("%s/%s/Chart.yaml", folder, names.items[k]);

			if (mill_is_file(chart) && (!named->n || mill_strv_contains(named, names.items[k])))
				mill_strv_addf(ret, "%s/%s", folder, names.items[k]);
		}
	}
	for (size_t i = 0; i < named->n; i++) {
		_cleanup_free_ char *chart = mill_path_join(named->items[i], "Chart.yaml");
		bool found = false;

		for (size_t k = 0; k < ret->n && !found; k++)
			found = mill_streq(mill_path_basename(ret->items[k]), named->items[i]);
		if (!found && mill_is_file(chart))
			mill_strv_add(ret, named->items[i]);
		else if (!found)
			return mill_fail_usage(err, "there is no chart '%s' in " FOLDER ", and no such folder", named->items[i]);
	}
	return ret->n ? 0 : mill_fail_usage(err, "there are no charts in " FOLDER);
}

/* Runs helm; what it prints is shown when it fails. */
static int helm(struct mill_context *ctx, struct mill_strv *argv, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	struct mill_run run = MILL_RUN_INIT;
	int status = 0, r;

	run.spawn.argv = mill_strv_argv(argv);
	run.merge_stderr = true;
	run.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_run(&run, &out, NULL, &status, err);
	if (r == 0 && status != 0) {
		r = mill_fail(err, EIO, "helm %s %s failed", argv->items[1], mill_path_basename(argv->items[2]));
		mill_error_detail(err, out.data);
	}
	return r;
}

static int begin(struct mill_context *ctx, struct mill_strv *charts, char **ret_helm, struct mill_error *err)
{
	int r = mill_context_layout(ctx, err);

	r = r < 0 || !charts ? r : find_charts(ctx, charts, err);
	return r < 0 ? r : mill_cluster_tool(&ctx->layout, "helm", ret_helm, err);
}

/* What helm lint does not ask for, and a chart that people install alone needs. */
static int check_files(const char *chart, struct mill_error *err)
{
	static const char *const files[] = {"values.schema.json", "README.md", "templates/NOTES.txt"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path = mill_path_join(chart, files[i]);

		if (!mill_is_file(path)) {
			mill_fail(err, ENOENT, "%s: there is no %s", mill_path_basename(chart), files[i]);
			return mill_error_hint(err, "the README and the schema come from the comments in values.yaml: "
						    "python3 tools/chart-docs.py");
		}
	}
	return 0;
}

static int run_lint(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv charts = {0};
	_cleanup_free_ char *program = NULL;
	int r = begin(&ctx, &charts, &program, err);

	for (size_t i = 0; r == 0 && i < charts.n; i++) {
		_cleanup_strv_ struct mill_strv argv = {0};

		mill_strv_add(&argv, program);
		mill_strv_add(&argv, "lint");
		mill_strv_add(&argv, charts.items[i]);
		mill_strv_add(&argv, "--strict");
		r = check_files(charts.items[i], err);
		r = r < 0 ? r : helm(&ctx, &argv, err);
		if (r == 0)
			mill_outf("%s: good\n", mill_path_basename(charts.items[i]));
	}
	return r;
}

static const char *output_of(const struct mill_invocation *inv)
{
	return mill_opt(inv, "output") ? mill_opt(inv, "output") : PACKAGES;
}

static int run_package(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv charts = {0};
	_cleanup_free_ char *program = NULL;
	int r = begin(&ctx, &charts, &program, err);

	r = r < 0 ? r : mill_mkdir_p(output_of(inv), 0755, err);
	for (size_t i = 0; r == 0 && i < charts.n; i++) {
		_cleanup_strv_ struct mill_strv argv = {0};

		mill_strv_add(&argv, program);
		mill_strv_add(&argv, "package");
		mill_strv_add(&argv, charts.items[i]);
		mill_strv_add(&argv, "--destination");
		mill_strv_add(&argv, output_of(inv));
		r = helm(&ctx, &argv, err);
	}
	if (r == 0)
		mill_outf("%zu charts in %s\n", charts.n, output_of(inv));
	return r;
}

static int run_index(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *program = NULL;
	const char *folder = mill_arg(inv, 0) ? mill_arg(inv, 0) : PACKAGES;
	int r;

	if (!mill_is_dir(folder)) {
		mill_fail_usage(err, "%s: no such folder", folder);
		return mill_error_hint(err, "data-mill charts package --output %s", folder);
	}
	r = begin(&ctx, NULL, &program, err);
	if (r < 0)
		return r;
	mill_strv_add(&argv, program);
	mill_strv_add(&argv, "repo");
	mill_strv_add(&argv, "index");
	mill_strv_add(&argv, folder);
	if (mill_opt(inv, "url")) {
		mill_strv_add(&argv, "--url");
		mill_strv_add(&argv, mill_opt(inv, "url"));
	}
	r = helm(&ctx, &argv, err);
	if (r == 0)
		mill_outf("%s/index.yaml written\n", folder);
	return r;
}

/* ---- serve ---- */

static void say_address(void *arg, uint16_t port)
{
	mill_outf("http://127.0.0.1:%u serves %s; Ctrl-C ends it\n", port, (const char *)arg);
	mill_outf("next: helm repo add mill http://127.0.0.1:%u\n", port);
	fflush(stdout);
}

static int run_serve(struct mill_invocation *inv, struct mill_error *err)
{
	const char *folder = mill_arg(inv, 0) ? mill_arg(inv, 0) : PACKAGES;
	unsigned port = mill_opt_count(inv, "port", PORT);
	_cleanup_free_ char *index = mill_path_join(folder, "index.yaml");
	const struct mill_net_api *net;
	int r;

	if (port > 65535)
		return mill_fail_usage(err, "--port: %u is no port", port);
	if (!mill_is_file(index)) {
		mill_fail_usage(err, "%s: there is no index.yaml", folder);
		return mill_error_hint(err, "data-mill charts package --output %s && data-mill charts index %s", folder, folder);
	}
	r = mill_net_load(&net, err);
	if (r < 0)
		return r;
	struct mill_net_serve s = {.folder = folder, .port = (uint16_t)port, .cancel_fd = mill_interrupt_fd(NULL),
				   .on_ready = say_address, .arg = (void *)folder};
	return net->serve(&s, err);
}

/* ---- the table ---- */

static const struct mill_option package_options[] = {
	{.name = "output", .arg = "FOLDER", .word = MILL_WORD_FOLDER, .help = "where packages go; default: " PACKAGES},
	{0},
};
static const struct mill_option index_options[] = {
	{.name = "url", .arg = "URL", .help = "where the folder will be served, for addresses that are not relative"},
	{0},
};
static const struct mill_option serve_options[] = {
	{.name = "port", .arg = "N", .value = MILL_VALUE_COUNT, .help = "on this machine's loopback address; 0: a free one; default: 8879"},
	{0},
};
const struct mill_command mill_cmd_charts_lint = {
	.name = "lint", .summary = "check our own charts: helm lint, schema, README", .usage = "[CHART...]", .max_args = -1, .run = run_lint,
};
const struct mill_command mill_cmd_charts_package = {
	.name = "package", .summary = "package our own charts", .usage = "[CHART...]", .options = package_options, .max_args = -1,
	.run = run_package,
};
const struct mill_command mill_cmd_charts_index = {
	.name = "index", .summary = "write the index of a folder of packages", .usage = "[FOLDER]", .options = index_options,
	.word = MILL_WORD_FOLDER, .max_args = 1, .run = run_index,
};
const struct mill_command mill_cmd_charts_serve = {
	.name = "serve", .summary = "serve a folder of packages as a Helm repository, on this machine", .usage = "[FOLDER]",
	.options = serve_options, .word = MILL_WORD_FOLDER, .max_args = 1, .run = run_serve,
};
