/*
 * The lake: a client of S3-compatible stores (MinIO, versitygw, Garage, AWS)
 * on libcurl multi with a signer of our own (lake/sigv4.h).
 *
 * These functions live in the module data-mill-net.so.  The program calls
 * them through the table of net/net.h, so that starting it does not load
 * libcurl; tests, benchmarks and the module itself call them directly.
 *
 * A `struct mill_lake` belongs to one thread at a time.  Requests are retried
 * with exponential backoff and full jitter on connection errors, time-outs,
 * 429 and 5xx, a bounded number of times.  Every payload is signed by its
 * SHA-256; what comes back is checked against its ETag where that is an MD5.
 * Credentials appear in no message and no argv.
 *
 *	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
 *	o.endpoint = "http://127.0.0.1:9000";  o.access_key = ..;  o.secret_key = ..;
 *	if (mill_lake_open(&o, &lake, err) < 0)
 *		return -err->code;
 *	r = mill_lake_put(lake, "bucket", "a/b.txt", data, len, NULL, err);
 *	mill_lake_close(lake);
 *
 * Error codes: ENOENT no such bucket or key, EACCES refused by the server,
 * EEXIST, ECANCELED cancel_fd became readable, ETIMEDOUT, ECONNREFUSED,
 * EBADMSG the answer is damaged or does not match its checksum, EPROTO not an
 * S3 answer, EFBIG past a ceiling, EIO anything else.
 */
#ifndef MILL_LAKE_LAKE_H
#define MILL_LAKE_LAKE_H

#include "base/strbuf.h"

struct mill_lake;

enum mill_lake_style {
	MILL_LAKE_STYLE_AUTO, /* virtual host for amazonaws.com, else path */
	MILL_LAKE_STYLE_PATH,
	MILL_LAKE_STYLE_VIRTUAL,
};

/* Strings are copied by mill_lake_open(); a zero means the default. */
struct mill_lake_options {
	const char *endpoint; /* "http://127.0.0.1:9000": scheme, host, port; nothing else */
	const char *access_key, *secret_key;
	const char *session_token; /* NULL: none */
	const char *region;        /* NULL: us-east-1 */
	enum mill_lake_style style;
	const char *ca_file;         /* NULL: the system's certificates */
	unsigned jobs;               /* requests in flight; 32 */
	unsigned threads;            /* by the number of processors, at most 4 */
	unsigned attempts;           /* tries of one request; 6 */
	unsigned backoff_ms;         /* ceiling of the first pause; 100; doubles up to 5 s */
	unsigned connect_timeout_ms; /* 10000 */
	unsigned stall_timeout_s;    /* give up when nothing moved for so long; 30 */
	uint64_t part_size_bytes;    /* multipart: 16 MiB; grows for objects over 10,000 parts */
	int cancel_fd;               /* -1: none; readable = give up with -ECANCELED */
};
#define MILL_LAKE_OPTIONS_INIT {.cancel_fd = -1}

int mill_lake_open(const struct mill_lake_options *o, struct mill_lake **ret,
		   struct mill_error *err);
struct mill_lake *mill_lake_close(struct mill_lake *lake); /* NULL is fine; returns NULL */

/* ---- objects and buckets ---- */
struct mill_lake_object {
	char *key;  /* owned; a bucket's name in mill_lake_buckets */
	char *etag; /* owned, without quotes; "" when unknown */
	uint64_t size;
	uint64_t modified_ms; /* wall clock; 0 when unknown */
	bool is_prefix;       /* a "folder" of a listing with delimiter */
};
struct mill_lake_listing {
	struct mill_lake_object *items;
	size_t n, cap;
};
void mill_lake_object_release(struct mill_lake_object *o);
void mill_lake_listing_release(struct mill_lake_listing *l);
#define _cleanup_listing_ __attribute__((cleanup(mill_lake_listing_release)))

int mill_lake_buckets(struct mill_lake *lake, struct mill_lake_listing *ret,
		      struct mill_error *err);
/* *ret_existed (may be NULL): it was there before and is ours, which is no error. */
int mill_lake_make_bucket(struct mill_lake *lake, const char *bucket, bool *ret_existed,
			  struct mill_error *err);
/* The bucket must be empty (ENOTEMPTY). */
int mill_lake_remove_bucket(struct mill_lake *lake, const char *bucket, struct mill_error *err);
/* All keys that start with prefix, in the server's order (UTF-8 binary); with
 * delimiter ("/", or NULL) only one level, "folders" as is_prefix.  max 0: no
 * limit but the module's ceiling of 50 million. */
int mill_lake_list(struct mill_lake *lake, const char *bucket, const char *prefix,
		   const char *delimiter, size_t max, struct mill_lake_listing *ret,
		   struct mill_error *err);
int mill_lake_head(struct mill_lake *lake, const char *bucket, const char *key,
		   struct mill_lake_object *ret, struct mill_error *err);
/* content_type NULL: by the key's extension. */
int mill_lake_put(struct mill_lake *lake, const char *bucket, const char *key, const void *data,
		  size_t len, const char *content_type, struct mill_error *err);
/* Multipart past the part size; an unfinished upload is aborted on failure. */
int mill_lake_put_file(struct mill_lake *lake, const char *bucket, const char *key,
		       const char *path, struct mill_error *err);
/* The whole object, NUL-terminated, owned; -EFBIG past max. */
int mill_lake_get(struct mill_lake *lake, const char *bucket, const char *key, size_t max,
		  char **ret_data, size_t *ret_len, struct mill_error *err);
/* Streams the object to a file descriptor in order (a pipe will do). */
int mill_lake_cat(struct mill_lake *lake, const char *bucket, const char *key, int fd,
		  struct mill_error *err);
/* Written beside and renamed; large objects come in parallel ranges. */
int mill_lake_get_file(struct mill_lake *lake, const char *bucket, const char *key,
		       const char *path, struct mill_error *err);
/* Deletes keys, a thousand a request; absent ones are no error. */
int mill_lake_remove(struct mill_lake *lake, const char *bucket, char *const *keys, size_t n,
		     struct mill_error *err);

/*
 * The rest, and mill_lake_*_release(), are in lake/types.c, which the program
 * links itself.
 */

/* ---- "bucket[/prefix]" or "s3://bucket[/prefix]" ---- */
struct mill_lake_target {
	char *bucket; /* owned */
	char *prefix; /* owned; "" or as written, no leading slash */
};
/* A usage error where the bucket's name breaks S3's rules. */
int mill_lake_target_parse(const char *text, struct mill_lake_target *ret, struct mill_error *err);
void mill_lake_target_release(struct mill_lake_target *t);

#endif
