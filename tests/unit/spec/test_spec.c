/* Reading spec.json, and the fingerprints that decide what restarts. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "spec/fingerprint.h"
#include "spec/spec.h"

static const char whole[] =
	"{\"spec\": 1, \"id\": \"a.main\", \"component\": \"a\", \"service\": \"main\", \"platform\": \"native.x\","
	" \"platform_dir\": \"/p\", \"dir\": \"/p/services/a.main\", \"fingerprint\": \"f\", \"reload_fingerprint\": \"\","
	" \"store\": \"/s\", \"store_entries\": [\"k\"], \"command\": [\"/bin/true\", \"x\"],"
	" \"environment\": {\"A\": \"1\", \"B\": [{\"secret\": \"a/key\", \"version\": 1}]}, \"cwd\": \"/p\","
	" \"files\": [{\"path\": \"config/r\", \"mode\": \"0600\", \"content\": \"x\", \"reload\": true},"
	"            {\"path\": \"config/n\", \"mode\": \"0600\", \"content\": \"x\"}],"
	" \"ports\": {\"http\": 80}, \"sources\": {\"s.py\": \"00\"}, \"limits\": {\"nofile\": 99},"
	" \"user\": {\"uid\": 7, \"gid\": 8}, \"after\": [\"b.main\"], \"stop\": {\"signal\": 2, \"grace_ms\": 5},"
	" \"restart\": {\"policy\": \"on-failure\", \"delay_ms\": 1, \"max_delay_ms\": 2, \"limit\": 3, \"window_ms\": 4},"
	" \"probes\": {\"readiness\": {\"type\": \"http\", \"host\": \"127.0.0.1\", \"port\": 80, \"path\": \"/\", \"status\": [200, 299]},"
	"             \"startup\": {\"deadline_ms\": 9}}}";

static json_t *spec_json(void)
{
	json_t *o = json_loads(whole, 0, NULL);
	assert_non_null(o);
	return o;
}

static void test_everything_is_read(void **state)
{
	_cleanup_json_ json_t *o = spec_json();
	_cleanup_spec_ struct mill_spec s = {0};
	assert_int_equal(mill_spec_from_json(o, false, &s, NULL), 0);
	assert_string_equal(s.id, "a.main");
	assert_true(s.set_ids && s.uid == 7 && s.gid == 8);
	assert_int_equal(s.policy, MILL_RESTART_ON_FAILURE);
	assert_int_equal(s.delay_ms + s.max_delay_ms + s.limit + s.window_ms, 10);
	assert_int_equal(s.stop_signal, 2);
	assert_int_equal(s.grace_ms, 5);
	assert_int_equal(s.deadline_ms, 9);
	assert_int_equal(s.readiness.type, MILL_PROBE_HTTP);
	assert_int_equal(s.readiness.status_max, 299);
	assert_int_equal(s.nofile, 99);
	assert_string_equal(s.after.items[0], "b.main");
	_cleanup_strv_ struct mill_strv argv = {0};
	assert_int_equal(mill_spec_command(&s, NULL, &argv, NULL), 0);
	assert_int_equal(argv.n, 2);
}

/* Each replaces one key of a good spec; all are refused. */
static void test_what_is_no_spec(void **state)
{
	static const struct {
		const char *key, *value; /* value NULL: the key is missing */
	} cases[] = {
		{"spec", "2"}, {"spec", NULL}, {"id", NULL}, {"id", "\"../x\""}, {"id", "\"A.b\""}, {"dir", NULL},
		{"probes", "{\"readiness\": {\"type\": \"psychic\"}}"},
		{"probes", "{\"readiness\": {\"type\": \"tcp\", \"host\": \"127.0.0.1\"}}"},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_json_ json_t *o = spec_json();
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_spec_ struct mill_spec s = {0};
		if (cases[i].value)
			json_object_set_new(o, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(o, cases[i].key);
		int r = mill_spec_from_json(o, false, &s, &err);
		if (r >= 0)
			fail_msg("%s: %s was taken", cases[i].key, cases[i].value ? cases[i].value : "missing");
		assert_non_null(err.message);
	}
}

static void fingerprint_with(const char *key, const char *value, char out[MILL_SHA256_HEX])
{
	_cleanup_json_ json_t *o = spec_json();
	if (key)
		json_object_set_new(o, key, json_loads(value, JSON_DECODE_ANY, NULL));
	mill_fingerprint_spec(o, out);
}

static void test_what_a_fingerprint_covers(void **state)
{
	static const struct {
		const char *key, *value;
		bool covered;
	} cases[] = {
		{"command", "[\"/bin/true\", \"y\"]", true},
		{"environment", "{\"A\": \"2\", \"B\": [{\"secret\": \"a/key\", \"version\": 1}]}", true},
		{"environment", "{\"A\": \"1\", \"B\": [{\"secret\": \"a/key\", \"version\": 2}]}", true},
		{"environment", "{\"B\": [{\"version\": 1, \"secret\": \"a/key\"}], \"A\": \"1\"}", false}, /* the same, in another order */
		{"ports", "{\"http\": 81}", true},
		{"store_entries", "[\"k2\"]", true},
		{"sources", "{\"s.py\": \"01\"}", true},
		{"limits", "{\"nofile\": 98}", true},
		{"user", "{\"uid\": 9, \"gid\": 8}", true},
		{"cwd", "\"/q\"", true},
		{"files", "[{\"path\": \"config/r\", \"mode\": \"0600\", \"content\": \"other\", \"reload\": true},"
			  " {\"path\": \"config/n\", \"mode\": \"0600\", \"content\": \"x\"}]", false},
		{"files", "[{\"path\": \"config/r\", \"mode\": \"0600\", \"content\": \"x\", \"reload\": true},"
			  " {\"path\": \"config/n\", \"mode\": \"0600\", \"content\": \"other\"}]", true},
		{"probes", "{}", false}, {"restart", "{}", false}, {"stop", "{}", false}, {"after", "[]", false},
		{"fingerprint", "\"g\"", false},
	};
	char base[MILL_SHA256_HEX], other[MILL_SHA256_HEX];
	fingerprint_with(NULL, NULL, base);
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		fingerprint_with(cases[i].key, cases[i].value, other);
		if ((strcmp(base, other) != 0) != cases[i].covered)
			fail_msg("%s: %s", cases[i].key, cases[i].value);
	}
}

static void test_reload_fingerprint(void **state)
{
	_cleanup_json_ json_t *o = spec_json(), *p = spec_json();
	char a[MILL_SHA256_HEX], b[MILL_SHA256_HEX];
	mill_fingerprint_reload(o, a);
	json_object_set_new(json_array_get(json_object_get(p, "files"), 0), "content", json_string("y"));
	mill_fingerprint_reload(p, b);
	assert_string_not_equal(a, b);
	json_object_set_new(p, "files", json_array());
	mill_fingerprint_reload(p, b);
	assert_string_equal(b, "");
}

static void test_ids(void **state)
{
	static const char *const good[] = {"a.b", "minio.server", "a-1.b-2"};
	static const char *const bad[] = {"", "a", ".", "a.", ".b", "a.b.c", "A.b", "a/b.c", "a..b", "a b.c", NULL};
	for (size_t i = 0; i < MILL_ARRAY_LEN(good); i++)
		assert_true(mill_spec_id_is_valid(good[i]));
	for (size_t i = 0; bad[i]; i++)
		assert_false(mill_spec_id_is_valid(bad[i]));
	assert_false(mill_spec_id_is_valid(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_read),  cmocka_unit_test(test_what_is_no_spec),
		cmocka_unit_test(test_what_a_fingerprint_covers), cmocka_unit_test(test_reload_fingerprint),
		cmocka_unit_test(test_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
