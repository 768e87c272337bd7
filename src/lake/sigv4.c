#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>
#include <time.h>

#include "base/base.h"
#include "lake/sigv4.h"

struct mill_sigv4 {
	char *access_key, *secret_key, *region, *service;
	bool s3;
	EVP_MD *sha256;
	EVP_MD_CTX *md;
	EVP_MAC_CTX *hmac;
	char key_day[9];       /* the day that day_key is for */
	unsigned char day_key[32];
	struct mill_strbuf target, query, canonical, to_sign, authorization, signed_names;
};

static void hex(char *out, const unsigned char *in, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

struct mill_sigv4 *mill_sigv4_new(const char *access_key, const char *secret_key,
				  const char *region, const char *service, bool s3)
{
	struct mill_sigv4 *s = mill_xcalloc(1, sizeof(*s));
	s->access_key = mill_xstrdup(access_key);
	s->secret_key = mill_xasprintf("AWS4%s", secret_key);
	s->region = mill_xstrdup(region);
	s->service = mill_xstrdup(service);
	s->s3 = s3;
	struct mill_strbuf *bufs[] = {&s->target,  &s->query,	      &s->canonical,
				      &s->to_sign, &s->authorization, &s->signed_names};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bufs); i++)
		mill_strbuf_init(bufs[i], 0);
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->md = EVP_MD_CTX_new();
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->hmac = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end()};
	if (!s->sha256 || !s->md || !s->hmac || !EVP_MAC_CTX_set_params(s->hmac, params))
		BUG("OpenSSL has no HMAC-SHA256");
	return s;
}

struct mill_sigv4 *mill_sigv4_free(struct mill_sigv4 *s)
{
	if (!s)
		return NULL;
	EVP_MD_free(s->sha256);
	EVP_MD_CTX_free(s->md);
	EVP_MAC_CTX_free(s->hmac);
	OPENSSL_cleanse(s->secret_key, strlen(s->secret_key));
	OPENSSL_cleanse(s->day_key, sizeof(s->day_key));
	free(s->access_key);
	free(s->secret_key);
	free(s->region);
	free(s->service);
	mill_strbuf_release(&s->target);
	mill_strbuf_release(&s->query);
	mill_strbuf_release(&s->canonical);
	mill_strbuf_release(&s->to_sign);
	mill_strbuf_release(&s->authorization);
	mill_strbuf_release(&s->signed_names);
	free(s);
	return NULL;
}

void mill_sigv4_date(int64_t seconds, char out[MILL_SIGV4_DATE_LEN])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || strftime(out, MILL_SIGV4_DATE_LEN, "%Y%m%dT%H%M%SZ", &tm) == 0)
		memcpy(out, "19700101T000000Z", MILL_SIGV4_DATE_LEN);
}

void mill_sigv4_sha256(struct mill_sigv4 *s, const void *data, size_t len, char out[65])
{
	unsigned char digest[32];
	unsigned n = sizeof(digest);
	if (!EVP_DigestInit_ex2(s->md, s->sha256, NULL) || !EVP_DigestUpdate(s->md, data, len) ||
	    !EVP_DigestFinal_ex(s->md, digest, &n))
		BUG("SHA-256 failed");
	hex(out, digest, n);
}

/* key_len 0: the key of the call before stays. */
static void hmac(struct mill_sigv4 *s, const void *key, size_t key_len, const char *text,
		 unsigned char out[32])
{
	size_t n = 32;
	if (!EVP_MAC_init(s->hmac, key_len ? key : NULL, key_len, NULL) ||
	    !EVP_MAC_update(s->hmac, (const unsigned char *)text, strlen(text)) ||
	    !EVP_MAC_final(s->hmac, out, &n, 32))
		BUG("HMAC-SHA256 failed");
}

/* The key of a day: HMAC over day, region, service, "aws4_request". */
static void derive_day_key(struct mill_sigv4 *s, const char *day)
{
	unsigned char a[32], b[32];
	hmac(s, s->secret_key, strlen(s->secret_key), day, a);
	hmac(s, a, sizeof(a), s->region, b);
	hmac(s, b, sizeof(b), s->service, a);
	hmac(s, a, sizeof(a), "aws4_request", s->day_key);
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(b, sizeof(b));
	memcpy(s->key_day, day, sizeof(s->key_day));
	unsigned char ignored[32];
	hmac(s, s->day_key, sizeof(s->day_key), "", ignored); /* loads the key */
}

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void mill_sigv4_encode(struct mill_strbuf *out, const char *s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	while (*s) {
		size_t n = 0;
		while (unreserved((unsigned char)s[n]) || (keep_slash && s[n] == '/'))
			n++;
		mill_strbuf_add(out, s, n);
		s += n;
		if (!*s)
			break;
		unsigned char c = (unsigned char)*s++;
		char triple[3] = {'%', digits[c >> 4], digits[c & 15]};
		mill_strbuf_add(out, triple, 3);
	}
}

/* RFC 3986 section 5.2.4 and no empty segments; a final slash stays. */
static void normalise_path(struct mill_strbuf *out, const char *path)
{
	bool slash = true;
	while (*path) {
		while (*path == '/')
			path++;
		size_t n = strcspn(path, "/");
		bool dot = n == 1 && path[0] == '.';
		bool up = n == 2 && path[0] == '.' && path[1] == '.';
		if (up) {
			while (out->len && out->data[out->len - 1] != '/')
				mill_strbuf_truncate(out, out->len - 1);
			if (out->len)
				mill_strbuf_truncate(out, out->len - 1);
		} else if (n && !dot) {
			mill_strbuf_addch(out, '/');
			mill_strbuf_add(out, path, n);
		}
		slash = dot || up || path[n] == '/' || n == 0;
		path += n;
	}
	if (slash || out->len == 0)
		mill_strbuf_addch(out, '/');
}

struct encoded {
	size_t name, value; /* offsets into the scratch buffer, NUL-terminated there */
};

/* Encodes each pair, sorts by name and value, writes n=v&n=v into out. */
static void canonical_query(struct mill_sigv4 *s, const struct mill_sigv4_input *in,
			    struct mill_strbuf *out)
{
	struct encoded e[MILL_SIGV4_QUERY_MAX];
	mill_strbuf_reset(&s->query);
	for (size_t i = 0; i < in->n_query; i++) {
		struct encoded x = {.name = s->query.len};
		mill_sigv4_encode(&s->query, in->query[i].name, false);
		mill_strbuf_addch(&s->query, '\0');
		x.value = s->query.len;
		mill_sigv4_encode(&s->query, in->query[i].value ? in->query[i].value : "", false);
		mill_strbuf_addch(&s->query, '\0');
		const char *base = s->query.data;
		size_t j = i;
		for (; j > 0; j--) {
			int c = strcmp(base + e[j - 1].name, base + x.name);
			if (c < 0 || (c == 0 && strcmp(base + e[j - 1].value, base + x.value) <= 0))
				break;
			e[j] = e[j - 1];
		}
		e[j] = x;
	}
	for (size_t i = 0; i < in->n_query; i++) {
		if (i)
			mill_strbuf_addch(out, '&');
		mill_strbuf_addstr(out, s->query.data + e[i].name);
		mill_strbuf_addch(out, '=');
		mill_strbuf_addstr(out, s->query.data + e[i].value);
	}
}

static void add_lower(struct mill_strbuf *out, const char *s)
{
	for (; *s; s++)
		mill_strbuf_addch(out, *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s);
}

/* Without blanks at the ends; runs of blanks become one space. */
static void add_trimmed(struct mill_strbuf *out, const char *v)
{
	bool gap = false, first = true;
	for (; *v; v++) {
		if (*v == ' ' || *v == '\t') {
			gap = true;
			continue;
		}
		if (gap && !first)
			mill_strbuf_addch(out, ' ');
		mill_strbuf_addch(out, *v);
		gap = first = false;
	}
}

/* Writes the canonical headers into `canonical` and their names into signed_names. */
static void canonical_headers(struct mill_sigv4 *s, const struct mill_sigv4_input *in)
{
	unsigned char order[MILL_SIGV4_HEADER_MAX];
	for (size_t i = 0; i < in->n_headers; i++) {
		size_t j = i;
		for (; j > 0; j--) {
			if (strcasecmp(in->headers[order[j - 1]].name, in->headers[i].name) <= 0)
				break;
			order[j] = order[j - 1];
		}
		order[j] = (unsigned char)i;
	}
	mill_strbuf_reset(&s->signed_names);
	for (size_t i = 0; i < in->n_headers; i++) {
		const struct mill_sigv4_pair *h = &in->headers[order[i]];
		bool again = i > 0 && strcasecmp(in->headers[order[i - 1]].name, h->name) == 0;
		if (again) {
			mill_strbuf_truncate(&s->canonical, s->canonical.len - 1);
			mill_strbuf_addch(&s->canonical, ',');
		} else {
			if (i)
				mill_strbuf_addch(&s->signed_names, ';');
			add_lower(&s->signed_names, h->name);
			add_lower(&s->canonical, h->name);
			mill_strbuf_addch(&s->canonical, ':');
		}
		add_trimmed(&s->canonical, h->value);
		mill_strbuf_addch(&s->canonical, '\n');
	}
}

static int check(const struct mill_sigv4_input *in, struct mill_error *err)
{
	if (in->path[0] != '/')
		return mill_fail(err, EINVAL, "sign: the path '%s' has no leading slash", in->path);
	if (strlen(in->date) != MILL_SIGV4_DATE_LEN - 1)
		return mill_fail(err, EINVAL, "sign: '%s' is not a date", in->date);
	if (in->n_query > MILL_SIGV4_QUERY_MAX || in->n_headers > MILL_SIGV4_HEADER_MAX)
		return mill_fail(err, E2BIG, "sign: more than %d parameters or %d headers",
				 MILL_SIGV4_QUERY_MAX, MILL_SIGV4_HEADER_MAX);
	return 0;
}

static void encode_target(struct mill_sigv4 *s, const struct mill_sigv4_input *in)
{
	mill_strbuf_reset(&s->target);
	if (s->s3) {
		mill_sigv4_encode(&s->target, in->path, true);
	} else {
		_cleanup_strbuf_ struct mill_strbuf normal = MILL_STRBUF_INIT;
		normalise_path(&normal, in->path);
		mill_sigv4_encode(&s->target, normal.data, true);
	}
}

int mill_sigv4_sign(struct mill_sigv4 *s, const struct mill_sigv4_input *in,
		    struct mill_sigv4_output *ret, struct mill_error *err)
{
	int r = check(in, err);
	if (r < 0)
		return r;
	encode_target(s, in);
	struct mill_strbuf *c = &s->canonical;
	mill_strbuf_reset(c);
	mill_strbuf_addstr(c, in->method);
	mill_strbuf_addch(c, '\n');
	mill_strbuf_add(c, s->target.data, s->target.len);
	mill_strbuf_addch(c, '\n');
	size_t query_at = c->len;
	canonical_query(s, in, c);
	if (c->len > query_at) {
		mill_strbuf_addch(&s->target, '?');
		mill_strbuf_addstr(&s->target, c->data + query_at);
	}
	mill_strbuf_addch(c, '\n');
	canonical_headers(s, in);
	mill_strbuf_addch(c, '\n');
	mill_strbuf_add(c, s->signed_names.data, s->signed_names.len);
	mill_strbuf_addch(c, '\n');
	mill_strbuf_addstr(c, in->payload_sha256);

	char digest[65], signature[65], day[9];
	memcpy(day, in->date, 8);
	day[8] = '\0';
	mill_sigv4_sha256(s, c->data, c->len, digest);
	mill_strbuf_reset(&s->to_sign);
	mill_strbuf_printf(&s->to_sign, "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", in->date,
			   day, s->region, s->service, digest);
	if (strcmp(day, s->key_day) != 0)
		derive_day_key(s, day);
	unsigned char mac[32];
	hmac(s, NULL, 0, s->to_sign.data, mac);
	hex(signature, mac, sizeof(mac));
	mill_strbuf_reset(&s->authorization);
	mill_strbuf_printf(&s->authorization,
			   "AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, "
			   "SignedHeaders=%s, Signature=%s",
			   s->access_key, day, s->region, s->service, s->signed_names.data, signature);
	*ret = (struct mill_sigv4_output){s->target.data, s->authorization.data, c->data,
					  s->to_sign.data};
	return 0;
}
