/* What no table says about a manifest: references inside it, and what makes no sense together. */
#include <regex.h>

#include "model/manifest.h"
#include "model/names.h"

/* Where a key's value stands, or the map itself. */
static struct mill_mark mark_at(const struct mill_node *map, const char *key,
				struct mill_mark fallback)
{
	const struct mill_node *node = mill_node_get(map, key);
	return node ? node->mark : fallback;
}

static const struct mill_node *item_at(const struct mill_node *list, size_t i)
{
	return list && i < list->n ? list->items[i] : NULL;
}

struct checker {
	struct mill_reader *r;
	const struct mill_component *c;
};

static const struct mill_service *need_service(const struct checker *k, struct mill_mark mark,
					       const char *what, const char *name)
{
	const struct mill_component *c = k->c;
	const struct mill_service *s = mill_component_service(c, name);
	const char *names[64];
	size_t n = 0;
	if (s || !*name)
		return s;
	for (; n < c->n_services && n < MILL_ARRAY_LEN(names); n++)
		names[n] = c->services[n].name;
	struct mill_diag *d = mill_diag_error(k->r->diags, mark, "%s: unknown service '%s'", what, name);
	mill_diag_suggest(d, name, names, n);
	return NULL;
}

static void need_port(const struct checker *k, struct mill_mark mark, const char *what,
		      const struct mill_service *s, const char *name)
{
	const char *names[32];
	size_t n = 0;
	if (!s || !*name || mill_service_port(s, name))
		return;
	for (; n < s->n_ports && n < MILL_ARRAY_LEN(names); n++)
		names[n] = s->ports[n].name;
	struct mill_diag *d = mill_diag_error(k->r->diags, mark, "%s: service '%s' has no port '%s'",
					      what, s->name, name);
	mill_diag_suggest(d, name, names, n);
}

static const struct mill_capability *provided(const struct mill_component *c, const char *name)
{
	for (size_t i = 0; i < c->n_provides; i++)
		if (mill_streq(c->provides[i].name, name))
			return &c->provides[i];
	return NULL;
}

/* ---- services ---- */
static void check_probe(const struct checker *k, const struct mill_service *s, const char *what,
			const struct mill_probe *p)
{
	const struct mill_node *node = mill_node_path(k->c->node, "services", s->name, what, NULL);
	const struct mill_node *network = mill_read_map(node, "http");
	if (!network)
		network = mill_read_map(node, "tcp");
	if (p->type == MILL_PROBE_HTTP || p->type == MILL_PROBE_TCP)
		need_port(k, mark_at(network, "port", p->mark), what, s, p->port);
	if (p->type != MILL_PROBE_LOG)
		return;
	if (strstr(p->pattern, "${"))
		mill_diag_error(k->r->diags, p->mark, "%s: a log pattern is not interpolated", what);
	if (!k->r->strict)
		return;
	regex_t re;
	int rc = regcomp(&re, p->pattern, REG_EXTENDED | REG_NOSUB);
	char why[128];
	if (rc == 0) {
		regfree(&re);
		return;
	}
	regerror(rc, &re, why, sizeof(why));
	mill_diag_error(k->r->diags, p->mark, "%s: bad pattern: %s", what, why);
}

/* Depth-first over `after`: each service is entered once; `path` holds those being visited. */
struct walk {
	const struct checker *k;
	const struct mill_service **path;
	enum { FRESH, OPEN, DONE } *state;
};

static bool find_cycle(const struct walk *w, const struct mill_service *s, size_t depth)
{
	const struct mill_component *c = w->k->c;
	const size_t index = (size_t)(s - c->services);
	if (w->state[index] == DONE)
		return false;
	if (w->state[index] == OPEN) {
		_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
		size_t i = 0;
		while (w->path[i] != s)
			i++;
		for (; i < depth; i++)
			mill_strbuf_printf(&text, "%s -> ", w->path[i]->name);
		mill_diag_error(w->k->r->diags, s->mark, "services wait for each other: %s%s",
				text.data, s->name);
		return true;
	}
	w->state[index] = OPEN;
	w->path[depth] = s;
	for (size_t i = 0; i < s->n_after; i++) {
		const struct mill_service *next = mill_component_service(c, s->after[i]);
		if (next && find_cycle(w, next, depth + 1))
			return true;
	}
	w->state[index] = DONE;
	return false;
}

static void check_cycles(const struct checker *k)
{
	const size_t n = k->c->n_services;
	struct walk w = {.k = k};
	w.path = MILL_ARENA_ARRAY(k->r->arena, n, const struct mill_service *);
	w.state = mill_arena_calloc(k->r->arena, n, sizeof(*w.state));
	for (size_t i = 0; i < n; i++)
		if (find_cycle(&w, &k->c->services[i], 0))
			break;
}

static void check_service(const struct checker *k, const struct mill_service *s)
{
	struct mill_diags *d = k->r->diags;
	check_probe(k, s, "readiness", &s->readiness);
	check_probe(k, s, "liveness", &s->liveness);
	check_probe(k, s, "startup", &s->startup);
	if (s->n_ports && s->readiness.type == MILL_PROBE_NONE)
		mill_diag_hint(mill_diag_error(d, s->mark, "service '%s' has ports but no readiness",
					       s->name),
			       "say when it can be used, for example readiness: {tcp: {port: %s}}",
			       s->ports[0].name);
	if (s->memory_min > s->memory)
		mill_diag_error(d, s->mark, "service '%s': memory_min is above memory", s->name);
	if (s->restart_max_delay_ns < s->restart_delay_ns)
		mill_diag_error(d, s->mark, "service '%s': restart.max_delay is below restart.delay",
				s->name);
	for (size_t i = 0; i < s->n_files; i++)
		if (s->files[i].reload && !s->reload_signal)
			mill_diag_error(d, s->files[i].mark,
					"file '%s' is to be reloaded, but the service has no `reload`",
					s->files[i].name);
	const struct mill_node *after = mill_node_path(k->c->node, "services", s->name, "after", NULL);
	MILL_SEQ_EACH (item, after)
		if (item->text)
			need_service(k, item->mark, "after", item->text);
}

/* ---- capabilities ---- */

/* What no manifest provides can never be bound. An optional one may come with a component of another project. */
static void check_providers(const struct checker *k, const struct mill_model *m)
{
	const struct mill_component *c = k->c;
	for (size_t i = 0; i < c->n_requires; i++) {
		const char *wanted = c->requires[i].capability, *names[256];
		size_t n = 0;
		bool found = c->requires[i].optional || provided(c, wanted);
		for (size_t j = 0; j < m->n_known && !found; j++) {
			const struct mill_component *other = m->known[j];
			found = provided(other, wanted) != NULL;
			for (size_t v = 0; v < other->n_provides && n < MILL_ARRAY_LEN(names); v++)
				names[n++] = other->provides[v].name;
		}
		if (!found)
			mill_diag_suggest(mill_diag_error(k->r->diags, c->requires[i].mark,
							  "requires: no component provides '%s'", wanted),
					  wanted, names, n);
	}
}

static void check_capabilities(const struct checker *k)
{
	const struct mill_component *c = k->c;
	struct mill_diags *d = k->r->diags;
	for (size_t i = 0; i < c->n_provides; i++)
		if (mill_names_is_group(c->provides[i].name))
			mill_diag_error(d, c->provides[i].mark,
					"'%s' cannot be a capability: ${%s...} means something else",
					c->provides[i].name, c->provides[i].name);
	for (size_t i = 0; i < c->n_requires; i++)
		for (size_t j = 0; j < i; j++)
			if (mill_streq(c->requires[i].capability, c->requires[j].capability))
				mill_diag_error(d, c->requires[i].mark, "'%s' is required twice",
						c->requires[i].capability);
	const struct mill_node *defaults = mill_read_list(c->node, "default_for");
	MILL_SEQ_EACH (item, defaults)
		if (item->text && !provided(c, item->text))
			mill_diag_error(d, item->mark, "default_for: '%s' is not in provides",
					item->text);
	for (size_t i = 0; i < c->n_provisions; i++) {
		const struct mill_provision *p = &c->provisions[i];
		const struct mill_capability *of = provided(c, p->capability);
		const char *const keys[] = {p->user_key, p->password_key};
		if (!of) {
			mill_diag_error(d, p->mark, "provision: '%s' is not in provides",
					p->capability);
			continue;
		}
		for (size_t j = 0; j < MILL_ARRAY_LEN(keys); j++) {
			bool found = !keys[j];
			for (size_t v = 0; v < of->n_values && !found; v++)
				found = mill_streq(of->values[v].key, keys[j]);
			if (!found)
				mill_diag_error(d, p->mark, "provision: %s does not provide '%s'",
						p->capability, keys[j]);
		}
	}
}

static void check_whole(const struct checker *k)
{
	const struct mill_component *c = k->c;
	struct mill_diags *d = k->r->diags;
	const bool runs = c->install || c->n_services || c->repo.n_command;
	if (!*c->version && runs)
		mill_diag_error(d, c->mark, "version: missing, and the component installs or runs something");
	if (mill_streq(c->stands_in, c->name))
		mill_diag_error(d, mill_node_get(c->node, "stands_in")->mark,
				"stands_in: a component cannot stand in for itself");
	if (c->stands_in && c->native && runs)
		mill_diag_error(d, mill_node_get(c->node, "stands_in")->mark,
				"stands_in: '%s' runs natively itself", c->name);
	if (!c->native && !c->kubernetes && !c->stands_in)
		mill_diag_hint(mill_diag_error(d, c->mark, "'%s' runs nowhere", c->name),
			       "it needs services, native, kubernetes, includes or stands_in");
	if (c->data_format)
		for (size_t i = 0; i < c->n_data_accepts; i++)
			if (c->data_accepts[i] > c->data_format)
				mill_diag_error(d, mill_node_get(c->node, "data_format")->mark,
						"data_format accepts version %d, newer than its own",
						c->data_accepts[i]);
}

static void check_place(const struct checker *k, const struct mill_node *node, const char *what,
			struct mill_mark mark, const char *service, const char *port)
{
	need_port(k, mark_at(node, "port", mark), what,
		  need_service(k, mark_at(node, "service", mark), what, service), port);
}

static void need_secret(const struct checker *k, struct mill_mark mark, const char *what, const char *name)
{
	bool known = !name;
	for (size_t i = 0; i < k->c->n_secrets && !known; i++)
		known = mill_streq(k->c->secrets[i].name, name);
	if (!known)
		mill_diag_error(k->r->diags, mark, "%s: unknown secret '%s'", what, name);
}

static void check_references(const struct checker *k)
{
	const struct mill_component *c = k->c;
	const struct mill_node *links = mill_read_list(c->node, "links");
	const struct mill_node *metrics = mill_read_list(c->node, "metrics");
	for (size_t i = 0; i < c->n_tasks; i++)
		need_service(k,
			     mark_at(mill_node_path(c->node, "tasks", c->tasks[i].name, NULL), "for",
				     c->tasks[i].mark),
			     "task", c->tasks[i].service);
	for (size_t i = 0; i < c->n_links; i++) {
		const struct mill_link *l = &c->links[i];
		const struct mill_node *node = item_at(links, i);
		check_place(k, node, "link", l->mark, l->service, l->port);
		need_secret(k, mark_at(node, "secret", l->mark), "link", l->secret);
	}
	for (size_t i = 0; i < c->n_metrics; i++) {
		const struct mill_metric *m = &c->metrics[i];
		check_place(k, item_at(metrics, i), "metrics", m->mark, m->service, m->port);
		need_secret(k, mark_at(item_at(metrics, i), "secret", m->mark), "metrics", m->secret);
	}
}

void mill_manifest_check(struct mill_reader *r, const struct mill_model *m,
			 const struct mill_component *c)
{
	const struct checker k = {.r = r, .c = c};
	struct mill_scope scope = {.r = r, .model = m, .component = c, .strict = r->strict};
	check_whole(&k);
	check_capabilities(&k);
	check_providers(&k, m);
	check_references(&k);
	for (size_t i = 0; i < c->n_services; i++)
		check_service(&k, &c->services[i]);
	check_cycles(&k);
	mill_manifest_check_templates(&scope);
	mill_manifest_check_files(r, c);
	mill_manifest_check_charts(r, m, c);
}
