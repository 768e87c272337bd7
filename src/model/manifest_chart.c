/* `kubernetes.chart` into structs. */
#include "base/clock.h"
#include "base/io.h"
#include "model/manifest.h"
#include "model/template.h"

/* A map's key as a template: names of Secrets hold ${release}. */
static struct mill_template key_template(struct mill_reader *r, const struct mill_pair *pair)
{
	struct mill_node key = {.type = MILL_NODE_STRING, .mark = pair->key_mark, .text = pair->key, .n = strlen(pair->key)};
	return mill_template_parse(r, &key);
}

static void read_file(struct mill_reader *r, const struct mill_node *node, struct mill_chart_file *f)
{
	f->mark = node->mark;
	f->name = mill_node_is_scalar(node) ? node->text : mill_read_text(node, "template", "");
	f->when = mill_read_when(r, node);
}

/* A file, or a list of files. */
static void read_files(struct mill_reader *r, const struct mill_node *node, struct mill_chart_file **ret, size_t *ret_n)
{
	size_t n = mill_node_is(node, MILL_NODE_SEQ) ? node->n : mill_node_is_scalar(node) ? 1 : 0;
	*ret = MILL_ARENA_ARRAY(r->arena, n, struct mill_chart_file);
	if (mill_node_is_scalar(node))
		read_file(r, node, &(*ret)[(*ret_n)++]);
	MILL_SEQ_EACH (item, node)
		read_file(r, item, &(*ret)[(*ret_n)++]);
}

static void read_secrets(struct mill_reader *r, const struct mill_node *map, struct mill_chart *k)
{
	k->secrets = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_chart_secret);
	MILL_MAP_EACH (pair, map) {
		struct mill_chart_secret *s = &k->secrets[k->n_secrets++];
		s->mark = pair->key_mark;
		s->name = key_template(r, pair);
		mill_read_entries(r, pair->value, &s->keys, &s->n_keys);
	}
}

static void read_services(struct mill_reader *r, const struct mill_node *map, struct mill_chart *k)
{
	k->services = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_chart_service);
	MILL_MAP_EACH (pair, map) {
		struct mill_chart_service *s = &k->services[k->n_services++];
		const struct mill_node *ports = mill_read_map(pair->value, "ports");
		s->service = pair->key;
		s->mark = pair->key_mark;
		s->name = mill_read_template(r, pair->value, "name", "");
		s->ports = MILL_ARENA_ARRAY(r->arena, ports ? ports->n : 0, struct mill_chart_port);
		MILL_MAP_EACH (port, ports)
			s->ports[s->n_ports++] = (struct mill_chart_port){
				.name = port->key, .mark = port->key_mark,
				.number = (uint16_t)mill_read_int(ports, port->key, 0)};
	}
}

static void read_paths(struct mill_reader *r, const struct mill_node *map, struct mill_chart *k)
{
	k->paths = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_chart_path);
	MILL_MAP_EACH (pair, map) {
		struct mill_chart_path *p = &k->paths[k->n_paths++];
		p->what = pair->key;
		p->mark = pair->key_mark;
		mill_read_texts(r, map, pair->key, &p->places, &p->n_places);
		if (mill_node_is_scalar(pair->value)) {
			p->places = MILL_ARENA_ARRAY(r->arena, 1, const char *);
			p->places[p->n_places++] = pair->value->text;
		}
	}
}

static void read_config_maps(struct mill_reader *r, const struct mill_node *list, struct mill_chart *k)
{
	k->config_maps = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_chart_config_map);
	MILL_SEQ_EACH (item, list) {
		struct mill_chart_config_map *m = &k->config_maps[k->n_config_maps++];
		const struct mill_node *labels = mill_read_map(item, "labels");
		m->mark = item->mark;
		m->name = mill_read_template(r, item, "name", "");
		m->folder = mill_read_text(item, "folder", "");
		m->component = mill_read_text(item, "component", NULL);
		m->labels = MILL_ARENA_ARRAY(r->arena, 2 * (labels ? labels->n : 0), const char *);
		MILL_MAP_EACH (pair, labels) {
			m->labels[m->n_labels++] = pair->key;
			m->labels[m->n_labels++] = pair->value->text ? pair->value->text : "";
		}
	}
}

static void read_ready(struct mill_reader *r, const struct mill_node *list, struct mill_chart *k)
{
	k->ready = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_chart_ready);
	MILL_SEQ_EACH (item, list) {
		struct mill_chart_ready *w = &k->ready[k->n_ready++];
		w->mark = item->mark;
		w->what = mill_node_is_scalar(item) ? mill_template_parse(r, item) : mill_read_template(r, item, "what", "");
		w->condition = mill_read_text(item, "condition", NULL);
		w->timeout_ns = mill_read_duration(item, "timeout", 600 * MILL_SEC);
		w->when = mill_read_when(r, item);
	}
}

static void read_stop(struct mill_reader *r, const struct mill_node *list, struct mill_chart *k)
{
	k->stop = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_chart_stop);
	MILL_SEQ_EACH (item, list) {
		struct mill_chart_stop *s = &k->stop[k->n_stop++];
		s->mark = item->mark;
		if (mill_node_is_scalar(item)) {
			read_file(r, item, &s->file);
			continue;
		}
		s->remove = mill_read_template(r, item, "delete", "");
		s->selector = mill_read_template(r, item, "selector", NULL);
	}
}

/* Charts of ours lie beside the folder of components; name and version are in their Chart.yaml. */
static void read_path(struct mill_reader *r, const struct mill_component *c, const char *path, struct mill_chart *k)
{
	if (!path)
		return;
	k->path = mill_arena_printf(r->arena, "%.*s/%s", (int)(strlen(c->dir) - strlen(mill_path_basename(c->dir)) - 1), c->dir, "..");
	_cleanup_free_ char *joined = mill_xasprintf("%s/%s", k->path, path);
	_cleanup_free_ char *absolute = mill_path_absolute(joined);
	k->path = mill_arena_strdup(r->arena, absolute);
	k->name = mill_arena_strdup(r->arena, mill_path_basename(absolute));
}

static void read_chart(struct mill_reader *r, const struct mill_component *c, const struct mill_node *node, struct mill_chart *k)
{
	const char *digest = mill_read_text(node, "digest", NULL);
	k->mark = node->mark;
	k->repository = mill_read_text(node, "repository", NULL);
	k->name = mill_read_text(node, "name", NULL);
	k->version = mill_read_text(node, "version", NULL);
	k->app_version = mill_read_text(node, "app_version", NULL);
	k->digest = digest && mill_starts_with(digest, "sha256:") ? digest + strlen("sha256:") : NULL;
	k->cluster = mill_streq(mill_read_text(node, "layer", ""), "cluster");
	k->release = mill_read_template(r, node, "release", NULL);
	k->own_namespace = mill_read_template(r, node, "namespace", NULL);
	read_path(r, c, mill_read_text(node, "path", NULL), k);
	k->crds = mill_read_bool(node, "crds", false);
	mill_read_texts(r, node, "kustomize", &k->kustomize, &k->n_kustomize);
	mill_read_texts(r, node, "needs", &k->needs, &k->n_needs);
	read_files(r, mill_node_get(node, "values"), &k->values, &k->n_values);
	read_files(r, mill_node_get(node, "objects"), &k->objects, &k->n_objects);
	read_secrets(r, mill_read_map(node, "secrets"), k);
	mill_read_entries(r, mill_read_map(node, "secret_values"), &k->secret_values, &k->n_secret_values);
	read_services(r, mill_read_map(node, "services"), k);
	read_config_maps(r, mill_read_list(node, "config_maps"), k);
	read_paths(r, mill_read_map(node, "paths"), k);
	read_ready(r, mill_read_list(node, "ready"), k);
	read_stop(r, mill_read_list(node, "stop"), k);
	k->selector = mill_read_template(r, node, "selector", NULL);
}

void mill_manifest_read_charts(struct mill_reader *r, const struct mill_node *kubernetes, struct mill_component *c)
{
	const struct mill_node *chart = mill_node_get(kubernetes, "chart");
	c->charts = MILL_ARENA_ARRAY(r->arena, mill_node_is(chart, MILL_NODE_SEQ) ? chart->n : 1, struct mill_chart);
	if (mill_node_is(chart, MILL_NODE_MAP))
		read_chart(r, c, chart, &c->charts[c->n_charts++]);
	MILL_SEQ_EACH (item, chart)
		if (mill_node_is(item, MILL_NODE_MAP))
			read_chart(r, c, item, &c->charts[c->n_charts++]);
}

const struct mill_chart_service *mill_component_chart_service(const struct mill_component *c, const char *name)
{
	if (!c->in_pods || !mill_streq(c->deployment, "chart"))
		return NULL;
	for (size_t i = 0; i < c->n_charts; i++)
		for (size_t n = 0; n < c->charts[i].n_services; n++)
			if (mill_streq(c->charts[i].services[n].service, name))
				return &c->charts[i].services[n];
	return NULL;
}
