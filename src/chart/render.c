/* A chart's templates become values, Secrets and objects. */
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "chart/chart.h"
#include "model/manifest.h"
#include "spec/fingerprint.h"
#include "spec/scope.h"

struct job {
	struct mill_render *r;
	struct mill_rendered *c;
	const struct mill_chart *chart;
	struct mill_chart_release *rel;
	struct mill_scope scope;
	struct mill_reader reader;
};

static void report(struct job *j, struct mill_mark mark, const char *message)
{
	mill_diag_error(j->r->model->diags, mark, "%s", message);
	j->scope.failed = true;
}

/* Plain text; a secret in it is an error at its place. */
static char *text_of(struct job *j, const struct mill_template *t)
{
	_cleanup_json_ json_t *v = mill_scope_text(&j->scope, t, "what Helm keeps for everybody to read");
	const char *s = json_string_value(v);

	return mill_xstrdup(s ? s : "");
}

/* A file of kubernetes/ as JSON; NULL with a reason in the diags. */
static json_t *render_file(struct job *j, const struct mill_chart_file *f, bool object)
{
	_cleanup_document_ struct mill_document *doc = NULL;
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *text = NULL;
	json_t *tree = NULL;

	doc = mill_manifest_load_chart_file(&j->reader, j->r->model, j->c->component, f, object);
	if (!doc) {
		j->scope.failed = true;
		return NULL;
	}
	text = mill_scope_render_tree(&j->scope, doc->root, MILL_FORMAT_JSON);
	if (mill_value_is_tainted(text)) {
		mill_diag_hint(mill_diag_error(j->r->model->diags, doc->root->mark, "the secret %s would be in '%s'",
					       mill_value_first_secret(text), f->name),
			       "Helm keeps values for everybody to read: put it into `secrets` and name that Secret");
		j->scope.failed = true;
		return NULL;
	}
	if (json_string_length(text) > MILL_CHART_TEXT_MAX)
		report(j, doc->root->mark, "this becomes more than 8 MiB");
	else if (mill_json_parse(f->name, json_string_value(text), json_string_length(text), &tree, &err) < 0)
		report(j, doc->root->mark, err.message);
	return tree;
}

/* ---- values ---- */

static const struct mill_node *option_of(const struct mill_node *block, const struct mill_node *project, const char *key)
{
	const struct mill_node *n = mill_node_get(block, key);

	return n ? n : mill_node_get(project, key);
}

static void set_places(struct job *j, const struct mill_chart_path *p, const json_t *value)
{
	for (size_t i = 0; i < p->n_places; i++) {
		_cleanup_error_ struct mill_error err = {0};

		if (mill_chart_set(j->rel->values, p->places[i], json_deep_copy(value), &err) < 0)
			report(j, p->mark, err.message);
	}
}

static json_t *secret_references(const char *const *names, bool as_objects)
{
	json_t *list = json_array();

	for (; *names; names++)
		json_array_append_new(list, as_objects ? json_pack("{s:s}", "name", *names) : json_string(*names));
	return list;
}

/* What the flavour, for this component or for all, and the target say, at the places that the manifest names. */
static void apply_platform(struct job *j, const struct mill_chart_options *o)
{
	const struct mill_node *block = j->c->component->pod_options, *project = j->r->model->project.pod_options;

	for (size_t i = 0; i < j->chart->n_paths; i++) {
		const struct mill_chart_path *p = &j->chart->paths[i];
		const struct mill_node *said = option_of(block, project, p->what);
		_cleanup_json_ json_t *value = NULL;

		if (said)
			value = mill_node_to_json(said);
		else if (mill_streq(p->what, "image_registry") && o->image_registry)
			value = json_string(o->image_registry);
		else if (mill_starts_with(p->what, "pull_secret") && o->pull_secrets && *o->pull_secrets)
			value = secret_references(o->pull_secrets, mill_streq(p->what, "pull_secrets"));
		if (value)
			set_places(j, p, value);
	}
}

static void render_values(struct job *j, const struct mill_chart_options *o)
{
	const struct mill_node *given = mill_node_get(j->c->component->pod_options, "values");

	if (!j->chart->name)
		return;
	j->rel->values = json_object();
	for (size_t i = 0; i < j->chart->n_values; i++) {
		_cleanup_json_ json_t *tree = NULL;

		if (!mill_when_holds(&j->chart->values[i].when, j->c->component))
			continue;
		tree = render_file(j, &j->chart->values[i], false);
		mill_chart_merge(j->rel->values, tree);
	}
	apply_platform(j, o);
	if (given && j->chart == j->c->component->charts) {
		_cleanup_json_ json_t *values = mill_node_to_json(given);

		mill_chart_merge(j->rel->values, values);
	}
	mill_chart_merge(j->rel->values, o->values);
}

/* ---- Secrets, objects ---- */

static void render_secrets(struct job *j)
{
	for (size_t i = 0; i < j->chart->n_secrets; i++) {
		const struct mill_chart_secret *s = &j->chart->secrets[i];
		_cleanup_free_ char *name = text_of(j, &s->name);
		json_t *keys = mill_scope_entries(&j->scope, s->keys, s->n_keys);

		if (json_object_size(keys))
			json_array_append_new(j->rel->secrets, json_pack("{s:s, s:O}", "name", name, "keys", keys));
		json_decref(keys);
	}
}

static json_t *files_of(struct job *j, const struct mill_chart_config_map *m, const char *folder)
{
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_error_ struct mill_error err = {0};
	json_t *data = json_object();
	size_t total = 0;

	if (mill_list_dir(folder, &names, &err) < 0)
		report(j, m->mark, err.message);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_path_join(folder, names.items[i]), *text = NULL;
		size_t len = 0;

		if (!mill_is_file(path))
			continue;
		/* the API server's own limit of a ConfigMap */
		if (mill_read_file(path, (size_t)1 << 20, &text, &len, &err) < 0 || (total += len) > (size_t)1 << 20) {
			report(j, m->mark, err.message ? err.message : "these files are more than the 1 MiB of a ConfigMap");
			break;
		}
		json_t *value = json_stringn(text, len);
		if (value)
			json_object_set_new(data, names.items[i], value);
		else
			report(j, m->mark, "a file that is not UTF-8");
	}
	return data;
}

static void render_config_maps(struct job *j)
{
	for (size_t i = 0; i < j->chart->n_config_maps; i++) {
		const struct mill_chart_config_map *m = &j->chart->config_maps[i];
		const struct mill_component *of = m->component ? mill_model_find(j->r->model, m->component) : j->c->component;
		_cleanup_free_ char *name = text_of(j, &m->name), *folder = of ? mill_path_join(of->dir, m->folder) : NULL;
		json_t *labels = json_object();

		if (!of) {
			report(j, m->mark, "config_maps: there is no such component");
			json_decref(labels);
			continue;
		}
		for (size_t k = 0; k + 1 < m->n_labels; k += 2)
			json_object_set_new(labels, m->labels[k], json_string(m->labels[k + 1]));
		json_array_append_new(j->rel->objects,
				      json_pack("{s:s, s:s, s:{s:s, s:o}, s:o}", "apiVersion", "v1", "kind", "ConfigMap",
						"metadata", "name", name, "labels", labels, "data", files_of(j, m, folder)));
	}
}

static void render_objects(struct job *j)
{
	render_config_maps(j);
	for (size_t i = 0; i < j->chart->n_objects; i++) {
		json_t *tree;

		if (!mill_when_holds(&j->chart->objects[i].when, j->c->component))
			continue;
		tree = render_file(j, &j->chart->objects[i], true);
		if (tree)
			json_array_append_new(j->rel->objects, tree);
	}
}

/* {"apply": part of an object} or {"delete": .., "selector": ..}, in order. */
static void render_stop(struct job *j)
{
	for (size_t i = 0; i < j->chart->n_stop; i++) {
		const struct mill_chart_stop *s = &j->chart->stop[i];
		json_t *tree;

		if (s->remove.n) {
			_cleanup_free_ char *what = text_of(j, &s->remove), *selector = text_of(j, &s->selector);

			json_array_append_new(j->rel->stop, json_pack("{s:s, s:s*}", "delete", what, "selector", *selector ? selector : NULL));
			continue;
		}
		tree = render_file(j, &s->file, true);
		if (tree)
			json_array_append_new(j->rel->stop, json_pack("{s:o}", "apply", tree));
	}
	if (j->chart->selector.n)
		j->rel->selector = text_of(j, &j->chart->selector);
}

static void render_ready(struct job *j)
{
	j->rel->ready = mill_xcalloc(j->chart->n_ready + 1, sizeof(*j->rel->ready));
	for (size_t i = 0; i < j->chart->n_ready; i++) {
		const struct mill_chart_ready *w = &j->chart->ready[i];

		if (!mill_when_holds(&w->when, j->c->component))
			continue;
		j->rel->ready[j->rel->n_ready++] = (struct mill_chart_ready_item){
			.what = text_of(j, &w->what), .timeout_ns = w->timeout_ns,
			.condition = w->condition ? mill_xstrdup(w->condition) : NULL};
	}
}

/* ---- the whole ---- */

static const char *some(const char *s)
{
	return s ? s : "";
}

/* A chart of ours has no version of its package: what its files say. */
static void add_content(struct mill_hash *h, const char *folder, int depth)
{
	_cleanup_strv_ struct mill_strv names = {0};

	(void)mill_list_dir(folder, &names, NULL);
	mill_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_path_join(folder, names.items[i]);
		char digest[MILL_SHA256_HEX];

		mill_hash_field(h, names.items[i]);
		if (mill_is_dir(path) && depth > 0)
			add_content(h, path, depth - 1);
		else if (mill_hash_file(MILL_SHA256, path, digest, NULL) == 0)
			mill_hash_field(h, digest);
	}
}

static json_t *content_of(const struct mill_chart *k)
{
	struct mill_hash *h;
	char digest[MILL_SHA256_HEX];

	if (!k->path)
		return NULL;
	h = mill_hash_new(MILL_SHA256);
	add_content(h, k->path, 3);
	mill_hash_finish(h, digest);
	return json_string(digest);
}

static void fingerprint(struct mill_chart_release *rel)
{
	const struct mill_chart *k = rel->chart;
	_cleanup_json_ json_t *roots = json_array();
	_cleanup_json_ json_t *all = NULL;

	for (size_t i = 0; i < k->n_kustomize; i++)
		json_array_append_new(roots, json_string(k->kustomize[i]));
	all = json_pack("{s:[s, s, s, s, s, s], s:O, s:o*, s:O?, s:O, s:O, s:O}", "chart", some(k->repository), some(k->name), some(k->version),
			some(k->digest), rel->name, some(rel->own_namespace), "roots", roots, "content", content_of(k), "values", rel->values, "secrets",
			rel->secrets, "secret_values", rel->secret_values, "objects", rel->objects);
	mill_fingerprint_json(all, rel->fingerprint);
}

static void name_it(struct job *j)
{
	const struct mill_component *c = j->c->component;

	j->rel->name = j->chart->release.n ? text_of(j, &j->chart->release) :
					     mill_xstrdup(c->release && *c->release ? c->release : c->name);
	if (j->chart->own_namespace.n)
		j->rel->own_namespace = text_of(j, &j->chart->own_namespace);
	else if (j->chart->cluster)
		j->rel->own_namespace = mill_xasprintf("data-mill-%s", c->name);
}

int mill_chart_render(struct mill_render *r, struct mill_rendered *c, const struct mill_chart *chart,
		      const struct mill_chart_options *o, struct mill_chart_release *ret, struct mill_error *err)
{
	static const struct mill_chart_options none;
	struct job j = {.r = r, .c = c, .chart = chart, .rel = ret, .scope = mill_scope_component(r, c),
			.reader = {.arena = &r->model->arena, .diags = r->model->diags}};

	*ret = (struct mill_chart_release){.component = c->component, .chart = chart, .secrets = json_array(), .objects = json_array(), .stop = json_array()};
	name_it(&j);
	render_values(&j, o ? o : &none);
	render_secrets(&j);
	ret->secret_values = mill_scope_entries(&j.scope, chart->secret_values, chart->n_secret_values);
	render_objects(&j);
	render_ready(&j);
	render_stop(&j);
	if (j.scope.failed)
		return mill_fail_usage(err, "%s: its chart cannot be rendered", c->component->name);
	fingerprint(ret);
	return 0;
}

void mill_chart_release_free(struct mill_chart_release *rel)
{
	free(rel->name);
	free(rel->own_namespace);
	json_decref(rel->values);
	json_decref(rel->secrets);
	json_decref(rel->secret_values);
	free(rel->secret_values_path);
	json_decref(rel->objects);
	json_decref(rel->stop);
	free(rel->selector);
	for (size_t i = 0; i < rel->n_ready; i++) {
		free(rel->ready[i].what);
		free(rel->ready[i].condition);
	}
	free(rel->ready);
	*rel = (struct mill_chart_release){0};
}
