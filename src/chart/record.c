/* A rendered release as JSON, and back: a plan's records hold it, and whoever installs it, stops or removes it needs no model. */
#include "base/clock.h"
#include "base/json.h"
#include "chart/chart.h"

static json_t *ready_json(const struct mill_chart_release *rel)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rel->n_ready; i++) {
		const struct mill_chart_ready_item *w = &rel->ready[i];

		json_array_append_new(list, json_pack("{s:s, s:s*, s:I}", "what", w->what, "condition", w->condition, "timeout_s",
						      (json_int_t)(w->timeout_ns / MILL_SEC)));
	}
	return list;
}

json_t *mill_chart_release_json(const struct mill_chart_release *rel)
{
	const struct mill_chart *k = rel->chart;
	json_t *needs = json_array();

	for (size_t i = 0; i < k->n_needs; i++)
		json_array_append_new(needs, json_string(k->needs[i]));
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:O*, s:O, s:O, s:O, s:O, s:s*, s:o, s:o, s:s}", "release", rel->name,
			 "repository", k->repository, "chart", k->name, "version", k->version, "digest", k->digest, "path", k->path,
			 "values", rel->values, "secrets", rel->secrets, "secret_values", rel->secret_values, "objects", rel->objects,
			 "stop", rel->stop, "selector", rel->selector, "ready", ready_json(rel), "needs", needs, "fingerprint",
			 rel->fingerprint);
}

static json_t *member(const json_t *o, const char *key, json_t *(*make)(void))
{
	json_t *value = json_object_get(o, key);

	return value ? json_incref(value) : make ? make() : NULL;
}

static char *text_of(const json_t *o, const char *key)
{
	const char *text = mill_json_get_string(o, key, NULL);

	return text ? mill_xstrdup(text) : NULL;
}

void mill_chart_recorded_open(const json_t *one, const char *component, struct mill_chart_recorded *ret)
{
	struct mill_chart_release *rel = &ret->release;
	const json_t *ready = json_object_get(one, "ready"), *item;
	size_t i;

	*ret = (struct mill_chart_recorded){.component.name = component,
		.chart = {.repository = mill_json_get_string(one, "repository", NULL), .name = mill_json_get_string(one, "chart", NULL),
			  .version = mill_json_get_string(one, "version", NULL), .digest = mill_json_get_string(one, "digest", NULL),
			  .path = mill_json_get_string(one, "path", NULL)}};
	rel->component = &ret->component;
	rel->chart = &ret->chart;
	rel->name = mill_xstrdup(mill_json_get_string(one, "release", ""));
	rel->values = member(one, "values", NULL);
	rel->secrets = member(one, "secrets", json_array);
	rel->secret_values = member(one, "secret_values", json_object);
	rel->objects = member(one, "objects", json_array);
	rel->stop = member(one, "stop", json_array);
	rel->selector = text_of(one, "selector");
	rel->ready = mill_xcalloc(json_array_size(ready) + 1, sizeof(*rel->ready));
	json_array_foreach((json_t *)ready, i, item)
		rel->ready[rel->n_ready++] = (struct mill_chart_ready_item){
			.what = mill_xstrdup(mill_json_get_string(item, "what", "")), .condition = text_of(item, "condition"),
			.timeout_ns = (uint64_t)mill_json_get_int(item, "timeout_s", 600) * MILL_SEC};
	snprintf(rel->fingerprint, sizeof(rel->fingerprint), "%s", mill_json_get_string(one, "fingerprint", ""));
}

void mill_chart_recorded_close(struct mill_chart_recorded *c)
{
	mill_chart_release_free(&c->release);
}
