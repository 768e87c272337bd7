#include "base/base.h"
#include "base/parse.h"
#include "cmd/cmd.h"

struct parser {
	struct mill_invocation *inv;
	struct mill_error *err;
	const struct mill_command *group; /* a command with subcommands, waiting for one */
};

const struct mill_option *mill_option_find(const struct mill_option *table, const char *name)
{
	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const struct mill_option *mill_option_letter(const struct mill_option *table, char letter)
{
	for (; table && table->name; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

const struct mill_command *mill_command_find(const char *name)
{
	for (size_t i = 0; mill_commands[i]; i++)
		if (strcmp(mill_commands[i]->name, name) == 0 ||
		    mill_streq(mill_commands[i]->alias, name))
			return mill_commands[i];
	return NULL;
}

const struct mill_command *mill_command_sub(const struct mill_command *parent, const char *name)
{
	for (size_t i = 0; parent->subcommands && parent->subcommands[i]; i++)
		if (strcmp(parent->subcommands[i]->name, name) == 0 ||
		    mill_streq(parent->subcommands[i]->alias, name))
			return parent->subcommands[i];
	return NULL;
}

void mill_option_label(const struct mill_option *o, struct mill_strbuf *out)
{
	if (o->letter)
		mill_strbuf_printf(out, "-%c, ", o->letter);
	mill_strbuf_printf(out, "--%s", o->name);
	if (o->arg)
		mill_strbuf_printf(out, " %s", o->arg);
}

static int unknown_command(const char *word, const struct mill_command *parent,
			   struct mill_error *err)
{
	const char *names[128];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; n < MILL_ARRAY_LEN(names); i++) {
		const struct mill_command *c = parent ? parent->subcommands[i] : mill_commands[i];

		if (!c)
			break;
		if (c->group || parent)
			names[n++] = c->name;
	}
	nearest = mill_suggest(word, names, n);
	if (parent)
		mill_fail_usage(err, "%s: unknown subcommand '%s'", parent->name, word);
	else
		mill_fail_usage(err, "unknown command '%s'", word);
	if (nearest)
		return mill_error_hint(err, "did you mean '%s'?", nearest);
	return mill_error_hint(err, "data-mill help%s%s", parent ? " " : "", parent ? parent->name : "");
}

static int unknown_option(const struct mill_command *c, const char *word, struct mill_error *err)
{
	const char *names[64];
	const char *nearest;
	size_t n = 0;
	const struct mill_option *tables[2] = {c ? c->options : NULL, mill_global_options};

	for (size_t t = 0; t < 2; t++)
		for (const struct mill_option *o = tables[t]; o && o->name; o++)
			if (n < MILL_ARRAY_LEN(names))
				names[n++] = o->name;
	nearest = word[1] == '-' ? mill_suggest(word + 2, names, n) : NULL;
	mill_fail_usage(err, "%s%sunknown option %s", c ? c->name : "", c ? ": " : "", word);
	if (nearest)
		return mill_error_hint(err, "did you mean --%s?", nearest);
	if (c && word[1] != '-' && strchr("siuxadp", word[1]))
		return mill_error_hint(err, "-%c is an action of its own; it takes a location instead "
					    "of a command, as in: data-mill -l -%c", word[1], word[1]);
	return mill_error_hint(err, "data-mill help%s%s", c ? " " : "", c ? c->name : "");
}

/* "a|b|c": is the word one of them? */
static bool is_choice(const char *choices, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = choices; *p;) {
		size_t len = strcspn(p, "|");

		if (len == n && strncmp(p, word, n) == 0)
			return true;
		p += len;
		p += *p == '|';
	}
	return false;
}

static int check_choice(const char *what, const char *choices, const char *word,
			struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	const char *nearest;
	_cleanup_free_ char *list = NULL;

	if (!choices || is_choice(choices, word))
		return 0;
	mill_strv_split(&names, choices, "|");
	list = mill_strv_join(&names, ", ");
	nearest = mill_suggest(word, (const char *const *)names.items, names.n);
	mill_fail_usage(err, "%s: '%s' is none of %s", what, word, list);
	if (nearest)
		return mill_error_hint(err, "did you mean '%s'?", nearest);
	return -EINVAL;
}

static int check_value(const struct mill_option *o, const char *value, struct mill_error *err)
{
	_cleanup_free_ char *label = mill_xasprintf("--%s", o->name);
	uint64_t ns;
	int n;

	if (!*value)
		return mill_fail_usage(err, "%s: the value is empty", label);
	switch (o->value) {
	case MILL_VALUE_COUNT:
		if (mill_parse_int(value, 0, 1000000, &n) < 0)
			return mill_fail_usage(err, "%s: '%s' is not a number from 0 to 1000000",
					       label, value);
		break;
	case MILL_VALUE_JOBS:
		if (mill_parse_int(value, 1, 256, &n) < 0)
			return mill_fail_usage(err, "%s: '%s' is not a number from 1 to 256", label,
					       value);
		break;
	case MILL_VALUE_DURATION:
		if (mill_parse_duration(value, &ns) < 0)
			return mill_fail_usage(err, "%s: '%s' is not a duration such as 90s or 5m",
					       label, value);
		break;
	case MILL_VALUE_TEXT:
		break;
	}
	return check_choice(label, o->choices, value, err);
}

/* `flag` is how the user wrote it: "-f" or "--flavour". */
static int store(struct parser *p, const struct mill_option *o, const char *flag,
		 const char *value)
{
	struct mill_invocation *inv = p->inv;
	struct mill_option_value *v = NULL;
	int r;

	if (value) {
		r = check_value(o, value, p->err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < inv->n_values; i++)
		if (inv->values[i].option == o)
			v = &inv->values[i];
	if (!v) {
		MILL_GROW(inv->values, inv->n_values, inv->cap_values);
		v = &inv->values[inv->n_values++];
		*v = (struct mill_option_value){.option = o};
	} else if (value && !o->many && strcmp(v->values.items[0], value) != 0) {
		return mill_fail_usage(p->err, "%s: given twice, as '%s' and '%s'", flag,
				       v->values.items[0], value);
	}
	if (value && (o->many || v->values.n == 0))
		mill_strv_add(&v->values, value);
	return 0;
}

static const struct mill_command *command_in_force(const struct parser *p)
{
	return p->inv->command ? p->inv->command : p->group;
}

/* The next word as the option's value.  A name or path that looks like a flag is a forgotten value. */
static int store_next(struct parser *p, const struct mill_option *o, const char *flag, int argc,
		      char *const *argv, int *i)
{
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;

	if (!next || (o->word != MILL_WORD_TEXT && next[0] == '-' && next[1]))
		return mill_fail_usage(p->err, "%s: %s is missing", flag, o->arg);
	++*i;
	return store(p, o, flag, next);
}

static int long_option(struct parser *p, int argc, char *const *argv, int *i)
{
	const struct mill_command *c = command_in_force(p);
	const char *word = argv[*i];
	const char *equals = strchr(word, '=');
	_cleanup_free_ char *name =
		equals ? mill_xstrndup(word + 2, (size_t)(equals - word - 2)) : mill_xstrdup(word + 2);
	_cleanup_free_ char *flag = mill_xasprintf("--%s", name);
	const struct mill_option *o = NULL;

	if (strcmp(name, "help") == 0 && !equals) {
		p->inv->help = true;
		return 0;
	}
	if (strcmp(name, "version") == 0 && !equals) {
		p->inv->version = true;
		return 0;
	}
	if (c)
		o = mill_option_find(c->options, name);
	if (!o)
		o = mill_option_find(mill_global_options, name);
	if (!o)
		return unknown_option(c, flag, p->err);
	if (!o->arg) {
		if (equals)
			return mill_fail_usage(p->err, "%s takes no value", flag);
		return store(p, o, flag, NULL);
	}
	if (equals)
		return store(p, o, flag, equals + 1);
	return store_next(p, o, flag, argc, argv, i);
}

static int short_options(struct parser *p, int argc, char *const *argv, int *i)
{
	const struct mill_command *c = command_in_force(p);

	for (const char *s = argv[*i] + 1; *s; s++) {
		char flag[3] = {'-', *s, 0};
		const struct mill_option *o = c ? mill_option_letter(c->options, *s) : NULL;
		int r;

		if (!o)
			o = mill_option_letter(mill_global_options, *s);
		if (!o)
			return unknown_option(c, flag, p->err);
		if (!o->arg) {
			r = store(p, o, flag, NULL);
			if (r < 0)
				return r;
			continue;
		}
		if (s[1])
			return store(p, o, flag, s[1] == '=' ? s + 2 : s + 1);
		return store_next(p, o, flag, argc, argv, i);
	}
	return 0;
}

static int positional(struct parser *p, const char *word)
{
	struct mill_invocation *inv = p->inv;
	const struct mill_command *c;

	if (inv->command) {
		mill_strv_add(&inv->args, word);
		return 0;
	}
	if (p->group) {
		c = mill_command_sub(p->group, word);
		if (!c)
			return unknown_command(word, p->group, p->err);
		inv->parent = p->group;
		inv->command = c;
		return 0;
	}
	c = mill_command_find(word);
	if (!c)
		return unknown_command(word, NULL, p->err);
	if (c->subcommands)
		p->group = c;
	else
		inv->command = c;
	return 0;
}

static int check_args(const struct mill_invocation *inv, struct mill_error *err)
{
	const struct mill_command *c = inv->command;
	_cleanup_free_ char *name = mill_invocation_name(inv);

	if ((int)inv->args.n < c->min_args)
		return mill_fail_usage(err, "%s: %s is missing", name, c->usage);
	if (c->max_args >= 0 && (int)inv->args.n > c->max_args)
		return mill_fail_usage(err, "%s: unexpected word '%s'", name,
				       inv->args.items[c->max_args]);
	if (inv->args.n)
		return check_choice(name, c->choices, inv->args.items[0], err);
	return 0;
}

static int check_location(const struct mill_invocation *inv, struct mill_error *err)
{
	const char *flags[3];
	size_t n = 0;

	if (mill_opt_on(inv, "local"))
		flags[n++] = "-l (local)";
	if (mill_opt_on(inv, "remote"))
		flags[n++] = "-r (remote)";
	if (mill_opt_on(inv, "hybrid"))
		flags[n++] = "-h (hybrid)";
	if (n > 1)
		return mill_fail_usage(err, "two locations: %s and %s; give one", flags[0], flags[1]);
	return 0;
}

static int finish(struct parser *p)
{
	struct mill_invocation *inv = p->inv;
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_free_ char *list = NULL;
	int r;

	if (!inv->command && p->group) {
		inv->command = p->group; /* its help lists the subcommands */
		if (inv->help)
			return 0;
		for (size_t i = 0; p->group->subcommands[i]; i++)
			mill_strv_add(&names, p->group->subcommands[i]->name);
		list = mill_strv_join(&names, ", ");
		return mill_fail_usage(p->err, "%s: which of %s?", p->group->name, list);
	}
	if (inv->help || inv->version)
		return 0;
	r = check_location(inv, p->err);
	if (r < 0)
		return r;
	return inv->command ? check_args(inv, p->err) : 0;
}

int mill_cmdline_parse(int argc, char *const *argv, struct mill_invocation *ret,
		       struct mill_error *err)
{
	struct parser p = {.inv = ret, .err = err};
	bool options = true;
	int r = 0;

	*ret = (struct mill_invocation){0};
	for (int i = 0; i < argc && r == 0; i++) {
		const char *word = argv[i];

		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && word[0] == '-' && word[1] == '-') {
			r = long_option(&p, argc, argv, &i);
		} else if (options && word[0] == '-' && word[1]) {
			r = short_options(&p, argc, argv, &i);
		} else {
			bool had_command = ret->command != NULL;

			r = positional(&p, word);
			/* The program that exec runs has options of its own. */
			if (had_command && ret->command->raw_args)
				options = false;
		}
	}
	if (r == 0)
		r = finish(&p);
	return r;
}

void mill_invocation_release(struct mill_invocation *inv)
{
	for (size_t i = 0; i < inv->n_values; i++)
		mill_strv_release(&inv->values[i].values);
	free(inv->values);
	mill_strv_release(&inv->args);
	*inv = (struct mill_invocation){0};
}
