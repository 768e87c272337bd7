#include "../cmocka_all.h"

#include "yaml/diag.h"
#include "yaml/node.h"

static struct mill_mark at(struct mill_source *s, unsigned line, unsigned column, unsigned length)
{
	return (struct mill_mark){s, line, column, length};
}

static void test_order_and_duplicates(void **state)
{
	_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
	struct mill_source *b = mill_source_new("b.yaml", "one\ntwo\n", 8);
	struct mill_source *a = mill_source_new("a.yaml", "x\n", 2);
	mill_diags_add_source(&d, b);
	mill_diag_error(&d, at(a, 1, 1, 1), "in a");
	mill_diag_warning(&d, at(b, 2, 1, 3), "second");
	mill_diag_hint(mill_diag_error(&d, at(b, 1, 2, 2), "first"), "a hint\nof two lines");
	mill_diag_hint(mill_diag_error(&d, at(b, 1, 2, 2), "first"), "a hint\nof two lines");
	mill_diag_error(&d, MILL_MARK_NONE, "nowhere");
	mill_diag_error(&d, mill_source_whole(a), "as a whole");
	assert_int_equal(d.n_errors, 4);
	assert_int_equal(d.n_warnings, 1);
	/* The sources live on in the diagnostics. */
	mill_source_unref(a);
	mill_source_unref(b);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_diags_render(&d, &out, false);
	assert_string_equal(out.data, "error: nowhere\n"
				      "b.yaml:1:2: error: first\none\n ^~\nhint: a hint\n      of two lines\n"
				      "b.yaml:2:1: warning: second\ntwo\n^~~\n"
				      "a.yaml: error: as a whole\n"
				      "a.yaml:1:1: error: in a\nx\n^\n");
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_diags_fail(&d, &err), -EINVAL);
	assert_string_equal(err.message, "4 errors in several files");
	assert_true(err.usage);
}

static void test_ceiling(void **state)
{
	_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
	for (int i = 0; i < 250; i++)
		mill_diag_hint(mill_diag_error(&d, MILL_MARK_NONE, "number %d", i), "hint");
	assert_int_equal(d.n, MILL_DIAGS_MAX);
	assert_int_equal(d.n_errors, 250);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_diags_render(&d, &out, false);
	assert_true(mill_ends_with(out.data, "number 199\nhint: hint\nand 50 more\n"));
}

/* What a file says cannot write to the terminal on its own behalf. */
static void test_hostile_text(void **state)
{
	_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
	_cleanup_source_ struct mill_source *s = mill_source_new("a\033b.yaml", "k\033[2J\xff\n", 7);
	char big[2000];
	memset(big, 'k', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	mill_diag_error(&d, at(s, 1, 1, 3), "bad\n\033[31m\xff %s", "\xe2\x80\xae");
	mill_diag_error(&d, at(s, 9, 9, 9), "%s", big);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_diags_render(&d, &out, false);
	assert_null(strchr(out.data, '\033'));
	assert_true(mill_starts_with(out.data, "a?b.yaml:1:1: error: bad??[31m\xef\xbf\xbd ?\n"
					       "k?[2J\xef\xbf\xbd\n^~~\n"));
	assert_true(out.len < 1000);
}

static void test_colour(void **state)
{
	_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
	_cleanup_source_ struct mill_source *s = mill_source_new("f", "x", 1);
	mill_diag_hint(mill_diag_error(&d, at(s, 1, 1, 1), "m"), "h");
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_diags_render(&d, &out, true);
	assert_string_equal(out.data, "\033[1mf:1:1: \033[31merror:\033[0m m\nx\n\033[32m^\033[0m\n"
				      "\033[36mhint:\033[0m h\n");
}

static void test_json(void **state)
{
	_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
	_cleanup_source_ struct mill_source *s = mill_source_new("f", "x: yz", 5);
	static const char *const names[] = {"plan"};
	assert_true(mill_diag_suggest(mill_diag_error(&d, at(s, 1, 4, 2), "m"), "pln", names, 1));
	assert_false(mill_diag_suggest(mill_diag_warning(&d, MILL_MARK_NONE, "w"), "zzz", names, 1));
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &out, false);
	mill_diags_write_json(&d, &w);
	assert_string_equal(out.data,
			    "[{\"severity\":\"warning\",\"message\":\"w\"},"
			    "{\"severity\":\"error\",\"file\":\"f\",\"line\":1,\"column\":4,\"length\":2,"
			    "\"message\":\"m\",\"hint\":\"did you mean 'plan'?\"}]");
}

/* The caret is right below its text wherever that is in a long line. */
static void test_window(void **state)
{
	char line[1001];
	for (int i = 0; i < 1000; i++)
		line[i] = (char)('a' + i % 26);
	line[1000] = '\0';
	_cleanup_source_ struct mill_source *s = mill_source_new("f", line, 1000);
	for (unsigned column = 1; column <= 1000; column += 37) {
		_cleanup_diags_ struct mill_diags d = MILL_DIAGS_INIT;
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		mill_diag_error(&d, at(s, 1, column, 5), "m");
		mill_diags_render(&d, &out, false);
		char *text = strchr(out.data, '\n') + 1;
		char *caret_line = strchr(text, '\n') + 1;
		size_t caret = strspn(caret_line, " ");
		assert_true(strlen(text) < 250);
		assert_int_equal(caret_line[caret], '^');
		assert_int_equal(text[caret], line[column - 1]);
	}
}

static void test_source(void **state)
{
	_cleanup_source_ struct mill_source *s = mill_source_new("f", "a\r\n\n\xc3\xa9x\n", 8);
	size_t len;
	assert_memory_equal(mill_source_line(s, 1, &len), "a", 1);
	assert_int_equal(len, 1);
	assert_non_null(mill_source_line(s, 2, &len));
	assert_int_equal(len, 0);
	assert_non_null(mill_source_line(s, 4, &len));
	assert_null(mill_source_line(s, 5, &len));
	assert_null(mill_source_line(s, 0, &len));
	struct mill_mark m = mill_source_mark(s, 6, 1);
	assert_int_equal(m.line, 3);
	assert_int_equal(m.column, 2);
	m = mill_source_mark(s, 999, 1);
	assert_int_equal(m.line, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_duplicates), cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_hostile_text),	     cmocka_unit_test(test_colour),
		cmocka_unit_test(test_json),		     cmocka_unit_test(test_window),
		cmocka_unit_test(test_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
