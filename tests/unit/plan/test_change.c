/* Saying what changed, comparing versions, fingerprints, values with secrets, the host's digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/io.h"
#include "base/json.h"
#include "plan/build.h"
#include "plan/host.h"
#include "spec/fingerprint.h"
#include "spec/taint.h"

static void versions(void **state)
{
	const struct {
		const char *a, *b;
		int order;
	} table[] = {
		{"1.0", "1.0", 0}, {"1.9", "1.10", -1}, {"1.10", "1.9", 1}, {"2026.02.12", "2026.2.12", 0},
		{"1.0", "1.0.1", -1}, {"1.0-rc1", "1.0", -1}, {"1.0-rc2", "1.0-rc10", -1}, {"", "1", -1},
		{"99999999999999999999999", "100000000000000000000000", -1}, {"1.0a", "1.0b", -1},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		int r = mill_version_compare(table[i].a, table[i].b), back = mill_version_compare(table[i].b, table[i].a);

		assert_int_equal((r > 0) - (r < 0), table[i].order);
		assert_int_equal((back > 0) - (back < 0), -table[i].order);
	}
}

static const char base_spec[] =
	"{\"command\": [\"/store/a/bin/x\", \"--port=1\"], \"environment\": {\"A\": \"1\", \"P\": [{\"secret\": \"x/p\", \"version\": 1}]},"
	" \"ports\": {\"api\": 1}, \"store_entries\": [\"k1\"], \"component_version\": \"1\", \"limits\": {\"nofile\": 10},"
	" \"resources\": {\"memory_bytes\": 1048576}, \"cwd\": \"/x\", \"sources\": {\"s.py\": \"d\"},"
	" \"files\": [{\"path\": \"config/a\", \"content\": \"1\"}, {\"path\": \"config/r\", \"content\": \"1\", \"reload\": true}],"
	" \"probes\": {\"readiness\": null}, \"stop\": {\"signal\": 15}}";

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

/* Each row: keys to replace in the spec, what is said, and whether that restarts. */
static void changes(void **state)
{
	const struct {
		const char *with, *said, *rest, *reload;
		bool restarts;
	} table[] = {
		{"{}", "", "", "", false},
		{"{\"ports\": {\"api\": 2}}", "port api 1 -> 2", "", "", true},
		{"{\"ports\": {\"api\": 1, \"ui\": 5}}", "port ui 5 added", "", "", true},
		{"{\"environment\": {\"A\": \"2\", \"P\": [{\"secret\": \"x/p\", \"version\": 1}]}}", "environment A changed", "", "", true},
		{"{\"environment\": {\"A\": \"1\", \"P\": [{\"secret\": \"x/p\", \"version\": 2}]}}", "secret x/p rotated", "", "", true},
		{"{\"environment\": {\"A\": \"1\", \"P\": \"open\", \"N\": \"\"}}", "environment P changed, environment N added", "", "", true},
		{"{\"environment\": {}}", "environment A removed, environment P removed", "", "", true},
		{"{\"command\": [\"/store/a/bin/x\", \"--port=2\"]}", "command: '--port=1' -> '--port=2'", "", "", true},
		{"{\"command\": [\"/store/a/bin/x\"]}", "command: '--port=1' removed", "", "", true},
		{"{\"store_entries\": [\"k2\"]}", "software built anew", "", "", true},
		{"{\"store_entries\": [\"k2\"], \"component_version\": \"2\"}", "version 1 -> 2", "version changed", "", true},
		{"{\"limits\": {\"nofile\": 20}}", "nofile 10 -> 20", "", "", true},
		{"{\"sources\": {\"s.py\": \"e\"}}", "source s.py changed", "", "", true},
		{"{\"cwd\": \"/y\"}", "working folder changed", "", "", true},
		{"{\"user\": {\"uid\": 1}}", "user changed", "", "", true},
		{"{\"files\": [{\"path\": \"config/a\", \"content\": \"2\"}, {\"path\": \"config/r\", \"content\": \"1\", \"reload\": true}]}",
		 "file config/a changed", "", "", true},
		{"{\"files\": [{\"path\": \"config/a\", \"content\": \"1\"}, {\"path\": \"config/r\", \"content\": \"2\", \"reload\": true}]}",
		 "", "", "file config/r changed", false},
		{"{\"resources\": {\"memory_bytes\": 2097152}}", "memory 1 MiB -> 2 MiB", "memory 1 MiB -> 2 MiB", "", false},
		{"{\"probes\": {\"readiness\": {\"type\": \"tcp\"}}}", "", "readiness changed", "", false},
		{"{\"stop\": {\"signal\": 2}}", "", "way to stop changed", "", false},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		_cleanup_json_ json_t *a = parse(base_spec), *b = parse(base_spec), *with = parse(table[i].with);
		_cleanup_free_ char *said = NULL, *rest = NULL, *reload = NULL;
		char fa[65], fb[65];

		json_object_update(b, with);
		said = mill_change_describe(a, b);
		rest = mill_change_describe_rest(a, b);
		reload = mill_change_describe_reload(a, b);
		assert_string_equal(said, table[i].said);
		assert_string_equal(rest, table[i].rest);
		assert_string_equal(reload, table[i].reload);
		mill_fingerprint_spec(a, fa);
		mill_fingerprint_spec(b, fb);
		assert_int_equal(strcmp(fa, fb) != 0, table[i].restarts);
		mill_fingerprint_reload(a, fa);
		mill_fingerprint_reload(b, fb);
		assert_int_equal(strcmp(fa, fb) != 0, table[i].reload[0] != '\0');
	}
}

static void of_charts(void **state)
{
	static const char *const old = "{\"charts\": [{\"release\": \"a\", \"chart\": \"box\", \"version\": \"1\", \"values\": {\"x\": 1}, \"secrets\": [], \"objects\": []}]}";
	static const struct {
		const char *charts, *said;
	} table[] = {
		{"[{\"release\": \"a\", \"chart\": \"box\", \"version\": \"1\", \"values\": {\"x\": 1}, \"secrets\": [], \"objects\": []}]", ""},
		{"[{\"release\": \"a\", \"chart\": \"box\", \"version\": \"2\", \"values\": {\"x\": 1}, \"secrets\": [], \"objects\": []}]", "chart box 1 -> box 2"},
		{"[{\"release\": \"a\", \"chart\": \"box\", \"version\": \"1\", \"values\": {\"x\": 2}, \"secrets\": [1], \"objects\": []}]", "values of a changed, Secrets of a changed"},
		{"[{\"release\": \"b\", \"objects\": []}]", "b is new"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		_cleanup_json_ json_t *a = parse(old), *charts = parse(table[i].charts), *b = json_pack("{s:O}", "charts", charts);
		_cleanup_free_ char *said = mill_change_describe(a, b);

		assert_string_equal(said, table[i].said);
	}
}

static void many_changes_are_counted(void **state)
{
	_cleanup_json_ json_t *a = parse("{\"environment\": {}}");
	_cleanup_json_ json_t *b = parse("{\"environment\": {\"A\": \"1\", \"B\": \"1\", \"C\": \"1\", \"D\": \"1\", \"E\": \"1\", \"F\": \"1\"}}");
	_cleanup_free_ char *said = mill_change_describe(a, b);

	assert_string_equal(said, "environment A added, environment B added, environment C added, environment D added and 2 more");
}

static char *dump(struct mill_value *v)
{
	_cleanup_json_ json_t *value = mill_value_finish(v);

	return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
}

static void taint(void **state)
{
	const struct {
		const char *filter, *want; /* NULL: refused */
	} table[] = {
		{NULL, "[\"<u\\\":\",{\"secret\":\"a/b\",\"version\":3},\">\"]"},
		{"json", "[\"<u\\\\\\\":\",{\"filter\":\"json\",\"secret\":\"a/b\",\"version\":3},\">\"]"},
		{"url", "[\"<u%22%3A\",{\"filter\":\"url\",\"secret\":\"a/b\",\"version\":3},\">\"]"},
		{"yaml", "[\"<\\\"u\\\\\\\":\",{\"filter\":\"json\",\"secret\":\"a/b\",\"version\":3},\"\\\">\"]"},
		{"base64", NULL},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		_cleanup_json_ json_t *inner = parse("[\"u\\\":\", {\"secret\": \"a/b\", \"version\": 3}]");
		_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
		_cleanup_error_ struct mill_error err = {0};
		int r;

		mill_value_str(&v, "<");
		r = mill_value_add(&v, inner, table[i].filter, &err);
		mill_value_str(&v, ">");
		assert_int_equal(r == 0, table[i].want != NULL);
		if (table[i].want) {
			char *got = dump(&v);

			assert_string_equal(got, table[i].want);
			free(got);
		} else {
			assert_non_null(err.message);
		}
	}
}

static void a_second_filter_is_refused(void **state)
{
	_cleanup_json_ json_t *inner = parse("[{\"secret\": \"a/b\", \"version\": 3, \"filter\": \"url\"}]");
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	_cleanup_error_ struct mill_error err = {0};

	assert_true(mill_value_add(&v, inner, "json", &err) < 0);
	assert_non_null(strstr(err.message, "url"));
	assert_int_equal(mill_value_add(&v, inner, NULL, &err), 0);
	assert_string_equal(mill_value_first_secret(inner), "a/b");
}

static void plain_values_stay_text(void **state)
{
	_cleanup_json_ json_t *a = json_string("x y");
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	_cleanup_json_ json_t *value = NULL;

	assert_int_equal(mill_value_add(&v, a, "url", NULL), 0);
	mill_value_str(&v, "!");
	value = mill_value_finish(&v);
	assert_string_equal(json_string_value(value), "x%20y!");
	assert_false(mill_value_is_tainted(value));
	assert_null(mill_value_first_secret(value));
}

/* A digest of a folder tells what changed by name, size and time, and follows no link. */
static void folder_digest(void **state)
{
	char dir[] = "/tmp/mill-digest-XXXXXX", one[65], two[65];
	struct mill_platform p = {.dir = dir};
	struct mill_plan_host h;
	_cleanup_free_ char *sub = NULL, *file = NULL, *link_path = NULL;
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	assert_non_null(mkdtemp(dir));
	mill_plan_host_init(&h, &p);
	assert_true(h.cpus >= 1);
	assert_true(h.memory_total > 0);
	sub = mill_path_join(dir, "sub");
	file = mill_path_join(sub, "f");
	link_path = mill_path_join(dir, "loop");
	assert_int_equal(mill_mkdir_p(sub, 0755, NULL), 0);
	assert_int_equal(mill_write_file(file, "1", 1, 0644, 0, NULL), 0);
	assert_int_equal(symlink(dir, link_path), 0);
	assert_int_equal(utimensat(AT_FDCWD, file, old, 0), 0);
	assert_int_equal(h.folder_digest(&h, dir, one, NULL), 0);
	assert_int_equal(h.folder_digest(&h, dir, two, NULL), 0);
	assert_string_equal(one, two);
	assert_int_equal(mill_write_file(file, "2", 1, 0644, 0, NULL), 0); /* the same size, another time */
	assert_int_equal(h.folder_digest(&h, dir, two, NULL), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(utimensat(AT_FDCWD, file, old, 0), 0);
	assert_int_equal(h.folder_digest(&h, dir, two, NULL), 0);
	assert_string_equal(one, two);
	assert_true(h.folder_digest(&h, "/proc/no such folder", two, NULL) < 0);
	assert_int_equal(mill_rm_rf(dir, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions), cmocka_unit_test(changes), cmocka_unit_test(of_charts), cmocka_unit_test(many_changes_are_counted),
		cmocka_unit_test(taint), cmocka_unit_test(a_second_filter_is_refused),
		cmocka_unit_test(plain_values_stay_text), cmocka_unit_test(folder_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
