/*
 * Sending a list of files: small ones in one request each, large ones in
 * parallel parts (private to this module).
 *
 * Each file is hashed before it is sent, because the signature covers the
 * hash: a file that changes in between is refused by the server and reported
 * here.  Nothing of an object is visible before all of it is there.
 */
#ifndef MILL_LAKE_UPLOAD_H
#define MILL_LAKE_UPLOAD_H

#include <pthread.h>

#include "lake/s3.h"

struct mill_lake_upload {
	/* in */
	const char *path; /* relative to the set's dir_fd */
	const char *key;
	bool conditional;     /* only if the object still is as `expected` says */
	const char *expected; /* the ETag; NULL: no object */
	uint64_t size_hint;   /* as scanned, for sorting and progress */
	char *upload_id;      /* owned: an unfinished upload of this very file, or NULL */
	uint64_t resume_part_size;

	/* out, valid in on_done() */
	int result; /* 0, -EEXIST: the object is another one (conflict), -ECANCELED, ... */
	struct mill_error err;
	bool started;
	char etag[MILL_S3_ETAG_MAX];
	struct mill_s3_content content;
	uint64_t size, ino;
	int64_t mtime_ns;
	void *user;

	/* of the module */
	struct mill_lake_large *large;
	int fd;
	bool probing;
	unsigned tries;
};

struct mill_lake_upload_set {
	const char *bucket;
	int dir_fd;
	bool follow; /* a file named by hand may be a link */
	struct mill_lake_upload *items;
	size_t n;
	/* Called under the set's lock, from any thread; may be NULL. */
	void (*on_done)(void *arg, struct mill_lake_upload *u);
	/* A multipart upload got its id: note it, it may be resumed. */
	void (*on_started)(void *arg, struct mill_lake_upload *u, uint64_t part_size);
	void (*on_tick)(void *arg); /* on the caller's thread */
	void *arg;
	atomic_uint_fast64_t files_done, bytes_done;
	_Atomic(const char *) current;
	/* of the module */
	struct mill_s3_conf *conf;
	pthread_mutex_t lock;
	size_t *large;
	size_t n_large, cap_large;
};

/* 0 when all were tried, whatever became of each; -ECANCELED. */
int mill_lake_upload_all(struct mill_lake *lake, struct mill_lake_upload_set *set,
			 struct mill_error *err);

/* Frees what the server holds of an unfinished upload; best effort. */
void mill_lake_upload_abort(struct mill_lake *lake, const char *bucket, const char *key,
			    const char *upload_id);

/* ---- between upload.c and multipart.c ---- */
void mill_lake_upload_finish(struct mill_lake_upload_set *set, struct mill_lake_upload *u,
			     int result, struct mill_error *err);
int mill_lake_upload_large(struct mill_lake *lake, struct mill_lake_upload_set *set,
			   struct mill_error *err);
/* Opens the item's file, which must be regular, and notes its size, time and inode. */
int mill_lake_upload_open(struct mill_lake_upload_set *set, struct mill_lake_upload *u,
			  struct mill_error *err);
/* If-Match or If-None-Match as the item says. */
void mill_lake_upload_headers(struct mill_s3_call *c, const struct mill_lake_upload *u);
/* "a/b.csv" -> "text/csv" */
const char *mill_lake_content_type(const char *key);
/*
 * After a 412: is what is there what we wanted to put there (our own request
 * whose answer was lost, or the same content from elsewhere)?  Refills the call
 * as a HEAD, whose ETag tells.
 */
void mill_lake_upload_probe(struct mill_s3_call *c, const struct mill_lake_upload_set *set,
			    struct mill_lake_upload *u);

#endif
