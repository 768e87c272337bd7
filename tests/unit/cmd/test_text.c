/* Text widths, tables, error messages, help, completion candidates. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "cmd/cmd.h"

static void test_width(void **state)
{
	assert_int_equal(mill_text_width(""), 0);
	assert_int_equal(mill_text_width("minio"), 5);
	assert_int_equal(mill_text_width("Zürich"), 6);
	assert_int_equal(mill_text_width("データ"), 6);
	assert_int_equal(mill_text_width("e\xCC\x81"), 1);
	assert_int_equal(mill_text_width("\033[1mbold\033[0m"), 4);
	assert_int_equal(mill_text_width("\xff\xfe"), 2);
}

static void test_clip(void **state)
{
	static const struct {
		const char *text;
		size_t cells;
		const char *want;
	} examples[] = {
		{"minio", 5, "minio"},
		{"minio", 4, "min~"},
		{"minio", 1, "~"},
		{"minio", 0, ""},
		{"データ", 5, "デー~"},
		{"データ", 4, "デ~"},
		{"\033[1mbold\033[0m", 3, "\033[1mbo~\033[0m"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(examples); i++) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

		mill_text_clip(&out, examples[i].text, examples[i].cells, false);
		assert_string_equal(out.data, examples[i].want);
	}
}

static void test_wrap(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_text_wrap(&out, "one two three four five six seven\n\nend", 2, 24);
	assert_string_equal(out.data, "  one two three four\n  five six seven\n\n  end\n");
	mill_strbuf_reset(&out);
	mill_text_wrap(&out, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, 20);
	assert_string_equal(out.data, "aaaaaaaaaaaaaaaaaaaa\naaaaaaaaaaaaaaaaaaaa\n");
}

static void test_table(void **state)
{
	static const char *const headers[] = {"NAME", "STATE", "WHERE", NULL};
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_ui ui = {0};

	mill_table_init(&t, headers);
	mill_table_add(&t, MILL_LOOK_NAME, "mühle");
	mill_table_add(&t, MILL_LOOK_GOOD, "ready");
	mill_table_add(&t, MILL_LOOK_PLAIN, "http://127.0.0.1:9001/");
	mill_table_add(&t, MILL_LOOK_NAME, "x\033[2Jy");
	mill_table_add(&t, MILL_LOOK_GOOD, NULL);
	mill_table_addf(&t, MILL_LOOK_PLAIN, "%d", 7);
	mill_table_print(&t, &ui, 0, &out);
	assert_string_equal(out.data, "NAME    STATE  WHERE\n"
				      "mühle   ready  http://127.0.0.1:9001/\n"
				      "x?[2Jy  -      7\n");
	mill_strbuf_reset(&out);
	mill_table_print(&t, &ui, 28, &out);
	assert_string_equal(out.data, "NAME    STATE  WHERE\n"
				      "mühle   ready  http://127.0~\n"
				      "x?[2Jy  -      7\n");
	mill_strbuf_reset(&out);
	ui.out_colour = true;
	t.no_header = true;
	mill_table_print(&t, &ui, 0, &out);
	assert_non_null(strstr(out.data, "\033[32mready\033[0m"));
	assert_null(strstr(out.data, "STATE"));
}

static void test_error_text(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_ui ui = {0};

	mill_fail(&err, EADDRINUSE, "minio: start: exit code 1\033[0m");
	mill_error_detail(&err, "first\nsecond\n");
	mill_error_hint(&err, "data-mill logs minio\ndata-mill doctor");
	mill_ui_error_text(&ui, &err, &out);
	assert_string_equal(out.data, "data-mill: minio: start: exit code 1?[0m\n"
				      "    | first\n"
				      "    | second\n"
				      "next: data-mill logs minio\n"
				      "      data-mill doctor\n");
}

static void test_help(void **state)
{
	struct mill_ui ui = {0};
	_cleanup_strbuf_ struct mill_strbuf overview = MILL_STRBUF_INIT;

	mill_help_overview(&ui, &overview);
	for (size_t i = 0; mill_commands[i]; i++) {
		const struct mill_command *c = mill_commands[i];
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

		mill_help_command(&ui, NULL, c, &out);
		for (const struct mill_option *o = c->options; o && o->name; o++) {
			_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT;

			mill_option_label(o, &label);
			assert_non_null(strstr(out.data, label.data));
		}
		assert_non_null(strstr(out.data, "Usage: data-mill "));
		assert_non_null(strstr(out.data, "--flavour FILE"));
		if (c->group)
			assert_non_null(strstr(overview.data, c->summary));
		for (const char *line = out.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
			_cleanup_free_ char *one = mill_xstrndup(line, strcspn(line, "\n"));

			if (mill_text_width(one) > 100)
				fail_msg("help of %s: too long: %s", c->name, one);
		}
	}
}

static void test_help_json(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	size_t n = 0, i;
	json_t *c;

	mill_help_json(&out);
	_cleanup_json_ json_t *all = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(all);
	json_array_foreach(json_object_get(all, "commands"), i, c)
	{
		const struct mill_command *known = mill_command_find(mill_json_get_string(c, "name", ""));

		assert_non_null(known);
		assert_string_equal(mill_json_get_string(c, "group", ""), known->group);
		n += json_array_size(json_object_get(c, "subcommands"));
	}
	assert_true(i > 30 && n > 20);
	assert_true(json_array_size(json_object_get(all, "options")) > 10);
}

static void complete(const char *line, struct mill_strbuf *out)
{
	_cleanup_strv_ struct mill_strv words = {0};
	size_t n = strlen(line);

	mill_strv_split(&words, line, " ");
	if (n == 0 || line[n - 1] == ' ')
		mill_strv_add(&words, "");
	mill_complete((int)words.n, mill_strv_argv(&words), out);
}

static void test_complete(void **state)
{
	static const struct {
		const char *line, *has, *lacks;
	} examples[] = {
		{"", "version\t", "__complete"},
		{"ver", "version\tprint the version\n", "help"},
		{"completion ", "bash\nzsh\nfish\n", "version"},
		{"completion z", "zsh\n", "bash"},
		{"completion bash ", "", "zsh"},
		{"version --js", "--json\t", "--jobs"},
		{"version -", "-j\t", "__"},
		{"--kubeconfig ", ":file\n", "version"},
		{"--kubeconfig x ver", "version\t", ":file"},
		{"-f x ver", "version\t", ":file"},
		{"help ver", "version\t", "bash"},
		{"version --kubeconfig = ", ":file\n", "version"},
		{"--kubeconfig=", ":file\n", "version"},
		{"-- ", "version", "--json"},
		{"help -- --j", "", "--json"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(examples); i++) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

		complete(examples[i].line, &out);
		if (!strstr(out.data, examples[i].has) || strstr(out.data, examples[i].lacks))
			fail_msg("'%s': %s", examples[i].line, out.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),	   cmocka_unit_test(test_clip),
		cmocka_unit_test(test_wrap),	   cmocka_unit_test(test_table),
		cmocka_unit_test(test_error_text), cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_json),	   cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
