#include "../cmocka_all.h"

#include "platform/layout.h"

static const char *const variables[] = {"HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME",
					"XDG_CONFIG_HOME", "DATA_MILL_HOME", "DATA_MILL_STORE", "DATA_MILL_CACHE",
					"DATA_MILL_ROOT"};

static void clear(void)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
}

static void test_one_home(void **state)
{
	clear();
	setenv("HOME", "/home/x", 1);
	setenv("DATA_MILL_HOME", "/h//a b/../ä", 1);
	setenv("DATA_MILL_STORE", "/shared/store", 1);
	setenv("DATA_MILL_ROOT", "/res", 1);
	struct mill_layout l;
	assert_int_equal(mill_layout_init(&l, NULL), 0);
	assert_string_equal(l.store, "/shared/store");
	assert_string_equal(l.platforms, "/h/ä/platforms");
	assert_string_equal(l.cache, "/h/ä/cache");
	assert_string_equal(l.state, "/h/ä/state");
	assert_string_equal(l.config, "/h/ä/config");
	assert_string_equal(l.resources, "/res");
	_cleanup_free_ char *dir = mill_layout_platform_dir(&l, "native", "data-mill");
	assert_string_equal(dir, "/h/ä/platforms/native.data-mill");
	mill_layout_release(&l);
}

static void test_user_folders(void **state)
{
	if (geteuid() == 0)
		skip(); /* root has one home; an ordinary user's run of the tests covers this */
	clear();
	setenv("HOME", "/home/Jürgen Müller", 1);
	setenv("XDG_CACHE_HOME", "/fast/cache", 1);
	setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the XDG specification */
	struct mill_layout l;
	assert_int_equal(mill_layout_init(&l, NULL), 0);
	assert_string_equal(l.store, "/home/Jürgen Müller/.local/share/data-mill/store");
	assert_string_equal(l.platforms, "/home/Jürgen Müller/.local/share/data-mill/platforms");
	assert_string_equal(l.cache, "/fast/cache/data-mill");
	assert_string_equal(l.state, "/home/Jürgen Müller/.local/state/data-mill");
	assert_int_equal(l.uid, geteuid());
	mill_layout_release(&l);
}

static void test_relative_home_is_a_mistake(void **state)
{
	clear();
	setenv("DATA_MILL_HOME", "here", 1);
	struct mill_layout l;
	_cleanup_error_ struct mill_error err = {0};
	assert_true(mill_layout_init(&l, &err) < 0);
	assert_true(err.usage);
	assert_non_null(strstr(err.message, "here"));
	mill_layout_release(&l);
}

static void test_find_project(void **state)
{
	char *dir = test_mkdir();
	static const char *const folders[] = {"shipped/flavours", "shipped/deep", "own ä/flavours", "own ä/a/b", "plain/x"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders); i++)
		assert_int_equal(mill_mkdir_p(test_path(dir, folders[i]), 0755, NULL), 0);
	test_write(test_path(dir, "plain/data-mill.yaml"), "");
	const struct {
		const char *from, *want;
	} cases[] = {
		{"shipped/deep", NULL},      {"shipped", NULL},    {"own ä/a/b", "own ä"},
		{"own ä/flavours", "own ä"}, {"plain/x", "plain"},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *found =
			mill_layout_find_project(test_path(dir, cases[i].from), test_path(dir, "shipped"));
		if (cases[i].want)
			assert_string_equal(found, test_path(dir, cases[i].want));
		else
			assert_null(found);
	}
	test_rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_home),
		cmocka_unit_test(test_user_folders),
		cmocka_unit_test(test_relative_home_is_a_mistake),
		cmocka_unit_test(test_find_project),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
