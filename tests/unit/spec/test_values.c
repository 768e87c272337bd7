/* Filters, values with secrets in them, and their resolution. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "spec/filter.h"
#include "spec/spec.h"
#include "spec/taint.h"

static void test_filters(void **state)
{
	static const struct {
		const char *filter, *text, *want; /* want NULL: cannot be expressed */
	} cases[] = {
		{NULL, "as it is\n", "as it is\n"},
		{"none", "\"", "\""},
		{"json", "a\"b\\c\n\t\x01", "a\\\"b\\\\c\\n\\t\\u0001"},
		{"json", "\xc3\xa9", "\xc3\xa9"},
		{"yaml", "no: it's \"x\" # y\n", "\"no: it's \\\"x\\\" # y\\n\""},
		{"yaml", "", "\"\""},
		{"ini", "plain; text # here", "plain; text # here"},
		{"ini", "two\nlines", NULL},
		{"ini", " led by a blank", NULL},
		{"ini", "ended by one ", NULL},
		{"properties", "a\\b=c:d\n", "a\\\\b=c:d\\n"},
		{"properties", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\\u00E9\\u20AC\\uD83D\\uDE00"},
		{"url", "a b/c?d&e=f~._-%", "a%20b%2Fc%3Fd%26e%3Df~._-%25"},
		{"url", "\xc3\xa9", "%C3%A9"},
		{"base64", "", ""},
		{"base64", "f", "Zg=="},
		{"base64", "foobar", "Zm9vYmFy"},
		{"shell", "it's $HOME", "'it'\\''s $HOME'"},
		{"shell", "", "''"},
		{"shout", "x", NULL},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		_cleanup_error_ struct mill_error err = {0};
		int r = mill_filter_apply(cases[i].filter, cases[i].text, &out, &err);
		if (cases[i].want && (r != 0 || strcasecmp(out.data, cases[i].want) != 0))
			fail_msg("%s of %s: %d %s", cases[i].filter, cases[i].text, r, out.data);
		if (!cases[i].want) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(err.message);
		}
	}
	for (const char *const *name = mill_filter_names(); *name; name++)
		assert_true(mill_filter_exists(*name));
	assert_false(mill_filter_exists("shout"));
}

static json_t *tainted(void)
{
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	mill_value_str(&v, "postgres://me:");
	mill_value_secret(&v, "db/password", 3, NULL);
	mill_value_str(&v, "@host/");
	return mill_value_finish(&v);
}

static void test_a_value_without_a_secret_is_a_string(void **state)
{
	struct mill_value v = MILL_VALUE_INIT;
	mill_value_str(&v, "a");
	mill_value_text(&v, "bcd", 2);
	_cleanup_json_ json_t *value = mill_value_finish(&v);
	assert_string_equal(json_string_value(value), "abc");
	assert_false(mill_value_is_tainted(value));
	assert_null(mill_value_first_secret(value));
	_cleanup_json_ json_t *empty = mill_value_finish(&v);
	assert_string_equal(json_string_value(empty), "");
	mill_value_release(&v);
}

static void test_taint_goes_on_through_values(void **state)
{
	_cleanup_json_ json_t *inner = tainted();
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	_cleanup_strbuf_ struct mill_strbuf shown = MILL_STRBUF_INIT;
	mill_value_str(&v, "url=");
	assert_int_equal(mill_value_add(&v, inner, "url", NULL), 0);
	_cleanup_json_ json_t *outer = mill_value_finish(&v);
	assert_true(mill_value_is_tainted(outer));
	assert_string_equal(mill_value_first_secret(outer), "db/password");
	assert_string_equal(json_string_value(json_array_get(outer, 0)), "url=postgres%3A%2F%2Fme%3A");
	const json_t *secret = json_array_get(outer, 1);
	assert_string_equal(mill_json_get_string(secret, "filter", ""), "url");
	assert_int_equal(mill_json_get_int(secret, "version", 0), 3);
	mill_value_describe(outer, &shown);
	assert_non_null(strstr(shown.data, "<secret db/password>"));
}

static void test_filters_that_want_the_whole_text(void **state)
{
	_cleanup_json_ json_t *inner = tainted(), *alone = mill_value_secret_alone("db/password", 1);
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_value_add(&v, inner, "base64", &err), -EINVAL);
	assert_non_null(err.message);
	assert_int_equal(mill_value_add(&v, alone, "base64", NULL), 0);
	_cleanup_json_ json_t *once = mill_value_finish(&v);
	mill_error_release(&err);
	assert_int_equal(mill_value_add(&v, once, "url", &err), -EINVAL); /* a second filter on a secret */
}

/* A platform folder with one secret; "/secrets/db/password". */
static char *platform_with_secret(const char *value)
{
	char *dir = test_mkdir();
	_cleanup_free_ char *folder = mill_path_join(dir, "secrets/db");
	assert_int_equal(mill_mkdir_p(folder, 0700, NULL), 0);
	test_write(test_path(folder, "password"), value);
	return dir;
}

static void test_resolution(void **state)
{
	char *dir = platform_with_secret("p@ss word");
	_cleanup_json_ json_t *inner = tainted();
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	assert_int_equal(mill_value_add(&v, inner, "url", NULL), 0);
	_cleanup_json_ json_t *value = mill_value_finish(&v);
	assert_int_equal(mill_spec_resolve_value(value, dir, &out, NULL), 0);
	assert_string_equal(out.data, "postgres%3A%2F%2Fme%3Ap%40ss%20word%40host%2F");
	test_rmdir(dir);
}

static void test_what_cannot_be_resolved_shows_no_value(void **state)
{
	static const char *const bad[] = {
		"[{\"secret\": \"db/missing\", \"version\": 1}]", "[{\"secret\": \"../../etc/passwd\", \"version\": 1}]",
		"[{\"no\": \"secret\"}]", "7", "[7]", "{\"secret\": \"db/password\"}",
		"[{\"secret\": \"db/password\", \"version\": 1, \"filter\": \"ini\"}]", /* it has a line break */
	};
	char *dir = platform_with_secret("hush\nhush");
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		_cleanup_json_ json_t *value = NULL;
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		_cleanup_error_ struct mill_error err = {0};
		value = json_loads(bad[i], JSON_DECODE_ANY, NULL);
		assert_non_null(value);
		assert_true(mill_spec_resolve_value(value, dir, &out, &err) < 0);
		assert_non_null(err.message);
		assert_null(strstr(err.message, "hush"));
	}
	test_rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_a_value_without_a_secret_is_a_string),
		cmocka_unit_test(test_taint_goes_on_through_values),
		cmocka_unit_test(test_filters_that_want_the_whole_text),
		cmocka_unit_test(test_resolution),
		cmocka_unit_test(test_what_cannot_be_resolved_shows_no_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
