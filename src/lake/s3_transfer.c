/* One attempt: a call becomes a curl handle's options, and the handle's outcome the answer. */
#include <time.h>

#include "base/base.h"
#include "base/io.h"
#include "base/parse.h"
#include "lake/s3_slot.h"

#define UPLOAD_BUFFER   (256L << 10)
#define DOWNLOAD_BUFFER (128L << 10)

void mill_s3_call_reset(struct mill_s3_call *c)
{
	struct mill_strbuf response = c->response, *buffer = c->buffer;
	struct mill_s3_hasher *hasher = c->hasher;
	memset(c, 0, offsetof(struct mill_s3_call, text));
	c->text_used = 0;
	c->task = 0;
	c->user = NULL;
	c->status = 0;
	c->etag[0] = c->md5[0] = '\0';
	c->error = (struct mill_s3xml_error){0};
	c->encrypted = false;
	c->length = c->received = c->modified_ms = 0;
	c->body_fd = c->out_fd = -1;
	c->range_last = UINT64_MAX;
	c->response = response;
	c->buffer = buffer;
	c->hasher = hasher;
	mill_strbuf_reset(&c->response);
}

void mill_s3_call_query(struct mill_s3_call *c, const char *name, const char *value)
{
	if (c->n_query == MILL_S3_QUERY_MAX)
		BUG("too many query parameters");
	c->query[c->n_query++] = (struct mill_sigv4_pair){name, value};
}

void mill_s3_call_header(struct mill_s3_call *c, const char *name, const char *value)
{
	if (c->n_headers == MILL_S3_HEADER_MAX)
		BUG("too many headers");
	c->headers[c->n_headers++] = (struct mill_sigv4_pair){name, value};
}

const char *mill_s3_call_text(struct mill_s3_call *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *at = c->text + c->text_used;
	size_t room = sizeof(c->text) - c->text_used;
	int n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		BUG("a request's text is too long");
	c->text_used += (size_t)n + 1;
	return at;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct mill_s3_slot *s = arg;
	struct mill_s3_call *c = &s->call;
	if (!c->status)
		curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &c->status);
	if (c->status / 100 != 2 || c->out_fd < 0) {
		mill_strbuf_add(&c->response, p, n);
		if (c->response.overflow) {
			s->sink_error = EFBIG;
			return 0;
		}
	} else {
		if (c->status == 200 && s->ranged) {
			s->sink_error = EBADMSG; /* a range was asked for, all of it comes */
			return 0;
		}
		if (c->received + n > c->range_last - c->range_first + 1 &&
		    c->range_last != UINT64_MAX) {
			s->sink_error = EBADMSG;
			return 0;
		}
		int r = 0;
		if (c->out_sequential) {
			r = mill_write_all(c->out_fd, p, n);
		} else {
			for (size_t done = 0; done < n && r >= 0;) {
				ssize_t w = pwrite(c->out_fd, p + done, n - done,
						   (off_t)(c->out_offset + c->received + done));
				if (w > 0)
					done += (size_t)w;
				else if (errno != EINTR)
					r = -errno;
			}
		}
		if (r < 0) {
			s->sink_error = -r;
			return 0;
		}
	}
	if (c->status / 100 == 2) {
		if (c->want_md5)
			EVP_DigestUpdate(s->md5, p, n);
		c->received += n;
	}
	return n;
}

static size_t on_send(char *p, size_t one, size_t n, void *arg)
{
	struct mill_s3_slot *s = arg;
	uint64_t left = s->call.body_len - s->sent;
	size_t want = left < n ? (size_t)left : n;
	if (want == 0)
		return 0;
	ssize_t got = pread(s->call.body_fd, p, want, (off_t)(s->call.body_offset + s->sent));
	if (got <= 0) { /* shorter than announced: the file was cut while it was sent */
		s->sink_error = got < 0 ? errno : ESTALE;
		return CURL_READFUNC_ABORT;
	}
	s->sent += (uint64_t)got;
	return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct mill_s3_slot *s = arg;
	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	s->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static enum slot_mode wanted_mode(const struct mill_s3_call *c)
{
	if (mill_streq(c->method, "HEAD"))
		return MODE_HEAD;
	if (c->body_fd >= 0)
		return MODE_FILE;
	if (mill_streq(c->method, "PUT") || mill_streq(c->method, "POST"))
		return MODE_MEMORY;
	return MODE_GET; /* and DELETE */
}

/* Options that stay from request to request; a handle is reset only when the mode changes. */
static void set_mode(struct mill_s3_slot *s, enum slot_mode mode)
{
	const struct mill_s3_conf *conf = s->engine->conf;
	CURL *h = s->easy;
	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_timeout_ms);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, s->curl_error);
	curl_easy_setopt(h, CURLOPT_PRIVATE, s);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "data-mill/" MILL_VERSION);
	if (conf->loopback)
		curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	if (conf->ca_file)
		curl_easy_setopt(h, CURLOPT_CAINFO, conf->ca_file);
	switch (mode) {
	case MODE_HEAD:
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
		break;
	case MODE_MEMORY:
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		break;
	case MODE_FILE:
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(h, CURLOPT_READDATA, s);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, s);
		break;
	default:
		curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(h, CURLOPT_BUFFERSIZE, DOWNLOAD_BUFFER);
		break;
	}
	s->mode = mode;
}

static void add_line(struct mill_s3_slot *s, size_t *n, const char *name, const char *value)
{
	if (*n == SLOT_NODES_MAX)
		BUG("too many header lines");
	s->node_at[(*n)++] = s->header_text.len;
	mill_strbuf_addstr(&s->header_text, name);
	mill_strbuf_addstr(&s->header_text, value && *value ? ": " : ":");
	mill_strbuf_addstr(&s->header_text, value ? value : "");
	mill_strbuf_addch(&s->header_text, '\0');
}

/* curl only reads the list, so the nodes can be ours and need no allocation each. */
static void link_nodes(struct mill_s3_slot *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->nodes[i].data = s->header_text.data + s->node_at[i];
		s->nodes[i].next = i + 1 < n ? &s->nodes[i + 1] : NULL;
	}
}

/* Host (virtual: bucket.host) and path ("/bucket/key"). */
static void locate(const struct mill_s3_call *c, const struct mill_s3_conf *conf,
		   struct mill_strbuf *host, struct mill_strbuf *path)
{
	bool virtual = conf->virtual_host && c->bucket && !strchr(c->bucket, '.');
	if (virtual)
		mill_strbuf_printf(host, "%s.", c->bucket);
	mill_strbuf_addstr(host, conf->host);
	mill_strbuf_addch(path, '/');
	if (c->bucket && !virtual) {
		mill_strbuf_addstr(path, c->bucket);
		if (c->key)
			mill_strbuf_addch(path, '/');
	}
	if (c->key)
		mill_strbuf_addstr(path, c->key);
}

static const char *current_date(struct mill_s3_engine *e)
{
	int64_t now = time(NULL);
	if (now != e->date_seconds) {
		e->date_seconds = now;
		mill_sigv4_date(now, e->date);
	}
	return e->date;
}

void mill_s3_slot_begin(struct mill_s3_slot *s)
{
	struct mill_s3_call *c = &s->call;
	s->attempt = 0;
	if (!c->payload_sha256[0]) {
		if (c->body_fd >= 0)
			BUG("a file's hash must be known before it is sent");
		if (c->body_len)
			mill_sigv4_sha256(s->engine->signer, c->body, c->body_len,
					  c->payload_sha256);
		else
			memcpy(c->payload_sha256, MILL_SIGV4_EMPTY_SHA256, 65);
	}
	c->response.max = c->response_max ? c->response_max : MILL_S3_XML_MAX;
	if (c->response.max < MILL_S3_ERROR_MAX)
		c->response.max = MILL_S3_ERROR_MAX;
}

/* What is asked for in this attempt: bytes that arrived in an earlier one stay. */
static void add_range(struct mill_s3_slot *s, struct mill_sigv4_pair *h, size_t *n, char *range,
		      size_t range_len, char *match, size_t match_len)
{
	struct mill_s3_call *c = &s->call;
	uint64_t first = c->range_first + c->received;
	s->ranged = first > 0 || c->range_last != UINT64_MAX;
	if (s->ranged) {
		if (c->range_last == UINT64_MAX)
			snprintf(range, range_len, "bytes=%llu-", (unsigned long long)first);
		else
			snprintf(range, range_len, "bytes=%llu-%llu", (unsigned long long)first,
				 (unsigned long long)c->range_last);
		h[(*n)++] = (struct mill_sigv4_pair){"Range", range};
	}
	if (c->received && c->etag[0]) {
		snprintf(match, match_len, "\"%s\"", c->etag);
		h[(*n)++] = (struct mill_sigv4_pair){"If-Match", match};
	}
}

static void reset_answer(struct mill_s3_slot *s)
{
	struct mill_s3_call *c = &s->call;
	mill_strbuf_reset(&c->response);
	c->response.overflow = false;
	c->status = 0;
	c->error = (struct mill_s3xml_error){0};
	s->sent = 0;
	s->sink_error = 0;
	s->curl_error[0] = '\0';
	if (c->out_fd < 0 || s->attempt == 0)
		c->received = 0;
	if (c->want_md5 && c->received == 0) {
		if (!s->md5)
			s->md5 = EVP_MD_CTX_new();
		EVP_DigestInit_ex2(s->md5, s->engine->md5, NULL);
	}
}

static void set_request(struct mill_s3_slot *s)
{
	struct mill_s3_call *c = &s->call;
	CURL *h = s->easy;
	enum slot_mode mode = wanted_mode(c);
	if (mode != s->mode)
		set_mode(s, mode);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME,
			 (long)(c->stall_s ? c->stall_s : s->engine->conf->stall_timeout_s));
	if (mode == MODE_GET || mode == MODE_MEMORY || mode == MODE_FILE)
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
	if (mode == MODE_MEMORY) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body_len ? c->body : "");
	} else if (mode == MODE_FILE) {
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->body_len);
	}
	curl_easy_setopt(h, CURLOPT_URL, s->url.data);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, &s->nodes[0]);
}

int mill_s3_slot_prepare(struct mill_s3_slot *s, struct mill_error *err)
{
	struct mill_s3_call *c = &s->call;
	struct mill_s3_engine *e = s->engine;
	reset_answer(s);
	struct mill_strbuf *host = &s->url, *path = &s->header_text; /* scratch until signed */
	mill_strbuf_reset(host);
	mill_strbuf_reset(path);
	locate(c, e->conf, host, path);
	char range[64], match[MILL_S3_ETAG_MAX + 3];
	struct mill_sigv4_pair h[SLOT_NODES_MAX];
	size_t n = 0;
	h[n++] = (struct mill_sigv4_pair){"Host", host->data};
	h[n++] = (struct mill_sigv4_pair){"x-amz-date", current_date(e)};
	h[n++] = (struct mill_sigv4_pair){"x-amz-content-sha256", c->payload_sha256};
	if (e->conf->session_token)
		h[n++] = (struct mill_sigv4_pair){"x-amz-security-token", e->conf->session_token};
	bool has_type = false;
	for (size_t i = 0; i < c->n_headers; i++) {
		h[n++] = c->headers[i];
		has_type |= mill_streq(c->headers[i].name, "Content-Type");
	}
	add_range(s, h, &n, range, sizeof(range), match, sizeof(match));
	struct mill_sigv4_input in = {
		.method = c->method, .path = path->data, .query = c->query, .n_query = c->n_query,
		.headers = h, .n_headers = n, .payload_sha256 = c->payload_sha256, .date = e->date};
	struct mill_sigv4_output out;
	int r = mill_sigv4_sign(e->signer, &in, &out, err);
	if (r < 0)
		return r;
	size_t n_lines = 0;
	mill_strbuf_reset(&s->header_text);
	for (size_t i = 0; i < n; i++)
		add_line(s, &n_lines, h[i].name, h[i].value);
	add_line(s, &n_lines, "Authorization", out.authorization);
	add_line(s, &n_lines, "Accept", NULL);
	add_line(s, &n_lines, "Expect", NULL);
	if (!has_type)
		add_line(s, &n_lines, "Content-Type", NULL);
	link_nodes(s, n_lines);
	/* The connection goes to the host as named in the Host header. */
	_cleanup_free_ char *authority = mill_xstrdup(host->data);
	mill_strbuf_reset(&s->url);
	mill_strbuf_addstr(&s->url, e->conf->scheme);
	mill_strbuf_addstr(&s->url, "://");
	mill_strbuf_addstr(&s->url, authority);
	mill_strbuf_addstr(&s->url, out.target);
	set_request(s);
	return 0;
}

/* ---- the answer ---- */

static const char *header(struct mill_s3_slot *s, const char *name)
{
	struct curl_header *h;
	return curl_easy_header(s->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
										     : NULL;
}

static void read_headers(struct mill_s3_slot *s)
{
	struct mill_s3_call *c = &s->call;
	const char *etag = header(s, "ETag");
	c->etag[0] = '\0';
	if (etag) {
		if (mill_starts_with(etag, "W/"))
			etag += 2;
		size_t n = strlen(etag);
		if (n >= 2 && etag[0] == '"' && etag[n - 1] == '"') {
			etag++;
			n -= 2;
		}
		if (n < sizeof(c->etag)) {
			memcpy(c->etag, etag, n);
			c->etag[n] = '\0';
		}
	}
	const char *sse = header(s, "x-amz-server-side-encryption");
	c->encrypted = (sse && mill_streq(sse, "aws:kms")) ||
		       header(s, "x-amz-server-side-encryption-customer-algorithm");
	if (s->mode != MODE_GET && s->mode != MODE_HEAD)
		return;
	curl_off_t length = -1;
	const char *range = header(s, "Content-Range");
	const char *slash = range ? strchr(range, '/') : NULL;
	if (slash)
		mill_parse_u64(slash + 1, &c->length);
	else if (curl_easy_getinfo(s->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) ==
			 CURLE_OK && length >= 0)
		c->length = (uint64_t)length;
	const char *modified = header(s, "Last-Modified");
	time_t t = modified ? curl_getdate(modified, NULL) : -1;
	c->modified_ms = t > 0 ? (uint64_t)t * 1000 : 0;
}

static void finish_md5(struct mill_s3_slot *s)
{
	unsigned char d[16];
	unsigned n = sizeof(d);
	EVP_DigestFinal_ex(s->md5, d, &n);
	mill_s3_hex(d, sizeof(d), s->call.md5);
}

static int sink_failed(struct mill_s3_slot *s, struct mill_error *err)
{
	char name[256];
	mill_s3_call_name(&s->call, name, sizeof(name));
	switch (s->sink_error) {
	case EFBIG:
		return mill_fail(err, EFBIG, "%s: the answer is larger than %zu bytes", name,
				 s->call.response.max);
	case EBADMSG:
		return mill_fail(err, EBADMSG, "%s: the answer is not the range asked for", name);
	case ESTALE:
		return mill_fail(err, ESTALE, "%s: the file changed while it was read", name);
	default:
		return mill_fail_errno(err, s->sink_error, "%s", name);
	}
}

int mill_s3_slot_outcome(struct mill_s3_slot *s, CURLcode code, bool *ret_retry,
			 unsigned *ret_pause_ms, struct mill_error *err)
{
	struct mill_s3_call *c = &s->call;
	const char *host = s->engine->conf->host;
	*ret_retry = false;
	*ret_pause_ms = 0;
	if (s->sink_error)
		return sink_failed(s, err);
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &c->status);
	if (code != CURLE_OK) {
		if (c->status / 100 == 2)
			read_headers(s); /* the ETag that a resumed answer must match */
		*ret_retry = mill_s3_retry_transport(code);
		return mill_s3_transport_error(c, host, code, s->curl_error, err);
	}
	bool ok = c->status / 100 == 2;
	if (c->response.len && (!ok || mill_streq(c->method, "POST")))
		mill_s3xml_error(c->response.data, c->response.len, &c->error);
	if (ok && !c->error.code[0]) {
		read_headers(s);
		if (c->want_md5)
			finish_md5(s);
		return 0;
	}
	*ret_retry = mill_s3_retry_status(c->status, c->error.code);
	uint64_t seconds;
	const char *after = header(s, "Retry-After");
	if (after && mill_parse_u64(after, &seconds) == 0)
		*ret_pause_ms = 1000 * (unsigned)(seconds < MILL_S3_RETRY_AFTER_MAX_S
							  ? seconds
							  : MILL_S3_RETRY_AFTER_MAX_S);
	return mill_s3_status_error(c, host, err);
}
