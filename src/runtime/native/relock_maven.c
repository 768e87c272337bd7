/* mvn resolves the artefacts and what they need at run time; each file found is hashed. */
#include "base/base.h"
#include "base/hash.h"
#include "base/io.h"
#include "runtime/native/maven.h"
#include "runtime/native/relock_step.h"

/* "   g:a:type[:classifier]:version:scope:/path -- module x" -> a line of the lock, or NULL. */
static char *lock_line(const char *text, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv f = {0};
	const char *slash = strstr(text, ":/");
	if (!slash)
		return NULL;
	const char *tail = strstr(slash, " -- ");
	size_t n = tail ? (size_t)(tail - slash - 1) : strlen(slash + 1);
	_cleanup_free_ char *path = mill_xstrndup(slash + 1, n);
	while (n && (path[n - 1] == ' ' || path[n - 1] == '\r'))
		path[--n] = '\0';
	_cleanup_free_ char *coordinate = mill_xstrndup(text, (size_t)(slash - text));
	mill_strv_split(&f, coordinate, ":");
	char sha[MILL_SHA256_HEX];
	if (f.n < 5 || f.n > 6 || mill_hash_file(MILL_SHA256, path, sha, err) < 0)
		return NULL;
	_cleanup_free_ char *group = mill_xstrdup(f.items[0] + strspn(f.items[0], " "));
	return f.n == 6 ? mill_xasprintf("%s:%s:%s:%s:%s sha256:%s", group, f.items[1], f.items[2], f.items[3],
					 f.items[4], sha)
			: mill_xasprintf("%s:%s:%s:%s sha256:%s", group, f.items[1], f.items[2], f.items[3], sha);
}

static int read_list(const char *path, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ struct mill_strv lines = {0};
	size_t len;
	int r = mill_read_file(path, MILL_LOCK_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		char *line = lock_line(lines.items[i], err);
		if (line)
			mill_strv_add_take(ret, line);
	}
	if (ret->n == 0)
		return mill_fail(err, EIO, "mvn resolved nothing");
	mill_strv_sort(ret);
	return 0;
}

static int parse_wanted(struct mill_step_ctx *x, struct mill_artifacts *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv wanted = {0};
	mill_step_list(x->step, "artifacts", &wanted);
	for (size_t i = 0; i < wanted.n; i++) {
		MILL_GROW(ret->items, ret->n, ret->cap);
		if (mill_artifact_parse(wanted.items[i], &ret->items[ret->n]) < 0)
			return mill_fail_usage(err, "artifacts: '%s' is not group:artifact:version[:type[:classifier]]",
					       wanted.items[i]);
		ret->n++;
	}
	return 0;
}

int mill_relock_maven(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_(mill_artifacts_release) struct mill_artifacts wanted = {0};
	_cleanup_strv_ struct mill_strv exclude = {0}, args = {0}, lines = {0};
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_free_ char *work = mill_relock_work(x, err);
	int r = work ? parse_wanted(x, &wanted, err) : -err->code;
	if (r < 0)
		return r;
	_cleanup_free_ char *pom = mill_path_join(work, "pom.xml");
	_cleanup_free_ char *list = mill_path_join(work, "list.txt");
	mill_step_list(x->step, "exclude", &exclude);
	mill_pom_write(&(struct mill_pom){.items = &wanted, .exclude = &exclude,
					  .transitive = mill_step_bool(x->step, "transitive", true)}, &text);
	mill_strv_add(&args, MILL_MAVEN_DEPENDENCY ":list");
	mill_strv_addf(&args, "-DoutputFile=%s", list);
	mill_strv_add(&args, "-DoutputAbsoluteArtifactFilename=true");
	mill_strv_add(&args, "-DincludeScope=runtime");
	r = mill_step_write(x, pom, text.data, err);
	if (r == 0)
		r = mill_maven_run(x, "mvn dependency:list", pom, &args, err);
	if (r == 0)
		r = read_list(list, &lines, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *joined = mill_strv_join(&lines, "\n");
	_cleanup_free_ char *content = mill_xasprintf("%s\n", joined);
	_cleanup_free_ char *out = mill_relock_path(x, 0);
	return mill_step_write(x, out, content, err);
}
