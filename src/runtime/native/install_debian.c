/*
 * Debian packages, unpacked without root: apt with a state of its own fetches
 * the exact versions of the lock (it reads the machine's sources, so mirrors
 * and signatures are the machine's), each file is checked against the lock's
 * hash and unpacked with the limits of every other archive.
 */
#include "base/base.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/parse.h"
#include "runtime/native/apt.h"
#include "runtime/native/step.h"

/* The first byte is a letter or digit: nothing that apt could take for an option, or a path for a way out. */
static bool is_word(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++) {
		bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9');
		if (!plain && (i == 0 || !strchr(more, s[i])))
			return false;
	}
	return n > 0;
}

static bool is_sha256(const char *s)
{
	return strlen(s) == MILL_SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == MILL_SHA256_HEX - 1;
}

int mill_apt_package_parse(const char *text, struct mill_apt_package *p)
{
	_cleanup_strv_ struct mill_strv f = {0};
	mill_strv_split(&f, text, " \t");
	char *equals = f.n == 6 ? strchr(f.items[2], '=') : NULL;
	if (!equals || !mill_starts_with(f.items[3], "sha256:") || !is_sha256(f.items[3] + strlen("sha256:")) ||
	    mill_parse_u64(f.items[4], &p->size) < 0)
		return -EINVAL;
	/* Debian Policy 5.6.1, 5.6.8, 5.6.12 */
	if (!is_word(f.items[0], strlen(f.items[0]), "-") || !is_word(f.items[1], strlen(f.items[1]), "-") ||
	    !is_word(f.items[2], (size_t)(equals - f.items[2]), "+-.") || !is_word(equals + 1, strlen(equals + 1), ".+-:~") ||
	    !mill_path_is_inside(f.items[5]))
		return -EINVAL;
	p->suite = mill_xstrdup(f.items[0]);
	p->arch = mill_xstrdup(f.items[1]);
	p->name = mill_xstrndup(f.items[2], (size_t)(equals - f.items[2]));
	p->version = mill_xstrdup(equals + 1);
	p->sha256 = mill_xstrdup(f.items[3] + strlen("sha256:"));
	p->pool = mill_xstrdup(f.items[5]);
	return 0;
}

/* The packages of the lock that are for this machine ("all" is for every one). */
static int read_lock(const char *path, struct mill_apt_list *ret, struct mill_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ struct mill_strv lines = {0};
	size_t len;
	int r = mill_read_file(path, MILL_LOCK_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		struct mill_apt_package p = {0};
		if (lines.items[i][0] == '#')
			continue;
		if (mill_apt_package_parse(lines.items[i], &p) < 0)
			return mill_fail(err, EBADMSG, "the lock's line '%.80s' is not a package", lines.items[i]);
		if (mill_streq(p.arch, "all") || mill_streq(p.arch, mill_machine_arch())) {
			MILL_GROW(ret->items, ret->n, ret->cap);
			ret->items[ret->n++] = p;
		} else {
			mill_apt_package_release(&p);
		}
	}
	if (ret->n == 0)
		return mill_fail(err, ENOENT, "the lock has no package for %s", mill_machine_arch());
	return 0;
}

static bool is_there(const char *file, const struct mill_apt_package *p)
{
	char have[MILL_SHA256_HEX];
	return mill_hash_file(MILL_SHA256, file, have, NULL) == 0 && mill_streq(have, p->sha256);
}

static int vanished(struct mill_step_ctx *x, const struct mill_apt_list *missing, struct mill_error *err)
{
	const struct mill_apt_package *p = &missing->items[0];
	_cleanup_free_ char *suite = mill_apt_suite();
	if (x->network_failed || x->disk_full)
		return -err->code;
	_cleanup_free_ char *detail = err->detail ? mill_xstrdup(err->detail) : NULL;
	if (!mill_streq(suite, p->suite))
		mill_fail(err, ENOENT, "%s %s is locked for %s, this machine's packages are of %s", p->name,
			  p->version, p->suite, suite);
	else
		mill_fail(err, ENOENT, "%s %s is no longer among the packages of %s", p->name, p->version, suite);
	mill_error_detail(err, detail);
	return mill_error_hint(err, "renew the lock: data-mill component relock %s", x->recipe->name);
}

/* Fetches what the cache lacks: first with the lists that are there, then with new ones. */
static int fetch(struct mill_step_ctx *x, const struct mill_apt *apt, struct mill_apt_list *all,
		 struct mill_error *err)
{
	int r = 0;
	for (int attempt = 0; attempt < 2; attempt++) {
		struct mill_apt_list missing = {0}; /* borrows its packages */
		for (size_t i = 0; i < all->n; i++) {
			_cleanup_free_ char *file = mill_apt_file(apt, &all->items[i]);
			if (is_there(file, &all->items[i]))
				continue;
			MILL_GROW(missing.items, missing.n, missing.cap);
			missing.items[missing.n++] = all->items[i];
		}
		r = 0;
		if (missing.n && (attempt || !mill_apt_has_lists(apt)) && !x->options->offline)
			r = mill_apt_update(x, apt, err);
		if (r == 0 && missing.n)
			r = mill_apt_download(x, apt, &missing, err);
		if (r < 0 && missing.n && attempt)
			r = vanished(x, &missing, err);
		size_t left = missing.n;
		free(missing.items);
		if (left == 0 || r == 0 || r == -ECANCELED || x->disk_full)
			break;
	}
	return r;
}

int mill_install_debian(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_(mill_apt_release) struct mill_apt apt = {0};
	_cleanup_(mill_apt_list_release) struct mill_apt_list list = {0};
	_cleanup_free_ char *lock = mill_step_staged(x, x->step->lock);
	_cleanup_strv_ struct mill_strv omit = {0};
	mill_step_list(x->step, "omit", &omit);
	int r = read_lock(lock, &list, err);
	if (r == 0)
		r = mill_apt_open(x, &apt, err);
	if (r == 0)
		r = fetch(x, &apt, &list, err);
	for (size_t i = 0; i < list.n && r == 0; i++) {
		const struct mill_apt_package *p = &list.items[i];
		_cleanup_free_ char *file = mill_apt_file(&apt, p);
		if (!is_there(file, p)) {
			(void)unlink(file);
			return mill_fail(err, EBADMSG, "checksum mismatch: %s %s is not the file that %s locks",
					 p->name, p->version, x->step->lock);
		}
		mill_step_progress(x, MILL_INSTALL_UNPACK, i, list.n, "unpack %s %s", p->name, p->version);
		/* Packages of data compress well, and the hash says that this is the package meant. */
		struct mill_net_unpack u = {.archive = file, .dest = x->dest, .deb = true, .rebase_links = true,
					    .max_ratio = 2000, .omit = (const char *const *)mill_strv_argv(&omit)};
		r = mill_step_unpack(x, &u, err);
	}
	return r < 0 ? r : mill_step_rewrite(x, err);
}
