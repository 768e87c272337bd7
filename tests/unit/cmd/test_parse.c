/* The option parser, and rules that every entry of the command table keeps. */
#include "../cmocka_all.h"

#include "cmd/cmd.h"

/* The invocation as text: "command|option=value,..|args". */
static char *parse(const char *line, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv in = {0};
	_cleanup_invocation_ struct mill_invocation inv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *name = NULL, *args = NULL;

	mill_strv_split(&in, line, " ");
	if (mill_cmdline_parse((int)in.n, mill_strv_argv(&in), &inv, err) < 0)
		return NULL;
	name = mill_invocation_name(&inv);
	args = mill_strv_join(&inv.args, " ");
	mill_strbuf_printf(&out, "%s|", name);
	for (size_t i = 0; i < inv.n_values; i++) {
		_cleanup_free_ char *values = mill_strv_join(&inv.values[i].values, "+");

		mill_strbuf_printf(&out, "%s%s%s%s", i ? "," : "", inv.values[i].option->name,
				   *values ? "=" : "", values);
	}
	mill_strbuf_printf(&out, "|%s%s", args, inv.help ? "|help" : "");
	return mill_strbuf_steal(&out);
}

static void test_good(void **state)
{
	static const char *const examples[][2] = {
		{"version", "version||"},
		{"--json version", "version|json|"},
		{"version --json", "version|json|"},
		{"version -q -v", "version|quiet,verbose|"},
		{"version -qv", "version|quiet,verbose|"},
		{"-j4 version", "version|jobs=4|"},
		{"version -j 4", "version|jobs=4|"},
		{"version --jobs=4", "version|jobs=4|"},
		{"version --jobs 4", "version|jobs=4|"},
		{"version -fx", "version|flavour=x|"},
		{"version -c a -c b --component=c", "version|component=a+b+c|"},
		{"version -f x -f x", "version|flavour=x|"},
		{"version -l", "version|local|"},
		{"version --help", "version||help|help"},
		{"help version", "help||version"},
		{"help component new", "help||component new"},
		{"help -- --json", "help||--json"},
		{"completion bash", "completion||bash"},
		{"__complete -- up --fl", "__complete||up --fl"},
		{"__complete up --json", "__complete||up --json"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(examples); i++) {
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_free_ char *got = parse(examples[i][0], &err);

		if (strcmp(examples[i][1], "version||help|help") == 0) {
			assert_string_equal(got, "version|||help");
			continue;
		}
		if (!mill_streq(got, examples[i][1]))
			fail_msg("%s: '%s', message '%s'", examples[i][0], got, err.message);
	}
}

static void test_bad(void **state)
{
	static const char *const examples[][3] = {
		/* line, part of the message, part of the hint */
		{"versoin", "unknown command 'versoin'", "'version'"},
		{"qqqqqqqq", "unknown command 'qqqqqqqq'", "data-mill help"},
		{"version --jsn", "version: unknown option --jsn", "--json"},
		{"version --jsn=3", "unknown option --jsn", "--json"},
		{"version -Z", "unknown option -Z", "data-mill help version"},
		{"version -s", "unknown option -s", "action of its own"},
		{"--jobs", "--jobs: N is missing", NULL},
		{"version --jobs=", "--jobs: the value is empty", NULL},
		{"version --jobs=0", "--jobs: '0' is not a number from 1 to 256", NULL},
		{"version --jobs 9x", "--jobs: '9x' is not a number", NULL},
		{"version --json=1", "--json takes no value", NULL},
		{"version -f -l", "-f: FILE is missing", NULL},
		{"version -f x -f y", "-f: given twice, as 'x' and 'y'", NULL},
		{"version -l -r", "two locations: -l (local) and -r (remote)", NULL},
		{"version word", "version: unexpected word 'word'", NULL},
		{"completion", "completion: bash|zsh|fish is missing", NULL},
		{"completion bsh", "'bsh' is none of bash, zsh, fish", "'bash'"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(examples); i++) {
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_free_ char *got = parse(examples[i][0], &err);

		if (got || !err.usage || !strstr(err.message, examples[i][1]) ||
		    (examples[i][2] && (!err.hint || !strstr(err.hint, examples[i][2]))))
			fail_msg("%s: got '%s', message '%s', hint '%s'", examples[i][0], got,
				 err.message, err.hint);
	}
}

static void check_options(const struct mill_command *c, const struct mill_option *table)
{
	for (const struct mill_option *o = table; o && o->name; o++) {
		if (!o->help || !*o->help || mill_ends_with(o->help, "."))
			fail_msg("%s --%s: help is missing or ends in a full stop", c->name, o->name);
		if (mill_option_find(o + 1, o->name))
			fail_msg("%s --%s: twice in the table", c->name, o->name);
		if (table != mill_global_options && mill_option_find(mill_global_options, o->name))
			fail_msg("%s --%s: hides a global option", c->name, o->name);
		if (!o->arg && (o->choices || o->many || o->value))
			fail_msg("%s --%s: a switch has no value", c->name, o->name);
	}
}

static void check_command(const struct mill_command *c, bool needs_group)
{
	if (!c->name || !c->summary || !c->usage)
		fail_msg("%s: name, summary or usage is missing", c->name ? c->name : "?");
	check_options(c, c->options);
	if (c->subcommands) {
		for (size_t i = 0; c->subcommands[i]; i++)
			check_command(c->subcommands[i], false);
		return;
	}
	if (!c->run)
		fail_msg("%s: nothing runs it", c->name);
	if (c->max_args >= 0 && c->min_args > c->max_args)
		fail_msg("%s: min_args > max_args", c->name);
	if (c->max_args != 0 && !*c->usage)
		fail_msg("%s: takes words, its usage says none", c->name);
	if (needs_group && (!c->description || !c->examples))
		fail_msg("%s: description or examples are missing", c->name);
}

static void test_command_table(void **state)
{
	for (size_t i = 0; mill_commands[i]; i++) {
		const struct mill_command *c = mill_commands[i];
		bool found = !c->group;

		check_command(c, c->group != NULL);
		for (size_t g = 0; mill_command_groups[g]; g++)
			found = found || strcmp(c->group ? c->group : "", mill_command_groups[g]) == 0;
		if (!found)
			fail_msg("%s: group '%s' is in no heading", c->name, c->group);
		for (size_t k = i + 1; mill_commands[k]; k++)
			if (strcmp(c->name, mill_commands[k]->name) == 0)
				fail_msg("%s: twice in the table", c->name);
	}
	check_options(mill_commands[0], mill_global_options);
}

static void test_asking(void **state)
{
	char *argv[] = {"version", "-l", "-j", "7", "-c", "a", "-c", "b", NULL};
	_cleanup_invocation_ struct mill_invocation inv = {0};

	assert_int_equal(mill_cmdline_parse(8, argv, &inv, NULL), 0);
	assert_string_equal(mill_opt_location(&inv), "local");
	assert_true(mill_opt_on(&inv, "local"));
	assert_false(mill_opt_on(&inv, "remote"));
	assert_int_equal(mill_opt_count(&inv, "jobs", 1), 7);
	assert_int_equal(mill_opt_list(&inv, "component")->n, 2);
	assert_null(mill_opt(&inv, "flavour"));
	assert_string_equal(mill_opt(&inv, "component"), "b");
	assert_null(mill_arg(&inv, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_command_table),
		cmocka_unit_test(test_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
