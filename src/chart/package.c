/* Packaged charts in a folder. */
#include "base/hash.h"
#include "base/io.h"
#include "chart/chart.h"

static char *file_name(const struct mill_chart *chart)
{
	return mill_xasprintf("%s-%s.tgz", chart->name, chart->version);
}

/* A new folder inside, to pull into; owned. */
static int begin(const char *folder, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(folder, ".pull-XXXXXX");
	int r = mill_mkdir_p(folder, 0755, err);

	if (r < 0)
		return r;
	if (!mkdtemp(dir))
		return mill_fail_errno(err, errno, "%s", dir);
	*ret = MILL_TAKE(dir);
	return 0;
}

/* Flink's is called flink-kubernetes-operator-1.15.0-helm.tgz: Helm keeps the name of the URL. */
static int end(const char *pulled, const char *folder, const struct mill_chart *chart, struct mill_error *err)
{
	_cleanup_free_ char *name = file_name(chart), *to = mill_path_join(folder, name), *from = NULL;
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(pulled, &names, err);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (mill_ends_with(names.items[i], ".tgz")) {
			free(from);
			from = mill_path_join(pulled, names.items[i]);
		}
	if (r == 0 && !from)
		r = mill_fail(err, ENOENT, "helm pull %s %s: it wrote no package", chart->name, chart->version);
	if (r == 0 && rename(from, to) < 0)
		r = mill_fail_errno(err, errno, "%s", to);
	return r;
}

int mill_chart_package_pull(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			    mill_chart_run_fn *run, void *arg, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *fresh = NULL;
	int r = begin(folder, &fresh, err);

	if (r < 0)
		return r;
	mill_chart_argv_pull(h, chart, fresh, &argv);
	r = run(arg, &argv, err);
	r = r < 0 ? r : end(fresh, folder, chart, err);
	mill_rm_rf(fresh, NULL);
	return r < 0 ? mill_error_wrap(err, "chart %s %s", chart->name, chart->version) : 0;
}

int mill_chart_package_get(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			   mill_chart_run_fn *run, void *arg, char **ret, struct mill_error *err)
{
	int r = mill_chart_package_find(folder, chart, ret, err);

	if (r != -ENOENT)
		return r;
	mill_error_release(err);
	r = mill_chart_package_pull(h, chart, folder, run, arg, err);
	if (r < 0)
		return mill_error_hint(err, "where there is no way to %s, put %s-%s.tgz into %s", chart->repository, chart->name,
				       chart->version, folder);
	return mill_chart_package_find(folder, chart, ret, err);
}

int mill_chart_package_find(const char *folder, const struct mill_chart *chart, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL, *name = NULL;
	char digest[MILL_SHA256_HEX];
	int r;

	if (chart->path) { /* ours: Helm takes the folder */
		*ret = mill_xstrdup(chart->path);
		return 0;
	}
	if (!chart->name)
		return mill_fail(err, ENOENT, "there is no chart to find: it is made of objects");
	name = file_name(chart);
	path = mill_path_join(folder, name);
	if (!mill_is_file(path))
		return mill_fail(err, ENOENT, "%s is not in %s", name, folder);
	if (chart->digest) {
		r = mill_hash_file(MILL_SHA256, path, digest, err);
		if (r < 0)
			return mill_error_wrap(err, "chart %s", chart->name);
		if (strcmp(digest, chart->digest) != 0) {
			mill_fail(err, EBADMSG, "%s is not the chart that the manifest names: its SHA-256 is %s, expected %s", path,
				  digest, chart->digest);
			return mill_error_hint(err, "remove the file; if %s was released anew under the same version, look at why first",
					       chart->name);
		}
	}
	*ret = MILL_TAKE(path);
	return 0;
}
