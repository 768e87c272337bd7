/* The part of the man page that lists commands and options, in roff, from the command table. */
#include "base/base.h"
#include "cmd/cmd.h"

/* Text as roff: dashes that are dashes, no line that starts a request. */
static void roff(struct mill_strbuf *out, const char *s)
{
	bool line_start = true;

	for (; *s; s++) {
		if (line_start && (*s == '.' || *s == '\''))
			mill_strbuf_addstr(out, "\\&");
		line_start = *s == '\n';
		if (*s == '-')
			mill_strbuf_addstr(out, "\\-");
		else if (*s == '\\')
			mill_strbuf_addstr(out, "\\e");
		else if (*s == '\n' && s[1] == '\n')
			mill_strbuf_addstr(out, "\n.PP"), line_start = false;
		else
			mill_strbuf_addch(out, *s);
	}
}

static void options(const struct mill_option *table, struct mill_strbuf *out)
{
	for (; table && table->name; table++) {
		_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT;

		mill_option_label(table, &label);
		mill_strbuf_addstr(out, ".TP\n.B ");
		roff(out, label.data);
		mill_strbuf_addch(out, '\n');
		roff(out, table->help);
		if (table->choices) {
			mill_strbuf_addstr(out, " (");
			roff(out, table->choices);
			mill_strbuf_addch(out, ')');
		}
		mill_strbuf_addstr(out, ".\n");
	}
}

static void examples(const char *text, struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, ".PP\n.nf\n.RS\n");
	roff(out, text);
	if (!mill_ends_with(text, "\n"))
		mill_strbuf_addch(out, '\n');
	mill_strbuf_addstr(out, ".RE\n.fi\n");
}

static void command(const struct mill_command *parent, const struct mill_command *c,
		    struct mill_strbuf *out)
{
	_cleanup_free_ char *title =
		mill_xasprintf("data-mill %s%s%s%s%s", parent ? parent->name : "", parent ? " " : "",
			       c->name, *c->usage ? " " : "", c->usage);
	_cleanup_free_ char *lines = mill_command_examples(parent, c);

	if (c->subcommands) {
		for (size_t i = 0; c->subcommands[i]; i++)
			command(c, c->subcommands[i], out);
		return;
	}
	mill_strbuf_addstr(out, ".SS \"");
	roff(out, title);
	mill_strbuf_addstr(out, "\"\n");
	roff(out, c->description ? c->description : c->summary);
	mill_strbuf_addch(out, '\n');
	options(c->options, out);
	if (lines)
		examples(lines, out);
}

void mill_man_generate(struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, ".SH OPTIONS OF EVERY COMMAND\n");
	options(mill_global_options, out);
	for (size_t g = 0; mill_command_groups[g]; g++) {
		mill_strbuf_addstr(out, ".SH ");
		for (const char *s = mill_command_groups[g]; *s; s++)
			mill_strbuf_addch(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s);
		mill_strbuf_addch(out, '\n');
		for (size_t i = 0; mill_commands[i]; i++)
			if (mill_streq(mill_commands[i]->group, mill_command_groups[g]))
				command(NULL, mill_commands[i], out);
	}
}
