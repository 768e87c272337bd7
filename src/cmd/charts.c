/* charts list, values: which upstream charts there are, and what they are given. */
#include "chart/chart.h"

#include "base/io.h"
#include "base/json.h"
#include "cmd/charts.h"
#include "cmd/commands.h"
#include "cmd/component.h"
#include "cmd/context.h"

static const char *status_of(const struct mill_component *c)
{
	return c->tested_chart ? c->tested_chart : "not tried";
}

static json_t *chart_json(const struct mill_component *c, const struct mill_chart *k)
{
	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:s, s:s, s:s?, s:b}", "component", c->name, "repository", k->repository,
			 "chart", k->name, "version", k->version, "digest", k->digest, "app_version", k->app_version, "layer",
			 k->cluster ? "cluster" : "namespace", "tested", status_of(c), "note", c->note_chart, "crds", (int)k->crds);
}

static void add_row(struct mill_table *t, const struct mill_component *c, const struct mill_chart *k)
{
	mill_table_add(t, MILL_LOOK_NAME, c->name);
	mill_table_add(t, MILL_LOOK_PLAIN, k->name ? k->name : k->n_kustomize ? "(kustomize)" : "(objects)");
	mill_table_add(t, MILL_LOOK_PLAIN, k->version ? k->version : "-");
	mill_table_add(t, MILL_LOOK_PLAIN, k->cluster ? "cluster" : "namespace");
	mill_table_add(t, MILL_LOOK_PLAIN, status_of(c));
	mill_table_add(t, MILL_LOOK_PLAIN, k->repository ? k->repository : k->n_kustomize ? k->kustomize[0] : "-");
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"COMPONENT", "CHART", "VERSION", "LAYER", "TESTED", "FROM", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_json_ json_t *all = json_array();
	_cleanup_free_ char *text = NULL;
	int r = mill_component_load_all(&ctx, err);

	if (r < 0)
		return r;
	mill_table_init(&t, headers);
	for (size_t i = 0; i < ctx.model->n_known; i++)
		for (size_t k = 0; k < ctx.model->known[i]->n_charts; k++) {
			json_array_append_new(all, chart_json(ctx.model->known[i], &ctx.model->known[i]->charts[k]));
			add_row(&t, ctx.model->known[i], &ctx.model->known[i]->charts[k]);
		}
	if (!inv->ui->json) {
		mill_table_show(&t, inv->ui);
		return MILL_EXIT_OK;
	}
	text = json_dumps(all, JSON_INDENT(2));
	mill_outf("%s\n", text);
	return MILL_EXIT_OK;
}

/* ---- values ---- */

static int write_text(const char *folder, const char *name, const struct mill_strbuf *text, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(folder, name);

	return text->len ? mill_write_file(path, text->data, text->len, 0600, 0, err) : 0;
}

static json_t *release_json(const struct mill_chart_release *rel)
{
	const struct mill_chart *k = rel->chart;
	json_t *o = chart_json(rel->component, k), *ready = json_array(), *secrets = json_object(), *needs = json_array();
	json_t *secret, *roots = json_array(), *places = json_array();
	const char *place;
	size_t i;

	json_object_foreach(rel->secret_values, place, secret)
		json_array_append_new(places, json_string(place));

	for (i = 0; i < rel->n_ready; i++)
		json_array_append_new(ready, json_pack("{s:s, s:s?}", "what", rel->ready[i].what, "condition", rel->ready[i].condition));
	for (i = 0; i < k->n_needs; i++)
		json_array_append_new(needs, json_string(k->needs[i]));
	for (i = 0; i < k->n_kustomize; i++)
		json_array_append_new(roots, json_string(k->kustomize[i]));
	json_array_foreach(rel->secrets, i, secret) { /* names of keys only: values stay where they are */
		json_t *keys = json_array(), *ignored;
		const char *key;

		json_object_foreach(json_object_get(secret, "keys"), key, ignored)
			json_array_append_new(keys, json_string(key));
		json_object_set_new(secrets, json_string_value(json_object_get(secret, "name")), keys);
	}
	json_object_set_new(o, "release", json_string(rel->name));
	json_object_set_new(o, "namespace", rel->own_namespace ? json_string(rel->own_namespace) : json_null());
	json_object_set_new(o, "secrets", secrets);
	json_object_set_new(o, "secret_values", places);
	json_object_set_new(o, "needs", needs);
	json_object_set_new(o, "kustomize", roots);
	json_object_set_new(o, "ready", ready);
	json_object_set_new(o, "fingerprint", json_string(rel->fingerprint));
	return o;
}

/* FOLDER/<component>-<n>/: release.json, values.json, objects.json */
static int write_release(const struct mill_chart_release *rel, size_t n, const char *platform, const char *output,
			 struct mill_error *err)
{
	struct mill_chart_where where = {.platform = platform};
	_cleanup_strbuf_ struct mill_strbuf objects = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	_cleanup_strbuf_ struct mill_strbuf values = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	_cleanup_strbuf_ struct mill_strbuf about = MILL_STRBUF_INIT;
	_cleanup_free_ char *folder = mill_xasprintf("%s/%s-%zu", output, rel->component->name, n);
	_cleanup_json_ json_t *release = release_json(rel);
	int r = mill_mkdir_p(folder, 0700, err);

	mill_json_file_text(release, &about);
	if (rel->values)
		mill_chart_values_text(rel, &values);
	r = r < 0 ? r : mill_chart_objects_text(rel, &where, &objects, err);
	r = r < 0 ? r : write_text(folder, "release.json", &about, err);
	r = r < 0 ? r : write_text(folder, "values.json", &values, err);
	return r < 0 ? r : write_text(folder, "objects.json", &objects, err);
}

static int one(struct mill_context *ctx, struct mill_render *render, struct mill_rendered *c, const char *output, json_t *all,
	       struct mill_error *err)
{
	for (size_t k = 0; k < c->component->n_charts; k++) {
		_cleanup_chart_release_ struct mill_chart_release rel = {0};
		int r = mill_chart_render(render, c, &c->component->charts[k], NULL, &rel, err);

		if (r < 0)
			return r;
		if (output) {
			r = write_release(&rel, k, ctx->platform->name, output, err);
			if (r < 0)
				return r;
		}
		json_t *o = release_json(&rel);
		json_object_set(o, "values", rel.values ? rel.values : json_null());
		json_object_set(o, "objects", rel.objects);
		json_array_append_new(all, o);
	}
	return 0;
}

static int render_all(struct mill_context *ctx, const char *output, json_t *all, struct mill_error *err)
{
	struct mill_plan_host host;
	struct mill_render *render = NULL;
	int r;

	mill_chart_host_init(&host, ctx->platform);
	r = mill_render_new(ctx->model, ctx->platform, &host, NULL, &render, err);
	for (size_t i = 0; r == 0 && i < render->n; i++)
		if (mill_streq(render->components[i].component->deployment, "chart"))
			r = one(ctx, render, &render->components[i], output, all, err);
	mill_render_free(render);
	if (r < 0)
		mill_context_print_diags(ctx);
	return r;
}

static int run_values(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *all = json_array();
	_cleanup_free_ char *text = NULL;
	const char *output = mill_opt(inv, "output");
	int r;

	if (mill_arg(inv, 0))
		ctx.flavour = mill_xstrdup(mill_arg(inv, 0));
	r = mill_context_model(&ctx, false, err);
	if (r < 0)
		return r;
	if (mill_streq(ctx.model->project.provider, "native")) {
		mill_fail_usage(err, "charts are for clusters, and this flavour's target is this machine");
		return mill_error_hint(err, "name a target (-t), or a location (-r, -h)");
	}
	/* no cluster is asked: the flavour's, as it would be where nothing runs yet */
	r = mill_platform_open(&ctx.layout, "charts", ctx.model->project.name, &ctx.platform, err);
	r = r < 0 ? r : render_all(&ctx, output, all, err);
	if (r < 0)
		return r;
	if (output) {
		mill_outf("%zu releases below %s\n", json_array_size(all), output);
		return MILL_EXIT_OK;
	}
	text = json_dumps(all, JSON_INDENT(2));
	mill_outf("%s\n", text);
	return MILL_EXIT_OK;
}

static const struct mill_option values_options[] = {
	{.name = "output", .arg = "FOLDER", .word = MILL_WORD_FOLDER, .help = "a folder a release: values.json, objects.json, release.json"},
	{0},
};
static const struct mill_command list = {
	.name = "list", .summary = "the upstream charts that components can run by", .usage = "", .run = run_list,
};
static const struct mill_command values = {
	.name = "values", .summary = "what a flavour's charts are given: values, objects, names of Secrets", .usage = "[FLAVOUR]",
	.options = values_options, .word = MILL_WORD_FLAVOUR, .max_args = 1, .run = run_values,
};
static const struct mill_command *const subcommands[] = {
	&list, &values, &mill_cmd_charts_pull, &mill_cmd_charts_lint, &mill_cmd_charts_package, &mill_cmd_charts_index, &mill_cmd_charts_serve, NULL};

const struct mill_command mill_cmd_charts = {
	.name = "charts",
	.group = "Project",
	.summary = "Helm charts: upstream ones, and our own",
	.usage = "",
	.description = "On a cluster a component runs by our generic chart or by its upstream's own; docs/charts.md says which is "
		       "which. Our own charts lie in helm-charts/ and can be served as a Helm repository.",
	.examples = "data-mill charts list\n"
		    "data-mill charts values -f explorative -r --output /tmp/values\n"
		    "data-mill charts pull minio --output packages\n"
		    "data-mill charts lint\n"
		    "data-mill charts package --output dist/charts\n"
		    "data-mill charts index dist/charts\n"
		    "data-mill charts serve dist/charts",
	.subcommands = subcommands,
};
