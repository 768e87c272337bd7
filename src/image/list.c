/* What was built on this machine, and the end of what nobody needs. */
#include <sys/stat.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/json.h"

#define SBOM_MAX ((size_t)64 << 20)

static int newest_first(const void *a, const void *b)
{
	const struct mill_image *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);
	return by_name ? by_name : x->when_ms < y->when_ms ? 1 : x->when_ms > y->when_ms ? -1 : 0;
}

static void list_name(struct mill_images *im, const char *name, struct mill_image_list *ret)
{
	_cleanup_free_ char *below = mill_path_join("oci", name), *dir = mill_images_path(im, below);
	_cleanup_strv_ struct mill_strv tags = {0};
	(void)mill_list_dir(dir, &tags, NULL);
	for (size_t i = 0; i < tags.n; i++) {
		struct mill_image image;
		if (mill_image_oci_read(im, name, tags.items[i], &image, NULL) < 0)
			continue; /* half written, or its blobs are gone */
		MILL_GROW(ret->items, ret->n, ret->cap);
		ret->items[ret->n++] = image;
	}
}

int mill_image_list(struct mill_images *im, struct mill_image_list *ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(im, "oci");
	_cleanup_strv_ struct mill_strv names = {0};
	*ret = (struct mill_image_list){0};
	int r = mill_list_dir(dir, &names, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		return 0;
	}
	for (size_t i = 0; i < names.n && r == 0; i++)
		list_name(im, names.items[i], ret);
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), newest_first);
	return r;
}

void mill_image_list_release(struct mill_image_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mill_image_release(&l->items[i]);
	free(l->items);
	*l = (struct mill_image_list){0};
}

int mill_image_sbom(struct mill_images *im, const char *name, const char *tag, char **ret, struct mill_error *err)
{
	struct mill_image_list list;
	_cleanup_free_ char *path = NULL;
	size_t len;
	int r = mill_image_list(im, &list, err);
	for (size_t i = 0; i < list.n && r == 0 && !path; i++)
		if (strcmp(list.items[i].name, name) == 0 && (!tag || strcmp(list.items[i].tag, tag) == 0))
			path = mill_path_join(list.items[i].layout, "sbom.spdx.json");
	mill_image_list_release(&list);
	if (r == 0 && !path) {
		mill_fail(err, ENOENT, "the image %s%s%s was not built on this machine", name, tag ? ":" : "", tag ? tag : "");
		return mill_error_hint(err, "data-mill image build %s", name);
	}
	return r < 0 ? r : mill_read_file(path, SBOM_MAX, ret, &len, err);
}

/* ---- gc ---- */
struct gc {
	struct mill_images *im;
	bool dry_run;
	struct mill_strv blobs, keys; /* that images kept need */
	struct mill_strv *removed;
	uint64_t bytes;
};

static void add_texts(const json_t *list, struct mill_strv *ret)
{
	const json_t *item;
	size_t i;
	json_array_foreach((json_t *)list, i, item)
		if (json_is_string(item) && !mill_strv_contains(ret, json_string_value(item)))
			mill_strv_add(ret, json_string_value(item));
}

static int gc_images(struct gc *g, unsigned keep, struct mill_error *err)
{
	struct mill_image_list list;
	unsigned seen = 0;
	int r = mill_image_list(g->im, &list, err);
	for (size_t i = 0; i < list.n && r == 0; i++) {
		const struct mill_image *image = &list.items[i];
		seen = i && strcmp(list.items[i - 1].name, image->name) == 0 ? seen + 1 : 0;
		if (seen < keep) {
			_cleanup_json_ json_t *rec = mill_image_oci_record(g->im, image->name, image->tag, NULL);
			add_texts(json_object_get(rec, "blobs"), &g->blobs);
			add_texts(json_object_get(rec, "keys"), &g->keys);
			continue;
		}
		if (!g->dry_run)
			r = mill_rm_rf(image->layout, err);
		if (r == 0)
			mill_strv_addf(g->removed, "%s:%s", image->name, image->tag);
	}
	mill_image_list_release(&list);
	return r;
}

static int remove_file(struct gc *g, const char *dir, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(dir, name);
	struct stat st;
	if (lstat(path, &st) < 0)
		return 0;
	g->bytes += (uint64_t)st.st_blocks * 512;
	if (!g->dry_run && unlink(path) < 0 && errno != ENOENT)
		return mill_fail_errno(err, errno, "remove %s", path);
	return 0;
}

static int gc_blobs(struct gc *g, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(g->im, "blobs/sha256");
	_cleanup_strv_ struct mill_strv names = {0};
	int r = 0;
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n && r == 0; i++)
		if (!mill_strv_contains(&g->blobs, names.items[i]))
			r = remove_file(g, dir, names.items[i], err);
	return r;
}

/* A record without its blob is ignored: this only keeps the folder small. */
static int gc_records(struct gc *g, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(g->im, "layers");
	_cleanup_strv_ struct mill_strv names = {0};
	int r = 0;
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		_cleanup_json_ json_t *j = NULL;
		if (mill_json_load(path, 65536, &j, NULL) < 0 || !mill_strv_contains(&g->blobs, mill_json_get_string(j, "digest", "")))
			r = remove_file(g, dir, names.items[i], err);
	}
	return r;
}

/* The root file systems, from which only a layer is made. */
static int gc_base(struct gc *g, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(g->im, "base");
	_cleanup_strv_ struct mill_strv names = {0};
	int r = 0;
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		uint64_t bytes = 0;
		if (strncmp(names.items[i], g->im->base_key, strlen(g->im->base_key)) == 0)
			continue;
		(void)mill_disk_usage(path, &bytes, NULL);
		g->bytes += bytes;
		if (!g->dry_run)
			r = mill_rm_rf(path, err);
	}
	return r;
}

int mill_image_gc(struct mill_images *im, unsigned keep, bool dry_run, struct mill_strv *removed, uint64_t *ret_bytes,
		  struct mill_error *err)
{
	struct gc g = {.im = im, .dry_run = dry_run, .removed = removed};
	uint64_t entries = 0;
	_cleanup_close_ int lock = -1;
	int r = mill_image_lock(im, MILL_IMAGE_USE_LOCK, false, -1, &lock, err);
	if (r == 0)
		r = gc_images(&g, keep, err);
	if (r == 0)
		r = gc_blobs(&g, err);
	if (r == 0)
		r = gc_records(&g, err);
	if (r == 0)
		r = gc_base(&g, err);
	if (r == 0)
		r = mill_store_gc(im->store, &g.keys, dry_run, removed, &entries, err);
	*ret_bytes = g.bytes + entries;
	mill_strv_release(&g.blobs);
	mill_strv_release(&g.keys);
	return r < 0 ? mill_error_wrap(err, "remove what no image needs") : 0;
}
