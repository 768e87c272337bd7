/* Digests of what is sent: both in one pass over the bytes. */
#include <openssl/evp.h>

#include "base/base.h"
#include "lake/s3.h"

#define CHUNK	  ((size_t)256 << 10)
#define PARTS_MAX 10000 /* of one object, S3's limit */

struct mill_s3_hasher {
	EVP_MD *sha256, *md5;
	EVP_MD_CTX *sha_ctx, *md5_ctx;
	char *chunk; /* made on first use */
};

struct mill_s3_hasher *mill_s3_hasher_new(void)
{
	struct mill_s3_hasher *h = mill_xcalloc(1, sizeof(*h));
	h->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	h->sha_ctx = EVP_MD_CTX_new();
	h->md5_ctx = EVP_MD_CTX_new();
	if (!h->sha256 || !h->md5 || !h->sha_ctx || !h->md5_ctx)
		BUG("OpenSSL has no SHA-256 or MD5");
	return h;
}

struct mill_s3_hasher *mill_s3_hasher_free(struct mill_s3_hasher *h)
{
	if (!h)
		return NULL;
	EVP_MD_CTX_free(h->sha_ctx);
	EVP_MD_CTX_free(h->md5_ctx);
	EVP_MD_free(h->sha256);
	EVP_MD_free(h->md5);
	free(h->chunk);
	free(h);
	return NULL;
}

static void begin(struct mill_s3_hasher *h)
{
	if (!EVP_DigestInit_ex2(h->sha_ctx, h->sha256, NULL) ||
	    !EVP_DigestInit_ex2(h->md5_ctx, h->md5, NULL))
		BUG("OpenSSL refuses a digest");
}

static void update(struct mill_s3_hasher *h, const void *data, size_t len)
{
	EVP_DigestUpdate(h->sha_ctx, data, len);
	EVP_DigestUpdate(h->md5_ctx, data, len);
}

static void end(struct mill_s3_hasher *h, struct mill_s3_digest *ret)
{
	unsigned n = sizeof(ret->sha256), m = sizeof(ret->md5);
	if (!EVP_DigestFinal_ex(h->sha_ctx, ret->sha256, &n) ||
	    !EVP_DigestFinal_ex(h->md5_ctx, ret->md5, &m))
		BUG("OpenSSL refuses a digest");
}

void mill_s3_hash(struct mill_s3_hasher *h, const void *data, size_t len,
		  struct mill_s3_digest *ret)
{
	begin(h);
	update(h, data, len);
	end(h, ret);
}

int mill_s3_hash_range(struct mill_s3_hasher *h, int fd, uint64_t offset, uint64_t len,
		       struct mill_s3_digest *ret)
{
	if (!h->chunk)
		h->chunk = mill_xmalloc(CHUNK);
	begin(h);
	while (len > 0) {
		ssize_t n = pread(fd, h->chunk, len < CHUNK ? (size_t)len : CHUNK, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ESTALE;
		update(h, h->chunk, (size_t)n);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	end(h, ret);
	return 0;
}

void mill_s3_hex(const unsigned char *in, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

void mill_s3_base64_md5(const unsigned char in[16], char out[25])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char pad[18] = {0};
	memcpy(pad, in, 16);
	for (int i = 0, o = 0; i < 18; i += 3, o += 4) {
		unsigned v = (unsigned)pad[i] << 16 | (unsigned)pad[i + 1] << 8 | pad[i + 2];
		out[o] = digits[v >> 18];
		out[o + 1] = digits[v >> 12 & 63];
		out[o + 2] = digits[v >> 6 & 63];
		out[o + 3] = digits[v & 63];
	}
	memcpy(out + 22, "==", 3);
}

uint64_t mill_s3_part_size(uint64_t wanted, uint64_t size)
{
	const uint64_t mib = (uint64_t)1 << 20;
	uint64_t least = (size + PARTS_MAX - 1) / PARTS_MAX;
	least = (least + mib - 1) / mib * mib;
	return wanted > least ? wanted : least;
}

void mill_s3_content_join(struct mill_s3_hasher *h, const struct mill_s3_digest *parts, size_t n,
			  uint64_t part_size, struct mill_s3_content *ret)
{
	struct mill_s3_digest all;
	unsigned m;
	begin(h);
	for (size_t i = 0; i < n; i++) {
		EVP_DigestUpdate(h->sha_ctx, parts[i].sha256, sizeof(parts[i].sha256));
		EVP_DigestUpdate(h->md5_ctx, parts[i].md5, sizeof(parts[i].md5));
	}
	end(h, &all);
	mill_s3_hex(all.sha256, 32, ret->sha256);
	m = 64;
	snprintf(ret->sha256 + m, sizeof(ret->sha256) - m, "-%llu", (unsigned long long)part_size);
	mill_s3_hex(all.md5, 16, ret->etag);
	m = 32;
	snprintf(ret->etag + m, sizeof(ret->etag) - m, "-%zu", n);
}

int mill_s3_content_file(struct mill_s3_hasher *h, int fd, uint64_t size, uint64_t part_size,
			 struct mill_s3_content *ret)
{
	struct mill_s3_digest d;
	if (size <= part_size) {
		int r = mill_s3_hash_range(h, fd, 0, size, &d);
		if (r == 0) {
			mill_s3_hex(d.sha256, 32, ret->sha256);
			mill_s3_hex(d.md5, 16, ret->etag);
		}
		return r;
	}
	size_t n = (size_t)((size + part_size - 1) / part_size);
	_cleanup_free_ struct mill_s3_digest *parts = mill_xcalloc(n, sizeof(*parts));
	for (size_t i = 0; i < n; i++) {
		uint64_t at = i * part_size, len = size - at < part_size ? size - at : part_size;
		int r = mill_s3_hash_range(h, fd, at, len, &parts[i]);
		if (r < 0)
			return r;
	}
	mill_s3_content_join(h, parts, n, part_size, ret);
	return 0;
}
