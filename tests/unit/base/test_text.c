/* parse, format, clock, json, hash, utf8 */
#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/utf8.h"

static void test_integers(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t v;
	} cases[] = {
		{"0", 0, 0}, {"007", 0, 7}, {"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0}, {"99999999999999999999999x", -EINVAL, 0},
		{"", -EINVAL, 0}, {"-1", -EINVAL, 0}, {"+1", -EINVAL, 0}, {" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0}, {"0x10", -EINVAL, 0}, {"1.0", -EINVAL, 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		uint64_t v = 0;
		assert_int_equal(mill_parse_u64(cases[i].text, &v), cases[i].r);
		assert_int_equal(v, cases[i].v);
	}
	int64_t s;
	assert_int_equal(mill_parse_i64("-9223372036854775808", &s), 0);
	assert_true(s == INT64_MIN);
	assert_int_equal(mill_parse_i64("9223372036854775808", &s), -ERANGE);
	assert_int_equal(mill_parse_i64("-9223372036854775809", &s), -ERANGE);
	assert_int_equal(mill_parse_i64("--1", &s), -EINVAL);
	int n;
	assert_int_equal(mill_parse_int("10", 1, 10, &n), 0);
	assert_int_equal(mill_parse_int("11", 1, 10, &n), -ERANGE);
	uint16_t port;
	assert_int_equal(mill_parse_port("65535", &port), 0);
	assert_int_equal(mill_parse_port("0", &port), -ERANGE);
	assert_int_equal(mill_parse_port("65536", &port), -ERANGE);
}

static void test_doubles(void **state)
{
	static const struct {
		const char *text;
		int r;
		double v;
	} cases[] = {
		{"1.5", 0, 1.5}, {"-2e3", 0, -2000}, {".5", 0, 0.5}, {"5.", 0, 5}, {"1e400", -ERANGE, 0},
		{"inf", -EINVAL, 0}, {"nan", -EINVAL, 0}, {"0x1p3", -EINVAL, 0}, {"1,5", -EINVAL, 0},
		{"", -EINVAL, 0}, {".", -EINVAL, 0}, {"1e", -EINVAL, 0}, {" 1", -EINVAL, 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		double v = 0;
		assert_int_equal(mill_parse_double(cases[i].text, &v), cases[i].r);
		assert_true(v == cases[i].v);
	}
	double f;
	assert_int_equal(mill_parse_fraction("75%", &f), 0);
	assert_true(f == 0.75);
	assert_int_equal(mill_parse_fraction("0.25", &f), 0);
	assert_int_equal(mill_parse_fraction("101%", &f), -ERANGE);
	assert_int_equal(mill_parse_fraction("-1%", &f), -ERANGE);
	assert_int_equal(mill_parse_fraction("%", &f), -EINVAL);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t v;
	} cases[] = {
		{"0", 0, 0}, {"300Mi", 0, 300u << 20}, {"60G", 0, UINT64_C(60000000000)},
		{"1.5Gi", 0, UINT64_C(3) << 29}, {"10B", 0, 10}, {"2k", 0, 2000}, {"2K", 0, 2000},
		{"1Ti", 0, UINT64_C(1) << 40}, {"0.5", 0, 0}, {"16777215Ti", 0, UINT64_C(16777215) << 40},
		{"16777216Ti", -ERANGE, 0}, {"0.000000000000000001T", 0, 0}, {"", -EINVAL, 0},
		{"Mi", -EINVAL, 0}, {"1.Mi", -EINVAL, 0}, {".5Mi", -EINVAL, 0}, {"1.2.3M", -EINVAL, 0},
		{"1 Mi", -EINVAL, 0}, {"-1M", -EINVAL, 0}, {"1MB", -EINVAL, 0}, {"1mi", -EINVAL, 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		uint64_t v = 0;
		assert_int_equal(mill_parse_size(cases[i].text, &v), cases[i].r);
		assert_int_equal(v, cases[i].v);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t v;
	} cases[] = {
		{"0", 0, 0}, {"1m30s", 0, 90 * MILL_SEC}, {"250ms", 0, 250 * MILL_MS},
		{"1.5h", 0, 5400 * MILL_SEC}, {"2d", 0, 172800 * MILL_SEC}, {"7us9ns", 0, 7009},
		{"10", -EINVAL, 0}, {"", -EINVAL, 0}, {"s", -EINVAL, 0}, {"1s ", -EINVAL, 0},
		{"-1s", -EINVAL, 0}, {"1s2", -EINVAL, 0}, {"1.2.3s", -EINVAL, 0}, {"1M", -EINVAL, 0},
		{"99999999999d", -ERANGE, 0}, {"200000d200000d", -ERANGE, 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		uint64_t v = 0;
		assert_int_equal(mill_parse_duration(cases[i].text, &v), cases[i].r);
		assert_int_equal(v, cases[i].v);
	}
}

static void test_formats(void **state)
{
	char buf[32];
	static const struct {
		uint64_t v;
		const char *text;
	} sizes[] = {
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1 KiB"}, {1536, "1.5 KiB"}, {300u << 20, "300 MiB"},
		{UINT64_C(1181116006), "1.1 GiB"}, {1048575, "1 MiB"}, {UINT64_MAX, "16 EiB"},
	}, durations[] = {
		{0, "0s"}, {45 * MILL_MS, "45ms"}, {2100 * MILL_MS, "2.1s"}, {90 * MILL_SEC, "1m30s"},
		{60 * MILL_SEC, "1m"}, {59999 * MILL_MS, "1m"}, {3600 * MILL_SEC, "1h"},
		{5400 * MILL_SEC, "1h30m"}, {12 * MILL_SEC, "12s"}, {500, "500ns"}, {1500, "1us"},
		{86400 * 3 * MILL_SEC, "3d"}, {UINT64_MAX, "213503d23h"},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(sizes); i++)
		assert_string_equal(mill_format_size(sizes[i].v, buf, sizeof(buf)), sizes[i].text);
	for (size_t i = 0; i < MILL_ARRAY_LEN(durations); i++)
		assert_string_equal(mill_format_duration(durations[i].v, buf, sizeof(buf)), durations[i].text);
}

static void test_suggest(void **state)
{
	static const char *const names[] = {"minio", "prometheus", "versitygw", "up", "plan"};
	static const struct {
		const char *word, *want;
	} cases[] = {
		{"mino", "minio"}, {"minoi", "minio"}, {"promethues", "prometheus"}, {"pln", "plan"},
		{"kafka", NULL}, {"", NULL}, {"pu", "up"}, {"xx", NULL}, {"minio", "minio"},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		const char *got = mill_suggest(cases[i].word, names, MILL_ARRAY_LEN(names));
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
	}
}

static void test_clock(void **state)
{
	char buf[MILL_RFC3339_LEN];
	uint64_t ms = 0;
	assert_string_equal(mill_format_rfc3339(UINT64_C(1795493106789), buf), "2026-11-24T04:05:06.789Z");
	assert_int_equal(mill_parse_rfc3339(buf, &ms), 0);
	assert_int_equal(ms, UINT64_C(1795493106789));
	assert_int_equal(mill_parse_rfc3339("2026-11-24T06:05:06.789123+02:00", &ms), 0);
	assert_int_equal(ms, UINT64_C(1795493106789));
	static const char *const bad[] = {"", "2026", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
		"2026-11-24T04:05:06", "2026-11-24T04:05:06Zx", "2026-11-24T24:00:00Z", "1969-01-01T00:00:00Z", "2026-11-24T04:05:06.Z"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++)
		assert_true(mill_parse_rfc3339(bad[i], &ms) < 0);
	uint64_t a = mill_now_ns();
	mill_sleep_ms(2);
	assert_true(mill_now_ns() - a >= 2 * MILL_MS);
	assert_true(mill_wall_ms() > UINT64_C(1700000000000));
}

static void test_json_writer(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, false);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "a\"\n", "t\tu\x01\xff\xc3\xa9\x7f");
	mill_json_kv_string(&w, "null", NULL);
	mill_json_key(&w, "list");
	mill_json_begin_array(&w);
	mill_json_int(&w, -5);
	mill_json_uint(&w, UINT64_MAX);
	mill_json_double(&w, 0.1);
	mill_json_double(&w, 3);
	mill_json_double(&w, 1.0 / 0.0);
	mill_json_begin_array(&w);
	mill_json_end_array(&w);
	mill_json_end_array(&w);
	mill_json_kv_bool(&w, "yes", true);
	mill_json_kv_int(&w, "n", 1);
	_cleanup_json_ json_t *tree = json_pack("{s:[i,n,{}]}", "x", 1);
	mill_json_key(&w, "tree");
	mill_json_value(&w, tree);
	mill_json_end_object(&w);
	assert_string_equal(b.data, "{\"a\\\"\\n\":\"t\\tu\\u0001\xef\xbf\xbd\xc3\xa9\\u007f\",\"null\":null,"
		"\"list\":[-5,18446744073709551615,0.1,3.0,null,[]],\"yes\":true,\"n\":1,\"tree\":{\"x\":[1,null,{}]}}");
	mill_strbuf_reset(&b);
	mill_json_writer_init(&w, &b, true);
	mill_json_value(&w, tree);
	assert_string_equal(b.data, "{\n  \"x\": [\n    1,\n    null,\n    {}\n  ]\n}");
}

static void test_json_deep(void **state)
{
	_cleanup_json_ json_t *deep = json_array();
	for (int i = 0; i < 200; i++) {
		json_t *outer = json_array();
		json_array_append_new(outer, deep);
		deep = outer;
	}
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, false);
	mill_json_value(&w, deep);
	assert_int_equal(b.len, 402);
}

static void test_json_reader(void **state)
{
	char *dir = test_mkdir();
	const char *path = test_path(dir, "x.json");
	_cleanup_error_ struct mill_error err = {0};
	json_t *j = NULL;
	assert_int_equal(mill_json_load(path, 100, &j, &err), -ENOENT);
	test_write(path, "{\"a\": 1,\n \"a\": 2}");
	assert_int_equal(mill_json_load(path, 100, &j, &err), -EINVAL);
	assert_non_null(strstr(err.message, "x.json:2:"));
	assert_non_null(strstr(err.message, "duplicate"));
	assert_int_equal(mill_json_load(path, 5, &j, &err), -EFBIG);
	test_write(path, "{\"s\": \"t\", \"i\": 7, \"b\": true} trailing");
	assert_int_equal(mill_json_load(path, 100, &j, &err), -EINVAL);
	test_write(path, "{\"s\": \"t\", \"i\": 7, \"b\": true}");
	assert_int_equal(mill_json_load(path, 100, &j, &err), 0);
	assert_string_equal(mill_json_get_string(j, "s", "x"), "t");
	assert_string_equal(mill_json_get_string(j, "i", "x"), "x");
	assert_int_equal(mill_json_get_int(j, "i", 0), 7);
	assert_int_equal(mill_json_get_int(j, "s", -1), -1);
	assert_true(mill_json_get_bool(j, "b", false));
	assert_true(mill_json_get_bool(NULL, "b", true));
	json_decref(j);
	test_rmdir(dir);
}

static void test_hash(void **state)
{
	char hex[130];
	/* FIPS 180 and RFC 1321 examples */
	mill_sha256("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct mill_hash *h = mill_hash_new(MILL_MD5);
	mill_hash_update(h, "abc", 3);
	mill_hash_finish(h, hex);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	char a[MILL_SHA256_HEX], b[MILL_SHA256_HEX];
	h = mill_hash_new(MILL_SHA256);
	mill_hash_field(h, "ab");
	mill_hash_field(h, "c");
	mill_hash_finish(h, a);
	h = mill_hash_new(MILL_SHA256);
	mill_hash_field(h, "a");
	mill_hash_field(h, "bc");
	mill_hash_finish(h, b);
	assert_string_not_equal(a, b);
	char *dir = test_mkdir();
	test_write(test_path(dir, "f"), "abc");
	assert_int_equal(mill_hash_file(MILL_SHA1, test_path(dir, "f"), hex, NULL), 0);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(mill_hash_file(MILL_SHA512, test_path(dir, "f"), hex, NULL), 0);
	assert_int_equal(strlen(hex), 128);
	assert_int_equal(mill_hash_file(MILL_SHA1, test_path(dir, "no"), hex, NULL), -ENOENT);
	assert_int_equal(mill_hash_file(MILL_SHA1, dir, hex, NULL), -EISDIR);
	test_rmdir(dir);
	unsigned char x[32] = {0}, y[32] = {0};
	mill_random_bytes(x, sizeof(x));
	mill_random_bytes(y, sizeof(y));
	assert_memory_not_equal(x, y, sizeof(x));
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		unsigned len;
	} cases[] = {
		{"a", 1}, {"\xc3\xa9", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4}, {"\xff", 0},
		{"\xc0\x80", 0}, {"\xed\xa0\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"\xe2\x82", 0}, {"\x80", 0}, {"\xe0\x80\x80", 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		uint32_t c;
		assert_int_equal(mill_utf8_decode(cases[i].text, strlen(cases[i].text), &c), cases[i].len);
	}
	assert_int_equal(mill_utf8_check("ab\xff", 3), 2);
	assert_int_equal(mill_utf8_check("ab", 2), 2);
	assert_int_equal(mill_utf8_width('a'), 1);
	assert_int_equal(mill_utf8_width(0x4e2d), 2);
	assert_int_equal(mill_utf8_width(0x301), 0);
	assert_int_equal(mill_utf8_width(0xe9), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers), cmocka_unit_test(test_doubles), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations), cmocka_unit_test(test_formats), cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_clock), cmocka_unit_test(test_json_writer), cmocka_unit_test(test_json_deep),
		cmocka_unit_test(test_json_reader), cmocka_unit_test(test_hash), cmocka_unit_test(test_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
