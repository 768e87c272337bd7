/* Numbers, sizes, durations, times, paths, JSON text. */
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "fuzz.h"

static void numbers(const char *s)
{
	uint64_t u;
	int64_t i;
	double f;
	uint16_t port;
	char text[64];
	if (mill_parse_u64(s, &u) == 0 && *s != '0') {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)u);
		FUZZ_CHECK(mill_streq(text, s));
	}
	if (mill_parse_i64(s, &i) == 0 && mill_parse_u64(s, &u) == 0)
		FUZZ_CHECK((uint64_t)i == u);
	if (mill_parse_double(s, &f) == 0)
		FUZZ_CHECK(f == f && f - f == 0);
	if (mill_parse_fraction(s, &f) == 0)
		FUZZ_CHECK(f >= 0 && f <= 1);
	if (mill_parse_port(s, &port) == 0)
		FUZZ_CHECK(port >= 1);
	if (mill_parse_size(s, &u) == 0)
		FUZZ_CHECK(*mill_format_size(u, text, sizeof(text)));
	if (mill_parse_duration(s, &u) == 0)
		FUZZ_CHECK(*mill_format_duration(u, text, sizeof(text)));
}

static void times(const char *s)
{
	uint64_t ms, again;
	char text[MILL_RFC3339_LEN];
	if (mill_parse_rfc3339(s, &ms) < 0)
		return;
	FUZZ_CHECK(mill_parse_rfc3339(mill_format_rfc3339(ms, text), &again) == 0);
	FUZZ_CHECK(again == ms);
}

static void paths(const char *s)
{
	_cleanup_free_ char *absolute = mill_path_absolute(s);
	_cleanup_free_ char *again = mill_path_absolute(absolute);
	_cleanup_free_ char *dir = mill_path_dirname(s);
	FUZZ_CHECK(absolute[0] == '/');
	FUZZ_CHECK(mill_streq(absolute, again));
	FUZZ_CHECK(*dir);
	if (mill_path_is_inside(s)) {
		_cleanup_free_ char *joined = mill_path_join("/top", s);
		_cleanup_free_ char *normal = mill_path_absolute(joined);
		FUZZ_CHECK(mill_starts_with(normal, "/top"));
	}
}

static void json(const char *s, size_t n)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *j = NULL;
	/* What we write, jansson reads back. */
	mill_strbuf_addstr(&b, "[\"");
	mill_json_escape(&b, s, n);
	mill_strbuf_addstr(&b, "\"]");
	FUZZ_CHECK(mill_utf8_check(b.data, b.len) == b.len);
	FUZZ_CHECK(mill_json_parse("x", b.data, b.len, &j, NULL) == 0);
	const char *back = json_string_value(json_array_get(j, 0));
	if (mill_utf8_check(s, n) == n)
		FUZZ_CHECK(mill_streq(back, s));
	_cleanup_json_ json_t *direct = NULL;
	if (mill_json_parse("x", s, n, &direct, NULL) == 0) {
		struct mill_json_writer w;
		mill_strbuf_reset(&b);
		mill_json_writer_init(&w, &b, true);
		mill_json_value(&w, direct);
		_cleanup_json_ json_t *again = NULL;
		FUZZ_CHECK(mill_json_parse("x", b.data, b.len, &again, NULL) == 0);
		FUZZ_CHECK(json_equal(direct, again));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"minio", "prometheus", "up", ""};
	_cleanup_free_ char *s = fuzz_string(data, size);
	numbers(s);
	times(s);
	if (size < 4096)
		paths(s);
	json(s, size);
	mill_suggest(s, names, MILL_ARRAY_LEN(names));
	return 0;
}
