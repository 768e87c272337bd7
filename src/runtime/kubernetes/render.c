/* What would be applied, for Argo CD, Flux or a person: plain manifests, with secrets by reference. */
#include "runtime/kubernetes/chart.h"
#include "runtime/kubernetes/data.h"

#include "base/io.h"
#include "base/json.h"
#include "chart/chart.h"

static void add_json(struct mill_strbuf *out, const json_t *o)
{
	char *text = json_dumps(o, JSON_INDENT(1));

	/* JSON is YAML: one document each. */
	mill_strbuf_printf(out, "---\n%s\n", text);
	free(text);
}

/* Names and keys, never what is in them. */
static void add_references(struct mill_strbuf *out, const json_t *secrets)
{
	const json_t *s, *value;
	const char *key;
	size_t i;

	json_array_foreach((json_t *)secrets, i, s) {
		mill_strbuf_printf(out, "# Secret %s must exist, with the keys", mill_json_get_string(json_object_get(s, "metadata"), "name", ""));
		json_object_foreach(json_object_get(s, "data"), key, value)
			mill_strbuf_printf(out, " %s", key);
		mill_strbuf_addch(out, '\n');
	}
}

/* `key` names the values' file; `component`: its objects get our labels by the post-renderer, NULL: they have them. */
static int add_release(struct mill_kube *k, const char *key, const char *release, const char *chart, const char *component,
		       const json_t *values, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	_cleanup_free_ char *path = NULL;
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	struct mill_kube_call c = {.what = "helm template", .cancel_fd = -1};
	int r = mill_kube_write_values(k, key, values, &path, err);

	mill_strv_add(&words, "template");
	mill_strv_add(&words, release);
	mill_strv_add(&words, chart);
	mill_strv_addf(&words, "--values=%s", path ? path : "");
	if (r == 0 && component)
		r = mill_kube_chart_words(k, component, &words, err);
	if (r == 0)
		r = mill_kube_helm_v(k, &c, &words, &text, err);
	if (r == 0 && text.len)
		mill_strbuf_addstr(out, text.data);
	mill_strbuf_release(&text);
	return r;
}

static int add_generic(struct mill_kube *k, const char *component, const json_t *record, const json_t *specs, bool only_values,
		       struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_free_ char *chart = mill_path_join(k->layout->resources, "helm-charts/component");
	_cleanup_json_ json_t *values = NULL;
	json_t *secrets = json_array();
	int r = mill_kube_values(k, component, specs, &values, secrets, err);

	if (r == 0 && json_object_size(specs)) {
		add_references(out, secrets);
		if (only_values)
			add_json(out, values);
		else
			r = add_release(k, component, mill_kube_release(record), chart, NULL, values, out, err);
	}
	mill_native_wipe(secrets);
	return r;
}

/* Our Secrets of a chart as references: the names and keys that its values count on. */
static void add_chart_references(struct mill_strbuf *out, const struct mill_chart_release *rel)
{
	_cleanup_json_ json_t *list = json_array();
	const json_t *secret;
	const char *place;
	json_t *value;
	size_t i;

	json_array_foreach(rel->secrets, i, secret)
		json_array_append_new(list, json_pack("{s:{s:O}, s:O}", "metadata", "name", json_object_get(secret, "name"), "data",
						      json_object_get(secret, "keys")));
	add_references(out, list);
	json_object_foreach(rel->secret_values, place, value)
		mill_strbuf_printf(out, "# The value %s of %s is a secret that its chart takes no other way: give it to helm yourself\n", place, rel->name);
}

static int add_chart(struct mill_kube *k, const char *component, const json_t *chart, bool only_values, struct mill_strbuf *out,
		     struct mill_error *err)
{
	_cleanup_json_ json_t *labels = mill_kube_chart_labels(k, component);
	const struct mill_chart_where where = {.platform = k->namespace, .labels = labels};
	_cleanup_chart_recorded_ struct mill_chart_recorded one;
	_cleanup_strbuf_ struct mill_strbuf objects = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	_cleanup_free_ char *package = NULL, *key = NULL;
	int r = 0;

	mill_chart_recorded_open(chart, component, &one);
	add_chart_references(out, &one.release);
	key = mill_xasprintf("%s.%s", component, one.release.name);
	if (one.chart.name && only_values)
		add_json(out, one.release.values);
	else if (one.chart.name) {
		r = mill_kube_chart_package(k, &one.release, NULL, &package, err);
		r = r < 0 ? r : add_release(k, key, one.release.name, package, component, one.release.values, out, err);
	}
	r = r < 0 ? r : mill_chart_objects_text(&one.release, &where, &objects, err);
	if (r == 0 && objects.len)
		mill_strbuf_printf(out, "---\n%s", objects.data);
	return r;
}

/* The records are the plan's; the platform need not be there yet. */
int mill_kube_render(struct mill_kube *k, const struct mill_plan *plan, bool only_values, struct mill_strbuf *out, struct mill_error *err)
{
	const char *component;
	json_t *record;
	int r = 0;

	k->names_only = true;
	mill_native_forget_records(k->n);
	k->n->records = json_deep_copy(plan->records);
	json_object_foreach(plan->records, component, record) {
		_cleanup_json_ json_t *specs = mill_kube_specs(plan, component);
		_cleanup_free_ char *unit = mill_xasprintf("%s." MILL_CHART_UNIT, component);
		const json_t *charts = json_object_get(json_object_get(specs, unit), "charts"), *chart;
		size_t i;

		if (r == 0 && !mill_kube_by_chart(record))
			r = add_generic(k, component, record, specs, only_values, out, err);
		json_array_foreach((json_t *)charts, i, chart)
			if (r == 0)
				r = add_chart(k, component, chart, only_values, out, err);
	}
	if (r == 0 && !only_values) {
		_cleanup_json_ json_t *policies = mill_kube_policy_objects(k, plan->records);
		_cleanup_json_ json_t *claim = plan->data_volume ? mill_kube_data_object(k, plan->data_volume) : NULL;
		const json_t *o;
		size_t i;

		json_array_foreach(policies, i, o)
			add_json(out, o);
		if (claim)
			add_json(out, claim);
	}
	return r;
}

void mill_kube_render_role(struct mill_kube *k, const struct mill_plan *plan, struct mill_strbuf *out)
{
	_cleanup_json_ json_t *role = mill_kube_role(k, plan);

	mill_strbuf_printf(out, "# What a user needs for a platform in the namespace %s; bind it: kubectl create rolebinding data-mill "
				"--role=data-mill --user=NAME --namespace=%s\n", k->namespace, k->namespace);
	add_json(out, role);
}
