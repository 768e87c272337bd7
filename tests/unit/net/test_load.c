/* The network module is found, opened once, and refused when it is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/io.h"
#include "net/net.h"

static void test_refusals(void **state)
{
	static const struct {
		const char *module;
		int code;
	} cases[] = {
		{"/nonexistent/data-mill-net.so", -ENOENT},
		{"/dev/null", -ELIBACC},
		{"/lib/x86_64-linux-gnu/libm.so.6", -ELIBBAD}, /* a library, not ours */
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		const struct mill_net_api *api = NULL;
		_cleanup_error_ struct mill_error err = {0};
		if (cases[i].code == -ELIBBAD && !mill_exists(cases[i].module))
			continue;
		setenv("DATA_MILL_NET_MODULE", cases[i].module, 1);
		assert_int_equal(mill_net_load(&api, &err), cases[i].code);
		assert_non_null(err.hint);
		assert_null(api);
	}
}

static void test_load(void **state)
{
	const char *build = getenv("MILL_TEST_BUILD");
	_cleanup_free_ char *module = mill_xasprintf("%s/src/data-mill-net.so", build ? build : ".");
	_cleanup_error_ struct mill_error err = {0};
	if (!mill_exists(module))
		skip();
	setenv("DATA_MILL_NET_MODULE", module, 1);
	const struct mill_net_api *api = NULL, *again = NULL;
	if (mill_net_load(&api, &err) < 0)
		fail_msg("%s", err.message);
	setenv("DATA_MILL_NET_MODULE", "/nonexistent", 1);
	assert_int_equal(mill_net_load(&again, &err), 0);
	assert_ptr_equal(api, again);
	assert_int_equal(api->version, MILL_NET_API_VERSION);
	/* Every entry of the table is filled. */
	const void *const *slots = (const void *const *)&api->download;
	size_t n = (sizeof(*api) - offsetof(struct mill_net_api, download)) / sizeof(void *);
	for (size_t i = 0; i < n; i++)
		assert_non_null(slots[i]);
	/* An error made in the module is freed here. */
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	struct mill_lake *lake;
	o.endpoint = "nonsense://";
	o.access_key = o.secret_key = "x";
	assert_true(api->lake_open(&o, &lake, &err) < 0);
	assert_true(err.usage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_refusals), cmocka_unit_test(test_load)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
