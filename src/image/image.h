/*
 * OCI images of components and environments, from the same locks as the store.
 *
 * Layers, from below: a minimal Debian 12 (components/_image_base: Python, the
 * C library, certificates, a shell), one layer a store entry, and a small one
 * with the component's own files and our entry program.  Entries are built at
 * the path that they have inside images, MILL_IMAGE_STORE, in a store of their
 * own (`layout.image_store`), which is mounted there for the installers alone
 * (worker.c); nothing of the machine but its package clients goes in.
 *
 * Invariants
 *   - The tag of an image is a pure function of what goes into it: a plan names
 *     images that nobody built yet, and two machines name the same ones.
 *   - A layer is made once for a key and is the same bytes each time on one
 *     machine: sorted, owned by root, without times, read-only.
 *   - The image runs as MILL_IMAGE_UID, writes nowhere in itself and has no
 *     set-id program.
 *
 * Folders, around the store: images/store, images/base (the root file systems),
 * images/layers (what is known of a layer, by key), images/blobs/sha256, and
 * images/oci/<name>/<tag>, an OCI layout of which skopeo can copy.
 *
 *	struct mill_images *im;
 *	mill_images_open(&layout, &im, err);
 *	struct mill_image_source s = {.name = "minio", .kind = "component", .recipes = list, ...};
 *	mill_image_tag(im, &s, tag, err);
 *	if (mill_image_exists(im, &registry, "minio", tag, err) == 0) {
 *		mill_image_build(im, &s, &options, &image, err);
 *		mill_image_push(im, &registry, "minio", tag, &options, err);
 *	}
 *	im = mill_images_close(im);
 *
 * A `struct mill_images` may be used by many threads once it is open.
 */
#ifndef MILL_IMAGE_IMAGE_H
#define MILL_IMAGE_IMAGE_H

#include <jansson.h>

#include "platform/layout.h"
#include "runtime/native/store.h"

#define MILL_IMAGE_ROOT "/opt/data-mill"
#define MILL_IMAGE_STORE MILL_IMAGE_ROOT "/store"
#define MILL_IMAGE_ENTRY MILL_IMAGE_ROOT "/bin/entry"
#define MILL_IMAGE_COMPONENTS MILL_IMAGE_ROOT "/components" /* <name>/: its files, and the hooks' shared ones beside them */
#define MILL_IMAGE_SBOM MILL_IMAGE_ROOT "/sbom.spdx.json"
#define MILL_IMAGE_UID 10001
#define MILL_IMAGE_TAG_LEN 17 /* 16 hex digits, NUL */

struct mill_images;

/* Needs no privilege.  -ENOENT: no components/_image_base among the resources. */
int mill_images_open(const struct mill_layout *l, struct mill_images **ret, struct mill_error *err);
struct mill_images *mill_images_close(struct mill_images *im);

/*
 * The store of images, for keys and paths: mill_recipe_key(), mill_toolchain_find() and mill_store_path() on it say
 * what is inside images (MILL_IMAGE_STORE/<key>).  The second opens one without the rest; the caller closes it.
 */
struct mill_store *mill_images_store(struct mill_images *im);
int mill_image_store(const struct mill_layout *l, struct mill_store **ret, struct mill_error *err);

/* What an image is made of.  Everything is borrowed. */
struct mill_image_source {
	const char *name;	   /* of the component or environment; also the repository's */
	const char *kind;	   /* "component" or "environment" */
	const char *title, *version, *license, *homepage; /* for labels; each may be NULL */
	/* [{"key": of mill_images_store(), "recipe": {...}}]: tool chains, tools, the entry itself.  Their order does not matter. */
	const json_t *recipes;
	const char *dir;	   /* the component's folder */
	const char *hooks_dir;	   /* components/_hooks; NULL: none.  An environment gets jupyterhub/context beside it, too */
	const char *entry_program; /* our static entry program; NULL: the image has none, and `entry_point` must be given */
	const char *const *entry_point; /* NULL-terminated; NULL: MILL_IMAGE_ENTRY */
};

/* Reads the component's files and hashes them, builds nothing. */
int mill_image_tag(struct mill_images *im, const struct mill_image_source *s, char ret[MILL_IMAGE_TAG_LEN],
		   struct mill_error *err);

/* ---- registries ---- */
struct mill_image_registry {
	const char *host;     /* "127.0.0.1:5000", "registry.example.com/team": host, port, and a path before the name or none */
	const char *authfile; /* as skopeo and podman keep them; NULL: their own default */
	const char *cert_dir; /* certificates of this registry; NULL: the machine's */
};
/* The local registry (components/registry), "127.0.0.1:5000"; owned, NULL when none was ever started. */
char *mill_registry_local(const struct mill_layout *l);
#define MILL_REGISTRY_PLATFORM "data-mill-registry" /* its platform, on this machine */
/* "host/name:tag"; owned. */
char *mill_image_reference(const struct mill_image_registry *r, const char *name, const char *tag);
/* A registry of this machine (127.0.0.0/8, ::1, localhost) may speak plain HTTP; every other one has TLS, verified. */
bool mill_image_registry_is_local(const struct mill_image_registry *r);
/* 1: it has the image.  0: it has not.  Negative: who knows (unreachable, not allowed, skopeo missing). */
int mill_image_exists(const struct mill_image_registry *r, const char *name, const char *tag, struct mill_error *err);

struct mill_image_progress {
	const char *name; /* of the image */
	double fraction;  /* 0..1; < 0: unknown */
	const char *text; /* one line, for people */
};
struct mill_image_options {
	int cancel_fd; /* readable: stop, -ECANCELED; -1: none */
	unsigned jobs; /* processors an installer may use; 0: all */
	bool offline;
	void (*on_progress)(void *arg, const struct mill_image_progress *p); /* from the calling thread; may be NULL */
	void *arg;
};
#define MILL_IMAGE_OPTIONS_INIT {.cancel_fd = -1}

/* An image as it lies on this machine. */
struct mill_image {
	char *name, *kind, *tag;
	char *digest;	  /* "sha256:...", of the manifest */
	char *layout;	  /* the folder of the OCI layout */
	uint64_t bytes;	  /* of all blobs */
	size_t n_layers;
	uint64_t when_ms; /* made, wall clock */
	bool existed;	  /* of build: nothing was done */
};
void mill_image_release(struct mill_image *i);

/*
 * Installs what the store of images lacks, makes the layers that are not there,
 * writes the layout.  Two builds of one image are one.  ret may be NULL.
 * -EPERM: this machine forbids mount namespaces.  -ECANCELED.
 */
int mill_image_build(struct mill_images *im, const struct mill_image_source *s, const struct mill_image_options *o,
		     struct mill_image *ret, struct mill_error *err);
/* From the layout of this machine.  -ENOENT: it was not built here. */
int mill_image_push(struct mill_images *im, const struct mill_image_registry *r, const char *name, const char *tag,
		    const struct mill_image_options *o, struct mill_error *err);
/*
 * Registry to registry, for mirrors: `from` is "docker.io/library/busybox:1" or "...@sha256:...", `to_reference` where it
 * goes, all architectures with the digests that they have.  `source` says how `from` is reached; NULL: as any upstream.
 */
int mill_image_copy(const struct mill_image_registry *source, const char *from, const struct mill_image_registry *to,
		    const char *to_reference, const struct mill_image_options *o, struct mill_error *err);
/* Where a mirror has an upstream image: "<host>/<its path>:<its tag>"; owned, NULL with a usage error. */
char *mill_image_mirrored(const struct mill_image_registry *to, const char *from, struct mill_error *err);

/* ---- what is there ---- */
struct mill_image_list {
	struct mill_image *items;
	size_t n, cap;
};
/* Sorted by name, the newest of a name first. */
int mill_image_list(struct mill_images *im, struct mill_image_list *ret, struct mill_error *err);
void mill_image_list_release(struct mill_image_list *l);
/* The SPDX document of an image built here; owned text.  tag NULL: the newest. */
int mill_image_sbom(struct mill_images *im, const char *name, const char *tag, char **ret, struct mill_error *err);
/* Removes all but the newest `keep` images of each name, and what only they used.  `removed` gets "name:tag". */
int mill_image_gc(struct mill_images *im, unsigned keep, bool dry_run, struct mill_strv *removed, uint64_t *ret_bytes,
		  struct mill_error *err);

#endif
