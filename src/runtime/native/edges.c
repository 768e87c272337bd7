#include "runtime/native/edges.h"

#include "base/json.h"

char *mill_edges_component(const char *id)
{
	const char *dot = strchr(id, '.');
	return mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id));
}

/* Depth first; `seen` is set on the way in, so that a circle of somebody's making ends. */
static void visit(const struct mill_native *n, const char *id, struct mill_strv *seen, const struct mill_strv *known,
		  struct mill_strv *out)
{
	if (mill_strv_contains(seen, id))
		return;
	mill_strv_add(seen, id);
	size_t i;
	json_t *before;
	json_array_foreach(json_object_get(mill_native_wanted(n, id), "after"), i, before)
		if (json_is_string(before))
			visit(n, json_string_value(before), seen, known, out);
	if (mill_strv_contains(known, id))
		mill_strv_add(out, id);
}

int mill_edges_all(struct mill_native *n, struct mill_strv *ret_ids, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv components = {0}, known = {0}, seen = {0};
	int r = mill_native_components(n, &components, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < components.n; i++) {
		const char *service;
		json_t *value;
		json_object_foreach(json_object_get(json_object_get(n->records, components.items[i]), "services"),
				    service, value)
			if (*service)
				mill_strv_addf(&known, "%s.%s", components.items[i], service);
	}
	size_t i;
	json_t *service;
	json_array_foreach(json_object_get(n->p->desired, "services"), i, service) {
		const char *id = mill_json_get_string(service, "id", "");
		if (strchr(id, '.') && !mill_strv_contains(&known, id))
			mill_strv_add(&known, id);
	}
	mill_strv_sort(&known);
	for (i = 0; i < known.n; i++)
		visit(n, known.items[i], &seen, &known, ret_ids);
	return 0;
}

static bool comes_after_one_of(const struct mill_native *n, const char *id, const struct mill_strv *ids)
{
	size_t i;
	json_t *before;
	json_array_foreach(json_object_get(mill_native_wanted(n, id), "after"), i, before)
		if (json_is_string(before) && mill_strv_contains(ids, json_string_value(before)))
			return true;
	return false;
}

void mill_edges_dependents(struct mill_native *n, const struct mill_strv *ids, struct mill_strv *ret_ids)
{
	_cleanup_strv_ struct mill_strv all = {0}, reached = {0};
	if (mill_edges_all(n, &all, NULL) < 0)
		return;
	for (size_t i = 0; i < ids->n; i++)
		mill_strv_add(&reached, ids->items[i]);
	for (bool grown = true; grown;) {
		grown = false;
		for (size_t i = 0; i < all.n; i++)
			if (!mill_strv_contains(&reached, all.items[i]) && comes_after_one_of(n, all.items[i], &reached)) {
				mill_strv_add(&reached, all.items[i]);
				grown = true;
			}
	}
	for (size_t i = 0; i < all.n; i++)
		if (mill_strv_contains(&reached, all.items[i]) && !mill_strv_contains(ids, all.items[i]))
			mill_strv_add(ret_ids, all.items[i]);
}

void mill_edges_with_providers(struct mill_native *n, const struct mill_strv *ids, struct mill_strv *ret_ids)
{
	_cleanup_strv_ struct mill_strv known = {0}, seen = {0};
	if (mill_edges_all(n, &known, NULL) < 0)
		return;
	for (size_t i = 0; i < ids->n; i++)
		visit(n, ids->items[i], &seen, &known, ret_ids);
}
