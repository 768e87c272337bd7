/* Packaged charts in a folder. */
#include "base/hash.h"
#include "base/io.h"
#include "chart/chart.h"

int mill_chart_package_find(const char *folder, const struct mill_chart *chart, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	char digest[MILL_SHA256_HEX];
	int r;

	if (chart->path) { /* ours: Helm takes the folder */
		*ret = mill_xstrdup(chart->path);
		return 0;
	}
	if (!chart->name)
		return mill_fail(err, ENOENT, "there is no chart to find: it is made of objects");
	path = mill_xasprintf("%s/%s-%s.tgz", folder, chart->name, chart->version);
	if (!mill_is_file(path))
		return mill_fail(err, ENOENT, "%s-%s.tgz is not in %s", chart->name, chart->version, folder);
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
