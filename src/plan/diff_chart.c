/*
 * A component by its upstream's chart: one unit, COMPONENT.chart, whatever its
 * pods are.  Its spec holds what each release is made of; the record keeps the
 * manifest's services as endpoints, for hooks and links.
 */
#include "plan/build.h"

#include "base/clock.h"
#include "base/json.h"
#include "chart/chart.h"
#include "spec/fingerprint.h"

bool mill_by_chart(const struct mill_build *b, const struct mill_component *c)
{
	return b->host->pods && mill_streq(c->deployment, "chart");
}

/* Charts of the namespace's layer; the cluster's is `cluster install`'s. */
static json_t *releases(struct mill_build *b, struct mill_planned *c)
{
	const struct mill_component *comp = c->rendered->component;
	const char *const pull_secrets[] = {b->host->pull_secret, NULL};
	const struct mill_chart_options o = {.image_registry = b->m->project.images.mirror, .pull_secrets = pull_secrets};
	json_t *list = json_array();

	for (size_t i = 0; i < comp->n_charts; i++) {
		_cleanup_chart_release_ struct mill_chart_release rel = {0};
		_cleanup_error_ struct mill_error err = {0};

		if (!comp->charts[i].cluster && mill_chart_render(b->r, c->rendered, &comp->charts[i], &o, &rel, &err) == 0)
			json_array_append_new(list, mill_chart_release_json(&rel)); /* else its diags say why */
	}
	return list;
}

static int64_t deadline_ms(const json_t *charts)
{
	int64_t longest = 600;
	const json_t *chart, *item;
	size_t i, k;

	json_array_foreach((json_t *)charts, i, chart)
		json_array_foreach(json_object_get(chart, "ready"), k, item)
			if (mill_json_get_int(item, "timeout_s", 0) > longest)
				longest = mill_json_get_int(item, "timeout_s", 0);
	return longest * 1000;
}

static json_t *spec_of(struct mill_build *b, struct mill_planned *c, json_t *charts)
{
	const struct mill_component *comp = c->rendered->component;
	json_t *spec, *prints = json_array();
	char fingerprint[MILL_SHA256_HEX];
	const json_t *chart;
	size_t i;

	json_array_foreach(charts, i, chart)
		json_array_append(prints, json_object_get(chart, "fingerprint"));
	mill_fingerprint_json(prints, fingerprint);
	json_decref(prints);
	spec = json_pack("{s:i, s:o, s:s, s:s, s:s, s:s, s:i, s:o, s:O, s:s}", "spec", 1, "id", json_sprintf("%s." MILL_CHART_UNIT, comp->name),
			 "component", comp->name, "service", MILL_CHART_UNIT, "platform", b->p->name, "component_version",
			 comp->version ? comp->version : "", "data_format", comp->data_format, "after", mill_render_after(b->r, c->rendered, NULL),
			 "charts", charts, "fingerprint", fingerprint);
	json_object_set_new(spec, "probes", json_pack("{s:{s:I}}", "startup", "deadline_ms", (json_int_t)deadline_ms(charts)));
	return spec;
}

json_t *mill_diff_chart(struct mill_build *b, struct mill_planned *c, json_t *record)
{
	_cleanup_json_ json_t *charts = releases(b, c);
	const char *release = mill_json_get_string(record, "release", "");
	json_t *unit = json_object();

	json_object_set_new(record, "deployment", json_string("chart"));
	json_object_set(record, "endpoints", json_object_get(record, "services"));
	if (json_array_size(charts))
		json_object_set_new(unit, MILL_CHART_UNIT, json_pack("{s:s, s:{}, s:{}}", "host", release, "ports", "dirs"));
	else
		mill_build_note(b, "note", "%s is of the cluster's layer: `data-mill cluster install` brings it", c->rendered->component->name);
	json_object_set_new(record, "services", unit);
	return json_array_size(charts) ? spec_of(b, c, charts) : NULL;
}

/* ---- from the one way to the other ---- */

static const char *deployment_of(const json_t *record)
{
	return mill_json_get_string(record, "deployment", "generic");
}

/* What ran the other way ends first; `up` asks before that. */
void mill_diff_deployment(struct mill_build *b, struct mill_planned *c, const json_t *record)
{
	const char *name = c->rendered->component->name, *service;
	_cleanup_json_ json_t *old = b->host->pods && b->host->record ? b->host->record(b->host, name) : NULL;
	json_t *value;

	if (!old || mill_streq(deployment_of(old), deployment_of(record)))
		return;
	json_object_foreach(json_object_get(old, "services"), service, value) {
		_cleanup_free_ char *id = mill_xasprintf("%s.%s", name, service);
		unsigned action;

		if (!*service)
			continue;
		action = mill_build_action(b, MILL_ACTION_STOP, name, service, &c->before, json_pack("{s:s, s:b}", "id", id, "remove", 1),
					   "deployment: %s -> %s; its volumes stay, and are not read the other way", deployment_of(old),
					   deployment_of(record));
		b->plan->actions[action].destructive = true;
		mill_map_set(&b->stops, id, (void *)(uintptr_t)(action + 1));
		mill_ids_add(&c->before, action);
	}
}

/* ---- what differs ---- */

static const json_t *release_named(const json_t *charts, const char *name)
{
	const json_t *chart;
	size_t i;

	json_array_foreach((json_t *)charts, i, chart)
		if (mill_streq(mill_json_get_string(chart, "release", ""), name))
			return chart;
	return NULL;
}

static bool differs(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x != y && !(x && y && json_equal((json_t *)x, (json_t *)y));
}

char *mill_change_describe_charts(const json_t *old_spec, const json_t *new_spec)
{
	static const char *const parts[] = {"values", "secrets", "secret_values", "objects"};
	static const char *const words[] = {"values", "Secrets", "secret values", "objects"};
	struct mill_strbuf text = MILL_STRBUF_INIT;
	const json_t *chart;
	size_t i;

	json_array_foreach(json_object_get(new_spec, "charts"), i, chart) {
		const char *name = mill_json_get_string(chart, "release", "");
		const json_t *old = release_named(json_object_get(old_spec, "charts"), name);

		if (!old) {
			mill_strbuf_printf(&text, "%s%s is new", text.len ? ", " : "", name);
			continue;
		}
		if (differs(old, chart, "version") || differs(old, chart, "chart"))
			mill_strbuf_printf(&text, "%schart %s %s -> %s %s", text.len ? ", " : "", mill_json_get_string(old, "chart", "-"),
					   mill_json_get_string(old, "version", "-"), mill_json_get_string(chart, "chart", "-"),
					   mill_json_get_string(chart, "version", "-"));
		for (size_t p = 0; p < MILL_ARRAY_LEN(parts); p++)
			if (differs(old, chart, parts[p]))
				mill_strbuf_printf(&text, "%s%s of %s changed", text.len ? ", " : "", words[p], name);
	}
	return mill_strbuf_steal(&text);
}
