/* The command table as JSON: tools/make-docs.py makes docs/cli.md and the man page of it. */
#include "base/base.h"
#include "base/json.h"
#include "cmd/cmd.h"

static void options(struct mill_json_writer *w, const struct mill_option *table)
{
	mill_json_key(w, "options");
	mill_json_begin_array(w);
	for (; table && table->name; table++) {
		_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT;

		mill_option_label(table, &label);
		mill_json_begin_object(w);
		mill_json_kv_string(w, "label", label.data);
		mill_json_kv_string(w, "help", table->help);
		mill_json_kv_string(w, "choices", table->choices);
		mill_json_end_object(w);
	}
	mill_json_end_array(w);
}

static void command(struct mill_json_writer *w, const struct mill_command *parent, const struct mill_command *c)
{
	_cleanup_free_ char *name = parent ? mill_xasprintf("%s %s", parent->name, c->name) : mill_xstrdup(c->name);
	_cleanup_free_ char *lines = mill_command_examples(parent, c);

	mill_json_begin_object(w);
	mill_json_kv_string(w, "name", name);
	mill_json_kv_string(w, "group", c->group);
	mill_json_kv_string(w, "summary", c->summary);
	mill_json_kv_string(w, "usage", c->usage);
	mill_json_kv_string(w, "description", c->description ? c->description : c->summary);
	mill_json_kv_string(w, "examples", lines);
	options(w, c->options);
	mill_json_key(w, "subcommands");
	mill_json_begin_array(w);
	for (size_t i = 0; c->subcommands && c->subcommands[i]; i++)
		command(w, c, c->subcommands[i]);
	mill_json_end_array(w);
	mill_json_end_object(w);
}

void mill_help_json(struct mill_strbuf *out)
{
	struct mill_json_writer w;

	mill_json_writer_init(&w, out, true);
	mill_json_begin_object(&w);
	options(&w, mill_global_options);
	mill_json_key(&w, "original");
	mill_json_begin_array(&w);
	for (const struct mill_original_flag *f = mill_original_flags; f->flags; f++) {
		mill_json_begin_object(&w);
		mill_json_kv_string(&w, "flags", f->flags);
		mill_json_kv_string(&w, "help", f->help);
		mill_json_end_object(&w);
	}
	mill_json_end_array(&w);
	mill_json_key(&w, "commands");
	mill_json_begin_array(&w);
	for (size_t i = 0; mill_commands[i]; i++)
		if (mill_commands[i]->group)
			command(&w, NULL, mill_commands[i]);
	mill_json_end_array(&w);
	mill_json_end_object(&w);
	mill_strbuf_addch(out, '\n');
}
