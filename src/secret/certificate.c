#include "secret/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY_S        (24L * 60 * 60)
#define LIFE_S       (20 * 365 * DAY_S)
#define SERIAL_BITS  127 /* RFC 5280, 4.1.2.2: positive, at most 20 bytes */

/* What a strict verifier (RFC 5280, 4.2.1) wants of a certificate that vouches for itself. */
static const struct {
	int nid;
	const char *value;
} extensions[] = {
	{NID_basic_constraints, "critical,CA:TRUE"},
	{NID_key_usage, "critical,digitalSignature,keyCertSign"},
	{NID_ext_key_usage, "serverAuth,clientAuth"},
	{NID_subject_key_identifier, "hash"},
};

static bool add_extensions(X509 *x)
{
	bool ok = true;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	for (size_t i = 0; i < MILL_ARRAY_LEN(extensions) && ok; i++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, extensions[i].nid, extensions[i].value);

		ok = e && X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *number = BN_new();
	bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));

	BN_free(number);
	return ok;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(x);

	return X509_set_version(x, X509_VERSION_3) && set_serial(x) && X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), LIFE_S) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(x, subject) && X509_set_pubkey(x, key) && add_extensions(x) && X509_sign(x, key, EVP_sha256());
}

static char *text_of(BIO *out)
{
	char *data = NULL, *text;
	long len = BIO_get_mem_data(out, &data);

	if (len <= 0)
		return NULL;
	text = mill_xcalloc((size_t)len + 1, 1);
	memcpy(text, data, (size_t)len);
	return text;
}

int mill_certificate_make(const char *name, char **ret, struct mill_error *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *out = BIO_new(BIO_s_secmem()); /* wiped when freed */
	char *text = NULL;

	if (key && x && out && fill(x, key, name) && PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) &&
	    PEM_write_bio_X509(out, x))
		text = text_of(out);
	BIO_free(out);
	X509_free(x);
	EVP_PKEY_free(key);
	if (!text)
		return mill_fail(err, EIO, "OpenSSL could not make a certificate for %s", name);
	*ret = text;
	return 0;
}
