#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/words.h"
#include "yaml/node.h"

/* The first comment of a file says what it is for. */
static char *first_comment(const struct mill_source *s)
{
	size_t n = 0;
	const char *line = mill_source_line(s, 1, &n);

	if (!line || n < 2 || line[0] != '#')
		return mill_xstrdup("");
	while (n && (*line == '#' || *line == ' ')) {
		line++;
		n--;
	}
	return mill_xstrndup(line, n);
}

/* project.flavour as a comma list; owned. */
static char *components_of(const struct mill_document *doc)
{
	const struct mill_node *value = mill_node_path(doc->root, "project", "flavour", NULL);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	if (mill_node_text(value))
		return mill_xstrdup(mill_node_text(value));
	MILL_SEQ_EACH (item, value)
		mill_strbuf_printf(&out, "%s%s", out.len ? ", " : "",
				   mill_node_text(item) ? mill_node_text(item) : "?");
	return mill_strbuf_steal(&out);
}

static char *find(const struct mill_context *ctx, const char *name)
{
	const char *const roots[] = {ctx->layout.project, ctx->layout.resources};

	for (size_t i = 0; i < MILL_ARRAY_LEN(roots); i++) {
		char *path = roots[i] ? mill_xasprintf("%s/flavours/%s.yaml", roots[i], name) : NULL;

		if (path && mill_is_file(path))
			return path;
		free(path);
	}
	return NULL;
}

static void add(const struct mill_context *ctx, const char *name, struct mill_table *t, json_t *all)
{
	_cleanup_document_ struct mill_document *doc = NULL;
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	_cleanup_free_ char *path = find(ctx, name);
	_cleanup_free_ char *summary = NULL, *components = NULL;

	/* A list shows also what does not parse: `flavour show` says why. */
	if (path && mill_document_load(path, path, &diags, &doc) == 0 && doc && doc->root) {
		summary = first_comment(doc->source);
		components = components_of(doc);
	}
	mill_table_add(t, MILL_LOOK_NAME, name);
	mill_table_add(t, components ? MILL_LOOK_PLAIN : MILL_LOOK_BAD, components ? components : "does not load");
	mill_table_add(t, MILL_LOOK_PLAIN, summary);
	json_array_append_new(all, json_pack("{s:s, s:s*, s:s*, s:s*}", "name", name, "components", components,
					     "summary", summary, "file", path));
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"FLAVOUR", "COMPONENTS", "WHAT IT IS", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_json_ json_t *all = json_array();
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	mill_table_init(&t, headers);
	mill_words_list(MILL_WORD_FLAVOUR, &names);
	for (size_t i = 0; i < names.n; i++)
		add(&ctx, names.items[i], &t, all);
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
	} else {
		mill_table_show(&t, inv->ui);
	}
	return MILL_EXIT_OK;
}

static void print_json(const struct mill_model *m)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;

	mill_json_writer_init(&w, &out, true);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "name", m->project.flavour_name);
	mill_json_kv_string(&w, "file", m->project.flavour_path);
	mill_json_kv_string(&w, "platform", m->project.name);
	mill_json_kv_string(&w, "location", m->project.location);
	mill_json_kv_string(&w, "provider", m->project.provider);
	mill_json_kv_string(&w, "data_folder", m->project.data_folder);
	mill_json_key(&w, "components");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		mill_json_begin_object(&w);
		mill_json_kv_string(&w, "name", c->name);
		mill_json_kv_string(&w, "version", c->version);
		mill_json_kv_string(&w, "why", c->why);
		mill_json_kv_string(&w, "stands_for", c->stands_for);
		mill_json_kv_string(&w, "config", c->config_path);
		mill_json_end_object(&w);
	}
	mill_json_end_array(&w);
	mill_json_end_object(&w);
	mill_outf("%s\n", out.data);
}

static int run_show(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"COMPONENT", "VERSION", "WHY", "CONFIGURATION", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	const struct mill_model *m;
	int r;

	if (mill_arg(inv, 0))
		ctx.flavour = mill_xstrdup(mill_arg(inv, 0));
	r = mill_context_model(&ctx, false, err);
	if (r < 0)
		return r;
	m = ctx.model;
	if (inv->ui->json) {
		print_json(m);
		return MILL_EXIT_OK;
	}
	mill_outf("flavour   %s\n", m->project.flavour_name);
	mill_outf("file      %s\n", m->project.flavour_path ? m->project.flavour_path : "-");
	mill_outf("platform  %s.%s\n", m->project.provider, m->project.name);
	mill_outf("data      %s\n\n", m->project.data_folder ? m->project.data_folder : "-");
	mill_table_init(&t, headers);
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		mill_table_addf(&t, MILL_LOOK_NAME, c->stands_for ? "%s (%s)" : "%s%s",
				c->stands_for ? c->stands_for : c->name, c->stands_for ? c->name : "");
		mill_table_add(&t, MILL_LOOK_PLAIN, c->version);
		mill_table_add(&t, MILL_LOOK_PLAIN, c->why);
		mill_table_add(&t, MILL_LOOK_PLAIN, c->config_path);
	}
	mill_table_show(&t, inv->ui);
	return MILL_EXIT_OK;
}

static const struct mill_command list = {
	.name = "list", .summary = "list the flavours", .usage = "", .run = run_list,
};
static const struct mill_command show = {
	.name = "show", .summary = "show a flavour as it resolves: components, why, configuration",
	.usage = "[FLAVOUR]", .word = MILL_WORD_FLAVOUR, .max_args = 1, .run = run_show,
};
static const struct mill_command *const subcommands[] = {&list, &show, NULL};

const struct mill_command mill_cmd_flavour = {
	.name = "flavour",
	.alias = "flavor",
	.group = "Project",
	.summary = "the flavours there are",
	.usage = "",
	.description = "A flavour is a YAML file that names components. Your project's are found before the shipped "
		       "ones.",
	.examples = "data-mill flavour list\n"
		    "data-mill flavour show datalake",
	.subcommands = subcommands,
};
