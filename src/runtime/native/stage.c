#include <dirent.h>
#include <sys/stat.h>

#include "runtime/native/stage.h"

#include "base/hash.h"
#include "base/io.h"

#define DEPTH_MAX 16

/* Locks are for installs and can be large; what begins with a dot or is Python's cache is nobody's business. */
static bool is_staged(const char *name, unsigned depth)
{
	return name[0] != '.' && strcmp(name, "__pycache__") != 0 && !(depth == 0 && strcmp(name, "locks") == 0);
}

static int digest_folder(struct mill_hash *h, const char *path, unsigned depth, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(path, &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		_cleanup_free_ char *below = mill_path_join(path, names.items[i]);
		if (!is_staged(names.items[i], depth) || stat(below, &st) < 0)
			continue;
		char line[96];
		snprintf(line, sizeof(line), "%o %lld %lld.%09ld", (unsigned)st.st_mode,
			 S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
			 S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_mtim.tv_sec,
			 S_ISDIR(st.st_mode) ? 0L : st.st_mtim.tv_nsec);
		mill_hash_field(h, below);
		mill_hash_field(h, line);
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX && (r = digest_folder(h, below, depth + 1, err)) < 0)
			return r;
	}
	return 0;
}

/* What is there already stays: the component's own file goes before the shared one. */
static int copy_parts(const char *source, const char *to, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(source, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *from = mill_path_join(source, names.items[i]);
		_cleanup_free_ char *at = mill_path_join(to, names.items[i]);
		if (!is_staged(names.items[i], 0) || mill_exists(at))
			continue;
		r = mill_is_dir(from) ? mill_copy_tree(from, at, err) : mill_copy_file(from, at, 0644, err);
	}
	return r;
}

/* Made beside and swapped in, so that a hook never sees half of it. */
static int replace(struct mill_native *n, const char *source, const char *shared, const char *hooks, struct mill_error *err)
{
	_cleanup_free_ char *fresh = mill_xasprintf("%s.new", hooks);
	int r = mill_rm_rf(fresh, err);
	if (r == 0)
		r = mill_mkdir_p(fresh, 0700, err);
	if (r == 0)
		r = copy_parts(source, fresh, err);
	if (r == 0 && mill_is_dir(shared))
		r = copy_parts(shared, fresh, err);
	if (r == 0 && n->layout->root)
		r = mill_chown_r(fresh, n->layout->uid, n->layout->gid, err);
	if (r == 0)
		r = mill_rm_rf(hooks, err);
	if (r == 0 && rename(fresh, hooks) < 0)
		r = mill_fail_errno(err, errno, "%s", hooks);
	return r;
}

int mill_stage_hooks(struct mill_native *n, const char *component, const char *source, struct mill_error *err)
{
	if (!*source)
		return 0;
	_cleanup_free_ char *hooks = mill_native_component_path(n, component, "hooks");
	_cleanup_free_ char *shared = mill_path_join(n->layout->resources, "components/_hooks");
	_cleanup_free_ char *mark = mill_native_component_path(n, component, "hooks.digest");
	_cleanup_free_ char *known = NULL;
	char digest[MILL_SHA256_HEX];
	size_t len = 0;
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	int r = digest_folder(h, source, 0, err);
	if (r == 0 && mill_is_dir(shared))
		r = digest_folder(h, shared, 0, err);
	mill_hash_finish(h, digest);
	if (r < 0) {
		mill_error_wrap(err, "hooks of %s", component);
		return r;
	}
	(void)mill_read_file(mark, sizeof(digest), &known, &len, NULL); /* absent: staged now */
	if (mill_streq(known, digest) && mill_is_dir(hooks))
		return 0;
	r = replace(n, source, shared, hooks, err);
	if (r < 0) {
		mill_error_wrap(err, "hooks of %s", component);
		return r;
	}
	return mill_write_file(mark, digest, strlen(digest), 0600, 0, err);
}
