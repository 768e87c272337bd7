#include "../cmocka_all.h"

#include "base/clock.h"
#include "yaml/node.h"

static struct mill_diags diags;

static struct mill_document *parse(const char *text)
{
	struct mill_document *doc = NULL;
	assert_int_equal(mill_document_parse("t", text, strlen(text), &diags, &doc), 0);
	assert_int_equal(diags.n_errors, 0);
	return doc;
}

static int reset(void **state)
{
	mill_diags_release(&diags);
	return 0;
}

static void test_lookup(void **state)
{
	_cleanup_document_ struct mill_document *doc = parse("a: {b: {c: 7}}\nl: [x, y]\nn:\nv: 1.10\n");
	assert_int_equal(mill_node_path(doc->root, "a", "b", "c", NULL)->integer, 7);
	assert_null(mill_node_path(doc->root, "a", "x", "c", NULL));
	assert_null(mill_node_path(doc->root, "l", "x", NULL));
	assert_null(mill_node_get(NULL, "a"));
	assert_string_equal(mill_node_text(mill_node_get(doc->root, "v")), "1.10");
	assert_null(mill_node_text(mill_node_get(doc->root, "n")));
	assert_null(mill_node_text(mill_node_get(doc->root, "l")));
	assert_true(mill_node_is_null(mill_node_get(doc->root, "n")));
	assert_true(mill_node_is_null(mill_node_get(doc->root, "zzz")));
	struct mill_pair *pair = mill_node_pair(doc->root, "l");
	assert_int_equal(pair->key_mark.line, 2);
	assert_int_equal(pair->value->mark.column, 4);
	assert_int_equal(pair->value->mark.length, 6);
	unsigned n = 0;
	MILL_SEQ_EACH (item, pair->value)
		n += item->text[0];
	assert_int_equal(n, 'x' + 'y');
	n = 0;
	MILL_MAP_EACH (p, doc->root)
		n++;
	assert_int_equal(n, 4);
	MILL_SEQ_EACH (item, doc->root)
		fail_msg("%s", item->text);
	MILL_MAP_EACH (p, NULL)
		fail_msg("%s", p->key);
}

static void test_marks_within(void **state)
{
	static const struct {
		const char *yaml;
		unsigned line, column, length;
	} cases[] = {
		{"k: ab${x}", 1, 6, 4},
		{"k: 'ab${x}'", 1, 7, 4},
		{"k: \"ab${x}\"", 1, 7, 4},
		{"k: \xc3\xa9\xc3\xa9${x}", 1, 6, 4},
		{"k: [q, \"ab${x}\"]", 1, 11, 4},
		{"k: |\n  one\n  ab${x}\n", 3, 5, 4},
		{"k: |\n\n    ab${x}\n", 3, 7, 4},
		/* no exact place: the whole */
		{"k: \"\\x61b${x}\"", 1, 4, 11},
		{"k: 'it''s ${x}'", 1, 4, 12},
		{"k: ab\n  ${x}", 1, 4, 2},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_document_ struct mill_document *doc = parse(cases[i].yaml);
		struct mill_node *node = mill_node_get(doc->root, "k");
		if (mill_node_is(node, MILL_NODE_SEQ))
			node = node->items[1];
		const char *found = strstr(node->text, "${x}");
		struct mill_mark m = mill_node_mark_within(node, (size_t)(found - node->text), 4);
		assert_int_equal(m.line, cases[i].line);
		assert_int_equal(m.column, cases[i].column);
		assert_int_equal(m.length, cases[i].length);
	}
}

static void test_read_good(void **state)
{
	_cleanup_document_ struct mill_document *doc =
		parse("b: true\ni: 5\nf: 0.5\nt: 1.10\ns: 300Mi\nd: 1m30s\nc: two\n");
	bool b = false;
	int64_t i = 0;
	double f = 0;
	const char *t = NULL;
	uint64_t s = 0, d = 0;
	size_t c = 0;
	static const char *const names[] = {"one", "two"};
	assert_int_equal(mill_node_read_bool(mill_node_get(doc->root, "b"), &diags, "b", &b), 0);
	assert_int_equal(mill_node_read_int(mill_node_get(doc->root, "i"), &diags, "i", 1, 5, &i), 0);
	assert_int_equal(mill_node_read_double(mill_node_get(doc->root, "f"), &diags, "f", 0, 1, &f), 0);
	assert_int_equal(mill_node_read_text(mill_node_get(doc->root, "t"), &diags, "t", &t), 0);
	assert_int_equal(mill_node_read_size(mill_node_get(doc->root, "s"), &diags, "s", &s), 0);
	assert_int_equal(mill_node_read_duration(mill_node_get(doc->root, "d"), &diags, "d", &d), 0);
	assert_int_equal(mill_node_read_choice(mill_node_get(doc->root, "c"), &diags, "c", names, 2, &c), 0);
	assert_true(b && i == 5 && f == 0.5 && c == 1);
	assert_string_equal(t, "1.10");
	assert_int_equal(s, 300 << 20);
	assert_int_equal(d, 90 * MILL_SEC);
	assert_int_equal(diags.n, 0);
}

static void test_read_bad(void **state)
{
	_cleanup_document_ struct mill_document *doc =
		parse("a: \"true\"\nb: '5'\nc: 9\nd: [1]\ne: big\nf: 9999999999Ti\ng: twoo\nh:\n");
	struct mill_node *r = doc->root;
	bool b;
	int64_t i;
	double f;
	const char *t;
	uint64_t s;
	size_t c;
	static const char *const names[] = {"one", "two"};
	assert_true(mill_node_read_bool(mill_node_get(r, "a"), &diags, "a", &b) < 0);
	assert_true(mill_node_read_int(mill_node_get(r, "b"), &diags, NULL, 0, 9, &i) < 0);
	assert_true(mill_node_read_int(mill_node_get(r, "c"), &diags, "c", 0, 8, &i) < 0);
	assert_true(mill_node_read_double(mill_node_get(r, "d"), &diags, "d", 0, 1, &f) < 0);
	assert_true(mill_node_read_duration(mill_node_get(r, "e"), &diags, "e", &s) < 0);
	assert_true(mill_node_read_size(mill_node_get(r, "f"), &diags, "f", &s) < 0);
	assert_true(mill_node_read_choice(mill_node_get(r, "g"), &diags, "g", names, 2, &c) < 0);
	assert_true(mill_node_read_text(mill_node_get(r, "h"), &diags, "h", &t) < 0);
	assert_false(mill_node_expect(r, &diags, "top", MILL_NODE_SEQ));
	mill_node_check_keys(r, &diags, "top", (const char *const[]){"a", "b", "c", "d", "e", "f", "hh"}, 7);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	for (size_t k = 0; k < diags.n; k++)
		mill_strbuf_printf(&out, "%u:%u %s|%s\n", diags.entries[k]->mark.line, diags.entries[k]->mark.column,
				   diags.entries[k]->message, diags.entries[k]->hint ? diags.entries[k]->hint : "");
	assert_string_equal(out.data,
			    "1:4 a: expected true or false, found 'true'|without quotes\n"
			    "2:4 expected an integer, found '5'|without quotes\n"
			    "3:4 c: 9 is not between 0 and 8|\n"
			    "4:4 d: expected a number, found a list|\n"
			    "5:4 e: expected a duration such as 30s or 1m30s, found 'big'|\n"
			    "6:4 f: 9999999999Ti is too large|\n"
			    "7:4 g: expected one of one, two, found 'twoo'|did you mean 'two'?\n"
			    "8:3 h: expected a string, found nothing|\n"
			    "1:1 top: expected a list, found a map|\n"
			    "7:1 top: unknown key 'g'|known here: a, b, c, d, e, f, hh\n"
			    "8:1 top: unknown key 'h'|did you mean 'hh'?\n");
}

static void test_files(void **state)
{
	char *dir = test_mkdir();
	struct mill_document *doc = NULL;
	assert_int_equal(mill_document_load(test_path(dir, "no"), "shown.yaml", &diags, &doc), -ENOENT);
	assert_string_equal(diags.entries[0]->mark.source->path, "shown.yaml");
	assert_int_equal(mill_document_load(dir, NULL, &diags, &doc), -EISDIR);
	char *big = mill_xcalloc(1, MILL_YAML_BYTES_MAX + 2);
	memset(big, '#', MILL_YAML_BYTES_MAX + 1);
	test_write(test_path(dir, "big"), big);
	assert_int_equal(mill_document_load(test_path(dir, "big"), NULL, &diags, &doc), -EFBIG);
	assert_int_equal(mill_document_parse("big", big, MILL_YAML_BYTES_MAX + 1, &diags, &doc), -EFBIG);
	assert_null(doc);
	/* As large as may be, and quick. */
	big[MILL_YAML_BYTES_MAX] = '\0';
	assert_int_equal(mill_document_parse("big", big, MILL_YAML_BYTES_MAX, &diags, &doc), 0);
	assert_null(doc->root);
	mill_document_free(doc);
	free(big);
	test_rmdir(dir);
}

/* Inputs that cost a naive reader minutes end quickly with an error. */
static void test_costly(void **state)
{
	static const char *const pieces[] = {"[", "{a: ", "- ", "&a ", "? ", "a:\n ", "\"x\" ", "[*a,", "!!str ", "'\n"};
	for (size_t p = 0; p < MILL_ARRAY_LEN(pieces); p++) {
		_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
		while (b.len < 900000)
			mill_strbuf_addstr(&b, pieces[p]);
		struct mill_document *doc = NULL;
		uint64_t before = mill_now_ns();
		mill_document_parse("x", b.data, b.len, &diags, &doc);
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		mill_diags_render(&diags, &out, false);
		assert_true(mill_now_ns() - before < 20 * MILL_SEC);
		mill_document_free(doc);
		mill_diags_release(&diags);
	}
	_cleanup_strbuf_ struct mill_strbuf many = MILL_STRBUF_INIT;
	for (int i = 0; i < 99990; i++)
		mill_strbuf_printf(&many, "k%d:\n", i / 2 * 2 + (i % 2));
	struct mill_document *doc = NULL;
	assert_int_equal(mill_document_parse("x", many.data, many.len, &diags, &doc), -E2BIG);
	assert_null(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_lookup, reset),
		cmocka_unit_test_teardown(test_marks_within, reset),
		cmocka_unit_test_teardown(test_read_good, reset),
		cmocka_unit_test_teardown(test_read_bad, reset),
		cmocka_unit_test_teardown(test_files, reset),
		cmocka_unit_test_teardown(test_costly, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
