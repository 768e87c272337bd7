#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init() and its like: see `struct mill_hash` */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/io.h"

/*
 * SHA-256, which every plan needs, through the plain functions: the first use
 * of EVP loads OpenSSL's configuration and providers, a tenth of a plan's
 * instructions (callgrind).
 */
struct mill_hash {
	EVP_MD_CTX *ctx; /* NULL: SHA-256 */
	SHA256_CTX sha256;
};

static const EVP_MD *method(enum mill_hash_kind kind)
{
	switch (kind) {
	case MILL_SHA512:
		return EVP_sha512();
	case MILL_SHA1:
		return EVP_sha1();
	case MILL_MD5:
		return EVP_md5();
	case MILL_SHA256:
		break;
	}
	BUG("hash kind %d", (int)kind);
}

struct mill_hash *mill_hash_new(enum mill_hash_kind kind)
{
	struct mill_hash *h = mill_xcalloc(1, sizeof(*h));
	if (kind == MILL_SHA256) {
		SHA256_Init(&h->sha256);
		return h;
	}
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, method(kind), NULL) != 1)
		BUG("OpenSSL has no hash of kind %d", (int)kind);
	return h;
}

void mill_hash_update(struct mill_hash *h, const void *data, size_t len)
{
	if (!h->ctx)
		SHA256_Update(&h->sha256, data, len);
	else if (EVP_DigestUpdate(h->ctx, data, len) != 1)
		BUG("EVP_DigestUpdate failed");
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
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = SHA256_DIGEST_LENGTH;
	if (!h->ctx)
		SHA256_Final(raw, &h->sha256);
	else if (EVP_DigestFinal_ex(h->ctx, raw, &n) != 1)
		BUG("EVP_DigestFinal_ex failed");
	for (unsigned i = 0; i < n; i++) {
		*out++ = hex[raw[i] >> 4];
		*out++ = hex[raw[i] & 15];
	}
	*out = '\0';
	EVP_MD_CTX_free(h->ctx);
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
	char unused[2 * EVP_MAX_MD_SIZE + 1];
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
