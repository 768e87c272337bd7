/*
 * The closure of the packages over Depends and Pre-Depends, less what every
 * machine with dpkg has: the closure of the packages marked Essential (libc6,
 * zlib1g, perl-base, ...).  Both closures are apt's own, computed against an
 * empty status file, so that what is installed here changes nothing.
 */
#include "base/base.h"
#include "base/io.h"
#include "base/parse.h"
#include "runtime/native/apt.h"
#include "runtime/native/relock_step.h"

/* One line of --print-uris: 'URI' file size SHA256:hex.  False: it is none. */
static bool parse_uri(const char *line, struct mill_apt_package *p)
{
	_cleanup_strv_ struct mill_strv f = {0}, parts = {0};
	mill_strv_split(&f, line, " ");
	if (f.n < 4 || f.items[0][0] != '\'' || !mill_starts_with(f.items[3], "SHA256:") ||
	    mill_parse_u64(f.items[2], &p->size) < 0)
		return false;
	char *name = f.items[1], *end = name + strlen(name);
	if (!mill_ends_with(name, ".deb"))
		return false;
	end[-4] = '\0';
	mill_strv_split(&parts, name, "_");
	const char *pool = strstr(f.items[0], "/pool/");
	if (parts.n != 3 || !pool)
		return false;
	/* A colon of the version is written %3a in the file's name. */
	_cleanup_strbuf_ struct mill_strbuf version = MILL_STRBUF_INIT;
	for (const char *c = parts.items[1]; *c; c++)
		if (mill_starts_with(c, "%3a")) {
			mill_strbuf_addch(&version, ':');
			c += 2;
		} else {
			mill_strbuf_addch(&version, *c);
		}
	p->suite = mill_apt_suite();
	p->name = mill_xstrdup(parts.items[0]);
	p->version = mill_strbuf_steal(&version);
	p->arch = mill_xstrdup(parts.items[2]);
	p->sha256 = mill_xstrdup(f.items[3] + strlen("SHA256:"));
	p->pool = mill_xstrndup(pool + 1, strcspn(pool + 1, "'"));
	return true;
}

static int closure(struct mill_step_ctx *x, const struct mill_apt *apt, const struct mill_strv *packages,
		   struct mill_apt_list *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv args = {0}, lines = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_strv_add(&args, "install");
	mill_strv_add(&args, "--print-uris");
	mill_strv_add(&args, "--yes");
	mill_strv_add(&args, "--no-install-recommends");
	/* A package that is in the archives already would not be named. */
	_cleanup_free_ char *empty = mill_relock_work(x, err);
	if (!empty)
		return -err->code;
	mill_strv_addf(&args, "-o=Dir::Cache::archives=%s", empty);
	/* SHA256, not the MD5 that old indexes also have. */
	mill_strv_add(&args, "-o=Acquire::ForceHash=SHA256");
	for (size_t i = 0; i < packages->n; i++)
		mill_strv_add(&args, packages->items[i]);
	int r = mill_apt_get(x, apt, "apt-get install --print-uris", &args, &out, err);
	if (r < 0)
		return r;
	mill_strv_split(&lines, out.data, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		struct mill_apt_package p = {0};
		if (!parse_uri(lines.items[i], &p))
			continue;
		MILL_GROW(ret->items, ret->n, ret->cap);
		ret->items[ret->n++] = p;
	}
	return ret->n ? 0 : mill_fail(err, EIO, "apt-get named no package to fetch");
}

static bool contains(const struct mill_apt_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (mill_streq(l->items[i].name, name))
			return true;
	return false;
}

int mill_relock_debian(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_(mill_apt_release) struct mill_apt apt = {0};
	_cleanup_(mill_apt_list_release) struct mill_apt_list all = {0}, base = {0};
	_cleanup_strv_ struct mill_strv packages = {0}, essential = {0}, exclude = {0}, lines = {0};
	mill_step_list(x->step, "packages", &packages);
	mill_step_list(x->step, "exclude", &exclude);
	mill_strv_add(&essential, "?essential");
	int r = mill_apt_open(x, &apt, err);
	if (r == 0)
		r = mill_apt_update(x, &apt, err);
	if (r == 0)
		r = closure(x, &apt, &packages, &all, err);
	if (r == 0)
		r = closure(x, &apt, &essential, &base, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		const struct mill_apt_package *p = &all.items[i];
		bool asked = mill_strv_contains(&packages, p->name);
		if (asked || (!contains(&base, p->name) && !mill_strv_contains(&exclude, p->name)))
			mill_strv_addf(&lines, "%s %s %s=%s sha256:%s %llu %s", p->suite, p->arch, p->name, p->version,
				       p->sha256, (unsigned long long)p->size, p->pool);
	}
	if (lines.n == 0)
		return mill_fail(err, EIO, "nothing is left to install");
	mill_strv_sort(&lines);
	_cleanup_free_ char *joined = mill_strv_join(&lines, "\n");
	_cleanup_free_ char *text = mill_xasprintf("%s\n", joined);
	_cleanup_free_ char *out = mill_relock_path(x, 0);
	return mill_step_write(x, out, text, err);
}
