/*
 * The XML answers of an S3 server, read with expat.
 *
 * Foreign bytes: a document type declaration is refused (no entities), depth,
 * text and number of items have ceilings, unknown elements are ignored.  All
 * functions return 0, -EBADMSG (not well-formed, or not what was asked for) or
 * -E2BIG, and on failure leave their results as they were.
 */
#ifndef MILL_LAKE_S3XML_H
#define MILL_LAKE_S3XML_H

#include "lake/lake.h"

#define MILL_S3XML_DEPTH_MAX 12
#define MILL_S3XML_TEXT_MAX  ((size_t)64 << 10)
#define MILL_S3XML_ITEMS_MAX 100000 /* of one answer; servers send 1000 */

struct mill_s3xml_error {
	char code[64];     /* "NoSuchKey" */
	char message[256]; /* one line */
};
/* Also true of a 200 whose body is an <Error>; code is "" when it is none. */
int mill_s3xml_error(const char *xml, size_t len, struct mill_s3xml_error *ret);

struct mill_s3xml_page {
	bool truncated;
	char *token; /* owned or NULL: continuation-token of the next page */
};
/* ListObjectsV2: appends to `to` (keys decoded). */
int mill_s3xml_list(const char *xml, size_t len, struct mill_lake_listing *to,
		    struct mill_s3xml_page *ret, struct mill_error *err);
/* ListAllMyBuckets. */
int mill_s3xml_buckets(const char *xml, size_t len, struct mill_lake_listing *to,
		       struct mill_error *err);
/* CreateMultipartUpload: owned id. */
int mill_s3xml_upload_id(const char *xml, size_t len, char **ret, struct mill_error *err);
/* ListParts: key is the part's number in decimal; token the next part-number-marker. */
int mill_s3xml_parts(const char *xml, size_t len, struct mill_lake_listing *to,
		     struct mill_s3xml_page *ret, struct mill_error *err);
/* CompleteMultipartUpload: owned ETag without quotes. */
int mill_s3xml_completed(const char *xml, size_t len, char **ret_etag, struct mill_error *err);
/* DeleteObjects: keys that were not deleted, etag is the error's code. */
int mill_s3xml_delete_errors(const char *xml, size_t len, struct mill_lake_listing *to,
			     struct mill_error *err);

/* Appends s as XML text; false when a byte has no place in XML 1.0 (a control character). */
bool mill_s3xml_escape(struct mill_strbuf *out, const char *s);

#endif
