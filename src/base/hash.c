#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init() and its like: see `struct mill_hash` */
#include <fcntl.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/io.h"

#define RAW_MAX SHA512_DIGEST_LENGTH

/*
 * libcrypto's plain functions.  The first use of EVP loads OpenSSL's
 * configuration and providers, and a program that links the whole library
 * relocates all of it: together a fifth of a plan's instructions (callgrind).
 * These few functions are linked statically.
 */
struct mill_hash {
	enum mill_hash_kind kind;
	union {
		SHA256_CTX sha256;
		SHA512_CTX sha512;
		SHA_CTX sha1;
		MD5_CTX md5;
	};
};

struct mill_hash *mill_hash_new(enum mill_hash_kind kind)
{
	struct mill_hash *h = mill_xcalloc(1, sizeof(*h));
	h->kind = kind;
	switch (kind) {
	case MILL_SHA256:
		SHA256_Init(&h->sha256);
		return h;
	case MILL_SHA512:
		SHA512_Init(&h->sha512);
		return h;
	case MILL_SHA1:
		SHA1_Init(&h->sha1);
		return h;
	case MILL_MD5:
		MD5_Init(&h->md5);
		return h;
	}
	BUG("hash kind %d", (int)kind);
}

void mill_hash_update(struct mill_hash *h, const void *data, size_t len)
{
	switch (h->kind) {
	case MILL_SHA256:
		SHA256_Update(&h->sha256, data, len);
		break;
	case MILL_SHA512:
		SHA512_Update(&h->sha512, data, len);
		break;
	case MILL_SHA1:
		SHA1_Update(&h->sha1, data, len);
		break;
	case MILL_MD5:
		MD5_Update(&h->md5, data, len);
		break;
	}
}

/* Returns the length. */
static unsigned final(struct mill_hash *h, unsigned char raw[RAW_MAX])
{
	switch (h->kind) {
	case MILL_SHA256:
		SHA256_Final(raw, &h->sha256);
		return SHA256_DIGEST_LENGTH;
	case MILL_SHA512:
		SHA512_Final(raw, &h->sha512);
		return SHA512_DIGEST_LENGTH;
	case MILL_SHA1:
		SHA1_Final(raw, &h->sha1);
		return SHA_DIGEST_LENGTH;
	case MILL_MD5:
		MD5_Final(raw, &h->md5);
		return MD5_DIGEST_LENGTH;
	}
	BUG("hash kind %d", (int)h->kind);
}

void mill_hash_field(struct mill_hash *h, const char *s)
{
	uint64_t len = strlen(s);
	unsigned char prefix[8];
	for (int i = 0; i < 8; i++)
		prefix[i] = (unsigned char)(len >> (8 * i));
	mill_hash_update(h, prefix, sizeof(prefix));
	mill_hash_update(h, s, len);
}

void mill_hash_finish(struct mill_hash *h, char *out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[RAW_MAX];
	unsigned n = final(h, raw);
	for (unsigned i = 0; i < n; i++) {
		*out++ = hex[raw[i] >> 4];
		*out++ = hex[raw[i] & 15];
	}
	*out = '\0';
	free(h);
}

void mill_sha256(const void *data, size_t len, char out[MILL_SHA256_HEX])
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	mill_hash_update(h, data, len);
	mill_hash_finish(h, out);
}

int mill_hash_file(enum mill_hash_kind kind, const char *path, char *out, struct mill_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return mill_fail_errno(err, errno, "open %s", path);
	size_t size = (size_t)256 << 10;
	_cleanup_free_ char *buf = mill_xmalloc(size);
	char unused[2 * RAW_MAX + 1];
	struct mill_hash *h = mill_hash_new(kind);
	ssize_t n;
	while ((n = mill_read_retry(fd, buf, size)) > 0)
		mill_hash_update(h, buf, (size_t)n);
	mill_hash_finish(h, n < 0 ? unused : out);
	return n < 0 ? mill_fail_errno(err, (int)-n, "read %s", path) : 0;
}

void mill_random_bytes(void *buf, size_t n)
{
	unsigned char *p = buf;
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			BUG("getrandom: %s", strerror(errno));
		}
		p += got;
		n -= (size_t)got;
	}
}
