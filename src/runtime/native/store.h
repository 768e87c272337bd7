/*
 * The store: installed software, one folder an entry, shared by all platforms
 * of a user (or of the machine, as root).
 *
 * Invariants
 *   - An entry is `<store>/<key>`, built at that path, never moved.  It is
 *     complete if and only if `<entry>/.complete` exists; that file is renamed
 *     in last, after everything else reached the disk.  All other states are
 *     "absent", and the next install of the key removes what is there.
 *   - A complete entry is read-only and never changes.
 *   - `<store>/.locks/<key>` is flock()ed: exclusively by who builds or removes
 *     the entry, shared by every running shim that uses it.
 *
 * `struct mill_store` is immutable after open and may be used by many threads.
 *
 *	struct mill_store *s;
 *	mill_store_open(&(struct mill_store_paths){...}, &s, err);
 *	if (!mill_store_has(s, key))
 *		mill_install(s, recipe, &options, err);       (install.h)
 *	mill_store_close(s);
 */
#ifndef MILL_NATIVE_STORE_H
#define MILL_NATIVE_STORE_H

#include <jansson.h>

#include "base/strbuf.h"

#define MILL_STORE_KEY_MAX 192 /* hex, dash, name, dash, version, NUL */
#define MILL_STORE_COMPLETE ".complete"

/* Where things are; copied by open.  From a layout: store, cache, state, resources. */
struct mill_store_paths {
	const char *store;      /* the entries */
	const char *cache;      /* downloads, the package clients' caches, build folders */
	const char *state;      /* install-logs/ is below it */
	const char *toolchains; /* folder of toolchains.json: components/_toolchains */
	bool set_ids;           /* as root: installers run as uid and gid, entries end up root's */
	uid_t uid;
	gid_t gid;
	/*
	 * A store of images (image/image.h): `store` is the path that its entries have inside images, `at` where its
	 * folder is on this machine (NULL: at `store` itself, as in the namespace that installs).  Its tool chains never
	 * are the machine's own, so that keys are the same on every machine.
	 */
	bool image;
	const char *at;
};

struct mill_store {
	char *dir, *cache, *state, *toolchains;
	char *at;     /* where `dir` is to be read: dir itself but for a store of images */
	bool image;
	bool set_ids;
	uid_t uid;
	gid_t gid;
	bool read_only; /* not writable by us: complete entries are found, nothing is added */
};

/* Makes the folders unless they cannot be written, which makes the store read-only. */
int mill_store_open(const struct mill_store_paths *p, struct mill_store **ret, struct mill_error *err);
struct mill_store *mill_store_close(struct mill_store *s);

/* `<store>/<key>`: what an entry is called, and where it is built; owned. */
char *mill_store_path(const struct mill_store *s, const char *key);
/* Where the entry is to be read on this machine: as above but for a store of images; owned. */
char *mill_store_entry_at(const struct mill_store *s, const char *key);
/* One stat. */
bool mill_store_has(const struct mill_store *s, const char *key);
/* A key as mill_recipe_key() makes them; anything else is not a name in the store. */
bool mill_store_key_valid(const char *key);

/* flock on the key; what a shim holds is the shared one.  timeout_ms -1 waits for ever. */
int mill_store_lock(const struct mill_store *s, const char *key, bool shared, int timeout_ms,
		    int *ret_fd, struct mill_error *err);

/* ---- entries ---- */
struct mill_store_entry {
	char *key;
	char *name, *version; /* "" for a half-built one */
	bool complete;
	bool in_use;          /* somebody holds its lock */
	uint64_t bytes;       /* on disk; of a complete one as recorded */
	uint64_t files;
	uint64_t when_ms;     /* completed, wall clock */
};
struct mill_store_list {
	struct mill_store_entry *items;
	size_t n, cap;
};
/* Sorted by key. */
int mill_store_list(const struct mill_store *s, struct mill_store_list *ret, struct mill_error *err);
void mill_store_list_release(struct mill_store_list *l);

/* -EBUSY when a shim or an install holds it. */
int mill_store_remove(const struct mill_store *s, const char *key, struct mill_error *err);

/*
 * Rehashes every file against `.complete`.  0: as recorded.  -EBADMSG: err names
 * the first difference and `problems` (may be NULL) gets a line for each.
 */
int mill_store_verify(const struct mill_store *s, const char *key, struct mill_strv *problems,
		      struct mill_error *err);

/*
 * Removes what is neither in `live` nor held, and half-built entries.  With
 * dry_run nothing is removed.  `removed` gets the keys, *ret_bytes what they take.
 */
int mill_store_gc(const struct mill_store *s, const struct mill_strv *live, bool dry_run,
		  struct mill_strv *removed, uint64_t *ret_bytes, struct mill_error *err);

#endif
