/*
 * Each tests/cases/yaml/NAME.yaml is loaded; diagnostics and tree must be those
 * of NAME.expected.  MILL_TEST_UPDATE=1 writes these (then read the diff).
 */
#include "../cmocka_all.h"

#include "yaml/node.h"

static void describe(const char *path, const char *shown, struct mill_strbuf *out)
{
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	_cleanup_document_ struct mill_document *doc = NULL;
	int r = mill_document_load(path, shown, &diags, &doc);
	assert_true((r == 0) == (doc != NULL));
	assert_true(r == 0 || diags.n_errors > 0);
	mill_diags_render(&diags, out, false);
	if (!doc)
		mill_strbuf_addstr(out, "no tree\n");
	else if (!doc->root)
		mill_strbuf_addstr(out, "empty\n");
	if (!doc || !doc->root)
		return;
	_cleanup_json_ json_t *j = mill_node_to_json(doc->root);
	assert_non_null(j);
	struct mill_json_writer w;
	mill_strbuf_addstr(out, "tree: ");
	mill_json_writer_init(&w, out, false);
	mill_json_value(&w, j);
	mill_strbuf_addch(out, '\n');
}

static void test_cases(void **state)
{
	_cleanup_free_ char *dir = mill_path_join(getenv("MILL_TEST_SOURCE"), "tests/cases/yaml");
	_cleanup_strv_ struct mill_strv names = {0};
	unsigned n = 0, failed = 0;
	assert_int_equal(mill_list_dir(dir, &names, NULL), 0);
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.items[i];
		if (!mill_ends_with(name, ".yaml"))
			continue;
		_cleanup_free_ char *expected_name =
			mill_xasprintf("%.*s.expected", (int)strlen(name) - 5, name);
		_cleanup_free_ char *path = mill_path_join(dir, name);
		_cleanup_free_ char *expected_path = mill_path_join(dir, expected_name);
		_cleanup_strbuf_ struct mill_strbuf got = MILL_STRBUF_INIT;
		describe(path, name, &got);
		n++;
		if (getenv("MILL_TEST_UPDATE")) {
			test_write(expected_path, got.data);
			continue;
		}
		_cleanup_free_ char *expected = test_read(expected_path);
		if (strcmp(expected, got.data) != 0) {
			print_error("%s: expected\n%s\ngot\n%s\n", name, expected, got.data);
			failed++;
		}
	}
	assert_true(n > 40);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
