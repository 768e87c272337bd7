/* Requests, retries and damaged answers, against the stand-in server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "lake/lake.h"
#include "lake/s3.h"
#include "standin.h"

struct fixture {
	struct standin *server;
	struct mill_lake *lake;
	struct mill_error err;
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	f->server = standin_start();
	o.endpoint = standin_endpoint(f->server);
	o.access_key = "key";
	o.secret_key = "a-secret-that-no-message-shows";
	o.attempts = 3;
	o.backoff_ms = 1;
	o.stall_timeout_s = 1;
	o.threads = 2;
	assert_int_equal(mill_lake_open(&o, &f->lake, NULL), 0);
	assert_int_equal(mill_lake_make_bucket(f->lake, "bucket", NULL, NULL), 0);
	standin_forget_counts(f->server);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mill_lake_close(f->lake);
	standin_stop(f->server);
	mill_error_release(&f->err);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *key, const char *text)
{
	assert_int_equal(mill_lake_put(f->lake, "bucket", key, text, strlen(text), NULL, NULL), 0);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	static const char *const keys[] = {"plain", "with space", "p%20q", "a/b/c.csv", "ünï/☃",
					   "e=&?;:@,'\"*()!", "tab\there", "plus+minus-"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++) {
		_cleanup_free_ char *got = NULL;
		size_t len = 0;
		put(f, keys[i], keys[i]);
		assert_int_equal(mill_lake_get(f->lake, "bucket", keys[i], 100, &got, &len, &f->err), 0);
		assert_string_equal(got, keys[i]);
		assert_int_equal(len, strlen(keys[i]));
	}
	_cleanup_listing_ struct mill_lake_listing l = {0};
	standin_page_size(f->server, 3);
	assert_int_equal(mill_lake_list(f->lake, "bucket", "", NULL, 0, &l, &f->err), 0);
	assert_int_equal(l.n, MILL_ARRAY_LEN(keys));
	assert_true(standin_count(f->server, "GET", "list-type") == 3);
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++) {
		bool found = false;
		for (size_t j = 0; j < l.n; j++)
			found |= mill_streq(l.items[j].key, keys[i]) && l.items[j].size == strlen(keys[i]);
		assert_true(found);
	}
	struct mill_lake_object o = {0};
	assert_int_equal(mill_lake_head(f->lake, "bucket", "plain", &o, &f->err), 0);
	assert_int_equal(strlen(o.etag), 32);
	mill_lake_object_release(&o);
	assert_int_equal(mill_lake_remove(f->lake, "bucket", (char *[]){"plain", "p%20q", "tab\there"}, 3,
					  &f->err), 0);
	assert_int_equal(standin_count(f->server, "POST", "delete"), 1);
	assert_int_equal(mill_lake_head(f->lake, "bucket", "plain", &o, &f->err), -ENOENT);
	bool existed = false;
	assert_int_equal(mill_lake_make_bucket(f->lake, "bucket", &existed, &f->err), 0);
	assert_true(existed);
	_cleanup_listing_ struct mill_lake_listing b = {0};
	assert_int_equal(mill_lake_buckets(f->lake, &b, &f->err), 0);
	assert_int_equal(b.n, 1);
}

/* Faults that go away are not noticed; those that stay are told after three tries. */
static void test_retries(void **state)
{
	struct fixture *f = *state;
	static const enum fault faults[] = {FAULT_503, FAULT_RESET, FAULT_TRUNCATE};
	_cleanup_strbuf_ struct mill_strbuf big = MILL_STRBUF_INIT;
	for (int i = 0; i < 100000; i++)
		mill_strbuf_printf(&big, "%d,", i);
	put(f, "k", big.data);
	for (size_t i = 0; i < MILL_ARRAY_LEN(faults); i++) {
		char *got = NULL;
		standin_forget_counts(f->server);
		standin_fault(f->server, "GET", "/k", faults[i], 2);
		assert_int_equal(mill_lake_get(f->lake, "bucket", "k", 1 << 20, &got, NULL, &f->err), 0);
		assert_string_equal(got, big.data);
		free(got);
		assert_int_equal(standin_count(f->server, "GET", "/k"), 3);
		/* libcurl itself tries a reused connection that was reset once more */
		standin_fault(f->server, "GET", "/k", faults[i], 100);
		int r = mill_lake_get(f->lake, "bucket", "k", 1 << 20, &got, NULL, &f->err);
		assert_true(r < 0 && r != -ENOENT);
		assert_non_null(strstr(f->err.message, "after 3 tries"));
		assert_null(strstr(f->err.message, "a-secret"));
		standin_behave(f->server);
	}
	/* What will not get better is asked once. */
	standin_forget_counts(f->server);
	standin_fault(f->server, "GET", "/k", FAULT_400, 1);
	char *none;
	assert_true(mill_lake_get(f->lake, "bucket", "k", 10, &none, NULL, &f->err) < 0);
	assert_int_equal(standin_count(f->server, "GET", "/k"), 1);
}

/* A stream to a pipe goes on where it broke off: no byte twice, none missing. */
static void test_cat_resumes(void **state)
{
	struct fixture *f = *state;
	_cleanup_strbuf_ struct mill_strbuf big = MILL_STRBUF_INIT;
	for (int i = 0; i < 200000; i++)
		mill_strbuf_printf(&big, "%d,", i);
	put(f, "k", big.data);
	standin_fault(f->server, "GET", "/k", FAULT_TRUNCATE, 2);
	char name[] = "/tmp/data-mill-cat-XXXXXX";
	int fd = mkstemp(name);
	assert_int_equal(mill_lake_cat(f->lake, "bucket", "k", fd, &f->err), 0);
	_cleanup_free_ char *got = NULL;
	size_t len;
	assert_int_equal(mill_read_file(name, 1 << 22, &got, &len, NULL), 0);
	assert_int_equal(len, big.len);
	assert_memory_equal(got, big.data, len);
	assert_int_equal(standin_count(f->server, "GET", "/k"), 3);
	close(fd);
	unlink(name);
}

static void test_silence(void **state)
{
	struct fixture *f = *state;
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	struct mill_lake *lake;
	char *none;
	o.endpoint = standin_endpoint(f->server);
	o.access_key = o.secret_key = "k";
	o.attempts = o.stall_timeout_s = 1;
	assert_int_equal(mill_lake_open(&o, &lake, NULL), 0);
	standin_fault(f->server, "GET", "/k", FAULT_SILENCE, 1);
	uint64_t began = mill_now_ns();
	assert_int_equal(mill_lake_get(lake, "bucket", "k", 10, &none, NULL, &f->err), -ETIMEDOUT);
	assert_true(mill_now_ns() - began < 20 * MILL_SEC);
	mill_lake_close(lake);
}

static void test_damage(void **state)
{
	struct fixture *f = *state;
	char *none;
	put(f, "k", "some content");
	standin_fault(f->server, "GET", "/k", FAULT_DAMAGE, 1);
	assert_int_equal(mill_lake_get(f->lake, "bucket", "k", 100, &none, NULL, &f->err), -EBADMSG);
	assert_int_equal(mill_lake_get(f->lake, "bucket", "k", 5, &none, NULL, &f->err), -EFBIG);
}

static void test_bad_listings(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum fault fault;
		int code;
	} cases[] = {
		{FAULT_HUGE, -EFBIG},	    {FAULT_MALFORMED, -EBADMSG}, {FAULT_DOCTYPE, -EBADMSG},
		{FAULT_CIRCLE, -EBADMSG},   {FAULT_NOT_S3, -EBADMSG},
	};
	put(f, "k", "x");
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct mill_lake_listing l = {0};
		standin_fault(f->server, "GET", "list-type", cases[i].fault, 1000);
		int r = mill_lake_list(f->lake, "bucket", "", NULL, 0, &l, &f->err);
		if (r != cases[i].code)
			fail_msg("case %zu: %d (%s)", i, r, f->err.message ? f->err.message : "");
		standin_behave(f->server);
	}
}

static void test_errors_have_names(void **state)
{
	struct fixture *f = *state;
	struct mill_lake_listing l = {0};
	assert_int_equal(mill_lake_list(f->lake, "absent", "", NULL, 0, &l, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.message, "NoSuchBucket"));
	assert_non_null(f->err.hint);
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	struct mill_lake *lake;
	o.access_key = o.secret_key = "x";
	static const char *const bad[] = {"ftp://x", "http://u:p@x", "http://x/path", "http://x?q", "",
					  "127.0.0.1", "http://"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		o.endpoint = bad[i];
		int r = mill_lake_open(&o, &lake, &f->err);
		if (r == 0)
			fail_msg("'%s' is taken", bad[i]);
		assert_true(f->err.usage);
	}
	/* Nobody listens there. */
	o.endpoint = "http://127.0.0.1:1";
	o.attempts = 2;
	o.backoff_ms = 1;
	assert_int_equal(mill_lake_open(&o, &lake, NULL), 0);
	assert_int_equal(mill_lake_buckets(lake, &l, &f->err), -ECONNREFUSED);
	mill_lake_close(lake);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	int p[2];
	assert_int_equal(pipe(p), 0);
	struct mill_lake_options o = {.endpoint = standin_endpoint(f->server), .access_key = "k",
				      .secret_key = "s", .cancel_fd = p[0]};
	struct mill_lake *lake;
	char *none;
	assert_int_equal(mill_lake_open(&o, &lake, NULL), 0);
	standin_fault(f->server, "GET", "/k", FAULT_SILENCE, 1);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(mill_lake_get(lake, "bucket", "k", 10, &none, NULL, &f->err), -ECANCELED);
	mill_lake_close(lake);
	close(p[0]);
	close(p[1]);
}

static void test_backoff(void **state)
{
	static const struct {
		unsigned base, attempt;
		uint32_t random;
		unsigned wanted;
	} cases[] = {
		{100, 1, 0, 0},	      {100, 1, 100, 100},    {100, 1, 101, 0},
		{100, 2, 200, 200},   {100, 3, 400, 400},    {100, 30, 5000, 5000},
		{100, 30, 5001, 0},   {0, 3, 77, 0},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++)
		assert_int_equal(mill_s3_backoff_ms(cases[i].base, cases[i].attempt, cases[i].random),
				 cases[i].wanted);
}

static void test_targets(void **state)
{
	static const struct {
		const char *text, *bucket, *prefix;
	} cases[] = {
		{"bucket", "bucket", ""},	  {"s3://bucket", "bucket", ""},
		{"bucket/a/b", "bucket", "a/b"},  {"s3://bucket/a/", "bucket", "a/"},
		{"bucket//a", "bucket", "a"},	  {"a.b-1", "a.b-1", ""},
		{"ab", NULL, NULL},		  {"-abc", NULL, NULL},
		{"Bucket", NULL, NULL},		  {"a..b", NULL, NULL},
		{"", NULL, NULL},		  {"/a", NULL, NULL},
		{"a_b", NULL, NULL},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct mill_lake_target t = {0};
		_cleanup_error_ struct mill_error err = {0};
		int r = mill_lake_target_parse(cases[i].text, &t, &err);
		if ((r == 0) != (cases[i].bucket != NULL))
			fail_msg("'%s': %d", cases[i].text, r);
		if (r == 0) {
			assert_string_equal(t.bucket, cases[i].bucket);
			assert_string_equal(t.prefix, cases[i].prefix);
			mill_lake_target_release(&t);
		} else {
			assert_true(err.usage);
		}
	}
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_round_trip),
		WITH_SERVER(test_retries),
		WITH_SERVER(test_cat_resumes),
		WITH_SERVER(test_silence),
		WITH_SERVER(test_damage),
		WITH_SERVER(test_bad_listings),
		WITH_SERVER(test_errors_have_names),
		WITH_SERVER(test_cancel),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_targets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
