/* The recipe of docs/internals/install.md: what of a manifest decides a store entry. */
#include "model/model.h"

json_t *mill_component_recipe(const struct mill_component *c)
{
	if (!c->install)
		return NULL;
	json_t *steps = json_array(), *toolchains = json_array();
	MILL_SEQ_EACH (item, c->install) {
		MILL_MAP_EACH (pair, item) {
			json_t *step = json_object();
			json_object_set_new(step, "kind", json_string(pair->key));
			json_t *keys = mill_node_to_json(pair->value);
			json_object_update(step, keys);
			json_decref(keys);
			json_array_append_new(steps, step);
		}
	}
	for (size_t i = 0; i < c->n_toolchains; i++)
		json_array_append_new(toolchains, json_string(c->toolchains[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", c->name, "version", c->version, "dir",
			 c->dir, "toolchains", toolchains, "steps", steps);
}
