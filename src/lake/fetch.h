/*
 * Getting a list of objects into files: small ones in one request each, large
 * ones in parallel ranges (private to this module).
 *
 * A file is written beside its place under a name that scans ignore, compared
 * with the ETag, and renamed.  Folders on the way are made and entered one by
 * one without following links, so no key leads out of the folder.
 */
#ifndef MILL_LAKE_FETCH_H
#define MILL_LAKE_FETCH_H

#include <pthread.h>

#include "lake/s3.h"

#define MILL_LAKE_TEMP_PREFIX ".data-mill-tmp." /* what a killed run may leave; scans pass over it */

struct mill_lake_fetch {
	/* in */
	const char *key;
	const char *path; /* relative to the set's dir_fd */
	const char *etag; /* as listed */
	uint64_t size;	  /* as listed */
	bool guarded;	  /* replace only the file that the following describe, or none */
	bool had_file;
	uint64_t old_size, old_ino;
	int64_t old_mtime_ns;

	/* out, valid in on_done() */
	int result; /* 0, -EEXIST: the file changed meanwhile, ... */
	struct mill_error err;
	char new_etag[MILL_S3_ETAG_MAX];
	struct mill_s3_content content;
	uint64_t new_size, ino;
	int64_t mtime_ns;
	void *user;

	/* of the module */
	int dir_fd, fd;
	char temp[48];
	struct mill_s3_digest *digests; /* of the ranges, owned; NULL: fetched at once */
	size_t n_ranges;
	atomic_size_t ranges_left;
	atomic_bool failed;
};

struct mill_lake_fetch_set {
	const char *bucket;
	int dir_fd;
	struct mill_lake_fetch *items;
	size_t n;
	void (*on_done)(void *arg, struct mill_lake_fetch *f); /* under the set's lock */
	void (*on_tick)(void *arg);
	void *arg;
	atomic_uint_fast64_t files_done, bytes_done;
	_Atomic(const char *) current;
	/* of the module */
	struct mill_s3_conf *conf;
	pthread_mutex_t lock;
	size_t *large;
	size_t n_large, cap_large;
};

int mill_lake_fetch_all(struct mill_lake *lake, struct mill_lake_fetch_set *set,
			struct mill_error *err);

/* Why a key cannot be a path below a folder, or NULL when it can; static. */
const char *mill_lake_path_refused(const char *path);
/*
 * The folder that holds path below dir_fd, no link followed; made where absent
 * if `make`.  *ret_name points into path.  -ENOTDIR, -ELOOP, -ENOENT.
 */
int mill_lake_open_parent(int dir_fd, const char *path, bool make, int *ret_fd,
			  const char **ret_name);

#endif
