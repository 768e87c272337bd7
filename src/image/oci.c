/* The documents of an image (OCI image specification 1.0: config, manifest, index) and the layout that names them. */
#include "image/internal.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#define EVERY_TIME "2000-01-01T00:00:00Z"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define RECORD "image.json"
#define RECORD_MAX ((size_t)1 << 20)

static void set(json_t *o, const char *key, const char *value)
{
	if (value && *value)
		json_object_set_new(o, key, json_string(value));
}

static char *sha256_name(const char *hex)
{
	return mill_xasprintf("sha256:%s", hex);
}

/* Puts a document among the blobs. */
static int add_blob(const struct mill_images *im, json_t *document, char ret_digest[MILL_SHA256_HEX], uint64_t *ret_size,
		    struct mill_error *err)
{
	char *text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		BUG("a document that cannot be written");
	mill_sha256(text, strlen(text), ret_digest);
	*ret_size = strlen(text);
	_cleanup_free_ char *path = mill_xasprintf("%s/blobs/sha256/%s", im->root, ret_digest);
	int r = mill_write_file(path, text, strlen(text), 0644, MILL_WRITE_DURABLE, err);
	free(text);
	return r;
}

static json_t *descriptor(const char *type, const char *hex, uint64_t size)
{
	_cleanup_free_ char *digest = sha256_name(hex);
	return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", digest, "size", (json_int_t)size);
}

static json_t *labels(const struct mill_image_source *s, const char *tag)
{
	json_t *l = json_object();
	set(l, "org.opencontainers.image.title", s->title ? s->title : s->name);
	set(l, "org.opencontainers.image.version", s->version);
	set(l, "org.opencontainers.image.licenses", s->license);
	set(l, "org.opencontainers.image.url", s->homepage);
	set(l, "data-mill.name", s->name);
	set(l, "data-mill.kind", s->kind);
	set(l, "data-mill.tag", tag);
	set(l, "data-mill.sbom", MILL_IMAGE_SBOM);
	return l;
}

/* Its own programs first: the last entry is the component's. */
static char *search_path(const struct mill_image_source *s)
{
	size_t n = json_array_size(s->recipes);
	const char *key = n ? mill_json_get_string(json_array_get(s->recipes, n - 1), "key", "") : "";
	_cleanup_free_ char *own = *key ? mill_xasprintf(MILL_IMAGE_STORE "/%s/bin:", key) : mill_xstrdup("");
	return mill_xasprintf("PATH=%s" MILL_IMAGE_ROOT "/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", own);
}

static json_t *entry_point(const struct mill_image_source *s)
{
	json_t *words = json_array();
	if (!s->entry_point)
		json_array_append_new(words, json_string(MILL_IMAGE_ENTRY));
	for (const char *const *word = s->entry_point; word && *word; word++)
		json_array_append_new(words, json_string(*word));
	return words;
}

static json_t *config(const struct mill_image_source *s, const char *tag, const struct mill_image_layer *layers, size_t n)
{
	_cleanup_free_ char *path = search_path(s), *user = mill_xasprintf("%d:%d", MILL_IMAGE_UID, MILL_IMAGE_UID);
	json_t *history = json_array(), *ids = json_array();
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *id = sha256_name(layers[i].diff_id);
		json_array_append_new(ids, json_string(id));
		json_array_append_new(history, json_pack("{s:s, s:s}", "created", EVERY_TIME, "created_by", layers[i].note));
	}
	json_t *run = json_pack("{s:s, s:[s,s], s:o, s:s, s:o}", "User", user, "Env", path, "LANG=C.UTF-8", "Entrypoint",
				entry_point(s), "WorkingDir", "/", "Labels", labels(s, tag));
	return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:o}, s:o}", "created", EVERY_TIME, "architecture", mill_machine_arch(), "os",
			 "linux", "config", run, "rootfs", "type", "layers", "diff_ids", ids, "history", history);
}

static int write_json(const char *dir, const char *name, json_t *document, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(dir, name);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	mill_json_file_text(document, &text);
	json_decref(document);
	return mill_write_file(path, text.data, text.len, 0644, MILL_WRITE_DURABLE, err);
}

struct documents {
	char manifest[MILL_SHA256_HEX];
	uint64_t manifest_size, bytes;
	json_t *blobs; /* all digests, for gc */
};

static int write_documents(const struct mill_images *im, const struct mill_image_source *s, const char *tag,
			   const struct mill_image_layer *layers, size_t n, struct documents *ret, struct mill_error *err)
{
	char hex[MILL_SHA256_HEX];
	uint64_t size = 0;
	_cleanup_json_ json_t *about = config(s, tag, layers, n), *list = json_array();
	ret->blobs = json_array();
	int r = add_blob(im, about, hex, &size, err);
	if (r < 0)
		return r;
	ret->bytes = size;
	json_array_append_new(ret->blobs, json_string(hex));
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list, descriptor(MILL_LAYER_MEDIA_TYPE, layers[i].digest, layers[i].bytes));
		json_array_append_new(ret->blobs, json_string(layers[i].digest));
		ret->bytes += layers[i].bytes;
	}
	_cleanup_json_ json_t *manifest = json_pack("{s:i, s:s, s:o, s:O, s:o}", "schemaVersion", 2, "mediaType", MANIFEST_TYPE,
						    "config", descriptor(CONFIG_TYPE, hex, size), "layers", list, "annotations",
						    labels(s, tag));
	r = add_blob(im, manifest, ret->manifest, &ret->manifest_size, err);
	json_array_append_new(ret->blobs, json_string(ret->manifest));
	ret->bytes += ret->manifest_size;
	return r;
}

static json_t *record(const struct mill_images *im, const struct mill_image_source *s, const char *tag, const struct documents *d,
		      size_t n_layers)
{
	_cleanup_free_ char *digest = sha256_name(d->manifest);
	json_t *keys = json_array(), *item;
	size_t i;
	json_array_append_new(keys, json_string(im->base_key));
	json_array_foreach((json_t *)s->recipes, i, item)
		json_array_append(keys, json_object_get(item, "key"));
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:O}", "v", 1, "name", s->name, "kind", s->kind, "tag", tag,
			 "digest", digest, "bytes", (json_int_t)d->bytes, "layers", (json_int_t)n_layers, "when_ms",
			 (json_int_t)mill_wall_ms(), "keys", keys, "blobs", d->blobs);
}

/* Made beside and renamed: a folder of that name is whole. */
static int write_layout(const struct mill_images *im, const char *dir, json_t *rec, const struct documents *d, const char *tag,
			const char *sbom, struct mill_error *err)
{
	_cleanup_free_ char *fresh = mill_xasprintf("%s.new", dir);
	_cleanup_free_ char *blobs = mill_path_join(fresh, "blobs"), *bill = mill_path_join(fresh, "sbom.spdx.json");
	(void)im;
	json_t *one = descriptor(MANIFEST_TYPE, d->manifest, d->manifest_size);
	json_object_set_new(one, "platform", json_pack("{s:s, s:s}", "architecture", mill_machine_arch(), "os", "linux"));
	json_object_set_new(one, "annotations", json_pack("{s:s}", "org.opencontainers.image.ref.name", tag));
	_cleanup_json_ json_t *index = json_pack("{s:i, s:[o]}", "schemaVersion", 2, "manifests", one);
	int r = mill_rm_rf(fresh, err);
	if (r == 0)
		r = mill_mkdir_p(fresh, 0755, err);
	if (r == 0 && symlink("../../../blobs", blobs) < 0)
		r = mill_fail_errno(err, errno, "link %s", blobs);
	if (r == 0)
		r = write_json(fresh, "oci-layout", json_pack("{s:s}", "imageLayoutVersion", "1.0.0"), err);
	if (r == 0)
		r = write_json(fresh, "index.json", json_incref(index), err);
	if (r == 0)
		r = mill_write_file(bill, sbom, strlen(sbom), 0644, 0, err);
	if (r == 0)
		r = write_json(fresh, RECORD, json_incref(rec), err);
	if (r == 0)
		r = mill_rm_rf(dir, err);
	if (r == 0 && rename(fresh, dir) < 0)
		r = mill_fail_errno(err, errno, "rename %s", fresh);
	return r;
}

static char *layout_dir(const struct mill_images *im, const char *name, const char *tag)
{
	return mill_xasprintf("%s/oci/%s/%s", im->root, name, tag);
}

int mill_image_oci_write(struct mill_images *im, const struct mill_image_source *s, const char *tag, const char *sbom,
			 const struct mill_image_layer *layers, size_t n, struct mill_image *ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = layout_dir(im, s->name, tag);
	struct documents d = {0};
	int r = write_documents(im, s, tag, layers, n, &d, err);
	_cleanup_json_ json_t *rec = r == 0 ? record(im, s, tag, &d, n) : NULL;
	if (r == 0)
		r = write_layout(im, dir, rec, &d, tag, sbom, err);
	json_decref(d.blobs);
	return r < 0 ? r : mill_image_oci_read(im, s->name, tag, ret, err);
}

static bool has_blobs(const struct mill_images *im, const json_t *rec)
{
	const json_t *hex;
	size_t i;
	json_array_foreach(json_object_get(rec, "blobs"), i, hex) {
		_cleanup_free_ char *path = mill_xasprintf("%s/blobs/sha256/%s", im->root, json_is_string(hex) ? json_string_value(hex) : "");
		if (!mill_is_file(path))
			return false;
	}
	return true;
}

json_t *mill_image_oci_record(struct mill_images *im, const char *name, const char *tag, struct mill_error *err)
{
	_cleanup_free_ char *dir = layout_dir(im, name, tag), *path = mill_path_join(dir, RECORD);
	json_t *rec = NULL;
	int r = mill_json_load(path, RECORD_MAX, &rec, NULL);
	if (r == 0 && has_blobs(im, rec))
		return rec;
	json_decref(rec);
	mill_fail(err, ENOENT, "the image %s:%s was not built on this machine", name, tag);
	mill_error_hint(err, "data-mill image build %s", name);
	return NULL;
}

int mill_image_oci_read(struct mill_images *im, const char *name, const char *tag, struct mill_image *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *rec = mill_image_oci_record(im, name, tag, err);
	if (!rec)
		return -ENOENT;
	*ret = (struct mill_image){
		.name = mill_xstrdup(name),
		.kind = mill_xstrdup(mill_json_get_string(rec, "kind", "")),
		.tag = mill_xstrdup(tag),
		.digest = mill_xstrdup(mill_json_get_string(rec, "digest", "")),
		.layout = layout_dir(im, name, tag),
		.bytes = (uint64_t)mill_json_get_int(rec, "bytes", 0),
		.n_layers = (size_t)mill_json_get_int(rec, "layers", 0),
		.when_ms = (uint64_t)mill_json_get_int(rec, "when_ms", 0),
	};
	return 0;
}
