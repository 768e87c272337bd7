/*
 * The transfer engine below the lake (private to this module).
 *
 * A `struct mill_s3_engine` is one thread's curl multi handle with a fixed
 * number of slots; a `struct mill_s3_call` is one slot's request and answer,
 * reused from request to request so that the steady state allocates little.
 * A pool is several engines that work on one list of tasks.
 *
 * The owner's callbacks run on the engine's thread:
 *   next  resets and fills a call; 1 filled, 0 nothing (more) to do (the call stays as it
 *         was), <0 stops the run
 *   done  gets the outcome; true = it has refilled the call, send that next
 * Retries happen below them: done is called once a request, with the last
 * outcome.  Strings given to a call are borrowed until done returns.
 */
#ifndef MILL_LAKE_S3_H
#define MILL_LAKE_S3_H

#include <stdatomic.h>

#include "lake/lake.h"
#include "lake/s3xml.h"
#include "lake/sigv4.h"

#define MILL_S3_QUERY_MAX    8
#define MILL_S3_HEADER_MAX   8
#define MILL_S3_ETAG_MAX     128
#define MILL_S3_XML_MAX	     ((size_t)16 << 20) /* one answer in XML */
#define MILL_S3_ERROR_MAX    ((size_t)64 << 10)
#define MILL_S3_THREADS_MAX  16
#define MILL_S3_JOBS_MAX     256
#define MILL_S3_BACKOFF_MAX_MS 5000
#define MILL_S3_RETRY_AFTER_MAX_S 30

/* SHA-256 and MD5 of the same bytes, with contexts that are reused; one thread's. */
struct mill_s3_hasher;
struct mill_s3_hasher *mill_s3_hasher_new(void);
struct mill_s3_hasher *mill_s3_hasher_free(struct mill_s3_hasher *h);
struct mill_s3_digest {
	unsigned char sha256[32], md5[16];
};
void mill_s3_hash(struct mill_s3_hasher *h, const void *data, size_t len, struct mill_s3_digest *ret);
/* len bytes of a file; -ESTALE when it is shorter. */
int mill_s3_hash_range(struct mill_s3_hasher *h, int fd, uint64_t offset, uint64_t len,
		       struct mill_s3_digest *ret);
void mill_s3_hex(const unsigned char *in, size_t n, char *out); /* 2n + NUL */
void mill_s3_base64_md5(const unsigned char in[16], char out[25]); /* for Content-MD5 */
/*
 * What identifies a file's content in the state file, and the ETag that a
 * server gives to it.  Up to part_size: hex of SHA-256, hex of MD5.  Above: the
 * digest of the parts' digests, with "-<part size>" and "-<number of parts>".
 */
#define MILL_S3_CONTENT_MAX 96
struct mill_s3_content {
	char sha256[MILL_S3_CONTENT_MAX];
	char etag[MILL_S3_CONTENT_MAX];
};
uint64_t mill_s3_part_size(uint64_t wanted, uint64_t size); /* grows past 10,000 parts */
void mill_s3_content_join(struct mill_s3_hasher *h, const struct mill_s3_digest *parts, size_t n,
			  uint64_t part_size, struct mill_s3_content *ret);
int mill_s3_content_file(struct mill_s3_hasher *h, int fd, uint64_t size, uint64_t part_size,
			 struct mill_s3_content *ret);

/* The options, checked and copied; shared by the engines, read-only. */
struct mill_s3_conf {
	char *access_key, *secret_key, *session_token, *region, *ca_file;
	char *base;   /* "http://127.0.0.1:9000" */
	char *scheme; /* "http" */
	char *host;   /* as in the Host header: without the scheme's own port */
	bool virtual_host, loopback;
	unsigned jobs, threads, attempts, backoff_ms, connect_timeout_ms, stall_timeout_s;
	uint64_t part_size;
	int cancel_fd;
	atomic_bool stop; /* set by the first engine that fails or is cancelled */
	atomic_uint_fast64_t retries;
};
int mill_s3_conf_init(struct mill_s3_conf *c, const struct mill_lake_options *o,
		      struct mill_error *err);
void mill_s3_conf_release(struct mill_s3_conf *c);

struct mill_s3_call {
	/* ---- the request ---- */
	const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
	const char *bucket; /* NULL: the service */
	const char *key;    /* NULL: the bucket */
	struct mill_sigv4_pair query[MILL_S3_QUERY_MAX];
	size_t n_query;
	struct mill_sigv4_pair headers[MILL_S3_HEADER_MAX]; /* beyond host, date, hash, token, range */
	size_t n_headers;
	const void *body; /* in memory, or: */
	size_t body_len;
	int body_fd; /* >= 0: body_len bytes of this file from body_offset */
	uint64_t body_offset;
	char payload_sha256[65]; /* "": computed from the body in memory */
	uint64_t range_first, range_last; /* GET: inclusive; last UINT64_MAX with first 0 is all */
	int out_fd;          /* >= 0: the answer's body goes here, else to `response` */
	bool out_sequential; /* write(2), for pipes; else pwrite(2) at out_offset */
	uint64_t out_offset;
	bool want_md5;       /* of what arrives, into `md5` */
	size_t response_max; /* 0: MILL_S3_XML_MAX */
	unsigned stall_s;    /* 0: the options' */
	char text[768];      /* room for what headers and query point to; see mill_s3_call_text() */
	size_t text_used;
	struct mill_strbuf *buffer; /* the slot's own, for the owner's use (a body) */
	struct mill_s3_hasher *hasher; /* the engine's */
	size_t task;
	void *user;

	/* ---- the answer ---- */
	long status;
	char etag[MILL_S3_ETAG_MAX]; /* without quotes; "" when there was none */
	bool encrypted;              /* the server says so: the ETag is no MD5 */
	uint64_t length;             /* of the object, from Content-Length or Content-Range */
	uint64_t modified_ms;
	uint64_t received; /* bytes of the body that arrived and were kept */
	char md5[33];
	struct mill_strbuf response;
	struct mill_s3xml_error error; /* of a status that is not 2xx */
};

/* Empties the request; all that is not set means none. */
void mill_s3_call_reset(struct mill_s3_call *c);
void mill_s3_call_query(struct mill_s3_call *c, const char *name, const char *value);
void mill_s3_call_header(struct mill_s3_call *c, const char *name, const char *value);
/* A short formatted string that lives as long as the request. */
const char *mill_s3_call_text(struct mill_s3_call *c, const char *fmt, ...) MILL_PRINTF(2, 3);
/* The name of what the call is about: "PUT bucket/key". */
void mill_s3_call_name(const struct mill_s3_call *c, char *buf, size_t len);

struct mill_s3_work {
	int (*next)(void *arg, struct mill_s3_call *c);
	bool (*done)(void *arg, struct mill_s3_call *c, int result, struct mill_error *err);
	void (*tick)(void *arg); /* optional: about ten times a second, on the first engine */
	void *arg;
};

struct mill_s3_engine;
struct mill_s3_engine *mill_s3_engine_new(struct mill_s3_conf *conf, unsigned slots);
struct mill_s3_engine *mill_s3_engine_free(struct mill_s3_engine *e);
/* Runs until there is no more to do.  -ECANCELED, or what next() said; failed requests are
 * done()'s business and do not end the run. */
int mill_s3_engine_run(struct mill_s3_engine *e, const struct mill_s3_work *w,
		       struct mill_error *err);

/* One request on its own; `fill` is called once.  The answer is in *ret until the next request. */
int mill_s3_engine_one(struct mill_s3_engine *e, void (*fill)(void *arg, struct mill_s3_call *c),
		       void *arg, struct mill_s3_call **ret, struct mill_error *err);

struct mill_lake {
	struct mill_s3_conf conf;
	struct mill_s3_engine *engines[MILL_S3_THREADS_MAX]; /* made on first use; [0] the caller's */
	unsigned n_engines;
};
/* Runs tasks 0 .. n-1 on all engines: `next` gets a call that is reset, c->task set.  The caller's thread is one of
 * the workers, and the one that ticks. */
int mill_s3_pool_run(struct mill_lake *lake, size_t n_tasks, const struct mill_s3_work *w,
		     struct mill_error *err);
struct mill_s3_engine *mill_s3_first_engine(struct mill_lake *lake);

/* A status or transport code worth another try (s3_retry.c). */
bool mill_s3_retry_status(long status, const char *code);
bool mill_s3_retry_transport(int curl_code);
/* Full jitter: a random pause in 0 .. min(cap, base << (attempt - 1)). */
unsigned mill_s3_backoff_ms(unsigned base_ms, unsigned attempt, uint32_t random);
/* Fills err from an answer that is not 2xx; returns -code. */
int mill_s3_status_error(const struct mill_s3_call *c, const char *host, struct mill_error *err);
int mill_s3_transport_error(const struct mill_s3_call *c, const char *host, int curl_code,
			    const char *text, struct mill_error *err);

#endif
