/* Layers: made once for a key, remembered in images/layers, their bytes in images/blobs/sha256. */
#include <poll.h>
#include <sys/stat.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/json.h"
#include "net/net.h"
#include "runtime/native/tree.h"

/* Nobody compares times in an image, and ZIP knows none before 1980. */
#define EVERY_TIME 946684800 /* 2000-01-01 */
#define IN_LAYER(path) (&(path)[1]) /* without the slash at its beginning */
#define LOCK_POLL_MS 300
#define RECORD_MAX 65536

struct writer {
	const struct mill_net_api *net;
	struct mill_net_layer *layer;
	const char *prefix; /* in the image; "" for the base */
	const char *root;   /* on this machine */
	struct mill_strv folders; /* said already */
	int cancel_fd;
};

static int add(struct writer *w, struct mill_net_layer_item *item, struct mill_error *err)
{
	item->mtime = EVERY_TIME;
	return w->net->layer_add(w->layer, item, err);
}

/* The folders above a path, each once. */
static int add_parents(struct writer *w, const char *path, struct mill_error *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *dir = mill_xstrndup(path, (size_t)(slash - path));
		if (mill_strv_contains(&w->folders, dir))
			continue;
		mill_strv_add(&w->folders, dir);
		int r = add(w, &(struct mill_net_layer_item){.path = dir, .type = 'd', .mode = 0755}, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int on_item(void *arg, const struct mill_tree_item *item, struct mill_error *err)
{
	struct writer *w = arg;
	struct pollfd p = {.fd = w->cancel_fd, .events = POLLIN};
	_cleanup_free_ char *path = *w->prefix ? mill_path_join(w->prefix, item->path) : mill_xstrdup(item->path);
	_cleanup_free_ char *source = mill_path_join(w->root, item->path);
	struct mill_net_layer_item out = {.path = path, .type = item->type, .mode = item->mode & 0777, .size = item->size,
					  .source = source, .target = item->target};
	if (w->cancel_fd >= 0 && poll(&p, 1, 0) > 0)
		return mill_fail(err, ECANCELED, "making a layer was cancelled");
	/* Readable by all, writable by root alone, whoever built it; save for what everybody may write (/tmp). */
	if (item->type == 'f')
		out.mode = item->mode & 0111 ? 0555 : 0444;
	if (item->type == 'd')
		out.mode = item->mode & 01000 ? 01777 : 0755;
	return add(w, &out, err);
}

static int write_tree(struct writer *w, struct mill_error *err)
{
	struct mill_tree t = {.on_item = on_item, .arg = w};
	int r = 0;
	if (*w->prefix) {
		_cleanup_free_ char *below = mill_path_join(w->prefix, "x");
		r = add_parents(w, below, err);
	}
	return r < 0 ? r : mill_tree_walk(&t, w->root, err);
}

/* ---- records and blobs ---- */
static char *record_path(const struct mill_images *im, const char *key)
{
	return mill_xasprintf("%s/layers/%s.json", im->root, key);
}

static char *blob_path(const struct mill_images *im, const char *digest)
{
	return mill_xasprintf("%s/blobs/sha256/%s", im->root, digest);
}

static bool read_record(const struct mill_images *im, const char *key, struct mill_image_layer *ret)
{
	_cleanup_free_ char *path = record_path(im, key);
	_cleanup_json_ json_t *j = NULL;
	struct stat st;
	if (mill_json_load(path, RECORD_MAX, &j, NULL) < 0)
		return false;
	snprintf(ret->digest, sizeof(ret->digest), "%s", mill_json_get_string(j, "digest", ""));
	snprintf(ret->diff_id, sizeof(ret->diff_id), "%s", mill_json_get_string(j, "diff_id", ""));
	ret->bytes = (uint64_t)mill_json_get_int(j, "bytes", 0);
	_cleanup_free_ char *blob = blob_path(im, ret->digest);
	return strlen(ret->digest) == MILL_SHA256_HEX - 1 && stat(blob, &st) == 0 && (uint64_t)st.st_size == ret->bytes;
}

static int write_record(const struct mill_images *im, const char *key, const struct mill_image_layer *l, struct mill_error *err)
{
	_cleanup_free_ char *path = record_path(im, key);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:I}", "v", 1, "key", key, "digest", l->digest, "diff_id",
					     l->diff_id, "bytes", (json_int_t)l->bytes);
	mill_json_file_text(j, &text);
	return mill_write_file(path, text.data, text.len, 0644, MILL_WRITE_DURABLE, err);
}

/* Runs `fill` on a new layer and puts its bytes among the blobs. */
static int make_layer(struct mill_images *im, struct writer *w, int (*fill)(struct writer *w, void *arg, struct mill_error *err),
		      void *arg, struct mill_image_layer *ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(im, "blobs/sha256");
	_cleanup_free_ char *fresh = mill_xasprintf("%s/.new-%d-%p", dir, (int)getpid(), (void *)w);
	struct mill_net_layer_result result;
	int r = mill_net_load(&w->net, err);
	if (r == 0)
		r = mill_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	(void)unlink(fresh); /* of a process that had our number */
	r = w->net->layer_begin(fresh, &w->layer, err);
	if (r < 0)
		return r;
	r = fill(w, arg, err);
	int closed = w->net->layer_end(w->layer, r < 0 ? NULL : &result, r < 0 ? NULL : err);
	r = r < 0 ? r : closed;
	if (r == 0) {
		_cleanup_free_ char *blob = blob_path(im, result.digest);
		snprintf(ret->digest, sizeof(ret->digest), "%s", result.digest);
		snprintf(ret->diff_id, sizeof(ret->diff_id), "%s", result.diff_id);
		ret->bytes = result.bytes;
		if (rename(fresh, blob) < 0)
			r = mill_fail_errno(err, errno, "rename %s", fresh);
	}
	if (r < 0)
		(void)unlink(fresh);
	mill_strv_release(&w->folders);
	return r;
}

int mill_image_lock(const struct mill_images *im, const char *name, bool shared, int cancel_fd, int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(im, ".locks");
	_cleanup_free_ char *path = mill_path_join(dir, name);
	struct pollfd p = {.fd = cancel_fd, .events = POLLIN};
	int r = mill_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	while ((r = mill_lock_wait(path, shared, LOCK_POLL_MS, ret_fd, NULL)) == -ETIMEDOUT)
		if (cancel_fd >= 0 && poll(&p, 1, 0) > 0)
			return mill_fail(err, ECANCELED, "cancelled while waiting for another build");
	return r < 0 ? mill_fail_errno(err, -r, "lock %s", path) : 0;
}

static int fill_tree(struct writer *w, void *arg, struct mill_error *err)
{
	(void)arg;
	return write_tree(w, err);
}

static int remembered_layer(struct mill_images *im, const char *key, struct writer *w, struct mill_image_layer *ret,
			    struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_images_path(im, "layers");
	int r = mill_mkdir_p(dir, 0755, err);
	if (r == 0)
		r = make_layer(im, w, fill_tree, NULL, ret, err);
	return r < 0 ? mill_error_wrap(err, "layer of %s", key) : write_record(im, key, ret, err);
}

int mill_image_layer_base(struct mill_images *im, int cancel_fd, struct mill_image_layer *ret, struct mill_error *err)
{
	_cleanup_free_ char *key = mill_xasprintf("%s.%s", im->base_key, MILL_IMAGE_BASE_VERSION);
	_cleanup_free_ char *tree = NULL;
	_cleanup_close_ int lock = -1;
	int r = mill_image_lock(im, key, false, cancel_fd, &lock, err);
	if (r == 0 && !read_record(im, key, ret)) {
		r = mill_image_base_tree(im, &tree, err);
		if (r == 0)
			r = remembered_layer(im, key, &(struct writer){.prefix = "", .root = tree, .cancel_fd = cancel_fd}, ret, err);
	}
	if (r == 0)
		ret->note = mill_xasprintf("base %s", key);
	return r;
}

int mill_image_layer_entry(struct mill_images *im, const char *key, int cancel_fd, struct mill_image_layer *ret,
			   struct mill_error *err)
{
	_cleanup_free_ char *prefix = mill_xasprintf("%s/%s", IN_LAYER(MILL_IMAGE_STORE), key);
	_cleanup_free_ char *root = mill_store_entry_at(im->store, key);
	_cleanup_close_ int lock = -1;
	int r = mill_image_lock(im, key, false, cancel_fd, &lock, err);
	if (r == 0 && !read_record(im, key, ret))
		r = remembered_layer(im, key, &(struct writer){.prefix = prefix, .root = root, .cancel_fd = cancel_fd}, ret, err);
	if (r == 0)
		ret->note = mill_xasprintf("store entry %s", key);
	return r;
}

/* ---- the last layer ---- */
struct own {
	const struct mill_image_source *s;
	const struct mill_image_files *files;
	const char *sbom;
};

static int add_file(struct writer *w, const char *path, const char *source, mode_t mode, uint64_t size, struct mill_error *err)
{
	int r = add_parents(w, path, err);
	if (r == 0)
		r = add(w, &(struct mill_net_layer_item){.path = path, .type = 'f', .mode = mode, .size = size, .source = source}, err);
	return r;
}

static int fill_own(struct writer *w, void *arg, struct mill_error *err)
{
	const struct own *o = arg;
	struct stat st;
	int r = 0;
	if (o->s->entry_program) {
		if (stat(o->s->entry_program, &st) < 0)
			return mill_fail_errno(err, errno, "%s", o->s->entry_program);
		r = add_file(w, IN_LAYER(MILL_IMAGE_ENTRY), o->s->entry_program, 0555, (uint64_t)st.st_size, err);
	}
	for (size_t i = 0; i < o->files->n && r == 0; i++) {
		const struct mill_image_file *f = &o->files->items[i];
		_cleanup_free_ char *path = mill_xasprintf("%s/%s", IN_LAYER(MILL_IMAGE_COMPONENTS), f->path);
		r = add_file(w, path, f->source, f->mode, f->size, err);
	}
	if (r == 0)
		r = add_parents(w, IN_LAYER(MILL_IMAGE_SBOM), err);
	return r < 0 ? r
		     : add(w, &(struct mill_net_layer_item){.path = IN_LAYER(MILL_IMAGE_SBOM), .type = 'f', .mode = 0444,
							    .size = strlen(o->sbom), .data = o->sbom},
			   err);
}

int mill_image_layer_own(struct mill_images *im, const struct mill_image_source *s, const char *sbom, struct mill_image_layer *ret,
			 struct mill_error *err)
{
	_cleanup_image_files_ struct mill_image_files files = {0};
	struct writer w = {.prefix = "", .root = "", .cancel_fd = -1};
	int r = mill_image_files_list(s, &files, err);
	if (r == 0)
		r = make_layer(im, &w, fill_own, &(struct own){.s = s, .files = &files, .sbom = sbom}, ret, err);
	if (r == 0)
		ret->note = mill_xasprintf("files of %s", s->name);
	return r < 0 ? mill_error_wrap(err, "layer of %s's own files", s->name) : 0;
}
