#include <expat.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/parse.h"
#include "lake/s3xml.h"

/* Calls leaf() with the path ("ListBucketResult/Contents/Key") and the text of each element
 * that has none below it, and close() at the end of every other one. */
struct reader {
	XML_Parser parser;
	struct mill_strbuf path, text;
	unsigned depth;
	bool leaf;     /* no child since the last start tag */
	int failed;    /* negative errno */
	size_t items;
	void (*on_leaf)(struct reader *r, const char *path, const char *text);
	void (*on_close)(struct reader *r, const char *path);
	/* what the handlers fill */
	struct mill_lake_listing listing;
	struct mill_lake_object item;
	struct mill_s3xml_page page;
	struct mill_s3xml_error error;
	char *value;
	bool url_encoded;
};

static void stop(struct reader *r, int code)
{
	if (!r->failed)
		r->failed = -code;
	XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;
	if (++r->depth > MILL_S3XML_DEPTH_MAX || strlen(name) > 256) {
		stop(r, E2BIG);
		return;
	}
	if (r->depth > 1)
		mill_strbuf_addch(&r->path, '/');
	mill_strbuf_addstr(&r->path, name);
	mill_strbuf_reset(&r->text);
	r->leaf = true;
}

static void on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	if (r->leaf)
		r->on_leaf(r, r->path.data, r->text.data);
	else if (r->on_close)
		r->on_close(r, r->path.data);
	r->leaf = false;
	r->depth--;
	size_t cut = strlen(name) + (r->depth > 0);
	mill_strbuf_truncate(&r->path, r->path.len > cut ? r->path.len - cut : 0);
}

static void on_text(void *arg, const XML_Char *s, int len)
{
	struct reader *r = arg;
	if (!r->leaf)
		return;
	mill_strbuf_add(&r->text, s, (size_t)len);
	if (r->text.overflow)
		stop(r, E2BIG);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
		       const XML_Char *pubid, int has_subset)
{
	stop(arg, EBADMSG);
}

static void reader_release(struct reader *r)
{
	mill_strbuf_release(&r->path);
	mill_strbuf_release(&r->text);
	mill_lake_listing_release(&r->listing);
	mill_lake_object_release(&r->item);
	free(r->page.token);
	free(r->value);
}

/* Runs the parser; the results are in r, which the caller releases. */
static int parse(struct reader *r, const char *xml, size_t len, struct mill_error *err)
{
	mill_strbuf_init(&r->path, (MILL_S3XML_DEPTH_MAX + 1) * 260);
	mill_strbuf_init(&r->text, MILL_S3XML_TEXT_MAX);
	if (len > INT32_MAX)
		return mill_fail(err, EFBIG, "the server's answer is larger than 2 GiB");
	r->parser = XML_ParserCreate(NULL);
	if (!r->parser)
		BUG("expat has no memory");
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	enum XML_Status ok = XML_Parse(r->parser, xml, (int)len, 1);
	unsigned long line = XML_GetCurrentLineNumber(r->parser);
	enum XML_Error code = XML_GetErrorCode(r->parser);
	XML_ParserFree(r->parser);
	r->parser = NULL;
	if (r->failed == -E2BIG)
		return mill_fail(err, E2BIG, "the server's XML answer is past a ceiling at line %lu", line);
	if (ok != XML_STATUS_OK || r->failed)
		return mill_fail(err, EBADMSG, "the server's XML answer is damaged at line %lu: %s", line,
				 r->failed ? "a document type is not allowed" : XML_ErrorString(code));
	return 0;
}

static void set_string(char **to, const char *s)
{
	free(*to);
	*to = mill_xstrdup(s);
}

static char *unquoted(const char *s)
{
	size_t n = strlen(s);
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"')
		return mill_xstrndup(s + 1, n - 2);
	return mill_xstrdup(s);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* encoding-type=url: %XX and + for a space, in place.  An escaped NUL is left as it is. */
static void url_decode(char *s)
{
	char *to = s;
	for (; *s; s++) {
		int hi, lo;
		if (*s == '+') {
			*to++ = ' ';
		} else if (*s == '%' && (hi = hex_digit(s[1])) >= 0 && (lo = hex_digit(s[2])) >= 0 &&
			   (hi | lo)) {
			*to++ = (char)(hi << 4 | lo);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void push_item(struct reader *r)
{
	if (++r->items > MILL_S3XML_ITEMS_MAX) {
		stop(r, E2BIG);
		return;
	}
	if (!r->item.key)
		return;
	if (!r->item.etag)
		r->item.etag = mill_xstrdup("");
	MILL_GROW(r->listing.items, r->listing.n, r->listing.cap);
	r->listing.items[r->listing.n++] = r->item;
	r->item = (struct mill_lake_object){0};
}

static void take_time(struct reader *r, const char *text)
{
	uint64_t ms;
	if (mill_parse_rfc3339(text, &ms) == 0)
		r->item.modified_ms = ms;
}

static void take_size(struct reader *r, const char *text)
{
	if (mill_parse_u64(text, &r->item.size) < 0)
		stop(r, EBADMSG);
}

/* Hands the finished listing over to the caller's. */
static void append(struct mill_lake_listing *to, struct mill_lake_listing *from, bool decode)
{
	for (size_t i = 0; i < from->n; i++) {
		if (decode)
			url_decode(from->items[i].key);
		MILL_GROW(to->items, to->n, to->cap);
		to->items[to->n++] = from->items[i];
	}
	from->n = 0;
}

static int wrong_answer(struct mill_error *err, const char *wanted)
{
	mill_fail(err, EBADMSG, "the server's answer is not a %s", wanted);
	return mill_error_hint(err, "check that the endpoint is an S3 server's");
}

/* ---- errors ---- */

static void copy_line(char *to, size_t size, const char *from)
{
	size_t n = 0;
	for (; from[n] && n < size - 1; n++)
		to[n] = (unsigned char)from[n] < ' ' ? ' ' : from[n];
	to[n] = '\0';
}

static void error_leaf(struct reader *r, const char *path, const char *text)
{
	if (mill_streq(path, "Error/Code"))
		copy_line(r->error.code, sizeof(r->error.code), text);
	else if (mill_streq(path, "Error/Message"))
		copy_line(r->error.message, sizeof(r->error.message), text);
}

int mill_s3xml_error(const char *xml, size_t len, struct mill_s3xml_error *ret)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = error_leaf};
	int rc = parse(&r, xml, len, NULL);
	if (rc == 0)
		*ret = r.error;
	return rc;
}

/* ---- listings ---- */

static void list_leaf(struct reader *r, const char *path, const char *text)
{
	static const char root[] = "ListBucketResult/";
	if (!mill_starts_with(path, root))
		return;
	path += sizeof(root) - 1;
	if (mill_starts_with(path, "Contents/")) {
		path += strlen("Contents/");
		if (mill_streq(path, "Key"))
			set_string(&r->item.key, text);
		else if (mill_streq(path, "ETag"))
			free(r->item.etag), r->item.etag = unquoted(text);
		else if (mill_streq(path, "Size"))
			take_size(r, text);
		else if (mill_streq(path, "LastModified"))
			take_time(r, text);
	} else if (mill_streq(path, "CommonPrefixes/Prefix")) {
		set_string(&r->item.key, text);
		r->item.is_prefix = true;
	} else if (mill_streq(path, "IsTruncated")) {
		r->page.truncated = mill_streq(text, "true");
	} else if (mill_streq(path, "NextContinuationToken")) {
		set_string(&r->page.token, text);
	} else if (mill_streq(path, "EncodingType")) {
		r->url_encoded = mill_streq(text, "url");
	} else if (mill_streq(path, "Name")) {
		set_string(&r->value, text);
	}
}

static void list_close(struct reader *r, const char *path)
{
	if (mill_streq(path, "ListBucketResult/Contents") ||
	    mill_streq(path, "ListBucketResult/CommonPrefixes"))
		push_item(r);
}

int mill_s3xml_list(const char *xml, size_t len, struct mill_lake_listing *to,
		    struct mill_s3xml_page *ret, struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = list_leaf, .on_close = list_close};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.value && r.listing.n == 0)
		return wrong_answer(err, "list of objects");
	if (r.page.truncated && (!r.page.token || !*r.page.token))
		return mill_fail(err, EBADMSG, "the server says there is more and not where");
	append(to, &r.listing, r.url_encoded);
	*ret = (struct mill_s3xml_page){r.page.truncated, MILL_TAKE(r.page.token)};
	return 0;
}

static void buckets_leaf(struct reader *r, const char *path, const char *text)
{
	if (mill_streq(path, "ListAllMyBucketsResult/Buckets/Bucket/Name"))
		set_string(&r->item.key, text);
	else if (mill_streq(path, "ListAllMyBucketsResult/Buckets/Bucket/CreationDate"))
		take_time(r, text);
	if (mill_starts_with(path, "ListAllMyBucketsResult"))
		r->page.truncated = true; /* the root was seen */
}

static void buckets_close(struct reader *r, const char *path)
{
	if (mill_streq(path, "ListAllMyBucketsResult/Buckets/Bucket"))
		push_item(r);
}

int mill_s3xml_buckets(const char *xml, size_t len, struct mill_lake_listing *to,
		       struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = buckets_leaf,
						     .on_close = buckets_close};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.page.truncated)
		return wrong_answer(err, "list of buckets");
	append(to, &r.listing, false);
	return 0;
}

static void parts_leaf(struct reader *r, const char *path, const char *text)
{
	static const char root[] = "ListPartsResult/";
	if (!mill_starts_with(path, root))
		return;
	path += sizeof(root) - 1;
	if (mill_streq(path, "Part/PartNumber"))
		set_string(&r->item.key, text);
	else if (mill_streq(path, "Part/ETag"))
		free(r->item.etag), r->item.etag = unquoted(text);
	else if (mill_streq(path, "Part/Size"))
		take_size(r, text);
	else if (mill_streq(path, "IsTruncated"))
		r->page.truncated = mill_streq(text, "true");
	else if (mill_streq(path, "NextPartNumberMarker"))
		set_string(&r->page.token, text);
	else if (mill_streq(path, "UploadId"))
		set_string(&r->value, text);
}

static void parts_close(struct reader *r, const char *path)
{
	if (mill_streq(path, "ListPartsResult/Part"))
		push_item(r);
}

int mill_s3xml_parts(const char *xml, size_t len, struct mill_lake_listing *to,
		     struct mill_s3xml_page *ret, struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = parts_leaf, .on_close = parts_close};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.value)
		return wrong_answer(err, "list of parts");
	append(to, &r.listing, false);
	*ret = (struct mill_s3xml_page){r.page.truncated, MILL_TAKE(r.page.token)};
	return 0;
}

static void delete_leaf(struct reader *r, const char *path, const char *text)
{
	if (mill_streq(path, "DeleteResult/Error/Key"))
		set_string(&r->item.key, text);
	else if (mill_streq(path, "DeleteResult/Error/Code"))
		set_string(&r->item.etag, text);
	if (mill_starts_with(path, "DeleteResult"))
		r->page.truncated = true; /* the root was seen */
}

static void delete_close(struct reader *r, const char *path)
{
	if (mill_streq(path, "DeleteResult/Error"))
		push_item(r);
}

int mill_s3xml_delete_errors(const char *xml, size_t len, struct mill_lake_listing *to,
			     struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = delete_leaf,
						     .on_close = delete_close};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.page.truncated)
		return wrong_answer(err, "result of a deletion");
	append(to, &r.listing, false);
	return 0;
}

/* ---- single values ---- */

static void upload_leaf(struct reader *r, const char *path, const char *text)
{
	if (mill_streq(path, "InitiateMultipartUploadResult/UploadId"))
		set_string(&r->value, text);
}

static void completed_leaf(struct reader *r, const char *path, const char *text)
{
	if (mill_streq(path, "CompleteMultipartUploadResult/ETag"))
		free(r->value), r->value = unquoted(text);
}

int mill_s3xml_upload_id(const char *xml, size_t len, char **ret, struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = upload_leaf};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.value || !*r.value || strlen(r.value) > 2048)
		return wrong_answer(err, "multipart upload");
	*ret = MILL_TAKE(r.value);
	return 0;
}

int mill_s3xml_completed(const char *xml, size_t len, char **ret_etag, struct mill_error *err)
{
	_cleanup_(reader_release) struct reader r = {.on_leaf = completed_leaf};
	int rc = parse(&r, xml, len, err);
	if (rc < 0)
		return rc;
	if (!r.value)
		return wrong_answer(err, "completed multipart upload");
	*ret_etag = MILL_TAKE(r.value);
	return 0;
}

bool mill_s3xml_escape(struct mill_strbuf *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			mill_strbuf_addstr(out, "&amp;");
			break;
		case '<':
			mill_strbuf_addstr(out, "&lt;");
			break;
		case '>':
			mill_strbuf_addstr(out, "&gt;");
			break;
		case '"':
			mill_strbuf_addstr(out, "&quot;");
			break;
		case '\r':
			mill_strbuf_addstr(out, "&#13;");
			break;
		default:
			if ((unsigned char)*s < ' ' && *s != '\t' && *s != '\n')
				return false;
			mill_strbuf_addch(out, *s);
		}
	}
	return true;
}
