/* What the files of this folder share. */
#ifndef MILL_IMAGE_INTERNAL_H
#define MILL_IMAGE_INTERNAL_H

#include "base/hash.h"
#include "image/image.h"
#include "net/layer.h"
#include "runtime/native/recipe.h"

/* Raise it when the same source makes another image. */
#define MILL_IMAGE_LAYOUT_VERSION "data-mill image 1"
/* Raise it when the same packages make another root file system (base.c). */
#define MILL_IMAGE_BASE_VERSION "2"

struct mill_images {
	struct mill_store *store;
	char *root;	   /* the folder around the store */
	char *program;	   /* data-mill itself, which the worker is a command of */
	char *base_key;	   /* store entry of the packages */
	json_t *base;	   /* its recipe */
};

/* The source's recipes in the order of layers: by key, its own entry last; a new reference. */
json_t *mill_image_recipes(const struct mill_image_source *s);
char *mill_images_path(const struct mill_images *im, const char *below); /* owned */

/* ---- files.c: the component's own files, as they are in the last layer ---- */
struct mill_image_file {
	char *path;   /* below MILL_IMAGE_COMPONENTS */
	char *source;
	mode_t mode;  /* 0555 or 0444 */
	uint64_t size;
};
struct mill_image_files {
	struct mill_image_file *items;
	size_t n, cap;
};
/* Sorted by path.  Its own files come before the shared ones of the same name (as runtime/native/stage.c has it). */
int mill_image_files_list(const struct mill_image_source *s, struct mill_image_files *ret, struct mill_error *err);
int mill_image_files_digest(const struct mill_image_files *f, char ret[MILL_SHA256_HEX], struct mill_error *err);
void mill_image_files_release(struct mill_image_files *f);
#define _cleanup_image_files_ __attribute__((cleanup(mill_image_files_release)))

/* ---- install.c: the worker, seen from outside ---- */
struct mill_image_tell {
	const struct mill_image_options *o;
	const char *name;
	double from, to; /* the share of the whole that runs now */
};
void mill_image_say(const struct mill_image_tell *t, double fraction, const char *fmt, ...) MILL_PRINTF(3, 4);
/* Installs the entries that the store of images lacks, in the namespace. */
int mill_image_install(struct mill_images *im, const json_t *recipes, const struct mill_image_tell *t,
		       struct mill_error *err);

/* ---- base.c ---- */
/* The root file system of the base layer, made of its store entry if it is not there; owned path. */
int mill_image_base_tree(struct mill_images *im, char **ret, struct mill_error *err);

/* ---- layers.c ---- */
struct mill_image_layer {
	char digest[MILL_SHA256_HEX], diff_id[MILL_SHA256_HEX];
	uint64_t bytes;
	char *note; /* for the history: "store entry ..."; owned */
};
/* Held by each that makes or reads images (shared) against gc. */
#define MILL_IMAGE_USE_LOCK "use"
/* Holds what one build at a time may make; waits, and hears a cancel. */
int mill_image_lock(const struct mill_images *im, const char *name, bool shared, int cancel_fd, int *ret_fd, struct mill_error *err);
int mill_image_layer_base(struct mill_images *im, int cancel_fd, struct mill_image_layer *ret, struct mill_error *err);
int mill_image_layer_entry(struct mill_images *im, const char *key, int cancel_fd, struct mill_image_layer *ret,
			   struct mill_error *err);
/* The component's files, the entry program and the SBOM. */
int mill_image_layer_own(struct mill_images *im, const struct mill_image_source *s, const char *sbom, struct mill_image_layer *ret,
			 struct mill_error *err);

/* ---- sbom.c ---- */
/* An SPDX 2.3 document of what the locks name; owned text. */
int mill_image_sbom_make(struct mill_images *im, const struct mill_image_source *s, const char *tag, char **ret,
			 struct mill_error *err);

/* ---- oci.c ---- */
/* Blobs of the configuration and the manifest, and the folder that names them. */
int mill_image_oci_write(struct mill_images *im, const struct mill_image_source *s, const char *tag, const char *sbom,
			 const struct mill_image_layer *layers, size_t n, struct mill_image *ret, struct mill_error *err);
/* What an earlier build wrote; -ENOENT, also when a blob of it is gone. */
int mill_image_oci_read(struct mill_images *im, const char *name, const char *tag, struct mill_image *ret,
			struct mill_error *err);
/* image.json: {"v", "name", "kind", "tag", "digest", "bytes", "layers", "when_ms", "keys", "blobs"}; NULL with err. */
json_t *mill_image_oci_record(struct mill_images *im, const char *name, const char *tag, struct mill_error *err);

#endif
