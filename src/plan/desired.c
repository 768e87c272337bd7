/* desired.json: what should run once the plan is done, and what runs on although the flavour does not name it. */
#include "plan/build.h"

#include "base/json.h"

static char *component_of(const char *id)
{
	const char *dot = strchr(id, '.');

	return mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id));
}

static bool is_selected(const struct mill_model *m, const char *id)
{
	_cleanup_free_ char *name = component_of(id);
	const struct mill_component *c = mill_model_find(m, name);

	return c && c->selected;
}

void mill_desired_kept(const struct mill_model *m, const struct mill_platform *p, struct mill_strv *ret)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(p->desired, "services"), i, s) {
		const char *id = mill_json_get_string(s, "id", "");

		if (*id && mill_streq(mill_json_get_string(s, "wanted", ""), "up") && !is_selected(m, id))
			mill_strv_add(ret, id);
	}
}

static bool is_touched(const struct mill_build *b, const char *id)
{
	return mill_map_has(&b->services, id) || mill_map_has(&b->stops, id);
}

json_t *mill_desired_make(const struct mill_build *b)
{
	json_t *services = json_array(), *tasks, *s;
	size_t i;

	/* What this plan does not touch stays as it is. */
	json_array_foreach(json_object_get(b->p->desired, "services"), i, s) {
		const char *id = mill_json_get_string(s, "id", "");

		if (mill_map_has(&b->stops, id)) {
			json_t *down = json_copy(s);

			json_object_set_new(down, "wanted", json_string("down"));
			json_array_append_new(services, down);
		} else if (!is_touched(b, id)) {
			json_array_append(services, s);
		}
	}
	for (size_t k = 0; k < b->services.n; k++) {
		const json_t *spec = b->services.entries[k].value;

		json_array_append_new(services, json_pack("{s:s, s:s, s:O}", "id", b->services.entries[k].key, "wanted",
							  "up", "after", json_object_get(spec, "after")));
	}
	tasks = json_deep_copy(json_object_get(b->p->desired, "tasks"));
	return json_pack("{s:i, s:o, s:o}", "v", 1, "services", services, "tasks", tasks ? tasks : json_object());
}

/* ---- what is left over ---- */

static void stop_leftover(struct mill_build *b, const char *id, const json_t *services)
{
	_cleanup_free_ char *component = component_of(id);
	const char *dot = strchr(id, '.');
	struct mill_ids after = {0};
	const json_t *s, *a;
	size_t i, k;

	if (mill_map_has(&b->stops, id))
		return;
	mill_map_set(&b->stops, id, NULL); /* being visited: recorded edges of another's making may be circular */
	json_array_foreach((json_t *)services, i, s) {
		const char *consumer = mill_json_get_string(s, "id", "");
		uintptr_t stop;

		if (!mill_streq(mill_json_get_string(s, "wanted", ""), "up") || is_selected(b->m, consumer))
			continue;
		json_array_foreach(json_object_get(s, "after"), k, a) {
			if (!mill_streq(json_string_value(a), id))
				continue;
			stop_leftover(b, consumer, services);
			stop = (uintptr_t)mill_map_get(&b->stops, consumer);
			if (stop)
				mill_ids_add(&after, (unsigned)stop - 1);
		}
	}
	mill_map_set(&b->stops, id,
		     (void *)(uintptr_t)(1 + mill_build_action(b, MILL_ACTION_STOP, component, dot ? dot + 1 : NULL, &after,
							       json_pack("{s:s}", "id", id),
							       "not in this flavour; its data is kept")));
	free(after.items);
}

static void note_kept(struct mill_build *b, const struct mill_strv *kept)
{
	_cleanup_strbuf_ struct mill_strbuf names = MILL_STRBUF_INIT;
	_cleanup_free_ char *last = NULL;

	for (size_t i = 0; i < kept->n; i++) {
		char *name = component_of(kept->items[i]);

		if (!mill_streq(name, last))
			mill_strbuf_printf(&names, "%s%s", names.len ? ", " : "", name);
		free(last);
		last = name;
	}
	mill_build_note(b, "kept", "%s: kept, not in this flavour (`up --prune` stops what the flavour does not name)",
			names.data);
}

void mill_diff_leftovers(struct mill_build *b)
{
	_cleanup_strv_ struct mill_strv kept = {0};

	if (b->m->project.n_only || b->o->only)
		return; /* asked about a part of the flavour: the rest is neither here nor there */
	mill_desired_kept(b->m, b->p, &kept);
	if (!kept.n)
		return;
	if (!b->o->prune) {
		mill_strv_sort(&kept);
		note_kept(b, &kept);
		return;
	}
	for (size_t i = 0; i < kept.n; i++)
		stop_leftover(b, kept.items[i], json_object_get(b->p->desired, "services"));
}
