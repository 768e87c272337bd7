/* What a package client sees of the user's environment. */
#include "../cmocka_all.h"

#include "base/io.h"
#include "runtime/native/step.h"

#define BUNDLE "/etc/ssl/certs/ca-certificates.crt"

struct place {
	char *dir;
	struct mill_store store;
	struct mill_strv env;
};

static int setup(void **state)
{
	struct place *p = mill_xcalloc(1, sizeof(*p));
	p->dir = test_mkdir();
	p->store.cache = mill_path_join(p->dir, "cache");
	clearenv();
	setenv("HOME", p->dir, 1);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	test_rmdir(p->dir);
	mill_strv_release(&p->env);
	free(p->store.cache);
	free(p);
	return 0;
}

static const char *value(struct place *p, bool offline, const char *name)
{
	mill_strv_release(&p->env);
	p->env = (struct mill_strv){0};
	assert_int_equal(mill_step_environment(&p->store, p->dir, offline, &p->env, NULL), 0);
	return mill_strv_getenv(&p->env, name);
}

static void test_only_what_is_on_the_list(void **state)
{
	setenv("MY_TOKEN", "hush", 1);
	setenv("LD_PRELOAD", "/x.so", 1);
	setenv("GOPROXY", "https://go.example", 1);
	setenv("UV_TARGET", "/elsewhere", 1);
	setenv("UV_HTTP_TIMEOUT", "7", 1);
	setenv("PATH", "/home/me/bin", 1);
	assert_null(value(*state, false, "MY_TOKEN"));
	assert_null(value(*state, false, "LD_PRELOAD"));
	assert_null(value(*state, false, "UV_TARGET"));
	assert_string_equal(value(*state, false, "UV_HTTP_TIMEOUT"), "7");
	assert_string_equal(value(*state, false, "GOPROXY"), "https://go.example");
	assert_null(strstr(value(*state, false, "PATH"), "/home/me"));
}

static void test_caches_are_ours(void **state)
{
	struct place *p = *state;
	setenv("UV_CACHE_DIR", "/elsewhere", 1);
	setenv("GOMODCACHE", "/elsewhere", 1);
	static const char *const names[] = {"HOME", "UV_CACHE_DIR", "GOMODCACHE", "GOCACHE", "PIP_CACHE_DIR", "NPM_CONFIG_CACHE"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++)
		assert_true(mill_starts_with(value(p, false, names[i]), p->store.cache));
}

static void test_uv_gets_the_settings_of_pip(void **state)
{
	setenv("PIP_INDEX_URL", "https://index.example/simple", 1);
	setenv("PIP_CERT", "/mine.pem", 1);
	assert_string_equal(value(*state, false, "UV_DEFAULT_INDEX"), "https://index.example/simple");
	assert_string_equal(value(*state, false, "SSL_CERT_FILE"), "/mine.pem");
	setenv("UV_DEFAULT_INDEX", "https://own.example/simple", 1);
	assert_string_equal(value(*state, false, "UV_DEFAULT_INDEX"), "https://own.example/simple");
}

static void test_the_certificates_of_the_machine_count(void **state)
{
	if (access(BUNDLE, R_OK) < 0)
		skip();
	assert_string_equal(value(*state, false, "UV_SYSTEM_CERTS"), "true");
	assert_string_equal(value(*state, false, "NODE_EXTRA_CA_CERTS"), BUNDLE);
	setenv("UV_SYSTEM_CERTS", "false", 1);
	setenv("NODE_EXTRA_CA_CERTS", "/mine.pem", 1);
	assert_string_equal(value(*state, false, "UV_SYSTEM_CERTS"), "false");
	assert_string_equal(value(*state, false, "NODE_EXTRA_CA_CERTS"), "/mine.pem");
}

static void test_configuration_files_are_named(void **state)
{
	struct place *p = *state;
	const char *rc = test_path(p->dir, ".npmrc");
	assert_null(value(p, false, "NPM_CONFIG_USERCONFIG"));
	test_write(rc, "x=y\n");
	assert_string_equal(value(p, false, "NPM_CONFIG_USERCONFIG"), rc);
}

static void test_offline(void **state)
{
	setenv("GOPROXY", "https://go.example", 1);
	assert_string_equal(value(*state, true, "GOPROXY"), "off");
	assert_string_equal(value(*state, true, "UV_OFFLINE"), "1");
	assert_null(value(*state, false, "UV_OFFLINE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_what_is_on_the_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caches_are_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uv_gets_the_settings_of_pip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_certificates_of_the_machine_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configuration_files_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offline, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
