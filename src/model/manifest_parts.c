/* Capabilities, secrets, hooks, tasks, links and metrics of a manifest. */
#include "base/clock.h"
#include "model/manifest.h"
#include "model/template.h"

static void read_provides(struct mill_reader *r, const struct mill_node *map,
			  struct mill_component *c)
{
	c->provides = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_capability);
	MILL_MAP_EACH (pair, map) {
		struct mill_capability *p = &c->provides[c->n_provides++];
		p->name = pair->key;
		p->mark = pair->key_mark;
		mill_read_entries(r, pair->value, &p->values, &p->n_values);
	}
}

/* An item is a capability, or {capability: {parameter: value}}. */
static void read_requirements(struct mill_reader *r, const struct mill_node *list, bool optional,
			      struct mill_component *c)
{
	MILL_SEQ_EACH (item, list) {
		struct mill_requirement *q = &c->requires[c->n_requires];
		q->optional = optional;
		q->mark = item->mark;
		if (mill_node_is_scalar(item)) {
			q->capability = item->text;
		} else if (mill_node_is(item, MILL_NODE_MAP) && item->n == 1) {
			q->capability = item->pairs[0].key;
			q->mark = item->pairs[0].key_mark;
			mill_read_entries(r, item->pairs[0].value, &q->parameters,
					  &q->n_parameters);
		} else {
			continue;
		}
		c->n_requires++;
	}
}

static void read_secrets(struct mill_reader *r, const struct mill_node *map,
			 struct mill_component *c)
{
	static const struct {
		const char *name;
		double bits;
	} alphabets[] = {{"alnum", 5.954}, {"hex", 4}, {"base64url", 6}};
	c->secrets = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_secret_spec);
	MILL_MAP_EACH (pair, map) {
		struct mill_secret_spec *s = &c->secrets[c->n_secrets++];
		s->name = pair->key;
		s->mark = pair->key_mark;
		s->length = (unsigned)mill_read_int(pair->value, "length", 32);
		s->alphabet = mill_read_text(pair->value, "alphabet", "alnum");
		for (size_t i = 0; i < MILL_ARRAY_LEN(alphabets); i++)
			if (mill_streq(s->alphabet, alphabets[i].name) &&
			    s->length * alphabets[i].bits < 128)
				mill_diag_error(r->diags, s->mark,
						"secret '%s': %u characters of %s are %.0f bits, at "
						"least 128 are needed",
						s->name, s->length, s->alphabet,
						s->length * alphabets[i].bits);
	}
}

/* A file is run by the tools' Python from the component's (staged) folder. */
/* A file of the component's folder (or that all hooks share), run by the Python of `group`: tools or store. */
static void python_hook(struct mill_reader *r, const char *group, const char *file, struct mill_mark mark, struct mill_hook *h)
{
	h->command = MILL_ARENA_ARRAY(r->arena, 2, struct mill_template);
	h->n_command = 2;
	h->command[0] = mill_template_make(r->arena, group, "/bin/python", mark);
	h->command[1] = mill_template_make(r->arena, "component", mill_arena_printf(r->arena, "/%s", file), mark);
}

static void read_hook(struct mill_reader *r, const struct mill_node *node, uint64_t timeout_ns,
		      struct mill_hook *h)
{
	if (!node || mill_node_is_null(node))
		return;
	h->mark = node->mark;
	h->timeout_ns = timeout_ns;
	if (mill_node_is_scalar(node)) {
		python_hook(r, "tools", node->text, node->mark, h);
		return;
	}
	const struct mill_node *command = mill_read_list(node, "command");
	const struct mill_node *file = mill_read_scalar(node, "hook");
	h->timeout_ns = mill_read_duration(node, "timeout", timeout_ns);
	if (!!command + !!file != 1)
		mill_diag_error(r->diags, node->mark, "a hook needs one of hook (a file) and command");
	if (file)
		python_hook(r, "tools", file->text, file->mark, h);
	else
		mill_read_templates(r, command, &h->command, &h->n_command);
}

static void read_provisions(struct mill_reader *r, const struct mill_node *map,
			    struct mill_component *c)
{
	c->provisions = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_provision);
	MILL_MAP_EACH (pair, map) {
		struct mill_provision *p = &c->provisions[c->n_provisions++];
		p->capability = pair->key;
		p->mark = pair->key_mark;
		p->user_key = mill_read_text(pair->value, "user", NULL);
		p->user_suffix = mill_read_text(pair->value, "suffix", NULL);
		p->password_key = mill_read_text(pair->value, "password", NULL);
		read_hook(r, pair->value, 60 * MILL_SEC, &p->hook);
	}
}

static void read_task(struct mill_reader *r, const struct mill_pair *pair,
		      struct mill_component *c, struct mill_task *t)
{
	const struct mill_node *node = pair->value;
	const struct mill_node *command = mill_read_list(node, "command");
	const struct mill_node *hook = mill_node_get(node, "hook");
	const char *before = mill_read_text(node, "before", NULL);
	const char *after = mill_read_text(node, "after", NULL);
	t->name = pair->key;
	t->mark = pair->key_mark;
	t->service = mill_read_text(node, "for", "");
	t->after = after != NULL;
	t->plain = command != NULL;
	if (!!command + !!hook != 1)
		mill_diag_error(r->diags, t->mark, "task '%s' needs one of command and hook",
				t->name);
	if (before && after)
		mill_diag_error(r->diags, t->mark, "task '%s' is before or after, not both", t->name);
	const char *near = after ? after : before;
	if (near && !mill_streq(near, t->service))
		mill_diag_error(r->diags, mill_node_get(node, after ? "after" : "before")->mark,
				"task '%s' is for '%s', so it runs before or after that one",
				t->name, t->service);
	if (command) {
		t->hook.mark = command->mark;
		mill_read_templates(r, command, &t->hook.command, &t->hook.n_command);
	} else {
		read_hook(r, hook, 120 * MILL_SEC, &t->hook);
	}
	if (mill_node_get(node, "timeout") || command)
		t->hook.timeout_ns = mill_read_duration(node, "timeout", 120 * MILL_SEC);
	mill_read_entries(r, mill_read_map(node, "environment"), &t->environment,
			  &t->n_environment);
	mill_manifest_read_files(r, c, mill_read_map(node, "files"), &t->files, &t->n_files);
}

static void read_links(struct mill_reader *r, const struct mill_node *list,
		       struct mill_component *c)
{
	c->links = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_link);
	MILL_SEQ_EACH (item, list) {
		struct mill_link *l = &c->links[c->n_links++];
		l->mark = item->mark;
		l->title = mill_read_text(item, "title", "");
		l->service = mill_read_text(item, "service", "");
		l->port = mill_read_text(item, "port", "");
		l->secret = mill_read_text(item, "secret", NULL);
		l->path = mill_read_template(r, item, "path", "/");
		l->user = mill_read_template(r, item, "user", NULL);
	}
}

static void read_metrics(struct mill_reader *r, const struct mill_node *list,
			 struct mill_component *c)
{
	c->metrics = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_metric);
	MILL_SEQ_EACH (item, list) {
		struct mill_metric *m = &c->metrics[c->n_metrics++];
		m->mark = item->mark;
		m->service = mill_read_text(item, "service", "");
		m->port = mill_read_text(item, "port", "");
		m->path = mill_read_template(r, item, "path", "/metrics");
		m->user = mill_read_template(r, item, "user", NULL);
		m->secret = mill_read_text(item, "secret", NULL);
		if (!m->user.n != !m->secret)
			mill_diag_error(r->diags, m->mark, "metrics: a login is user and secret, both");
		mill_read_entries(r, mill_read_map(item, "labels"), &m->labels, &m->n_labels);
	}
}

static void read_exports(struct mill_reader *r, const struct mill_node *map, struct mill_component *c)
{
	size_t n = 0;
	MILL_MAP_EACH (kind, map)
		n += kind->value ? kind->value->n : 0;
	c->exports = MILL_ARENA_ARRAY(r->arena, n, struct mill_export);
	MILL_MAP_EACH (kind, map)
		MILL_SEQ_EACH (item, kind->value) {
			struct mill_export *e = &c->exports[c->n_exports++];
			e->kind = kind->key;
			e->mark = item->mark;
			mill_read_entries(r, item, &e->values, &e->n_values);
		}
}

void mill_manifest_read_parts(struct mill_reader *r, const struct mill_node *root,
			      struct mill_component *c)
{
	const struct mill_node *needed = mill_read_list(root, "requires");
	const struct mill_node *wired = mill_read_list(root, "optional");
	const struct mill_node *tasks = mill_read_map(root, "tasks");
	read_provides(r, mill_read_map(root, "provides"), c);
	c->requires = MILL_ARENA_ARRAY(r->arena, (needed ? needed->n : 0) + (wired ? wired->n : 0),
				       struct mill_requirement);
	read_requirements(r, needed, false, c);
	read_requirements(r, wired, true, c);
	read_secrets(r, mill_read_map(root, "secrets"), c);
	mill_read_entries(r, mill_read_map(root, "environment"), &c->environment,
			  &c->n_environment);
	mill_manifest_read_files(r, c, mill_read_map(root, "files"), &c->files, &c->n_files);
	read_provisions(r, mill_read_map(root, "provision"), c);
	c->tasks = MILL_ARENA_ARRAY(r->arena, tasks ? tasks->n : 0, struct mill_task);
	MILL_MAP_EACH (pair, tasks)
		read_task(r, pair, c, &c->tasks[c->n_tasks++]);
	read_hook(r, mill_node_get(root, "smoke"), 120 * MILL_SEC, &c->smoke);
	if (c->n_kernels && !mill_node_get(root, "smoke")) { /* a cell in each; R and Scala start slowly */
		c->smoke.mark = c->mark;
		c->smoke.timeout_ns = 300 * MILL_SEC;
		python_hook(r, "store", "kernels.py", c->mark, &c->smoke);
	}
	read_hook(r, mill_node_get(root, "repo"), 600 * MILL_SEC, &c->repo);
	read_hook(r, mill_node_get(root, "backup"), 600 * MILL_SEC, &c->backup);
	read_hook(r, mill_node_get(root, "configure"), 60 * MILL_SEC, &c->configure);
	read_links(r, mill_read_list(root, "links"), c);
	read_metrics(r, mill_read_list(root, "metrics"), c);
	read_exports(r, mill_read_map(root, "exports"), c);
}
