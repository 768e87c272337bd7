/* A model as JSON for people to compare: what a flavour and its manifests came to. */
#ifndef TESTS_MODEL_DUMP_H
#define TESTS_MODEL_DUMP_H

#include "base/json.h"
#include "model/model.h"

static inline void dump_templates(struct mill_json_writer *w, const char *key,
				  const struct mill_template *t, size_t n)
{
	mill_json_key(w, key);
	mill_json_begin_array(w);
	for (size_t i = 0; i < n; i++)
		mill_json_string(w, t[i].raw);
	mill_json_end_array(w);
}

static inline void dump_texts(struct mill_json_writer *w, const char *key, const char *const *t,
			      size_t n)
{
	if (!n)
		return;
	mill_json_key(w, key);
	mill_json_begin_array(w);
	for (size_t i = 0; i < n; i++)
		mill_json_string(w, t[i]);
	mill_json_end_array(w);
}

static inline void dump_settings(struct mill_json_writer *w, const struct mill_component *c)
{
	if (!c->n_settings)
		return;
	mill_json_key(w, "settings");
	mill_json_begin_object(w);
	for (size_t i = 0; i < c->n_settings; i++) {
		const struct mill_setting *s = &c->settings[i];
		_cleanup_free_ char *text =
			mill_xasprintf("%s (%s)", s->secret ? (s->from_file ? "file" : s->from_variable)
							    : s->value, s->value_origin);
		mill_json_kv_string(w, s->name, text);
	}
	mill_json_end_object(w);
}

static inline void dump_service(struct mill_json_writer *w, const struct mill_service *s)
{
	mill_json_key(w, s->name);
	mill_json_begin_object(w);
	dump_templates(w, "command", s->command, s->n_command);
	if (s->n_ports) {
		mill_json_key(w, "ports");
		mill_json_begin_object(w);
		for (size_t i = 0; i < s->n_ports; i++)
			mill_json_kv_int(w, s->ports[i].name,
					 s->ports[i].pinned ? -s->ports[i].pinned
							    : s->ports[i].preferred);
		mill_json_end_object(w);
	}
	mill_json_kv_int(w, "readiness", s->readiness.type);
	mill_json_kv_int(w, "memory", (int64_t)s->memory);
	mill_json_end_object(w);
}

static inline void dump_component(struct mill_json_writer *w, const struct mill_component *c)
{
	mill_json_key(w, c->name);
	mill_json_begin_object(w);
	mill_json_kv_string(w, "why", c->why);
	mill_json_kv_string(w, "release", c->release);
	if (c->stands_in)
		mill_json_kv_string(w, "stands_in", c->stands_in);
	if (c->memory_override)
		mill_json_kv_int(w, "memory", (int64_t)c->memory_override);
	if (c->config_path)
		mill_json_kv_string(w, "config", mill_path_basename(c->config_path));
	dump_texts(w, "includes", c->includes, c->n_includes);
	dump_settings(w, c);
	mill_json_key(w, "services");
	mill_json_begin_object(w);
	for (size_t i = 0; i < c->n_services; i++)
		dump_service(w, &c->services[i]);
	mill_json_end_object(w);
	mill_json_end_object(w);
}

static inline void dump_project(struct mill_json_writer *w, const struct mill_project *p)
{
	mill_json_key(w, "project");
	mill_json_begin_object(w);
	mill_json_kv_string(w, "name", p->name);
	mill_json_kv_string(w, "flavour", p->flavour_name);
	mill_json_kv_int(w, "proxy_port", p->proxy_port);
	mill_json_kv_string(w, "location", p->location);
	mill_json_kv_string(w, "provider", p->provider);
	if (p->data_folder) {
		mill_json_kv_string(w, "data_folder", mill_path_basename(p->data_folder));
		mill_json_kv_string(w, "data_bucket", p->data_bucket);
	}
	if (p->memory.bytes)
		mill_json_kv_int(w, "memory_bytes", (int64_t)p->memory.bytes);
	else
		mill_json_kv_int(w, "memory_percent", (int64_t)(p->memory.share * 100));
	if (p->all)
		mill_json_kv_bool(w, "all", true);
	dump_texts(w, "only", p->only, p->n_only);
	dump_texts(w, "without", p->without, p->n_without);
	for (size_t i = 0; i < p->use.n; i++)
		mill_json_kv_string(w, p->use.entries[i].key, p->use.entries[i].value);
	if (p->target) {
		_cleanup_json_ json_t *t = mill_node_to_json(p->target);
		mill_json_key(w, "target");
		mill_json_value(w, t);
	}
	mill_json_end_object(w);
}

static inline void dump_model(const struct mill_model *m, struct mill_strbuf *out)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, true);
	mill_json_begin_object(&w);
	dump_project(&w, &m->project);
	mill_json_key(&w, "known");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < m->n_known; i++)
		mill_json_string(&w, m->known[i]->name);
	mill_json_end_array(&w);
	mill_json_key(&w, "selected");
	mill_json_begin_object(&w);
	for (size_t i = 0; i < m->n_selected; i++)
		dump_component(&w, m->selected[i]);
	mill_json_end_object(&w);
	mill_json_end_object(&w);
	mill_strbuf_addch(out, '\n');
}

#endif
