#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/hash.h"
#include "base/parse.h"
#include "standin.h"

struct object {
	char *data, etag[64];
	size_t len;
};
struct rule {
	char method[8], part[128];
	enum fault fault;
	int times;
};
struct seen {
	char method[8], *target;
};
struct standin {
	struct event_base *base;
	struct evhttp *http;
	struct event *quit;
	int quit_pipe[2];
	pthread_t thread;
	pthread_mutex_t lock;
	char endpoint[64];
	struct mill_map objects; /* "bucket/key" */
	struct mill_map buckets;
	struct mill_map parts;	 /* "id/number" */
	struct mill_map uploads; /* id -> "bucket/key" */
	unsigned next_upload, page_size;
	struct rule rules[16];
	size_t n_rules;
	struct seen *seen;
	size_t n_seen, cap_seen;
};

static void free_object(void *p)
{
	struct object *o = p;
	if (o)
		free(o->data);
	free(o);
}

static struct object *new_object(const void *data, size_t len)
{
	struct object *o = mill_xcalloc(1, sizeof(*o));
	o->data = mill_xmalloc(len + 1);
	memcpy(o->data, data, len);
	o->data[len] = '\0';
	o->len = len;
	struct mill_hash *h = mill_hash_new(MILL_MD5);
	mill_hash_update(h, data, len);
	mill_hash_finish(h, o->etag);
	return o;
}

static void store(struct mill_map *m, const char *name, struct object *o)
{
	mill_map_set(m, name, o); /* frees the one before */
}

static enum fault take_fault(struct standin *s, const char *method, const char *target)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(s->rules); i++) {
		struct rule *r = &s->rules[i];
		if (r->times > 0 && mill_streq(r->method, method) && strstr(target, r->part)) {
			r->times--;
			return r->fault;
		}
	}
	return FAULT_NONE;
}

/* ---- answers ---- */

static void reply(struct evhttp_request *q, int status, const char *body, size_t len)
{
	struct evbuffer *b = evbuffer_new();
	evbuffer_add(b, body, len);
	evhttp_send_reply(q, status, "x", b);
	evbuffer_free(b);
}

static void reply_text(struct evhttp_request *q, int status, const char *body)
{
	reply(q, status, body, strlen(body));
}

static void reply_error(struct evhttp_request *q, int status, const char *code)
{
	_cleanup_free_ char *body = mill_xasprintf(
		"<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>told to</Message></Error>", code);
	reply_text(q, status, body);
}

static void cut_connection(struct evhttp_request *q, const char *first)
{
	struct evhttp_connection *c = evhttp_request_get_connection(q);
	int fd = (int)bufferevent_getfd(evhttp_connection_get_bufferevent(c));
	if (first) {
		ssize_t n = write(fd, first, strlen(first));
		(void)n;
		shutdown(fd, SHUT_WR);
	} else {
		struct linger l = {.l_onoff = 1};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	}
	evhttp_connection_free(c);
}

static void add_etag(struct evhttp_request *q, const char *etag)
{
	_cleanup_free_ char *quoted = mill_xasprintf("\"%s\"", etag);
	evhttp_add_header(evhttp_request_get_output_headers(q), "ETag", quoted);
}

/* ---- one request, taken apart ---- */

struct request {
	struct standin *s;
	struct evhttp_request *q;
	const char *method;
	char *name; /* "bucket" or "bucket/key", decoded */
	bool is_bucket;
	struct evkeyvalq query;
	char *body;
	size_t body_len;
	enum fault fault;
};

static const char *param(struct request *r, const char *name)
{
	return evhttp_find_header(&r->query, name);
}

static const char *in_header(struct request *r, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(r->q), name);
}

/* 0 when the conditions hold, else the status to answer. */
static int conditions(struct request *r, const struct object *o)
{
	const char *match = in_header(r, "If-Match"), *none = in_header(r, "If-None-Match");
	if (r->fault == FAULT_NO_CONDITIONS && (match || none))
		return 501;
	if (none && o)
		return 412;
	if (match && (!o || strlen(match) < 2 || strncmp(match + 1, o->etag, strlen(o->etag)) != 0))
		return 412;
	return 0;
}

static bool refused(struct request *r, const struct object *o)
{
	int status = conditions(r, o);
	if (status)
		reply_error(r->q, status, status == 412 ? "PreconditionFailed" : "NotImplemented");
	return status != 0;
}

static void do_put(struct request *r)
{
	struct object *o = mill_map_get(&r->s->objects, r->name);
	if (r->fault == FAULT_OTHER_WRITER) {
		store(&r->s->objects, r->name, new_object("other", 5));
		o = mill_map_get(&r->s->objects, r->name);
	}
	if (refused(r, o))
		return;
	char hash[MILL_SHA256_HEX];
	mill_sha256(r->body, r->body_len, hash);
	if (!mill_streq(hash, in_header(r, "x-amz-content-sha256"))) {
		reply_error(r->q, 400, "XAmzContentSHA256Mismatch");
		return;
	}
	o = new_object(r->body, r->body_len);
	add_etag(r->q, r->fault == FAULT_WRONG_ETAG ? "00000000000000000000000000000000" : o->etag);
	const char *part = param(r, "partNumber");
	if (part) {
		_cleanup_free_ char *id = mill_xasprintf("%s/%s", param(r, "uploadId"), part);
		store(&r->s->parts, id, o);
	} else {
		store(&r->s->objects, r->name, o);
	}
	if (r->fault == FAULT_RESET_AFTER)
		cut_connection(r->q, NULL);
	else
		reply(r->q, 200, "", 0);
}

static void do_get(struct request *r)
{
	struct object *o = mill_map_get(&r->s->objects, r->name);
	if (!o) {
		reply_error(r->q, 404, "NoSuchKey");
		return;
	}
	const char *match = in_header(r, "If-Match"), *range = in_header(r, "Range");
	if (match && refused(r, o))
		return;
	size_t first = 0, last = o->len ? o->len - 1 : 0;
	int status = 200;
	if (range && mill_starts_with(range, "bytes=")) {
		char *end;
		first = strtoull(range + 6, &end, 10);
		if (*end == '-' && end[1])
			last = strtoull(end + 1, NULL, 10);
		status = 206;
		_cleanup_free_ char *text = mill_xasprintf("bytes %zu-%zu/%zu", first, last, o->len);
		evhttp_add_header(evhttp_request_get_output_headers(r->q), "Content-Range", text);
	}
	size_t len = o->len ? last - first + 1 : 0;
	if (r->fault == FAULT_TRUNCATE) {
		_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
		mill_strbuf_printf(&b, "HTTP/1.1 %d x\r\nETag: \"%s\"\r\nContent-Length: %zu\r\n\r\n", status,
				   o->etag, len);
		mill_strbuf_add(&b, o->data + first, len / 2);
		cut_connection(r->q, b.data);
		return;
	}
	add_etag(r->q, o->etag);
	_cleanup_free_ char *copy = mill_xmalloc(len + 1);
	memcpy(copy, o->data + first, len);
	if (r->fault == FAULT_DAMAGE && len)
		copy[len / 2] ^= 1;
	reply(r->q, status, copy, mill_streq(r->method, "HEAD") ? 0 : len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_encoded(struct mill_strbuf *b, const char *s)
{
	char *e = evhttp_uriencode(s, -1, 1);
	mill_strbuf_addstr(b, e);
	free(e);
}

static void do_list(struct request *r)
{
	const char *prefix = param(r, "prefix"), *token = param(r, "continuation-token");
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	_cleanup_free_ char *under = mill_xasprintf("%s/%s", r->name, prefix ? prefix : "");
	size_t skip = strlen(r->name) + 1, n = 0, shown = 0;
	const char **names = mill_xcalloc(r->s->objects.n + 1, sizeof(*names));
	for (size_t i = 0; i < r->s->objects.n; i++)
		if (mill_starts_with(r->s->objects.entries[i].key, under))
			names[n++] = r->s->objects.entries[i].key;
	qsort(names, n, sizeof(*names), by_name);
	mill_strbuf_printf(&b, "<?xml version=\"1.0\"?><ListBucketResult><Name>%s</Name>"
			       "<EncodingType>url</EncodingType>", r->name);
	size_t i = 0;
	while (token && i < n && strcmp(names[i], token) <= 0)
		i++;
	for (; i < n && shown < r->s->page_size; i++, shown++) {
		const struct object *o = mill_map_get(&r->s->objects, names[i]);
		mill_strbuf_addstr(&b, "<Contents><Key>");
		add_encoded(&b, names[i] + skip);
		mill_strbuf_printf(&b, "</Key><ETag>&quot;%s&quot;</ETag><Size>%zu</Size></Contents>",
				   o->etag, o->len);
	}
	if (i < n || r->fault == FAULT_CIRCLE) {
		mill_strbuf_addstr(&b, "<IsTruncated>true</IsTruncated><NextContinuationToken>");
		mill_strbuf_addstr(&b, r->fault == FAULT_CIRCLE ? "round" : names[i - 1]);
		mill_strbuf_addstr(&b, "</NextContinuationToken>");
	}
	mill_strbuf_addstr(&b, "</ListBucketResult>");
	free(names);
	reply_text(r->q, 200, b.data);
}

static void do_multi_delete(struct request *r)
{
	for (char *at = r->body; at && (at = strstr(at, "<Key>"));) {
		at += strlen("<Key>");
		char *end = strstr(at, "</Key>");
		_cleanup_free_ char *name = mill_xasprintf("%s/%.*s", r->name, (int)(end - at), at);
		mill_map_remove(&r->s->objects, name);
	}
	reply_text(r->q, 200, "<DeleteResult></DeleteResult>");
}

static void do_create_upload(struct request *r)
{
	_cleanup_free_ char *id = mill_xasprintf("upload%u", r->s->next_upload++);
	mill_map_set(&r->s->uploads, id, mill_xstrdup(r->name));
	_cleanup_free_ char *body = mill_xasprintf("<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
						   "</InitiateMultipartUploadResult>", id);
	reply_text(r->q, 200, body);
}

static void drop_upload(struct standin *s, const char *id)
{
	mill_map_remove(&s->uploads, id);
}

static void do_complete(struct request *r)
{
	_cleanup_strbuf_ struct mill_strbuf all = MILL_STRBUF_INIT;
	struct mill_hash *h = mill_hash_new(MILL_MD5);
	unsigned n = 0;
	if (r->fault == FAULT_ERROR_IN_200) {
		char unused[33];
		mill_hash_finish(h, unused);
		reply_error(r->q, 200, "InternalError");
		return;
	}
	for (;; n++) {
		_cleanup_free_ char *id = mill_xasprintf("%s/%u", param(r, "uploadId"), n + 1);
		const struct object *p = mill_map_get(&r->s->parts, id);
		if (!p)
			break;
		mill_strbuf_add(&all, p->data, p->len);
		for (int i = 0; i < 32; i += 2) {
			unsigned byte;
			sscanf(p->etag + i, "%2x", &byte);
			unsigned char c = (unsigned char)byte;
			mill_hash_update(h, &c, 1);
		}
	}
	struct object *o = new_object(all.data, all.len);
	char md5[33];
	mill_hash_finish(h, md5);
	snprintf(o->etag, sizeof(o->etag), "%s-%u", md5, n);
	store(&r->s->objects, r->name, o);
	drop_upload(r->s, param(r, "uploadId"));
	_cleanup_free_ char *body = mill_xasprintf("<CompleteMultipartUploadResult><ETag>\"%s\"</ETag>"
						   "</CompleteMultipartUploadResult>", o->etag);
	reply_text(r->q, 200, body);
}

static void do_list_parts(struct request *r)
{
	const char *id = param(r, "uploadId");
	if (!mill_map_has(&r->s->uploads, id)) {
		reply_error(r->q, 404, "NoSuchUpload");
		return;
	}
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_printf(&b, "<ListPartsResult><UploadId>%s</UploadId>", id);
	for (unsigned n = 1; n < 100; n++) {
		_cleanup_free_ char *name = mill_xasprintf("%s/%u", id, n);
		const struct object *p = mill_map_get(&r->s->parts, name);
		if (p)
			mill_strbuf_printf(&b, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag>"
					       "<Size>%zu</Size></Part>", n, p->etag, p->len);
	}
	mill_strbuf_addstr(&b, "</ListPartsResult>");
	reply_text(r->q, 200, b.data);
}

static void do_buckets(struct request *r)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&b, "<ListAllMyBucketsResult><Buckets>");
	for (size_t i = 0; i < r->s->buckets.n; i++)
		mill_strbuf_printf(&b, "<Bucket><Name>%s</Name></Bucket>", r->s->buckets.entries[i].key);
	mill_strbuf_addstr(&b, "</Buckets></ListAllMyBucketsResult>");
	reply_text(r->q, 200, b.data);
}

static void do_bucket(struct request *r)
{
	bool there = mill_map_has(&r->s->buckets, r->name);
	if (mill_streq(r->method, "PUT")) {
		if (!there)
			mill_map_set(&r->s->buckets, r->name, r->s);
		if (there)
			reply_error(r->q, 409, "BucketAlreadyOwnedByYou");
		else
			reply(r->q, 200, "", 0);
	} else if (!there) {
		reply_error(r->q, 404, "NoSuchBucket");
	} else if (mill_streq(r->method, "POST")) {
		do_multi_delete(r);
	} else if (mill_streq(r->method, "GET")) {
		do_list(r);
	} else {
		reply(r->q, 200, "", 0);
	}
}

static void do_object(struct request *r)
{
	const char *id = param(r, "uploadId");
	if (mill_streq(r->method, "PUT")) {
		do_put(r);
	} else if (mill_streq(r->method, "POST")) {
		if (id)
			do_complete(r);
		else
			do_create_upload(r);
	} else if (mill_streq(r->method, "DELETE")) {
		if (id) {
			drop_upload(r->s, id);
		} else {
			mill_map_remove(&r->s->objects, r->name);
		}
		reply(r->q, 204, "", 0);
	} else if (id) {
		do_list_parts(r);
	} else {
		do_get(r);
	}
}

/* True when the fault was the whole answer. */
static bool misbehave(struct request *r)
{
	static const char laughs[] = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\">"
				     "<!ENTITY c \"&b;&b;\">]><ListBucketResult>&c;</ListBucketResult>";
	switch (r->fault) {
	case FAULT_503:
		reply_error(r->q, 503, "SlowDown");
		return true;
	case FAULT_400:
		reply_error(r->q, 400, "InvalidRequest");
		return true;
	case FAULT_RESET:
		cut_connection(r->q, NULL);
		return true;
	case FAULT_SILENCE:
		return true;
	case FAULT_HUGE: {
		size_t n = (size_t)20 << 20;
		char *huge = mill_xmalloc(n);
		memset(huge, 'x', n);
		memcpy(huge, "<ListBucketResult>", 18);
		reply(r->q, 200, huge, n);
		free(huge);
		return true;
	}
	case FAULT_MALFORMED:
		reply_text(r->q, 200, "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>a");
		return true;
	case FAULT_DOCTYPE:
		reply_text(r->q, 200, laughs);
		return true;
	case FAULT_NOT_S3:
		reply_text(r->q, 200, "<html><body>hello</body></html>");
		return true;
	default:
		return false;
	}
}

static const char *method_name(enum evhttp_cmd_type t)
{
	return t == EVHTTP_REQ_GET    ? "GET"
	       : t == EVHTTP_REQ_HEAD ? "HEAD"
	       : t == EVHTTP_REQ_PUT  ? "PUT"
	       : t == EVHTTP_REQ_POST ? "POST"
				      : "DELETE";
}

static void on_request(struct evhttp_request *q, void *arg)
{
	struct standin *s = arg;
	struct request r = {.s = s, .q = q, .method = method_name(evhttp_request_get_command(q))};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q);
	const char *target = evhttp_request_get_uri(q), *query = evhttp_uri_get_query(uri);
	const char *auth = in_header(&r, "Authorization");
	pthread_mutex_lock(&s->lock);
	MILL_GROW(s->seen, s->n_seen, s->cap_seen);
	struct seen *seen = &s->seen[s->n_seen++];
	snprintf(seen->method, sizeof(seen->method), "%s", r.method);
	seen->target = mill_xstrdup(target);
	r.name = evhttp_uridecode(evhttp_uri_get_path(uri) + 1, 0, NULL);
	r.is_bucket = !strchr(r.name, '/');
	evhttp_parse_query_str(query ? query : "", &r.query);
	struct evbuffer *in = evhttp_request_get_input_buffer(q);
	r.body_len = evbuffer_get_length(in);
	r.body = mill_xmalloc(r.body_len + 1);
	evbuffer_copyout(in, r.body, r.body_len);
	r.body[r.body_len] = '\0';
	r.fault = take_fault(s, r.method, target);
	if (!auth || !mill_starts_with(auth, "AWS4-HMAC-SHA256 Credential=") ||
	    !in_header(&r, "x-amz-content-sha256") || !in_header(&r, "x-amz-date"))
		reply_error(q, 403, "AccessDenied");
	else if (misbehave(&r))
		;
	else if (!*r.name)
		do_buckets(&r);
	else if (r.is_bucket)
		do_bucket(&r);
	else
		do_object(&r);
	evhttp_clear_headers(&r.query);
	free(r.name);
	free(r.body);
	pthread_mutex_unlock(&s->lock);
}

/* ---- for the tests ---- */

static void on_quit(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(((struct standin *)arg)->base);
}

static void *serve(void *arg)
{
	event_base_dispatch(((struct standin *)arg)->base);
	return NULL;
}

struct standin *standin_start(void)
{
	struct standin *s = mill_xcalloc(1, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->page_size = 1000;
	s->objects.free_value = s->parts.free_value = free_object;
	s->uploads.free_value = free;
	s->base = event_base_new();
	s->http = evhttp_new(s->base);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
						    EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(s->http, on_request, s);
	struct evhttp_bound_socket *b = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", 0);
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	if (!b || getsockname(evhttp_bound_socket_get_fd(b), (struct sockaddr *)&a, &len) < 0 ||
	    pipe(s->quit_pipe) < 0)
		BUG("no stand-in server");
	snprintf(s->endpoint, sizeof(s->endpoint), "http://127.0.0.1:%u", ntohs(a.sin_port));
	s->quit = event_new(s->base, s->quit_pipe[0], EV_READ, on_quit, s);
	event_add(s->quit, NULL);
	pthread_create(&s->thread, NULL, serve, s);
	return s;
}

void standin_stop(struct standin *s)
{
	ssize_t n = write(s->quit_pipe[1], "q", 1);
	(void)n;
	pthread_join(s->thread, NULL);
	event_free(s->quit);
	evhttp_free(s->http);
	event_base_free(s->base);
	close(s->quit_pipe[0]);
	close(s->quit_pipe[1]);
	standin_forget_counts(s);
	mill_map_release(&s->objects);
	mill_map_release(&s->parts);
	mill_map_release(&s->uploads);
	mill_map_release(&s->buckets);
	free(s->seen);
	free(s);
}

const char *standin_endpoint(const struct standin *s)
{
	return s->endpoint;
}

void standin_fault(struct standin *s, const char *method, const char *part, enum fault f, int times)
{
	pthread_mutex_lock(&s->lock);
	struct rule *r = &s->rules[s->n_rules++ % MILL_ARRAY_LEN(s->rules)];
	snprintf(r->method, sizeof(r->method), "%s", method);
	snprintf(r->part, sizeof(r->part), "%s", part);
	r->fault = f;
	r->times = times;
	pthread_mutex_unlock(&s->lock);
}

void standin_behave(struct standin *s)
{
	pthread_mutex_lock(&s->lock);
	s->n_rules = 0;
	memset(s->rules, 0, sizeof(s->rules));
	pthread_mutex_unlock(&s->lock);
}

void standin_page_size(struct standin *s, unsigned n)
{
	s->page_size = n;
}

unsigned standin_count(struct standin *s, const char *method, const char *part)
{
	unsigned n = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_seen; i++)
		n += mill_streq(s->seen[i].method, method) && strstr(s->seen[i].target, part);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void standin_forget_counts(struct standin *s)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_seen; i++)
		free(s->seen[i].target);
	s->n_seen = 0;
	pthread_mutex_unlock(&s->lock);
}

char *standin_object(struct standin *s, const char *name, size_t *ret_len)
{
	pthread_mutex_lock(&s->lock);
	const struct object *o = mill_map_get(&s->objects, name);
	char *copy = NULL;
	if (o) {
		copy = mill_xmalloc(o->len + 1);
		memcpy(copy, o->data, o->len + 1);
		if (ret_len)
			*ret_len = o->len;
	}
	pthread_mutex_unlock(&s->lock);
	return copy;
}

void standin_put(struct standin *s, const char *name, const char *data)
{
	pthread_mutex_lock(&s->lock);
	_cleanup_free_ char *bucket = mill_xstrndup(name, strcspn(name, "/"));
	mill_map_set(&s->buckets, bucket, s);
	store(&s->objects, name, new_object(data, strlen(data)));
	pthread_mutex_unlock(&s->lock);
}

unsigned standin_uploads(struct standin *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = (unsigned)s->uploads.n;
	pthread_mutex_unlock(&s->lock);
	return n;
}
