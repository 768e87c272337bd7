/* The component's own files: what its hooks and its services read at run time. */
#include <sys/stat.h>

#include "image/internal.h"

#include "base/io.h"

enum { DEPTH_MAX = 16, FILES_MAX = 4000 };
#define CONTEXT "jupyterhub/context" /* where environments look for it (cmd/environment_use.c) */
#define FILE_MAX ((uint64_t)64 << 20)

/* Locks are for installs, manifests for us, pages for people; none of them may change an image. */
static bool is_wanted(const char *name, unsigned depth)
{
	static const char *const top[] = {"locks", "component.yaml", "environment.yaml", "config.yaml", "README.md"};
	if (name[0] == '.' || strcmp(name, "__pycache__") == 0)
		return false;
	for (size_t i = 0; depth == 0 && i < MILL_ARRAY_LEN(top); i++)
		if (strcmp(name, top[i]) == 0)
			return false;
	return true;
}

static bool is_known(const struct mill_image_files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->items[i].path, path) == 0)
			return true;
	return false;
}

static int add_file(const char *path, const char *source, const struct stat *st, struct mill_image_files *ret,
		    struct mill_error *err)
{
	if (!S_ISREG(st->st_mode))
		return mill_fail(err, EINVAL, "%s is neither a file nor a folder: an image has no place for it", source);
	if ((uint64_t)st->st_size > FILE_MAX || ret->n >= FILES_MAX)
		return mill_fail(err, EFBIG, "%s: a component has at most %d files of at most 64 MiB", source, FILES_MAX);
	MILL_GROW(ret->items, ret->n, ret->cap);
	ret->items[ret->n++] = (struct mill_image_file){.path = mill_xstrdup(path), .source = mill_xstrdup(source),
							.mode = st->st_mode & 0111 ? 0555 : 0444,
							.size = (uint64_t)st->st_size};
	return 0;
}

/* Everything below root/below, named prefix/...; `shared`: what the component has itself stays as it is. */
static int list_folder(const char *root, const char *prefix, unsigned depth, bool shared, struct mill_image_files *ret,
		       struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	if (depth > DEPTH_MAX)
		return mill_fail(err, EFBIG, "%s: folders are nested too deep", root);
	int r = mill_list_dir(root, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(prefix, names.items[i]);
		_cleanup_free_ char *source = mill_path_join(root, names.items[i]);
		struct stat st;
		if (!is_wanted(names.items[i], depth) || (shared && is_known(ret, path)))
			continue;
		if (lstat(source, &st) < 0)
			return mill_fail_errno(err, errno, "%s", source);
		r = S_ISDIR(st.st_mode) ? list_folder(source, path, depth + 1, shared, ret, err)
					: add_file(path, source, &st, ret, err);
	}
	return r;
}

static int by_path(const void *a, const void *b)
{
	const struct mill_image_file *x = a, *y = b;
	return strcmp(x->path, y->path);
}

int mill_image_files_list(const struct mill_image_source *s, struct mill_image_files *ret, struct mill_error *err)
{
	*ret = (struct mill_image_files){0};
	int r = s->dir && *s->dir ? list_folder(s->dir, s->name, 0, false, ret, err) : 0;
	if (r == 0 && s->hooks_dir && mill_is_dir(s->hooks_dir))
		r = list_folder(s->hooks_dir, s->name, 0, true, ret, err);
	if (r == 0 && s->hooks_dir && mill_streq(s->kind, "environment")) {
		_cleanup_free_ char *context = mill_xasprintf("%s/../" CONTEXT, s->hooks_dir);
		r = mill_is_dir(context) ? list_folder(context, CONTEXT, 1, false, ret, err) : 0;
	}
	if (r < 0) {
		mill_image_files_release(ret);
		return r;
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_path);
	return 0;
}

int mill_image_files_digest(const struct mill_image_files *f, char ret[MILL_SHA256_HEX], struct mill_error *err)
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	int r = 0;
	for (size_t i = 0; i < f->n && r == 0; i++) {
		char one[MILL_SHA256_HEX] = "";
		r = mill_hash_file(MILL_SHA256, f->items[i].source, one, err);
		mill_hash_field(h, f->items[i].path);
		mill_hash_field(h, f->items[i].mode & 0111 ? "x" : "-");
		mill_hash_field(h, one);
	}
	mill_hash_finish(h, ret);
	return r;
}

void mill_image_files_release(struct mill_image_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->items[i].path);
		free(f->items[i].source);
	}
	free(f->items);
	*f = (struct mill_image_files){0};
}
