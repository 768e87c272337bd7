/*
 * AWS Signature Version 4, header form.
 *
 * Two modes.  S3: the path is the object's name as it is, encoded once, never
 * normalised.  Generic (every other AWS service, and the published test
 * suite): the path is what stands in the request line; dot segments and double
 * slashes are resolved first, and encoding what is encoded already is then the
 * double encoding that those services want.
 *
 * A signer belongs to one thread.  It keeps the key of the day and its OpenSSL
 * contexts, so that a signature costs a few SHA-256 blocks and no allocation.
 *
 * Source: "Create a signed AWS API request", AWS General Reference.
 */
#ifndef MILL_LAKE_SIGV4_H
#define MILL_LAKE_SIGV4_H

#include "base/strbuf.h"

#define MILL_SIGV4_DATE_LEN   17 /* "20150830T123600Z" and NUL */
#define MILL_SIGV4_QUERY_MAX  64
#define MILL_SIGV4_HEADER_MAX 64
#define MILL_SIGV4_EMPTY_SHA256                                                                    \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct mill_sigv4;

struct mill_sigv4_pair {
	const char *name, *value;
};

/* Borrowed strings.  Headers: all given ones are signed; host and x-amz-date must be among
 * them; names in any case, repeated ones are joined in their order. */
struct mill_sigv4_input {
	const char *method;
	const char *path;                    /* begins with '/', not encoded (S3) */
	const struct mill_sigv4_pair *query; /* not encoded, any order; value NULL is "" */
	size_t n_query;
	const struct mill_sigv4_pair *headers;
	size_t n_headers;
	const char *payload_sha256; /* hex */
	const char *date;           /* as x-amz-date */
};

/* Valid until the next call with the same signer. */
struct mill_sigv4_output {
	const char *target;        /* encoded path, and "?query" if there is one: the request line's */
	const char *authorization; /* the header's value */
	const char *canonical;     /* canonical request; for tests and error messages */
	const char *to_sign;
};

struct mill_sigv4 *mill_sigv4_new(const char *access_key, const char *secret_key,
				  const char *region, const char *service, bool s3);
struct mill_sigv4 *mill_sigv4_free(struct mill_sigv4 *s); /* NULL is fine; wipes the keys */
/* -EINVAL: no leading '/', a short date; -E2BIG: more pairs than the ceilings. */
int mill_sigv4_sign(struct mill_sigv4 *s, const struct mill_sigv4_input *in,
		    struct mill_sigv4_output *ret, struct mill_error *err);
/* 20150830T123600Z from seconds since the epoch. */
void mill_sigv4_date(int64_t seconds, char out[MILL_SIGV4_DATE_LEN]);
/* Hex SHA-256 with the signer's context (no allocation). */
void mill_sigv4_sha256(struct mill_sigv4 *s, const void *data, size_t len, char out[65]);
/* Everything but A-Z a-z 0-9 - . _ ~ (and '/' if keep_slash) becomes %XX. */
void mill_sigv4_encode(struct mill_strbuf *out, const char *s, bool keep_slash);

#endif
