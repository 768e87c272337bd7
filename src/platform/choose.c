/* Which platform is meant: --platform, the current one, or the only one. */
#include "platform/platform.h"

#include "base/io.h"
#include "platform/internal.h"

#define REGISTRY "native.data-mill-registry"

int mill_platform_list(const struct mill_layout *l, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(l->platforms, &names, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *record = mill_xasprintf("%s/%s/platform.json", l->platforms, names.items[i]);
		if (strchr(names.items[i], '.') && names.items[i][0] != '.' && mill_is_file(record))
			mill_strv_add(ret, names.items[i]);
	}
	mill_strv_sort(ret);
	return 0;
}

static char *current_path(const struct mill_layout *l)
{
	return mill_path_join(l->config, "current");
}

static char *read_current(const struct mill_layout *l)
{
	_cleanup_free_ char *path = current_path(l);
	char *text = NULL;
	size_t len = 0;
	if (mill_read_file(path, 256, &text, &len, NULL) < 0)
		return NULL;
	text[strcspn(text, " \t\r\n")] = '\0';
	return text;
}

static int no_choice(const struct mill_strv *all, const char *wanted, struct mill_error *err)
{
	if (all->n == 0 && !wanted) {
		mill_fail_usage(err, "there is no platform yet");
		return mill_error_hint(err, "make one: data-mill up -f FLAVOUR");
	}
	_cleanup_free_ char *list = mill_strv_join(all, ", ");
	if (wanted)
		mill_fail_usage(err, "no platform \"%s\"%s%s", wanted, all->n ? "; there are: " : "", list);
	else
		mill_fail_usage(err, "which platform? There are: %s", list);
	return mill_error_hint(err, "name it with --platform NAME, or once for all: data-mill platform use NAME");
}

/* The full name that `wanted` stands for: itself, or the only one with that name on any target. */
static int match(const struct mill_strv *all, const char *wanted, const char **ret, struct mill_error *err)
{
	const char *found = NULL;
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++) {
		const char *name = strchr(all->items[i], '.') + 1;
		if (strcmp(all->items[i], wanted) == 0) {
			*ret = all->items[i];
			return 0;
		}
		if (strcmp(name, wanted) == 0) {
			found = all->items[i];
			n++;
		}
	}
	if (n == 1) {
		*ret = found;
		return 0;
	}
	if (n > 1) {
		mill_fail_usage(err, "\"%s\" is on several targets", wanted);
		return mill_error_hint(err, "say which: --platform TARGET.%s (data-mill platform list)", wanted);
	}
	return no_choice(all, wanted, err);
}

static int open_full(const struct mill_layout *l, const char *full, struct mill_platform **ret,
		     struct mill_error *err)
{
	const char *dot = strchr(full, '.');
	_cleanup_free_ char *target = mill_xstrndup(full, (size_t)(dot - full));
	return mill_platform_open(l, target, dot + 1, ret, err);
}

int mill_platform_choose(const struct mill_layout *l, const char *wanted, struct mill_platform **ret,
			 struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv all = {0};
	int r = mill_platform_list(l, &all, err);
	if (r < 0)
		return r;
	const char *full = NULL;
	if (wanted) {
		r = match(&all, wanted, &full, err);
		return r < 0 ? r : open_full(l, full, ret, err);
	}
	_cleanup_free_ char *current = read_current(l);
	if (current && mill_strv_contains(&all, current))
		return open_full(l, current, ret, err);
	/* The local image registry serves the others: a command that names no platform never means it. */
	_cleanup_strv_ struct mill_strv own = {0};
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.items[i], REGISTRY) != 0)
			mill_strv_add(&own, all.items[i]);
	if (own.n == 1)
		return open_full(l, own.items[0], ret, err);
	return no_choice(&own, NULL, err);
}

int mill_platform_use(const struct mill_layout *l, const char *wanted, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv all = {0};
	int r = mill_platform_list(l, &all, err);
	if (r < 0)
		return r;
	const char *full = NULL;
	r = match(&all, wanted, &full, err);
	if (r < 0)
		return r;
	r = mill_mkdir_p(l->config, 0700, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *path = current_path(l);
	_cleanup_free_ char *line = mill_xasprintf("%s\n", full);
	return mill_write_file(path, line, strlen(line), 0600, MILL_WRITE_DURABLE, err);
}
