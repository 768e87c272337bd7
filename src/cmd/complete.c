/*
 * Completion.  The shells' scripts hand over the words typed so far and get
 * candidates back, so that bash, zsh and fish agree and a script never goes
 * stale: it all comes from the command table.
 */
#include "base/base.h"
#include "cmd/cmd.h"
#include "cmd/words.h"

struct completion {
	const struct mill_command *group, *command;
	const struct mill_option *pending; /* its value is the next word */
	size_t n_args;
	bool ended; /* no more options: "--", or the program that exec runs */
	bool any_option;
};

static void candidate(struct mill_strbuf *out, const char *typed, const char *prefix,
		      const char *word, const char *description)
{
	_cleanup_free_ char *full = mill_xasprintf("%s%s", prefix, word);

	if (!mill_starts_with(full, typed))
		return;
	mill_strbuf_addstr(out, full);
	if (description)
		mill_strbuf_printf(out, "\t%s", description);
	mill_strbuf_addch(out, '\n');
}

static const struct mill_option *find_long(const struct completion *c, const char *name)
{
	const struct mill_command *command = c->command ? c->command : c->group;
	const struct mill_option *o = command ? mill_option_find(command->options, name) : NULL;

	return o ? o : mill_option_find(mill_global_options, name);
}

static const struct mill_option *find_letter(const struct completion *c, char letter)
{
	const struct mill_option *o = c->command ? mill_option_letter(c->command->options, letter) : NULL;

	return o ? o : mill_option_letter(mill_global_options, letter);
}

static void step(struct completion *c, const char *word)
{
	const struct mill_option *o = NULL;

	if (c->pending) {
		/* bash hands "--opt=value" over as three words */
		if (strcmp(word, "=") != 0)
			c->pending = NULL;
	} else if (!c->ended && strcmp(word, "--") == 0) {
		c->ended = true;
	} else if (!c->ended && mill_starts_with(word, "--")) {
		c->any_option = true;
		if (!strchr(word, '='))
			o = find_long(c, word + 2);
		c->pending = o && o->arg ? o : NULL;
	} else if (!c->ended && word[0] == '-' && word[1]) {
		c->any_option = true;
		o = find_letter(c, word[strlen(word) - 1]);
		c->pending = o && o->arg ? o : NULL;
	} else if (c->command) {
		c->n_args++;
		c->ended = c->ended || c->command->raw_args;
	} else if (c->group) {
		c->command = mill_command_sub(c->group, word);
	} else {
		const struct mill_command *found = mill_command_find(word);

		if (found && found->subcommands)
			c->group = found;
		else
			c->command = found;
	}
}

static void add_choices(struct mill_strbuf *out, const char *typed, const char *prefix,
			const char *choices)
{
	_cleanup_strv_ struct mill_strv names = {0};

	mill_strv_split(&names, choices, "|");
	for (size_t i = 0; i < names.n; i++)
		candidate(out, typed, prefix, names.items[i], NULL);
}

static void add_words(struct mill_strbuf *out, const char *typed, const char *prefix,
		      enum mill_word word)
{
	_cleanup_strv_ struct mill_strv names = {0};

	if (word == MILL_WORD_COMMAND) {
		for (size_t i = 0; mill_commands[i]; i++)
			if (mill_commands[i]->group)
				candidate(out, typed, prefix, mill_commands[i]->name,
					  mill_commands[i]->summary);
		return;
	}
	mill_words_list(word, &names);
	for (size_t i = 0; i < names.n; i++)
		candidate(out, typed, prefix, names.items[i], NULL);
	if (word == MILL_WORD_FILE || word == MILL_WORD_FLAVOUR || word == MILL_WORD_TARGET)
		mill_strbuf_addstr(out, ":file\n");
	else if (word == MILL_WORD_FOLDER)
		mill_strbuf_addstr(out, ":folder\n");
}

static void add_value(struct mill_strbuf *out, const char *typed, const char *prefix,
		      const struct mill_option *o)
{
	if (o->choices)
		add_choices(out, typed, prefix, o->choices);
	else
		add_words(out, typed, prefix, o->word);
}

static void add_options(struct mill_strbuf *out, const char *typed, const struct mill_option *table)
{
	for (; table && table->name; table++) {
		char letter[2] = {table->letter, 0};

		candidate(out, typed, "--", table->name, table->help);
		if (table->letter && typed[1] != '-')
			candidate(out, typed, "-", letter, table->help);
	}
}

static void add_positional(struct mill_strbuf *out, const char *typed, const struct completion *c)
{
	const struct mill_command *command = c->command;

	if (!command && c->group) {
		for (size_t i = 0; c->group->subcommands[i]; i++)
			candidate(out, typed, "", c->group->subcommands[i]->name,
				  c->group->subcommands[i]->summary);
		return;
	}
	if (!command) {
		add_words(out, typed, "", MILL_WORD_COMMAND);
		return;
	}
	if (command->max_args >= 0 && c->n_args >= (size_t)command->max_args)
		return;
	if (command->choices && c->n_args == 0)
		add_choices(out, typed, "", command->choices);
	else
		add_words(out, typed, "", command->word);
}

void mill_complete(int n, char *const *words, struct mill_strbuf *out)
{
	struct completion c = {0};
	static char nothing[1];
	const char *typed = n > 0 ? words[n - 1] : nothing;
	const char *equals = strchr(typed, '=');

	for (int i = 0; i + 1 < n; i++)
		step(&c, words[i]);
	if (c.pending) {
		add_value(out, strcmp(typed, "=") == 0 ? "" : typed, "", c.pending);
	} else if (!c.ended && mill_starts_with(typed, "--") && equals) {
		_cleanup_free_ char *name = mill_xstrndup(typed + 2, (size_t)(equals - typed - 2));
		_cleanup_free_ char *prefix = mill_xasprintf("--%s=", name);
		const struct mill_option *o = find_long(&c, name);

		if (o && o->arg)
			add_value(out, typed, prefix, o);
	} else if (!c.ended && typed[0] == '-') {
		add_options(out, typed, c.command ? c.command->options : NULL);
		add_options(out, typed, mill_global_options);
	} else {
		add_positional(out, typed, &c);
	}
}
