/*
 * A stand-in for an S3 server, in this process, on libevent's evhttp: enough
 * of S3 to mirror a folder, and faults on demand.  It checks that requests are
 * signed by shape only; real servers check the signature in the end-to-end tests.
 */
#ifndef TESTS_LAKE_STANDIN_H
#define TESTS_LAKE_STANDIN_H

#include "base/map.h"
#include "base/strbuf.h"

enum fault {
	FAULT_NONE,
	FAULT_503,
	FAULT_400,
	FAULT_RESET,		  /* nothing is stored, the connection is reset */
	FAULT_RESET_AFTER,	  /* the request is carried out, the answer is lost */
	FAULT_TRUNCATE,		  /* half of the announced body, then the end */
	FAULT_SILENCE,		  /* no answer at all */
	FAULT_WRONG_ETAG,
	FAULT_DAMAGE,		  /* one byte of the body is another */
	FAULT_HUGE,		  /* 20 MiB of XML */
	FAULT_MALFORMED,	  /* XML that ends early */
	FAULT_DOCTYPE,		  /* XML with entities */
	FAULT_CIRCLE,		  /* a listing that repeats its token */
	FAULT_NOT_S3,		  /* a web page */
	FAULT_OTHER_WRITER,	  /* somebody else writes the object just before */
	FAULT_NO_CONDITIONS,	  /* 501 to If-Match and If-None-Match */
	FAULT_ERROR_IN_200,
};

struct standin;
struct standin *standin_start(void);
void standin_stop(struct standin *s);
const char *standin_endpoint(const struct standin *s);

/* The next `times` requests of this method whose path or query contains `part` get the fault. */
void standin_fault(struct standin *s, const char *method, const char *part, enum fault f, int times);
void standin_behave(struct standin *s); /* forgets all faults */
void standin_page_size(struct standin *s, unsigned n);
/* How many requests of this method, with `part` in path or query, were seen. */
unsigned standin_count(struct standin *s, const char *method, const char *part);
void standin_forget_counts(struct standin *s);
/* Owned copy of an object's content ("bucket/key"), or NULL. */
char *standin_object(struct standin *s, const char *name, size_t *ret_len);
void standin_put(struct standin *s, const char *name, const char *data);
unsigned standin_uploads(struct standin *s); /* unfinished ones */

#endif
