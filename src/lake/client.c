/* Opening a lake, and the requests about buckets and single objects. */
#include <curl/curl.h>
#include <fcntl.h>
#include <pthread.h>
#include <strings.h>

#include "base/base.h"
#include "base/io.h"
#include "lake/upload.h"

#define LIST_MAX	 50000000
#define LIST_PAGES_EMPTY 100 /* pages without anything new: the server goes in circles */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int mill_lake_open(const struct mill_lake_options *o, struct mill_lake **ret,
		   struct mill_error *err)
{
	pthread_once(&curl_once, init_curl);
	struct mill_lake *lake = mill_xcalloc(1, sizeof(*lake));
	int r = mill_s3_conf_init(&lake->conf, o, err);
	if (r < 0) {
		mill_lake_close(lake);
		return r;
	}
	*ret = lake;
	return 0;
}

struct mill_lake *mill_lake_close(struct mill_lake *lake)
{
	if (!lake)
		return NULL;
	for (unsigned i = 0; i < MILL_S3_THREADS_MAX; i++)
		mill_s3_engine_free(lake->engines[i]);
	mill_s3_conf_release(&lake->conf);
	free(lake);
	return NULL;
}

/* What a simple request consists of. */
struct simple {
	const char *method, *bucket, *key;
	struct mill_sigv4_pair query[6];
	size_t n_query;
	const void *body;
	size_t body_len;
	const char *content_type, *content_md5;
	int out_fd;
	bool want_md5;
	size_t response_max;
};

static void fill_simple(void *arg, struct mill_s3_call *c)
{
	const struct simple *s = arg;
	c->method = s->method;
	c->bucket = s->bucket;
	c->key = s->key;
	for (size_t i = 0; i < s->n_query; i++)
		mill_s3_call_query(c, s->query[i].name, s->query[i].value);
	c->body = s->body;
	c->body_len = s->body_len;
	if (s->content_type)
		mill_s3_call_header(c, "Content-Type", s->content_type);
	if (s->content_md5)
		mill_s3_call_header(c, "Content-MD5", s->content_md5);
	c->out_fd = s->out_fd;
	c->out_sequential = true;
	c->want_md5 = s->want_md5;
	c->response_max = s->response_max;
}

static int run_simple(struct mill_lake *lake, const struct simple *s, struct mill_s3_call **ret,
		      struct mill_error *err)
{
	return mill_s3_engine_one(mill_s3_first_engine(lake), fill_simple, (void *)s, ret, err);
}

int mill_lake_buckets(struct mill_lake *lake, struct mill_lake_listing *ret,
		      struct mill_error *err)
{
	struct simple s = {.method = "GET", .out_fd = -1};
	struct mill_s3_call *c;
	int r = run_simple(lake, &s, &c, err);
	return r < 0 ? r : mill_s3xml_buckets(c->response.data, c->response.len, ret, err);
}

int mill_lake_make_bucket(struct mill_lake *lake, const char *bucket, bool *ret_existed,
			  struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf body = MILL_STRBUF_INIT;
	struct simple s = {.method = "PUT", .bucket = bucket, .out_fd = -1};
	if (!mill_streq(lake->conf.region, "us-east-1")) {
		mill_strbuf_addstr(&body, "<CreateBucketConfiguration><LocationConstraint>");
		mill_s3xml_escape(&body, lake->conf.region);
		mill_strbuf_addstr(&body, "</LocationConstraint></CreateBucketConfiguration>");
		s.body = body.data;
		s.body_len = body.len;
		s.content_type = "application/xml";
	}
	_cleanup_error_ struct mill_error local = {0};
	int r = run_simple(lake, &s, NULL, &local);
	bool existed = false;
	if (r == -EEXIST) {
		/* Ours, or another owner's?  A HEAD is allowed only to those who have access. */
		struct simple head = {.method = "HEAD", .bucket = bucket, .out_fd = -1};
		existed = run_simple(lake, &head, NULL, NULL) == 0;
		if (existed)
			r = 0;
	}
	if (r < 0 && err) {
		mill_error_release(err);
		*err = local;
		local = (struct mill_error){0};
	}
	if (r == 0 && ret_existed)
		*ret_existed = existed;
	return r;
}

int mill_lake_remove_bucket(struct mill_lake *lake, const char *bucket, struct mill_error *err)
{
	struct simple s = {.method = "DELETE", .bucket = bucket, .out_fd = -1};
	return run_simple(lake, &s, NULL, err);
}

int mill_lake_list(struct mill_lake *lake, const char *bucket, const char *prefix,
		   const char *delimiter, size_t max, struct mill_lake_listing *ret,
		   struct mill_error *err)
{
	_cleanup_listing_ struct mill_lake_listing all = {0};
	_cleanup_free_ char *token = NULL;
	unsigned empty = 0;
	if (max == 0 || max > LIST_MAX)
		max = LIST_MAX;
	for (;;) {
		struct simple s = {.method = "GET", .bucket = bucket, .out_fd = -1};
		s.query[s.n_query++] = (struct mill_sigv4_pair){"list-type", "2"};
		s.query[s.n_query++] = (struct mill_sigv4_pair){"encoding-type", "url"};
		if (prefix && *prefix)
			s.query[s.n_query++] = (struct mill_sigv4_pair){"prefix", prefix};
		if (delimiter)
			s.query[s.n_query++] = (struct mill_sigv4_pair){"delimiter", delimiter};
		if (token)
			s.query[s.n_query++] = (struct mill_sigv4_pair){"continuation-token", token};
		struct mill_s3_call *c;
		struct mill_s3xml_page page = {0};
		size_t before = all.n;
		int r = run_simple(lake, &s, &c, err);
		if (r == 0)
			r = mill_s3xml_list(c->response.data, c->response.len, &all, &page, err);
		if (r < 0)
			return mill_error_wrap(err, "list %s", bucket);
		bool circles = page.truncated && mill_streq(token, page.token);
		empty = all.n == before ? empty + 1 : 0;
		free(token);
		token = page.token;
		if (circles || empty > LIST_PAGES_EMPTY)
			return mill_fail(err, EBADMSG, "list %s: the server repeats a page", bucket);
		if (!page.truncated || all.n >= max)
			break;
	}
	*ret = all;
	all = (struct mill_lake_listing){0};
	return 0;
}

int mill_lake_head(struct mill_lake *lake, const char *bucket, const char *key,
		   struct mill_lake_object *ret, struct mill_error *err)
{
	struct simple s = {.method = "HEAD", .bucket = bucket, .key = key, .out_fd = -1};
	struct mill_s3_call *c;
	int r = run_simple(lake, &s, &c, err);
	if (r < 0)
		return r;
	*ret = (struct mill_lake_object){.key = mill_xstrdup(key), .etag = mill_xstrdup(c->etag),
					 .size = c->length, .modified_ms = c->modified_ms};
	return 0;
}

/* What was sent or arrived against the ETag, where that is an MD5. */
static int check_md5(const struct mill_s3_call *c, struct mill_error *err)
{
	if (c->encrypted || strlen(c->etag) != 32 ||
	    strspn(c->etag, "0123456789abcdefABCDEF") != 32 || strcasecmp(c->etag, c->md5) == 0)
		return 0;
	return mill_fail(err, EBADMSG, "%s/%s is damaged: the MD5 is %s, the ETag %s", c->bucket,
			 c->key, c->md5, c->etag);
}

int mill_lake_put(struct mill_lake *lake, const char *bucket, const char *key, const void *data,
		  size_t len, const char *content_type, struct mill_error *err)
{
	struct simple s = {.method = "PUT", .bucket = bucket, .key = key, .body = data,
			   .body_len = len, .out_fd = -1,
			   .content_type = content_type ? content_type : mill_lake_content_type(key)};
	struct mill_s3_digest d;
	struct mill_s3_call *c;
	int r = run_simple(lake, &s, &c, err);
	if (r < 0)
		return r;
	mill_s3_hash(c->hasher, data, len, &d);
	mill_s3_hex(d.md5, sizeof(d.md5), c->md5);
	return check_md5(c, err);
}

int mill_lake_get(struct mill_lake *lake, const char *bucket, const char *key, size_t max,
		  char **ret_data, size_t *ret_len, struct mill_error *err)
{
	struct simple s = {.method = "GET", .bucket = bucket, .key = key, .out_fd = -1,
			   .want_md5 = true, .response_max = max ? max : 1};
	struct mill_s3_call *c;
	int r = run_simple(lake, &s, &c, err);
	if (r == 0)
		r = check_md5(c, err);
	if (r == 0 && c->response.len > max)
		r = mill_fail(err, EFBIG, "%s/%s is larger than %zu bytes", bucket, key, max);
	if (r < 0)
		return r;
	if (ret_len)
		*ret_len = c->response.len;
	*ret_data = mill_strbuf_steal(&c->response);
	return 0;
}

int mill_lake_cat(struct mill_lake *lake, const char *bucket, const char *key, int fd,
		  struct mill_error *err)
{
	struct simple s = {.method = "GET", .bucket = bucket, .key = key, .out_fd = fd,
			   .want_md5 = true};
	struct mill_s3_call *c;
	int r = run_simple(lake, &s, &c, err);
	return r < 0 ? r : check_md5(c, err);
}

int mill_lake_put_file(struct mill_lake *lake, const char *bucket, const char *key,
		       const char *path, struct mill_error *err)
{
	struct mill_lake_upload u = {.path = path, .key = key, .fd = -1};
	struct mill_lake_upload_set set = {
		.bucket = bucket, .dir_fd = AT_FDCWD, .follow = true, .items = &u, .n = 1};
	int r = mill_lake_upload_all(lake, &set, err);
	free(u.upload_id);
	if (r == 0 && u.result < 0) {
		r = u.result;
		if (err) {
			mill_error_release(err);
			*err = u.err;
			return r;
		}
	}
	mill_error_release(&u.err);
	return r;
}
