/*
 * The original's short flags, `run.sh -l -s -i -f FILE`, as a subcommand line.
 * Flags come in any order, combined or not; locations and options are the
 * global options of cmd/table.c, actions are the table below.
 */
#include "base/base.h"
#include "cmd/cmd.h"

static const struct action {
	char letter;
	const char *command;
	bool needs_location;
} actions[] = {
	{'s', "start", true},   {'i', "up", true},      {'u', "uninstall", true},
	{'x', "destroy", true}, {'a', "down", true},    {'d', "shell", false},
	{'p', "proxy", false},
};

struct legacy {
	struct mill_error *err;
	struct mill_strv options; /* handed through */
	unsigned seen;            /* bit i: actions[i] */
	char locations[4];        /* letters, in order, each once */
	bool component, asks_help;
	bool unknown_option; /* a long one that nothing here takes */
	const char *shell_kind; /* "net", "app" or NULL */
	const char *first;      /* the first flag, for messages */
};

static int find_action(char letter)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(actions); i++)
		if (actions[i].letter == letter)
			return (int)i;
	return -1;
}

static bool is_shell_kind(const char *word)
{
	return word && (strcmp(word, "net") == 0 || strcmp(word, "app") == 0);
}

/* Options of the commands that actions become may come along: -l -x --yes. */
static const struct mill_option *find_long(const char *name)
{
	const struct mill_option *o = mill_option_find(mill_global_options, name);

	for (size_t i = 0; !o && i < MILL_ARRAY_LEN(actions); i++) {
		const struct mill_command *c = mill_command_find(actions[i].command);

		o = c ? mill_option_find(c->options, name) : NULL;
	}
	return o;
}

static int take_long(struct legacy *l, int argc, char *const *argv, int *i)
{
	size_t n = strcspn(argv[*i] + 2, "=");
	_cleanup_free_ char *name = mill_xstrndup(argv[*i] + 2, n);
	const struct mill_option *o = find_long(name);

	if (strcmp(name, "help") == 0 || strcmp(name, "version") == 0)
		l->asks_help = true;
	else
		l->unknown_option = l->unknown_option || !o;
	if (o && o->letter && strchr("lrh", o->letter) && !strchr(l->locations, o->letter))
		l->locations[strlen(l->locations)] = o->letter;
	l->component = l->component || (o && o->letter == 'c');
	mill_strv_add(&l->options, argv[*i]);
	if (o && o->arg && argv[*i][2 + n] != '=' && *i + 1 < argc)
		mill_strv_add(&l->options, argv[++*i]);
	return 0;
}

static int take_valued(struct legacy *l, const struct mill_option *o, const char *rest, int argc,
		       char *const *argv, int *i)
{
	const char *value = NULL;

	if (*rest)
		value = *rest == '=' ? rest + 1 : rest;
	else if (*i + 1 < argc && (argv[*i + 1][0] != '-' || !argv[*i + 1][1]))
		value = argv[++*i];
	if (!value || !*value)
		return mill_fail_usage(l->err, "-%c: %s is missing", o->letter, o->arg);
	l->component = l->component || o->letter == 'c';
	mill_strv_addf(&l->options, "-%c", o->letter);
	mill_strv_add(&l->options, value);
	return 0;
}

static int take_cluster(struct legacy *l, int argc, char *const *argv, int *i)
{
	for (const char *s = argv[*i] + 1; *s; s++) {
		const struct mill_option *o = mill_option_letter(mill_global_options, *s);
		int action = find_action(*s);

		if (action >= 0) {
			l->seen |= 1U << action;
			if (*s == 'd' && is_shell_kind(s + 1)) {
				l->shell_kind = s + 1;
				return 0;
			}
			if (*s == 'd' && !s[1] && *i + 1 < argc && is_shell_kind(argv[*i + 1]))
				l->shell_kind = argv[++*i];
		} else if (!o) {
			mill_fail_usage(l->err, "unknown flag -%c", *s);
			return mill_error_hint(l->err, "data-mill help");
		} else if (o->arg) {
			return take_valued(l, o, s + 1, argc, argv, i);
		} else if (strchr("lrh", *s)) {
			if (!strchr(l->locations, *s))
				l->locations[strlen(l->locations)] = *s;
		} else {
			mill_strv_addf(&l->options, "-%c", *s);
		}
	}
	return 0;
}

/* The one action, "up" for -s with -i; a negative errno when they contradict. */
static int choose_action(const struct legacy *l, const struct action **ret)
{
	unsigned seen = l->seen;
	char letters[MILL_ARRAY_LEN(actions) + 1] = "";
	size_t n = 0;

	/* -i starts what it installed: -s beside it says the same. */
	if (seen & (1U << find_action('i')))
		seen &= ~(1U << find_action('s'));
	for (size_t i = 0; i < MILL_ARRAY_LEN(actions); i++)
		if (seen & (1U << i)) {
			letters[n++] = actions[i].letter;
			*ret = &actions[i];
		}
	if (n > 1) {
		mill_fail_usage(l->err, "-%c and -%c contradict each other; give one action", letters[0],
				letters[1]);
		return mill_error_hint(l->err, "only -s and -i go together");
	}
	return 0;
}

static int finish(struct legacy *l, struct mill_strv *ret)
{
	static const char *const names[] = {"-l (local)", "-r (remote)", "-h (hybrid)"};
	const struct action *a = NULL;
	const char *command;

	if (strlen(l->locations) > 1)
		return mill_fail_usage(l->err, "two locations: %s and %s; give one",
				       names[strchr("lrh", l->locations[0]) - "lrh"],
				       names[strchr("lrh", l->locations[1]) - "lrh"]);
	if (!l->seen && l->locations[0] == 'h') {
		mill_strv_add(ret, "help");
		return 1;
	}
	if (!l->seen) {
		mill_fail_usage(l->err, "%s: no action given", l->first);
		return mill_error_hint(l->err, "add -s, -i, -u, -x, -a or -d, or a command such as "
					       "`up` or `status`; data-mill help");
	}
	if (choose_action(l, &a) < 0)
		return -EINVAL;
	if (a->needs_location && !l->locations[0]) {
		mill_fail_usage(l->err, "-%c: no location given", a->letter);
		return mill_error_hint(l->err, "add -l for this machine, as in: data-mill -l -%c",
				       a->letter);
	}
	if (a->letter == 'x' && l->component) {
		mill_fail_usage(l->err, "-c: -x ends the whole platform, not one component");
		return mill_error_hint(l->err, "to remove one component: data-mill -l -u -c NAME");
	}
	command = a->letter == 'a' && l->component ? "stop" : a->command;
	mill_strv_add(ret, command);
	/* -s beside -i starts the cluster, too; this machine needs none. */
	if (a->letter == 'i' && l->seen & (1U << find_action('s')))
		mill_strv_add(ret, "--start-cluster");
	if (l->locations[0])
		mill_strv_addf(ret, "-%c", l->locations[0]);
	for (size_t i = 0; i < l->options.n; i++)
		mill_strv_add(ret, l->options.items[i]);
	if (a->letter == 'u' && !l->component)
		mill_strv_add(ret, "--all");
	if (a->letter == 'd' && l->shell_kind)
		mill_strv_add(ret, l->shell_kind);
	return 1;
}

static int walk(struct legacy *l, int argc, char *const *argv)
{
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		int r = 0;

		if (word[0] == '-' && word[1] == '-' && word[2]) {
			r = take_long(l, argc, argv, &i);
		} else if (word[0] == '-' && word[1] && word[1] != '-') {
			r = take_cluster(l, argc, argv, &i);
		} else if (!l->seen) {
			return 0; /* a subcommand */
		} else {
			mill_fail_usage(l->err, "unexpected word '%s' beside an action's flag", word);
			return mill_command_find(word)
				       ? mill_error_hint(l->err, "give the flag or the command, not both")
				       : -EINVAL;
		}
		if (r < 0)
			return r;
	}
	return 1;
}

int mill_legacy_translate(int argc, char *const *argv, struct mill_strv *ret,
			  struct mill_error *err)
{
	struct legacy l = {.err = err, .first = argc ? argv[0] : ""};
	int r = argc ? walk(&l, argc, argv) : 0;

	/* Without an action it is the ordinary parser that shows help, or names the option. */
	if (r > 0)
		r = (l.asks_help || l.unknown_option) && !l.seen ? 0 : finish(&l, ret);
	mill_strv_release(&l.options);
	return r;
}
