/* What collectors get: docs/manifest.md, "What collectors get". */
#include "base/json.h"
#include "spec/scope.h"

static void set_label(struct mill_scope *s, json_t *labels, const struct mill_entry *e)
{
	if (mill_when_holds(&e->when, s->c->component))
		json_object_set_new(labels, e->key, mill_scope_text(s, &e->value, "a label"));
}

static json_t *target(struct mill_render *r, struct mill_rendered *rc, const struct mill_metric *metric)
{
	const struct mill_component *c = rc->component;
	const struct mill_service *s = mill_component_service(c, metric->service);
	struct mill_scope scope = mill_scope_service(r, rc, s);
	json_t *labels;
	unsigned port;

	if (!s || !mill_when_holds(&s->when, c))
		return NULL;
	port = mill_scope_port(r, c->name, s->name, metric->port);
	if (!port)
		return NULL;
	labels = json_pack("{s:s, s:s, s:s}", "job", c->name, "component", c->name, "service", s->name);
	json_object_set_new(labels, "__metrics_path__", mill_scope_text(&scope, &metric->path, "a path of metrics"));
	for (size_t i = 0; i < metric->n_labels; i++)
		set_label(&scope, labels, &metric->labels[i]);
	return json_pack("{s:[o], s:o}", "targets", json_sprintf("127.0.0.1:%u", port), "labels", labels);
}

static int compare_targets(const void *a, const void *b)
{
	const json_t *x = json_object_get(*(json_t *const *)a, "labels"), *y = json_object_get(*(json_t *const *)b, "labels");
	static const char *const keys[] = {"component", "service", "__metrics_path__"};
	int r = 0;

	for (size_t i = 0; i < MILL_ARRAY_LEN(keys) && !r; i++)
		r = strcmp(mill_json_get_string(x, keys[i], ""), mill_json_get_string(y, keys[i], ""));
	return r;
}

/* What a component exports, for its record: another flavour's collector still finds it there. */
json_t *mill_render_exports(struct mill_render *r, struct mill_rendered *rc)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rc->component->n_metrics; i++) {
		json_t *t = target(r, rc, &rc->component->metrics[i]);

		if (t)
			json_array_append_new(list, t);
	}
	return list;
}

static json_t *all_metrics(struct mill_render *r)
{
	json_t *list = json_array(), *sorted = json_array(), *record, **items;
	const char *name;
	size_t n;

	for (size_t i = 0; i < r->n; i++) {
		_cleanup_json_ json_t *own = mill_render_exports(r, &r->components[i]);

		json_array_extend(list, own);
	}
	json_object_foreach(r->options.kept, name, record)
		json_array_extend(list, json_object_get(json_object_get(record, "exports"), "metrics"));
	n = json_array_size(list);
	items = mill_xcalloc(n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	if (n > 1)
		qsort(items, n, sizeof(*items), compare_targets);
	for (size_t i = 0; i < n; i++)
		json_array_append(sorted, items[i]);
	free(items);
	json_decref(list);
	return sorted;
}

void mill_render_collect(struct mill_render *r)
{
	_cleanup_json_ json_t *metrics = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct mill_rendered *rc = &r->components[i];

		rc->collected = json_object();
		for (size_t k = 0; k < rc->component->n_collects; k++) {
			const char *what = rc->component->collects[k];

			if (!mill_streq(what, "metrics")) {
				json_object_set_new(rc->collected, what, json_array());
				continue;
			}
			if (!metrics)
				metrics = all_metrics(r);
			json_object_set(rc->collected, what, metrics);
		}
	}
}
