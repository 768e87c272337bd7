/* The flavour's project section and its list of components. */
#include <ctype.h>

#include "base/io.h"
#include "base/parse.h"
#include "model/loading.h"
#include "model/schema.h"

enum { SELECTED_MAX = 1000 };

/* Finds and parses the file; l->flavour stays NULL without one. */
int mill_flavour_load(struct mill_loading *l, struct mill_error *err)
{
	const struct mill_model_request *q = l->request;
	const char *name = q->flavour;
	if (!name && q->all_manifests)
		return 0; /* lists and checks of components want none */
	if (!name)
		name = getenv("DATA_MILL_FLAVOUR");
	if (!name || !*name)
		name = "default";
	_cleanup_free_ char *path = mill_find_flavour(q, name, err);
	if (!path)
		return q->flavour_from ? mill_error_wrap(err, "%s", q->flavour_from) : -err->code;
	struct mill_project *p = &l->m->project;
	p->flavour_path = mill_arena_strdup(l->r.arena, path);
	l->flavour_file = mill_path_basename(p->flavour_path);
	l->flavour_dir = mill_path_dirname(path);
	size_t n = strlen(l->flavour_file);
	p->flavour_name = mill_ends_with(l->flavour_file, ".yaml")
				  ? mill_arena_strndup(l->r.arena, l->flavour_file, n - 5)
				  : l->flavour_file;
	struct mill_document *doc = mill_loading_document(l, path, l->r.diags);
	if (doc && !doc->root)
		mill_diag_error(l->r.diags, mill_source_whole(doc->source), "the flavour is empty");
	l->flavour = doc ? doc->root : NULL;
	return 0;
}

static void read_folders(struct mill_loading *l, const struct mill_node *project)
{
	struct mill_project *p = &l->m->project;
	const struct mill_node *data = mill_read_scalar(project, "data_folder");
	const struct mill_node *bucket = mill_read_scalar(project, "data_bucket");
	if (!data)
		return;
	_cleanup_free_ char *path = mill_find_folder(l, data->text);
	if (!path) {
		mill_diag_hint(mill_diag_error(l->r.diags, data->mark, "data_folder: there is no folder '%s'",
					       data->text),
			       "it is looked for in the project, then beside the flavour");
		return;
	}
	p->data_folder = mill_arena_strdup(l->r.arena, path);
	if (bucket) {
		p->data_bucket = bucket->text;
		return;
	}
	char *name = mill_arena_strdup(l->r.arena, mill_path_basename(p->data_folder));
	for (char *c = name; *c; c++)
		*c = (char)(*c == '_' ? '-' : tolower((unsigned char)*c));
	p->data_bucket = name;
	if (strlen(name) < 3 || strlen(name) > 63 ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")])
		mill_diag_hint(mill_diag_error(l->r.diags, data->mark,
					       "data_folder: '%s' cannot be a bucket's name", name),
			       "name the bucket with data_bucket");
}

static void read_budget(struct mill_loading *l, const struct mill_node *project, const char *key, double share,
			struct mill_budget *b)
{
	const struct mill_node *node = mill_read_scalar(project, key);
	*b = (struct mill_budget){.share = share};
	if (!node)
		return;
	if (mill_parse_fraction(node->text, &b->share) < 0) {
		b->share = 0;
		if (mill_parse_size(node->text, &b->bytes) < 0)
			return; /* the schema said so */
	}
	if (!b->share && !b->bytes)
		mill_diag_error(l->r.diags, node->mark, "%s: must be more than nothing", key);
}

void mill_flavour_read(struct mill_loading *l)
{
	struct mill_project *p = &l->m->project;
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	if (l->flavour)
		mill_schema_check(&mill_schema_flavour, l->flavour, "the flavour", l->r.diags);
	p->name = mill_read_text(project, "k8s_namespace", "data-mill");
	p->proxy_port = (int)mill_read_int(project, "proxy_port", 8088);
	p->mark = project ? project->mark : MILL_MARK_NONE;
	read_folders(l, project);
	read_budget(l, project, "memory", 0.75, &p->memory);
	read_budget(l, project, "disk", 0.5, &p->disk);
	p->pod_options = mill_read_map(project, "kubernetes");
}

/* ---- the list of components ---- */
struct item {
	const char *name;
	struct mill_mark mark;
};
struct items {
	struct item *items;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A comma list keeps the place of each word; a YAML list has one anyway. */
static void split(struct mill_loading *l, const struct mill_node *node, struct items *ret)
{
	size_t cap = 1;
	if (mill_node_is_scalar(node)) {
		for (const char *c = node->text; *c; c++)
			cap += *c == ',';
	} else if (mill_node_is(node, MILL_NODE_SEQ)) {
		cap = node->n;
	}
	ret->items = MILL_ARENA_ARRAY(l->r.arena, cap, struct item);
	MILL_SEQ_EACH (item, node)
		if (mill_node_is_scalar(item))
			ret->items[ret->n++] = (struct item){item->text, item->mark};
	if (!mill_node_is_scalar(node))
		return;
	for (const char *s = node->text; *s;) {
		while (is_blank(*s) || *s == ',')
			s++;
		size_t n = strcspn(s, ",");
		const char *next = s + n;
		while (n && is_blank(s[n - 1]))
			n--;
		if (n)
			ret->items[ret->n++] = (struct item){
				mill_arena_strndup(l->r.arena, s, n),
				mill_node_mark_within(node, (size_t)(s - node->text), n)};
		s = next;
	}
}

void mill_flavour_listed(struct mill_loading *l, struct mill_strv *ret)
{
	static const char *const keys[] = {"flavour", "environments"};
	for (size_t k = 0; k < MILL_ARRAY_LEN(keys); k++) {
		struct items listed = {0};
		split(l, mill_node_get(mill_read_map(l->flavour, "project"), keys[k]), &listed);
		for (size_t i = 0; i < listed.n; i++)
			mill_strv_add(ret, listed.items[i].name);
	}
}

static void unknown_component(struct mill_loading *l, const struct item *item)
{
	struct mill_diag *d =
		mill_diag_error(l->r.diags, item->mark, "unknown component '%s'", item->name);
	if (!mill_diag_suggest(d, item->name, l->names, l->n_folders))
		mill_diag_hint(d, "data-mill component list shows those there are");
}

static void select_one(struct mill_loading *l, const struct item *item, const char *why)
{
	struct mill_model *m = l->m;
	struct mill_folder *f = mill_loading_folder(l, item->name);
	if (!f) {
		unknown_component(l, item);
		return;
	}
	/* its own errors say what is wrong with it */
	f->relevant = true;
	if (!f->component)
		return;
	for (size_t i = 0; i < m->n_selected; i++) {
		if (m->selected[i] != f->component)
			continue;
		if (item->mark.source)
			mill_diag_warning(l->r.diags, item->mark, "'%s' is named twice", item->name);
		return;
	}
	f->component->mark = item->mark;
	f->component->why = why;
	f->component->selected = true;
	if (m->n_selected < l->n_folders)
		m->selected[m->n_selected++] = f->component;
}

static void select_listed(struct mill_loading *l, const struct mill_node *project)
{
	struct items listed = {0};
	const struct mill_node *node = mill_node_get(project, "flavour");
	if (!node)
		return;
	split(l, node, &listed);
	if (!listed.n && (mill_node_is_scalar(node) || mill_node_is(node, MILL_NODE_SEQ)))
		mill_diag_error(l->r.diags, node->mark, "flavour: names no component");
	for (size_t i = 0; i < listed.n; i++) {
		if (!mill_streq(listed.items[i].name, "all")) {
			select_one(l, &listed.items[i], "flavour");
			continue;
		}
		l->m->project.all = true;
		if (listed.n > 1)
			mill_diag_warning(l->r.diags, listed.items[i].mark,
					  "'all' already means every component");
	}
}

/* Beside the components, also with `flavour: all`, which means none of them. */
static void select_environments(struct mill_loading *l, const struct mill_node *project)
{
	struct items listed = {0};
	split(l, mill_node_get(project, "environments"), &listed);
	for (size_t i = 0; i < listed.n; i++) {
		const struct mill_folder *f = mill_loading_folder(l, listed.items[i].name);
		if (f && !f->environment)
			mill_diag_hint(mill_diag_error(l->r.diags, listed.items[i].mark,
						       "environments: '%s' is a component", listed.items[i].name),
				       "data-mill environment list shows those there are");
		else
			select_one(l, &listed.items[i], "flavour");
	}
}

static void read_use(struct mill_loading *l, const struct mill_node *project)
{
	MILL_MAP_EACH (pair, mill_read_map(project, "use")) {
		const char *name = mill_node_text(pair->value);
		if (!name)
			continue;
		const struct item item = {name, pair->value->mark};
		const struct mill_folder *f = mill_loading_folder(l, name);
		if (!f) {
			unknown_component(l, &item);
			continue;
		}
		bool provides = false, provided = false;
		for (size_t i = 0; f->component && i < f->component->n_provides; i++)
			provides |= mill_streq(f->component->provides[i].name, pair->key);
		for (size_t i = 0; i < l->m->n_known; i++)
			for (size_t j = 0; j < l->m->known[i]->n_provides; j++)
				provided |= mill_streq(l->m->known[i]->provides[j].name, pair->key);
		if (!provided && !mill_loading_folder(l, pair->key)) {
			mill_diag_hint(mill_diag_error(l->r.diags, pair->key_mark,
						       "use: '%s' is neither a capability nor a component",
						       pair->key),
				       "data-mill component show NAME says what one provides");
			continue;
		}
		if (provided && !provides && f->component && !mill_loading_folder(l, pair->key)) {
			mill_diag_error(l->r.diags, pair->value->mark, "use: '%s' does not provide %s",
					name, pair->key);
			continue;
		}
		mill_map_set(&l->m->project.use, pair->key, (void *)name);
	}
}

/* Names from the command line have no place: a wrong one is a usage error at once. */
static int from_command_line(struct mill_loading *l, const char *option, const char *const *names,
			     struct mill_error *err)
{
	for (; names && *names; names++) {
		if (mill_loading_folder(l, *names))
			continue;
		mill_fail_usage(err, "%s: unknown component '%s'", option, *names);
		const char *near = mill_suggest(*names, l->names, l->n_folders);
		if (near)
			return mill_error_hint(err, "did you mean '%s'?", near);
		return mill_error_hint(err, "data-mill component list shows those there are");
	}
	return 0;
}

static size_t count(const char *const *names)
{
	size_t n = 0;
	while (names && names[n])
		n++;
	return n;
}

int mill_flavour_select(struct mill_loading *l, struct mill_error *err)
{
	struct mill_model *m = l->m;
	const struct mill_model_request *q = l->request;
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	struct items without = {0};
	int rc = from_command_line(l, "-c", q->components, err);
	if (rc == 0)
		rc = from_command_line(l, "--without", q->without, err);
	if (rc < 0)
		return rc;
	m->selected = MILL_ARENA_ARRAY(&m->arena, l->n_folders, struct mill_component *);
	select_listed(l, project);
	select_environments(l, project);
	read_use(l, project);
	m->project.only = MILL_ARENA_ARRAY(&m->arena, count(q->components), const char *);
	for (size_t i = 0; q->components && q->components[i]; i++) {
		m->project.only[m->project.n_only++] = mill_arena_strdup(&m->arena, q->components[i]);
		const struct item item = {q->components[i], MILL_MARK_NONE};
		select_one(l, &item, "-c");
	}
	split(l, mill_node_get(project, "without"), &without);
	m->project.without =
		MILL_ARENA_ARRAY(&m->arena, without.n + count(q->without), const char *);
	for (size_t i = 0; i < without.n; i++) {
		if (!mill_loading_folder(l, without.items[i].name))
			unknown_component(l, &without.items[i]);
		else
			m->project.without[m->project.n_without++] = without.items[i].name;
	}
	for (size_t i = 0; q->without && q->without[i]; i++)
		m->project.without[m->project.n_without++] = mill_arena_strdup(&m->arena, q->without[i]);
	return 0;
}
