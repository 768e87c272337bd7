/*
 * Maven: each artefact of the lock is fetched alone, by mvn, and is what the
 * lock says (SHA-256) or the step fails.  `unpack: true` opens archives
 * instead of copying them.
 */
#include "base/base.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/native/maven.h"

static int read_lock(const char *path, struct mill_artifacts *ret, struct mill_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ struct mill_strv lines = {0};
	size_t len;
	int r = mill_read_file(path, MILL_LOCK_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		if (lines.items[i][0] == '#')
			continue;
		MILL_GROW(ret->items, ret->n, ret->cap);
		if (mill_artifact_parse_locked(lines.items[i], &ret->items[ret->n]) < 0)
			return mill_fail(err, EBADMSG, "the lock's line '%.80s' is not an artefact", lines.items[i]);
		ret->n++;
	}
	return 0;
}

static int place(struct mill_step_ctx *x, const char *file, struct mill_error *err)
{
	if (!mill_step_bool(x->step, "unpack", false)) {
		_cleanup_free_ char *to = mill_path_join(x->dest, mill_path_basename(file));
		return mill_step_copy(x, file, to, 0644, err);
	}
	struct mill_net_unpack u = {.archive = file, .dest = x->dest,
				    .strip = (unsigned)mill_json_get_int(x->step->json, "strip", 0)};
	const char *inner = mill_json_get_string(x->step->json, "inner", NULL);
	if (!inner)
		return mill_step_unpack(x, &u, err);
	_cleanup_free_ char *outer = mill_xasprintf("%s/outer-%u", x->build, x->step->nth);
	_cleanup_free_ char *within = mill_path_join(outer, inner);
	struct mill_net_unpack first = {.archive = file, .dest = outer};
	int r = mill_step_mkdir(x, outer, err);
	if (r == 0)
		r = mill_step_unpack(x, &first, err);
	if (r == 0 && !mill_exists(within))
		r = mill_fail(err, ENOENT, "%s: there is no %s in it", mill_path_basename(file), inner);
	u.archive = within;
	return r < 0 ? r : mill_step_unpack(x, &u, err);
}

static int verify_and_place(struct mill_step_ctx *x, const struct mill_artifact *a, const char *fetched,
			    struct mill_error *err)
{
	_cleanup_free_ char *name = mill_artifact_file(a);
	_cleanup_free_ char *file = mill_path_join(fetched, name);
	char have[MILL_SHA256_HEX];
	int r = mill_hash_file(MILL_SHA256, file, have, err);
	if (r < 0)
		return r;
	if (!mill_streq(have, a->sha256)) {
		/* Not ours to keep: the next try asks the repository again. */
		_cleanup_free_ char *dir = mill_xasprintf("%s/maven/%s", x->store->cache, a->group);
		for (char *c = dir + strlen(x->store->cache) + 7; *c; c++)
			*c = *c == '.' ? '/' : *c;
		_cleanup_free_ char *cached = mill_xasprintf("%s/%s/%s", dir, a->artifact, a->version);
		(void)mill_rm_rf(cached, NULL);
		return mill_fail(err, EBADMSG, "checksum mismatch: %s is not the file that %s locks", name,
				 x->step->lock);
	}
	return place(x, file, err);
}

int mill_install_maven(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_(mill_artifacts_release) struct mill_artifacts list = {0};
	_cleanup_free_ char *lock = mill_step_staged(x, x->step->lock);
	_cleanup_free_ char *pom = mill_path_join(x->build, "pom.xml");
	_cleanup_free_ char *fetched = mill_xasprintf("%s/maven-%u", x->build, x->step->nth);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_strv_ struct mill_strv args = {0};
	int r = read_lock(lock, &list, err);
	if (r < 0)
		return r;
	mill_pom_write(&(struct mill_pom){.items = &list, .copy_to = fetched}, &text);
	r = mill_step_mkdir(x, fetched, err);
	if (r == 0)
		r = mill_step_write(x, pom, text.data, err);
	mill_strv_add(&args, MILL_MAVEN_DEPENDENCY ":copy");
	if (r == 0)
		r = mill_maven_run(x, "mvn dependency:copy", pom, &args, err);
	for (size_t i = 0; i < list.n && r == 0; i++) {
		mill_step_progress(x, MILL_INSTALL_UNPACK, i, list.n, "%s", list.items[i].artifact);
		r = verify_and_place(x, &list.items[i], fetched, err);
	}
	return r;
}
