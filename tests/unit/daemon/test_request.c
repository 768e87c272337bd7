/* The control protocol's requests: what is taken, what is refused and with which words. */
#include "../cmocka_all.h"

#include "base/strbuf.h"
#include "daemon/request.h"

static int parse(const char *line, struct mill_request *r, int64_t *id, struct mill_error *err)
{
	memset(r, 0xAA, sizeof(*r)); /* nothing may be left as it was */
	return mill_request_parse(line, strlen(line), r, id, err);
}

static struct mill_request good(const char *line)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_request r;
	int64_t id = -1;
	if (parse(line, &r, &id, &err) < 0)
		fail_msg("%s: %s", line, err.message);
	assert_int_equal(id, r.id);
	return r;
}

static void bad(const char *line, int64_t want_id, const char *words)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_request r;
	int64_t id = -1;
	assert_int_equal(parse(line, &r, &id, &err), -EINVAL);
	if (!err.message || !strstr(err.message, words))
		fail_msg("%s: says '%s', not '%s'", line, err.message, words);
	assert_int_equal(id, want_id);
}

static void test_every_op(void **state)
{
	static const struct {
		const char *name;
		enum mill_op op;
		bool needs;
	} ops[] = {
		{"hello", MILL_OP_HELLO, false},     {"status", MILL_OP_STATUS, false}, {"start", MILL_OP_START, true},
		{"stop", MILL_OP_STOP, true},	     {"restart", MILL_OP_RESTART, true}, {"reload", MILL_OP_RELOAD, true},
		{"wait", MILL_OP_WAIT, true},	     {"down", MILL_OP_DOWN, false},	{"events", MILL_OP_EVENTS, false},
		{"quit", MILL_OP_QUIT, false},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(ops); i++) {
		_cleanup_free_ char *alone = mill_xasprintf("{\"v\": 1, \"id\": 7, \"op\": \"%s\"}", ops[i].name);
		_cleanup_free_ char *with =
			mill_xasprintf("{\"v\": 1, \"id\": 7, \"op\": \"%s\", \"services\": [\"a.b\"]}", ops[i].name);
		if (ops[i].needs) {
			bad(alone, 7, "needs services");
		} else {
			struct mill_request r = good(alone);
			assert_int_equal(r.op, ops[i].op);
			assert_int_equal(r.services.n, 0);
			mill_request_release(&r);
		}
		struct mill_request r = good(with);
		assert_int_equal(r.op, ops[i].op);
		assert_string_equal(r.services.items[0], "a.b");
		assert_string_equal(mill_op_name(r.op), ops[i].name);
		mill_request_release(&r);
	}
}

static void test_fields(void **state)
{
	struct mill_request r = good("{\"op\": \"status\"}"); /* version and id may be left out */
	assert_int_equal(r.id, 0);
	assert_int_equal(r.timeout_ms, 0);
	assert_int_equal(r.since, -1);
	assert_false(r.wait_stopped);
	mill_request_release(&r);
	r = good("{\"v\": 1, \"id\": -5, \"op\": \"wait\", \"services\": [\"a.b\", \"c-1.d_2\", \"a.b\"],"
		 " \"for\": \"stopped\", \"timeout_ms\": 86400000, \"since\": 9007199254740993, \"more\": {}}");
	assert_int_equal(r.id, -5);
	assert_int_equal(r.services.n, 2); /* once each */
	assert_string_equal(r.services.items[1], "c-1.d_2");
	assert_true(r.wait_stopped);
	assert_int_equal(r.timeout_ms, 86400000);
	assert_true(r.since == INT64_C(9007199254740993));
	mill_request_release(&r);
	r = good("{\"op\": \"wait\", \"services\": [\"a.b\"], \"for\": \"ready\"}");
	assert_false(r.wait_stopped);
	mill_request_release(&r);
}

static void test_refusals(void **state)
{
	bad("", 0, "request:1:");
	bad("{\"op\": ", 0, "request:1:");
	bad("[1]", 0, "not an object");
	bad("{\"op\": \"status\"} x", 0, "request:1:");
	bad("{\"id\": 1, \"op\": \"status\", \"op\": \"quit\"}", 0, "duplicate");
	bad("{\"op\": \"sta\\u0000tus\"}", 0, "request:1:");
	bad("{\"id\": 3}", 3, "op is missing");
	bad("{\"id\": 3, \"op\": 4}", 3, "op is missing");
	bad("{\"id\": 3, \"op\": \"Start\"}", 3, "no such op");
	bad("{\"id\": 3, \"v\": 2, \"op\": \"status\"}", 3, "protocol 2 is not spoken here, 1 is");
	bad("{\"id\": 3, \"v\": \"1\", \"op\": \"status\"}", 3, "v must be a number");
	bad("{\"id\": \"x\", \"op\": \"nothing\"}", 0, "no such op");
	bad("{\"id\": 3, \"op\": \"start\", \"services\": \"a.b\"}", 3, "must be a list");
	bad("{\"id\": 3, \"op\": \"start\", \"services\": []}", 3, "start needs services");
	bad("{\"id\": 3, \"op\": \"start\", \"services\": [\"a.b\", 5]}", 3, "services[1]");
	bad("{\"id\": 3, \"op\": \"wait\", \"services\": [\"a.b\"], \"for\": \"lunch\"}", 3, "for must be");
	bad("{\"id\": 3, \"op\": \"wait\", \"services\": [\"a.b\"], \"for\": 5}", 3, "for must be");
	bad("{\"id\": 3, \"op\": \"wait\", \"services\": [\"a.b\"], \"timeout_ms\": 86400001}", 3, "between 0 and 86400000");
	bad("{\"id\": 3, \"op\": \"wait\", \"services\": [\"a.b\"], \"timeout_ms\": -1}", 3, "timeout_ms must be");
	bad("{\"id\": 3, \"op\": \"wait\", \"services\": [\"a.b\"], \"timeout_ms\": 1.5}", 3, "timeout_ms must be");
	bad("{\"id\": 3, \"op\": \"events\", \"since\": -2}", 3, "since must be");
	bad("{\"id\": 3, \"op\": \"events\", \"since\": 9223372036854775808}", 0, "request:1:");
}

/* No id leads out of the services' folder or means two things. */
static void test_ids(void **state)
{
	static const char *const ids[] = {
		"",	 "a",	   "ab",     ".a",	 "a.",	     "a..b",   "../x",	 "a/b.c", "a.b.c",
		"A.b",	 "a b.c",  "-a.b",   "a.b/../..", "a.b\\u0001", "a.\\u00e9", "..",  "a.b ",
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(ids); i++) {
		_cleanup_free_ char *line = mill_xasprintf("{\"op\": \"start\", \"services\": [\"%s\"]}", ids[i]);
		bad(line, 0, "component.service");
	}
	char longest[256];
	memset(longest, 'a', 129);
	longest[1] = '.';
	longest[129] = '\0';
	_cleanup_free_ char *line = mill_xasprintf("{\"op\": \"start\", \"services\": [\"%s\"]}", longest);
	bad(line, 0, "component.service");
	longest[128] = '\0';
	_cleanup_free_ char *fits = mill_xasprintf("{\"op\": \"start\", \"services\": [\"%s\"]}", longest);
	struct mill_request r = good(fits);
	mill_request_release(&r);
}

static char *with_services(unsigned n)
{
	struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&b, "{\"op\": \"start\", \"services\": [");
	for (unsigned i = 0; i < n; i++)
		mill_strbuf_printf(&b, "%s\"a.s%u\"", i ? "," : "", i);
	mill_strbuf_addstr(&b, "]}");
	return mill_strbuf_steal(&b);
}

static void test_ceilings(void **state)
{
	_cleanup_free_ char *most = with_services(MILL_REQUEST_SERVICES_MAX);
	_cleanup_free_ char *over = with_services(MILL_REQUEST_SERVICES_MAX + 1);
	struct mill_request r = good(most);
	assert_int_equal(r.services.n, MILL_REQUEST_SERVICES_MAX);
	mill_request_release(&r);
	bad(over, 0, "more than 512 services");
	_cleanup_free_ char *large = mill_xmalloc(MILL_REQUEST_MAX + 2);
	memset(large, ' ', MILL_REQUEST_MAX + 1);
	large[MILL_REQUEST_MAX + 1] = '\0';
	memcpy(large, "{\"id\":9,\"op\":\"quit\"}", 20);
	bad(large, 0, "larger than 65536 bytes");
	large[MILL_REQUEST_MAX] = '\0';
	r = good(large);
	assert_int_equal(r.id, 9);
	mill_request_release(&r);
	/* Depth: jansson's own ceiling, an error and no crash. */
	memset(large, '[', MILL_REQUEST_MAX);
	bad(large, 0, "request:1:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_op), cmocka_unit_test(test_fields), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_ids),	 cmocka_unit_test(test_ceilings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
