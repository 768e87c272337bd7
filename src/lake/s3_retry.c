/* What is worth another try, how long to wait, and what an error is called. */
#include <curl/curl.h>

#include "base/base.h"
#include "lake/s3.h"

bool mill_s3_retry_status(long status, const char *code)
{
	static const char *const codes[] = {"RequestTimeout", "SlowDown", "InternalError",
					    "ServiceUnavailable", "XMinioServerNotInitialized",
					    "OperationAborted"};
	if (status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	    status == 504)
		return true;
	for (size_t i = 0; i < MILL_ARRAY_LEN(codes); i++)
		if (mill_streq(code, codes[i]))
			return true;
	return false;
}

bool mill_s3_retry_transport(int curl_code)
{
	switch (curl_code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_AGAIN:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return false;
	}
}

unsigned mill_s3_backoff_ms(unsigned base_ms, unsigned attempt, uint32_t random)
{
	unsigned ceiling = base_ms;
	for (unsigned i = 1; i < attempt && ceiling < MILL_S3_BACKOFF_MAX_MS; i++)
		ceiling *= 2;
	if (ceiling > MILL_S3_BACKOFF_MAX_MS)
		ceiling = MILL_S3_BACKOFF_MAX_MS;
	return ceiling ? random % (ceiling + 1) : 0;
}

void mill_s3_call_name(const struct mill_s3_call *c, char *buf, size_t len)
{
	snprintf(buf, len, "%s %s%s%s", c->method, c->bucket ? c->bucket : "buckets",
		 c->key ? "/" : "", c->key ? c->key : "");
}

static const struct {
	const char *code; /* S3's error code, or */
	long status;      /* the status alone */
	int error;
	const char *hint;
} known[] = {
	{"NoSuchKey", 0, ENOENT, NULL},
	{"NoSuchBucket", 0, ENOENT, "make it with 'data-mill data mb BUCKET'"},
	{"NoSuchUpload", 0, ENOENT, NULL},
	{"InvalidAccessKeyId", 0, EACCES, "the access key is unknown to this server"},
	{"SignatureDoesNotMatch", 0, EACCES, "the secret key does not belong to the access key"},
	{"RequestTimeTooSkewed", 0, EACCES, "this machine's clock and the server's differ: set them"},
	{"AccessDenied", 0, EACCES, NULL},
	{"BucketAlreadyOwnedByYou", 0, EEXIST, NULL},
	{"BucketAlreadyExists", 0, EEXIST, NULL},
	{"BucketNotEmpty", 0, ENOTEMPTY, "remove its objects first"},
	{"PreconditionFailed", 0, EEXIST, NULL},
	{"EntityTooLarge", 0, EFBIG, NULL},
	{"XMinioStorageFull", 0, ENOSPC, "the server's disk is full"},
	{"AuthorizationHeaderMalformed", 0, EACCES, "the region may be another one: set it"},
	{"PermanentRedirect", 0, EREMOTE, "the bucket is at another endpoint or in another region"},
	{NULL, 301, EREMOTE, "the bucket is at another endpoint or in another region"},
	{NULL, 307, EREMOTE, "the bucket is at another endpoint or in another region"},
	{NULL, 401, EACCES, NULL},
	{NULL, 403, EACCES, NULL},
	{NULL, 404, ENOENT, NULL},
	{NULL, 412, EEXIST, NULL},
	{NULL, 416, EBADMSG, NULL},
	{NULL, 501, EOPNOTSUPP, NULL},
	{NULL, 507, ENOSPC, "the server's disk is full"},
};

int mill_s3_status_error(const struct mill_s3_call *c, const char *host, struct mill_error *err)
{
	char name[256];
	mill_s3_call_name(c, name, sizeof(name));
	int code = EIO;
	const char *hint = NULL;
	for (size_t i = 0; i < MILL_ARRAY_LEN(known); i++) {
		bool hit = known[i].code ? mill_streq(known[i].code, c->error.code)
					 : known[i].status == c->status;
		if (!hit)
			continue;
		code = known[i].error;
		hint = known[i].hint;
		break;
	}
	if (c->error.code[0])
		mill_fail(err, code, "%s: %s answers %ld %s: %s", name, host, c->status,
			  c->error.code, c->error.message);
	else
		mill_fail(err, code, "%s: %s answers %ld", name, host, c->status);
	if (hint)
		mill_error_hint(err, "%s", hint);
	return -code;
}

int mill_s3_transport_error(const struct mill_s3_call *c, const char *host, int curl_code,
			    const char *text, struct mill_error *err)
{
	char name[256];
	mill_s3_call_name(c, name, sizeof(name));
	int code = EIO;
	const char *hint = NULL;
	switch (curl_code) {
	case CURLE_COULDNT_CONNECT:
		code = ECONNREFUSED;
		hint = "is the lake running? see 'data-mill status'";
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
		code = EHOSTUNREACH;
		hint = "check the endpoint's name";
		break;
	case CURLE_OPERATION_TIMEDOUT:
		code = ETIMEDOUT;
		break;
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
		code = EBADMSG;
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		code = EACCES;
		hint = "the server's certificate is not trusted: name its authority's file";
		break;
	case CURLE_WRITE_ERROR:
		code = EFBIG;
		break;
	default:
		break;
	}
	mill_fail(err, code, "%s: %s: %s", name, host,
		  text && *text ? text : curl_easy_strerror((CURLcode)curl_code));
	if (hint)
		mill_error_hint(err, "%s", hint);
	return -code;
}
