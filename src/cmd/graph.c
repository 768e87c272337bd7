#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"

static const struct mill_option options[] = {
	{.name = "dot", .help = "as a DOT graph, for Graphviz"},
	{0},
};

static void print_text(const struct mill_model *m, const struct mill_ui *ui)
{
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];
		_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;

		mill_look_add(&line, ui->out_colour, MILL_LOOK_NAME, c->name);
		if (c->stands_for)
			mill_strbuf_printf(&line, " (for %s)", c->stands_for);
		mill_strbuf_addch(&line, '\n');
		for (size_t k = 0; k < c->n_requires; k++) {
			const struct mill_requirement *q = &c->requires[k];

			if (q->provider)
				mill_strbuf_printf(&line, "  %s <- %s%s\n", q->capability, q->provider->name,
						   q->optional ? " (optional)" : "");
		}
		mill_out(line.data);
	}
}

/* Names are [a-z0-9-]: they need quotes in DOT, but no escapes. */
static void print_dot(const struct mill_model *m)
{
	mill_outf("digraph \"%s\" {\n  rankdir=LR;\n  node [shape=box];\n",
		  m->project.flavour_name ? m->project.flavour_name : "flavour");
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		if (c->stands_for)
			mill_outf("  \"%s\" [label=\"%s\\n(for %s)\"];\n", c->name, c->name, c->stands_for);
		else
			mill_outf("  \"%s\";\n", c->name);
	}
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		for (size_t k = 0; k < c->n_requires; k++)
			if (c->requires[k].provider)
				mill_outf("  \"%s\" -> \"%s\" [label=\"%s\"%s];\n", c->requires[k].provider->name,
					  c->name, c->requires[k].capability,
					  c->requires[k].optional ? ", style=dashed" : "");
	}
	mill_out("}\n");
}

static void print_json(const struct mill_model *m)
{
	_cleanup_json_ json_t *nodes = json_array(), *edges = json_array(), *all = NULL;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		json_array_append_new(nodes, json_string(c->name));
		for (size_t k = 0; k < c->n_requires; k++)
			if (c->requires[k].provider)
				json_array_append_new(edges, json_pack("{s:s, s:s, s:s, s:b}", "from",
								       c->requires[k].provider->name, "to", c->name,
								       "capability", c->requires[k].capability,
								       "optional", (int)c->requires[k].optional));
	}
	all = json_pack("{s:O, s:O}", "nodes", nodes, "edges", edges);
	text = json_dumps(all, JSON_INDENT(2));
	mill_outf("%s\n", text);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	int r;

	if (mill_arg(inv, 0))
		ctx.flavour = mill_xstrdup(mill_arg(inv, 0));
	r = mill_context_model(&ctx, false, err);
	if (r < 0)
		return r;
	if (inv->ui->json)
		print_json(ctx.model);
	else if (mill_opt_on(inv, "dot"))
		print_dot(ctx.model);
	else
		print_text(ctx.model, inv->ui);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_graph = {
	.name = "graph",
	.group = "Project",
	.summary = "who needs what of whom",
	.usage = "[FLAVOUR]",
	.description = "Shows the components of a flavour, providers first, and for each whom it gets its capabilities "
		       "from.",
	.examples = "data-mill graph -f datalake\n"
		    "data-mill graph --dot | dot -Tsvg > graph.svg",
	.options = options,
	.word = MILL_WORD_FLAVOUR,
	.max_args = 1,
	.run = run,
};
