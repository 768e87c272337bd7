/* What a pod needs beside the spec that every runtime reads: spec["pod"], only made for clusters. */
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "model/read.h"
#include "spec/place.h"
#include "spec/scope.h"

#define VOLUME_MIN ((uint64_t)1 << 30)

/* ---- does it keep data? ---- */

static bool names_data(const char *raw)
{
	return raw && strstr(raw, "${dir.data");
}

static bool tree_names_data(const struct mill_node *n)
{
	bool found = n && mill_node_is_scalar(n) && names_data(n->text);

	MILL_SEQ_EACH (item, n)
		found |= tree_names_data(item);
	MILL_MAP_EACH (pair, n)
		found |= tree_names_data(pair->value);
	return found;
}

static bool words_name_data(const struct mill_template *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names_data(words[i].raw))
			return true;
	return false;
}

static bool keeps_data(const struct mill_component *c, const struct mill_service *s)
{
	if (s->disk || s->n_folders || words_name_data(s->command, s->n_command))
		return true;
	for (size_t i = 0; i < s->n_environment; i++)
		if (names_data(s->environment[i].value.raw))
			return true;
	for (size_t i = 0; i < s->n_files; i++)
		if (names_data(s->files[i].content.raw) || tree_names_data(s->files[i].value))
			return true;
	for (size_t i = 0; i < c->n_tasks; i++)
		if (!c->tasks[i].after && mill_streq(c->tasks[i].service, s->name))
			return true; /* what it made must outlive the pod */
	return false;
}

/* ---- options: the component's block over project.kubernetes ---- */

static json_t *options(const struct mill_render *r, const struct mill_component *c)
{
	json_t *own = c->pod_options ? mill_node_to_json(c->pod_options) : json_object();
	json_t *all = r->model->project.pod_options ? mill_node_to_json(r->model->project.pod_options) : NULL;

	json_object_del(own, "values"); /* a chart's */
	if (all)
		json_object_update_missing(own, all);
	json_decref(all);
	return own;
}

uint64_t mill_render_volume(const struct mill_render *r, const struct mill_component *c, const struct mill_service *s)
{
	_cleanup_json_ json_t *own = options(r, c);
	const char *asked = mill_json_get_string(own, "storage", NULL);
	uint64_t wanted;

	/* what a person asks for is the main service's */
	if (asked && mill_streq(mill_place_main(c), s->name) && mill_parse_size(asked, &wanted) == 0)
		return wanted;
	return s->disk > VOLUME_MIN ? s->disk : VOLUME_MIN;
}

static json_t *siblings(struct mill_render *r, const struct mill_component *c, const struct mill_service *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_after; i++) {
		const struct mill_service *other = mill_component_service(c, s->after[i]);
		const char *port = !other ? NULL : other->readiness.port ? other->readiness.port :
						   other->n_ports	 ? other->ports[0].name :
									   NULL;

		if (!port || !mill_when_holds(&other->when, c))
			continue;
		json_array_append_new(list, json_pack("{s:s, s:i}", "host", mill_place_host(r, c, other->name), "port",
						      (int)mill_scope_port(r, c->name, other->name, port)));
	}
	return list;
}

static json_t *tasks(struct mill_render *r, struct mill_rendered *rc, const struct mill_service *s)
{
	const struct mill_component *c = rc->component;
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_tasks; i++)
		if (!c->tasks[i].after && mill_streq(c->tasks[i].service, s->name)) {
			json_t *t = mill_render_task(r, rc, &c->tasks[i]);

			json_object_set_new(t, "name", json_string(c->tasks[i].name));
			json_array_append_new(list, t);
		}
	return list;
}

static json_t *scrape(struct mill_render *r, struct mill_rendered *rc, const struct mill_service *s)
{
	const struct mill_component *c = rc->component;

	for (size_t i = 0; i < c->n_metrics; i++) {
		const struct mill_metric *m = &c->metrics[i];
		struct mill_scope scope = mill_scope_service(r, rc, s);

		if (mill_streq(m->service, s->name) && !m->secret)
			return json_pack("{s:i, s:o}", "port", (int)mill_scope_port(r, c->name, s->name, m->port), "path",
					 mill_scope_text(&scope, &m->path, "a path of metrics"));
	}
	return json_null();
}

json_t *mill_render_pod(struct mill_render *r, struct mill_rendered *rc, const struct mill_service *s)
{
	const struct mill_component *c = rc->component;
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(mill_place_host(r, c, s->name)));
	json_object_set_new(o, "volume_bytes", json_integer((json_int_t)mill_render_volume(r, c, s)));
	json_object_set_new(o, "data", json_boolean(keeps_data(c, s)));
	json_object_set_new(o, "main", json_boolean(mill_streq(mill_place_main(c), s->name)));
	json_object_set_new(o, "options", options(r, c));
	json_object_set_new(o, "wait", siblings(r, c, s));
	json_object_set_new(o, "tasks", tasks(r, rc, s));
	json_object_set_new(o, "scrape", scrape(r, rc, s));
	if (mill_place_data_folder(r, s)) {
		_cleanup_free_ char *claim = mill_place_data_claim(r->platform->name);

		json_object_set_new(o, "data_folder", json_pack("{s:s, s:b}", "claim", claim, "shared",
								mill_streq(r->model->project.data.access, "ReadWriteMany")));
	}
	if (s->rules)
		json_object_set_new(o, "rules", mill_node_to_json(s->rules));
	return o;
}

/* What its image is made of: tool chains, then the hooks' tools, then its own entry. */
json_t *mill_render_image(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *recipes = json_array(), *own = NULL, *o;

	for (size_t i = 0; i < r->n_installs; i++) {
		const struct mill_render_install *in = &r->installs[i];
		const json_t *entry;
		bool wanted = mill_streq(in->key, r->tools_key) && mill_render_uses_tools(c);
		json_t *recipe;
		size_t k;

		json_array_foreach(rc->entries, k, entry)
			wanted |= mill_streq(json_string_value(entry), in->key);
		if (!wanted)
			continue;
		recipe = json_pack("{s:s, s:O}", "key", in->key, "recipe", in->recipe);
		if (mill_streq(in->key, rc->key))
			own = recipe;
		else
			json_array_append_new(recipes, recipe);
	}
	if (own)
		json_array_append_new(recipes, own);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "name", c->name, "kind",
		      c->is_environment ? "environment" : "component", "title", c->title ? c->title : c->name, "version",
		      c->version ? c->version : "", "license", c->license ? c->license : "", "homepage",
		      c->homepage ? c->homepage : "", "dir", c->dir ? c->dir : "", "recipes", recipes);
	json_object_set_new(o, "hooks_dir", json_sprintf("%s/components/_hooks", r->platform->layout->resources));
	return o;
}
