/* SHA-256 and friends over OpenSSL EVP.  Digests are lower-case hex. */
#ifndef MILL_BASE_HASH_H
#define MILL_BASE_HASH_H

#include "base/base.h"

#define MILL_SHA256_HEX 65
struct mill_hash;
enum mill_hash_kind { MILL_SHA256, MILL_SHA512, MILL_SHA1, MILL_MD5 };

struct mill_hash *mill_hash_new(enum mill_hash_kind kind);
void mill_hash_update(struct mill_hash *h, const void *data, size_t len);
/* Feeds length and bytes, so that ("ab","c") differs from ("a","bc"). */
void mill_hash_field(struct mill_hash *h, const char *s);
/* Writes hex + NUL into out (size from the kind: 65, 129, 41, 33) and frees h. */
void mill_hash_finish(struct mill_hash *h, char *out);
void mill_sha256(const void *data, size_t len, char out[MILL_SHA256_HEX]);
int mill_hash_file(enum mill_hash_kind kind, const char *path, char *out, struct mill_error *err);
/* n bytes from the kernel (getrandom); never fails. */
void mill_random_bytes(void *buf, size_t n);

#endif
