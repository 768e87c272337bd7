/* The recipe of docs/internals/install.md: what of a manifest decides a store entry. */
#include <ctype.h>

#include "model/model.h"

#include "base/json.h"

static json_t *own_steps(const struct mill_component *c)
{
	json_t *steps = json_array();
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
	return steps;
}

/* ---- what an environment takes over from the one that it extends ---- */

/* How much of a list's item is the name: numpy of "numpy==1.26.4", g:a of "g:a:1.0". */
static size_t name_length(const char *item)
{
	size_t n = strcspn(item, " <>=!~;@[");
	const char *colon = memchr(item, ':', n);
	if (colon)
		n = (size_t)(colon - item) + 1 + strcspn(colon + 1, ":");
	return n;
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_length(a);
	if (n != name_length(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		int x = tolower((unsigned char)a[i]), y = tolower((unsigned char)b[i]);
		if ((x == '_' ? '-' : x) != (y == '_' ? '-' : y))
			return false;
	}
	return true;
}

/* Base's items that ours do not say otherwise, then ours. */
static json_t *join_lists(const json_t *base, const json_t *ours)
{
	json_t *list = json_array();
	const json_t *a, *b;
	size_t i, k;
	json_array_foreach(base, i, a) {
		bool said = false;
		json_array_foreach(ours, k, b)
			said |= same_name(json_string_value(a), json_string_value(b));
		if (!said)
			json_array_append(list, (json_t *)a);
	}
	json_array_extend(list, (json_t *)ours);
	return list;
}

/* Steps of one kind into one folder are one. */
static bool is_same_step(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"kind", "into", "binary"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++)
		if (!mill_streq(mill_json_get_string(a, keys[i], ""), mill_json_get_string(b, keys[i], "")))
			return false;
	return true;
}

static json_t *join_steps(const json_t *base, json_t *ours)
{
	static const char *const lists[] = {"requirements", "packages", "artifacts", "exclude", "omit"};
	json_t *steps = json_array(), *step, *own;
	size_t i, k;
	json_array_foreach(base, i, step)
		if (!mill_streq(mill_json_get_string(step, "kind", ""), "files")) /* they are in another folder */
			json_array_append_new(steps, json_deep_copy(step));
	json_array_foreach(ours, i, own) {
		bool joined = false;
		json_array_foreach(steps, k, step) {
			if (joined || !is_same_step(step, own))
				continue;
			for (size_t j = 0; j < MILL_ARRAY_LEN(lists); j++) {
				const json_t *a = json_object_get(step, lists[j]), *b = json_object_get(own, lists[j]);
				if (json_is_array(a) && json_is_array(b))
					json_object_set_new(own, lists[j], join_lists(a, b));
			}
			json_object_update(step, own);
			joined = true;
		}
		if (!joined)
			json_array_append(steps, own);
	}
	json_decref(ours);
	return steps;
}

static json_t *steps_of(const struct mill_component *c)
{
	if (!c->base)
		return own_steps(c);
	json_t *base = steps_of(c->base), *steps = join_steps(base, own_steps(c));
	json_decref(base);
	return steps;
}

json_t *mill_component_recipe(const struct mill_component *c)
{
	if (!c->install)
		return NULL;
	json_t *toolchains = json_array();
	for (size_t i = 0; i < c->n_toolchains; i++)
		json_array_append_new(toolchains, json_string(c->toolchains[i]));
	json_t *recipe = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", c->name, "version", c->version, "dir",
				   c->dir, "toolchains", toolchains, "steps", steps_of(c));
	if (c->is_environment)
		json_object_set_new(recipe, "environment", json_true());
	return recipe;
}
