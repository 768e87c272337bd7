/* `help`, `--help`: written from the command table. */
#include "base/base.h"
#include "cmd/cmd.h"

#define HELP_COLUMN 28u

static unsigned width_of(const struct mill_ui *ui)
{
	unsigned width = ui->out_tty ? mill_ui_width(STDOUT_FILENO) : 80;

	return width > 100 ? 100 : width;
}

static void heading(const struct mill_ui *ui, const char *text, struct mill_strbuf *out)
{
	mill_strbuf_addch(out, '\n');
	mill_look_add(out, ui->out_colour, MILL_LOOK_BOLD, text);
	mill_strbuf_addch(out, '\n');
}

/* "  label      text", the text wrapped in its own column. */
static void entry(const struct mill_ui *ui, const char *label, const char *text,
		  struct mill_strbuf *out)
{
	_cleanup_strbuf_ struct mill_strbuf wrapped = MILL_STRBUF_INIT;
	size_t used = mill_text_width(label) + 2;

	mill_text_wrap(&wrapped, text, HELP_COLUMN, width_of(ui));
	mill_strbuf_addstr(out, "  ");
	mill_strbuf_addstr(out, label);
	if (used + 2 > HELP_COLUMN)
		mill_strbuf_printf(out, "\n%s", wrapped.data);
	else
		mill_strbuf_printf(out, "%*s%s", (int)(HELP_COLUMN - used), "",
				   wrapped.data + HELP_COLUMN);
}

static void options(const struct mill_ui *ui, const struct mill_option *table,
		    struct mill_strbuf *out)
{
	for (; table && table->name; table++) {
		_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT;
		_cleanup_free_ char *text = NULL;

		if (!table->letter)
			mill_strbuf_addstr(&label, "    ");
		mill_option_label(table, &label);
		if (table->choices)
			text = mill_xasprintf("%s (%s)", table->help, table->choices);
		entry(ui, label.data, text ? text : table->help, out);
	}
}

char *mill_command_examples(const struct mill_command *parent, const struct mill_command *c)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *start = NULL;

	if (c->examples || !parent || !parent->examples)
		return c->examples ? mill_xstrdup(c->examples) : NULL;
	start = mill_xasprintf("data-mill %s %s", parent->name, c->name);
	for (const char *line = parent->examples; *line;) {
		size_t n = strcspn(line, "\n"), len = strlen(start);

		if (mill_starts_with(line, start) && (n == len || line[len] == ' '))
			mill_strbuf_printf(&out, "%s%.*s", out.len ? "\n" : "", (int)n, line);
		line += n;
		line += *line == '\n';
	}
	return out.len ? mill_strbuf_steal(&out) : NULL;
}

static void examples(const struct mill_ui *ui, const char *text, struct mill_strbuf *out)
{
	heading(ui, "Examples:", out);
	while (*text) {
		size_t n = strcspn(text, "\n");

		mill_strbuf_printf(out, "  %.*s\n", (int)n, text);
		text += n;
		text += *text == '\n';
	}
}

const struct mill_original_flag mill_original_flags[] = {
	{"-l -s -i", "install, start and fill the platform, as `up` does"},
	{"-l -i", "the same as -l -s -i"},
	{"-l -s", "start what is installed"},
	{"-l -u", "uninstall; data is kept unless --delete-data"},
	{"-l -a", "stop everything, data kept, as `down` does"},
	{"-l -x", "destroy the platform; asks"},
	{"-d [net|app]", "a shell with every connection's environment"},
	{"-p", "the Kubernetes UI; there is none on this machine"},
	{"-h", "alone: this help; with an action: the hybrid location"},
	{0},
};

static void original_flags(const struct mill_ui *ui, struct mill_strbuf *out)
{
	heading(ui, "The original's flags, in any order and combination:", out);
	for (const struct mill_original_flag *f = mill_original_flags; f->flags; f++)
		entry(ui, f->flags, f->help, out);
}

void mill_help_overview(const struct mill_ui *ui, struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, "Usage: data-mill COMMAND [options]\n"
				"       data-mill LOCATION ACTION [options]     as the original's run.sh\n\n");
	mill_text_wrap(out,
		       "Turns a flavour, a short YAML file that names components, into a running data "
		       "platform on this machine.",
		       0, width_of(ui));
	for (size_t g = 0; mill_command_groups[g]; g++) {
		_cleanup_free_ char *title = mill_xasprintf("%s:", mill_command_groups[g]);

		heading(ui, title, out);
		for (size_t i = 0; mill_commands[i]; i++)
			if (mill_streq(mill_commands[i]->group, mill_command_groups[g]))
				entry(ui, mill_commands[i]->name, mill_commands[i]->summary, out);
	}
	heading(ui, "Options of every command:", out);
	options(ui, mill_global_options, out);
	original_flags(ui, out);
	mill_strbuf_addstr(out, "\nMore on a command: data-mill help COMMAND\n");
}

void mill_help_command(const struct mill_ui *ui, const struct mill_command *parent,
		       const struct mill_command *c, struct mill_strbuf *out)
{
	_cleanup_free_ char *name = parent ? mill_xasprintf("%s %s", parent->name, c->name)
					   : mill_xstrdup(c->name);
	_cleanup_free_ char *usage = mill_xasprintf(
		"Usage: data-mill %s%s%s%s", name, c->subcommands ? " SUBCOMMAND" : "",
		c->usage && *c->usage ? " " : "", c->usage ? c->usage : "");
	_cleanup_free_ char *lines = mill_command_examples(parent, c);

	mill_strbuf_printf(out, "%s [options]\n\n", usage);
	mill_text_wrap(out, c->description ? c->description : c->summary, 0, width_of(ui));
	if (c->subcommands) {
		heading(ui, "Subcommands:", out);
		for (size_t i = 0; c->subcommands[i]; i++) {
			const struct mill_command *s = c->subcommands[i];
			_cleanup_free_ char *label = mill_xasprintf(
				"%s%s%s", s->name, *s->usage ? " " : "", s->usage);

			entry(ui, label, s->summary, out);
		}
	}
	if (c->options) {
		heading(ui, "Options:", out);
		options(ui, c->options, out);
	}
	heading(ui, "Options of every command:", out);
	options(ui, mill_global_options, out);
	if (lines)
		examples(ui, lines, out);
}
