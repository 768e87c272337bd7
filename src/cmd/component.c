/* component list, component show. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/component.h"
#include "cmd/words.h"

int mill_component_load_all(struct mill_context *ctx, struct mill_error *err)
{
	struct mill_model_request q = {.all_manifests = true};
	int r = mill_context_layout(ctx, err);

	if (r < 0)
		return r;
	q.resources = ctx->layout.resources;
	q.project = ctx->layout.project;
	return mill_model_load(&q, &ctx->diags, &ctx->model, err);
}

struct mill_component *mill_component_named(struct mill_context *ctx, const char *name,
					    struct mill_error *err)
{
	struct mill_component *c = mill_model_find(ctx->model, name);
	_cleanup_strv_ struct mill_strv names = {0};
	const char *nearest;

	if (c)
		return c;
	mill_words_list(MILL_WORD_COMPONENT, &names);
	nearest = mill_suggest(name, (const char *const *)names.items, names.n);
	mill_fail_usage(err, "there is no component '%s'", name);
	if (nearest)
		mill_error_hint(err, "did you mean '%s'?", nearest);
	else
		mill_error_hint(err, "data-mill component list");
	return NULL;
}

char *mill_component_folder(const struct mill_context *ctx, const char *name, struct mill_error *err)
{
	const char *const roots[] = {ctx->layout.project, ctx->layout.resources};
	_cleanup_strv_ struct mill_strv names = {0};
	const char *nearest;

	if (strchr(name, '/'))
		return mill_is_dir(name) ? mill_path_absolute(name)
					 : (mill_fail_usage(err, "%s: no such folder", name), NULL);
	for (size_t i = 0; i < MILL_ARRAY_LEN(roots); i++) {
		static const char *const folders[] = {"components", "environments"};

		for (size_t k = 0; roots[i] && k < MILL_ARRAY_LEN(folders); k++) {
			char *path = mill_xasprintf("%s/%s/%s", roots[i], folders[k], name);

			if (mill_is_dir(path))
				return path;
			free(path);
		}
	}
	mill_words_list(MILL_WORD_COMPONENT, &names);
	nearest = mill_suggest(name, (const char *const *)names.items, names.n);
	mill_fail_usage(err, "there is no component '%s'", name);
	if (nearest)
		mill_error_hint(err, "did you mean '%s'?", nearest);
	return NULL;
}

static void write_names(struct mill_json_writer *w, const struct mill_component *c)
{
	mill_json_key(w, "targets");
	mill_json_begin_array(w);
	if (c->native)
		mill_json_string(w, "native");
	if (c->kubernetes)
		mill_json_string(w, "kubernetes");
	mill_json_end_array(w);
	mill_json_key(w, "provides");
	mill_json_begin_array(w);
	for (size_t i = 0; i < c->n_provides; i++)
		mill_json_string(w, c->provides[i].name);
	mill_json_end_array(w);
	mill_json_key(w, "requires");
	mill_json_begin_array(w);
	for (size_t i = 0; i < c->n_requires; i++)
		if (!c->requires[i].optional)
			mill_json_string(w, c->requires[i].capability);
	mill_json_end_array(w);
}

static void write_json(struct mill_json_writer *w, const struct mill_component *c)
{
	mill_json_begin_object(w);
	mill_json_kv_string(w, "name", c->name);
	mill_json_kv_string(w, "title", c->title);
	mill_json_kv_string(w, "category", c->category);
	mill_json_kv_string(w, "summary", c->summary);
	mill_json_kv_string(w, "version", c->version);
	mill_json_kv_string(w, "license", c->license);
	mill_json_kv_string(w, "homepage", c->homepage);
	mill_json_kv_string(w, "upstream", c->upstream_status ? c->upstream_status : "maintained");
	mill_json_kv_bool(w, "tested", c->tested == NULL);
	mill_json_kv_string(w, "not_tested_because", mill_streq(c->tested, "no") ? NULL : c->tested);
	mill_json_kv_bool(w, "alternative", c->alternative);
	mill_json_kv_string(w, "stands_in", c->stands_in);
	mill_json_kv_int(w, "services", (int64_t)c->n_services);
	mill_json_kv_string(w, "deployment", c->kubernetes ? c->deployment : NULL);
	mill_json_kv_string(w, "generic_tested", c->tested_generic);
	mill_json_kv_string(w, "chart_tested", c->tested_chart);
	write_names(w, c);
	mill_json_kv_string(w, "folder", c->dir);
	mill_json_end_object(w);
}

static const char *targets_of(const struct mill_component *c)
{
	if (c->native && c->kubernetes)
		return "native, kubernetes";
	return c->native ? "native" : c->kubernetes ? "kubernetes" : "-";
}

static void list_json(const struct mill_model *m)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;

	mill_json_writer_init(&w, &out, true);
	mill_json_begin_array(&w);
	for (size_t i = 0; i < m->n_known; i++)
		if (!m->known[i]->is_environment)
			write_json(&w, m->known[i]);
	mill_json_end_array(&w);
	mill_outf("%s\n", out.data);
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"COMPONENT", "CATEGORY", "VERSION", "TARGETS", "TESTED", "SUMMARY", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	int r = mill_component_load_all(&ctx, err);

	if (r < 0)
		return r;
	if (ctx.diags.n_errors)
		mill_warn(inv->ui, "some manifests have errors: data-mill validate --all");
	if (inv->ui->json) {
		list_json(ctx.model);
		return MILL_EXIT_OK;
	}
	mill_table_init(&t, headers);
	for (size_t i = 0; i < ctx.model->n_known; i++) {
		const struct mill_component *c = ctx.model->known[i];

		if (c->is_environment) /* `environment list` has them */
			continue;
		mill_table_add(&t, MILL_LOOK_NAME, c->name);
		mill_table_add(&t, MILL_LOOK_PLAIN, c->category);
		mill_table_add(&t, MILL_LOOK_PLAIN, c->version);
		mill_table_add(&t, MILL_LOOK_PLAIN, targets_of(c));
		mill_table_add(&t, c->tested ? MILL_LOOK_WARN : MILL_LOOK_GOOD, c->tested ? "not here" : "yes");
		mill_table_add(&t, MILL_LOOK_PLAIN, c->summary);
	}
	mill_table_show(&t, inv->ui);
	return MILL_EXIT_OK;
}

static void line(const char *label, const char *text)
{
	if (text && *text)
		mill_outf("%-12s %s\n", label, text);
}

static void show_settings(const struct mill_component *c)
{
	static const char *const types[] = {"string", "int",      "number", "bool",
					    "size",   "duration", "enum",   "list"};

	if (c->n_settings)
		mill_out("\nsettings (in the flavour, below the component's name):\n");
	for (size_t i = 0; i < c->n_settings; i++) {
		const struct mill_setting *s = &c->settings[i];

		mill_outf("  %-20s %s\n", s->name, s->help);
		mill_outf("  %-20s %s, default %s", "", types[s->type],
			  s->default_text && *s->default_text ? s->default_text : "none");
		for (size_t k = 0; k < s->n_values; k++)
			mill_outf("%s%s", k ? ", " : "; one of ", s->values[k]);
		mill_out("\n");
	}
}

static void show_services(const struct mill_component *c)
{
	char memory[32], least[32];

	if (c->n_services)
		mill_out("\nservices:\n");
	for (size_t i = 0; i < c->n_services; i++) {
		const struct mill_service *s = &c->services[i];

		mill_outf("  %-20s memory %s, at least %s", s->name,
			  mill_format_size(s->memory, memory, sizeof(memory)),
			  mill_format_size(s->memory_min, least, sizeof(least)));
		for (size_t k = 0; k < s->n_ports; k++)
			mill_outf("%s%s %u", k ? ", " : "; ports ", s->ports[k].name, s->ports[k].preferred);
		mill_out("\n");
	}
}

static void show_way(const char *name, const char *what, const char *tried, const char *note, bool by_default)
{
	mill_outf("  %-10s %s; %s%s%s%s\n", name, what, tried ? tried : "not tried", note ? ": " : "", note ? note : "",
		  by_default ? " (the default)" : "");
}

/* On a cluster: which of the two ways is the default, which was started, which only dry-run. */
static void show_deployment(const struct mill_component *c)
{
	_cleanup_strbuf_ struct mill_strbuf charts = MILL_STRBUF_INIT;

	if (!c->kubernetes || (!c->n_services && !c->n_charts))
		return;
	for (size_t i = 0; i < c->n_charts; i++)
		mill_strbuf_printf(&charts, "%s%s %s", i ? ", " : "",
				   c->charts[i].name ? c->charts[i].name : c->charts[i].n_kustomize ? "kustomize" : "objects",
				   c->charts[i].version ? c->charts[i].version : "");
	mill_out("on a cluster\n");
	if (c->n_services)
		show_way("generic", "our chart and image", c->tested_generic, c->note_generic, mill_streq(c->deployment, "generic"));
	if (c->n_charts)
		show_way("chart", charts.data, c->tested_chart, c->note_chart, mill_streq(c->deployment, "chart"));
}

static int run_show(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const struct mill_component *c;
	int r = mill_component_load_all(&ctx, err);

	if (r < 0)
		return r;
	c = mill_component_named(&ctx, mill_arg(inv, 0), err);
	if (!c)
		return -EINVAL;
	if (inv->ui->json) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		struct mill_json_writer w;

		mill_json_writer_init(&w, &out, true);
		write_json(&w, c);
		mill_outf("%s\n", out.data);
		return MILL_EXIT_OK;
	}
	mill_outf("%s: %s\n\n", c->title && *c->title ? c->title : c->name, c->summary);
	line("category", c->category);
	line("version", c->version);
	line("license", c->license);
	line("homepage", c->homepage);
	line("targets", targets_of(c));
	line("tested", !c->tested ? "yes" : strcmp(c->tested, "no") == 0 ? "not tested here" : c->tested);
	show_deployment(c);
	if (c->upstream_status)
		mill_outf("%-12s %s%s%s\n", "upstream", c->upstream_status, c->upstream_note ? ": " : "",
			  c->upstream_note ? c->upstream_note : "");
	if (c->stands_in)
		mill_outf("%-12s natively, %s stands in for it\n", "stands in", c->stands_in);
	for (size_t i = 0; i < c->n_provides; i++)
		line(i ? "" : "provides", c->provides[i].name);
	for (size_t i = 0; i < c->n_requires; i++)
		mill_outf("%-12s %s%s\n", i ? "" : "requires", c->requires[i].capability,
			  c->requires[i].optional ? " (optional)" : "");
	line("folder", c->dir);
	show_services(c);
	show_settings(c);
	return MILL_EXIT_OK;
}

static const struct mill_command list = {
	.name = "list", .summary = "list every component", .usage = "", .run = run_list,
};
static const struct mill_command show = {
	.name = "show", .summary = "show a component: settings, services, needs", .usage = "COMPONENT",
	.word = MILL_WORD_COMPONENT, .min_args = 1, .max_args = 1, .run = run_show,
};
static const struct mill_command *const subcommands[] = {
	&list, &show, &mill_cmd_component_new, &mill_cmd_component_validate, &mill_cmd_component_relock,
	&mill_cmd_component_schema, NULL};

const struct mill_command mill_cmd_component = {
	.name = "component",
	.group = "Project",
	.summary = "the components there are, and making new ones",
	.usage = "",
	.description = "A component is a folder with a manifest, component.yaml; adding one needs no C. Your project's "
		       "components/ is searched before the shipped one.",
	.examples = "data-mill component list --json\n"
		    "data-mill component show minio\n"
		    "data-mill component new hello\n"
		    "data-mill component relock hello",
	.subcommands = subcommands,
};
