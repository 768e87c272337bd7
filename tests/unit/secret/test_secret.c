#include "../cmocka_all.h"

#include <ctype.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "secret/secret.h"

#include "base/json.h"

struct fixture {
	char *dir;
	struct mill_layout layout;
	struct mill_platform *p;
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	f->dir = test_mkdir();
	setenv("DATA_MILL_HOME", f->dir, 1);
	assert_int_equal(mill_layout_init(&f->layout, NULL), 0);
	assert_int_equal(mill_platform_open(&f->layout, "native", "x", &f->p, NULL), 0);
	assert_int_equal(mill_platform_lock(f->p, 0, NULL, NULL, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mill_platform_close(f->p);
	mill_layout_release(&f->layout);
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static char *value_of(struct mill_platform *p, const char *name)
{
	char *value = NULL;
	assert_int_equal(mill_secret_read(p, "minio", name, &value, NULL), 0);
	return value;
}

static void test_stable(void **state)
{
	struct fixture *f = *state;
	unsigned version = 0;
	assert_int_equal(mill_secret_version(f->p, "minio", "password"), 0);
	assert_int_equal(mill_secret_ensure(f->p, "minio", "password", 32, "alnum", &version, NULL), 0);
	assert_int_equal(version, 1);
	char *first = value_of(f->p, "password");
	assert_int_equal(strlen(first), 32);
	assert_int_equal(mill_secret_ensure(f->p, "minio", "password", 40, "hex", &version, NULL), 0);
	assert_int_equal(version, 1);
	char *second = value_of(f->p, "password");
	assert_string_equal(first, second);
	assert_int_equal(mill_secret_rotate(f->p, "minio", "password", 32, "alnum", NULL), 0);
	assert_int_equal(mill_secret_version(f->p, "minio", "password"), 2);
	char *third = value_of(f->p, "password");
	assert_string_not_equal(first, third);
	mill_secret_free(first);
	mill_secret_free(second);
	mill_secret_free(third);
}

static void test_permissions(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0);
	assert_int_equal(mill_secret_ensure(f->p, "minio", "password", 32, "alnum", NULL, NULL), 0);
	umask(old);
	const struct {
		const char *path;
		mode_t mode;
	} cases[] = {{"secrets", 0700}, {"secrets/minio", 0700}, {"secrets/minio/password", 0600},
		     {"secrets/versions.json", 0600}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct stat st;
		assert_int_equal(stat(test_path(f->p->dir, cases[i].path), &st), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].mode);
	}
}

static void test_at_least_128_bits(void **state)
{
	const struct {
		unsigned length;
		const char *alphabet;
		bool ok;
	} cases[] = {{21, "alnum", false}, {22, "alnum", true}, {31, "hex", false},  {32, "hex", true},
		     {21, "base64url", false}, {22, "base64url", true}, {0, "hex", false}, {513, "hex", false},
		     {64, "rot13", false}};
	struct fixture *f = *state;
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		char name[16];
		snprintf(name, sizeof(name), "s%zu", i);
		int r = mill_secret_ensure(f->p, "minio", name, cases[i].length, cases[i].alphabet, NULL, NULL);
		assert_int_equal(r == 0, cases[i].ok);
		if (r == 0) {
			char *value = value_of(f->p, name);
			assert_int_equal(strlen(value), cases[i].length);
			mill_secret_free(value);
		} else {
			assert_int_equal(mill_secret_version(f->p, "minio", name), 0);
		}
	}
}

/* Every letter comes up, none stands out: 200 secrets of 64 hex digits are 800 of each, give or take. */
static void test_letters_are_even(void **state)
{
	struct fixture *f = *state;
	unsigned seen[256] = {0};
	for (int i = 0; i < 200; i++) {
		char *value;
		assert_int_equal(mill_secret_rotate(f->p, "minio", "x", 64, "hex", NULL), 0);
		value = value_of(f->p, "x");
		for (const char *c = value; *c; c++) {
			assert_true(isdigit((unsigned char)*c) || (*c >= 'a' && *c <= 'f'));
			seen[(unsigned char)*c]++;
		}
		mill_secret_free(value);
	}
	for (const char *c = "0123456789abcdef"; *c; c++)
		assert_in_range(seen[(unsigned char)*c], 600, 1000);
}

static void test_interrupted_writes(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = f->p;
	unsigned version;
	/* Killed after the value, before its version. */
	assert_int_equal(mill_mkdir_p(test_path(p->dir, "secrets/minio"), 0700, NULL), 0);
	test_write(test_path(p->dir, "secrets/minio/a"), "old-value");
	assert_int_equal(mill_secret_ensure(p, "minio", "a", 32, "alnum", &version, NULL), 0);
	assert_int_equal(version, 1);
	char *value = value_of(p, "a");
	assert_string_equal(value, "old-value");
	mill_secret_free(value);
	/* A rotation killed before its version was recorded is forgotten.. */
	test_write(test_path(p->dir, "secrets/minio/a.v2"), "unrecorded");
	assert_int_equal(mill_secret_ensure(p, "minio", "a", 32, "alnum", &version, NULL), 0);
	assert_int_equal(version, 1);
	value = value_of(p, "a");
	assert_string_equal(value, "old-value");
	mill_secret_free(value);
	assert_false(mill_exists(test_path(p->dir, "secrets/minio/a.v2")));
	/* .. and one killed after it is completed. */
	test_write(test_path(p->dir, "secrets/minio/a.v2"), "new-value");
	_cleanup_json_ json_t *versions = json_pack("{s:i}", "minio/a", 2);
	assert_int_equal(mill_state_save(test_path(p->dir, "secrets/versions.json"), versions, 0600, NULL), 0);
	assert_int_equal(mill_secret_ensure(p, "minio", "a", 32, "alnum", &version, NULL), 0);
	assert_int_equal(version, 2);
	value = value_of(p, "a");
	assert_string_equal(value, "new-value");
	mill_secret_free(value);
}

static void test_a_deleted_value_is_a_new_version(void **state)
{
	struct fixture *f = *state;
	unsigned version;
	assert_int_equal(mill_secret_ensure(f->p, "minio", "a", 32, "alnum", &version, NULL), 0);
	assert_int_equal(unlink(test_path(f->p->dir, "secrets/minio/a")), 0);
	assert_int_equal(mill_secret_version(f->p, "minio", "a"), 0);
	assert_int_equal(mill_secret_version_wanted(f->p, "minio", "a"), 2);
	assert_int_equal(mill_secret_version_wanted(f->p, "minio", "never-made"), 1);
	assert_int_equal(mill_secret_ensure(f->p, "minio", "a", 32, "alnum", &version, NULL), 0);
	assert_int_equal(version, 2);
}

/* A strict verifier takes it, as a server's and as a client's, with itself as the authority. */
static int verifies(X509 *x, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok;
	X509_STORE_add_cert(store, x);
	X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
	X509_STORE_CTX_init(ctx, store, x, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	ok = X509_verify_cert(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ok;
}

static void test_certificate(void **state)
{
	struct fixture *f = *state;
	unsigned version = 0;
	assert_int_equal(mill_secret_ensure(f->p, "minio", "tls", 32, "certificate", &version, NULL), 0);
	assert_int_equal(version, 1);
	char *text = value_of(f->p, "tls");
	BIO *in = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
	assert_non_null(key);
	assert_non_null(x);
	assert_int_equal(X509_check_private_key(x, key), 1);
	assert_int_equal(verifies(x, X509_PURPOSE_SSL_SERVER), 1);
	assert_int_equal(verifies(x, X509_PURPOSE_SSL_CLIENT), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	BIO_free(in);
	assert_int_equal(mill_secret_rotate(f->p, "minio", "tls", 32, "certificate", NULL), 0);
	char *other = value_of(f->p, "tls");
	assert_string_not_equal(text, other);
	mill_secret_free(text);
	mill_secret_free(other);
}

static void test_bad_names_and_files(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "versions.json", "A"};
	struct fixture *f = *state;
	char *value = NULL;
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		assert_int_equal(mill_secret_ensure(f->p, "minio", bad[i], 32, "hex", NULL, NULL), -EINVAL);
		assert_int_equal(mill_secret_read(f->p, bad[i], "a", &value, NULL), -EINVAL);
	}
	assert_int_equal(mill_secret_read(f->p, "minio", "none", &value, NULL), -ENOENT);
	assert_int_equal(mill_mkdir_p(test_path(f->p->dir, "secrets/minio"), 0700, NULL), 0);
	test_write(test_path(f->p->dir, "secrets/minio/empty"), "\n");
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_secret_read(f->p, "minio", "empty", &value, &err), -EBADMSG);
	assert_non_null(err.hint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_least_128_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_letters_are_even, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupted_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_deleted_value_is_a_new_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_names_and_files, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
