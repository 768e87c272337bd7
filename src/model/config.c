/* Components' configuration files and the flavour's blocks, in this order: the block wins. */
#include "base/io.h"
#include "base/parse.h"
#include "model/loading.h"
#include "model/schema.h"
#include "model/settings.h"

enum { NAMES_MAX = 160 };

/* ---- what a block or a file says ---- */
struct block {
	struct mill_loading *l;
	struct mill_component *c;
	const struct mill_schema *schema;
	const char *what;
	char *folder; /* that its paths are relative to */
};

static void pin_port(struct block *b, const struct mill_pair *pair)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	if (!mill_node_is(pair->value, MILL_NODE_INT))
		return;
	for (size_t i = 0; i < b->c->n_services; i++) {
		struct mill_service *s = &b->c->services[i];
		for (size_t j = 0; j < s->n_ports; j++) {
			struct mill_port *p = &s->ports[j];
			char *key = mill_arena_printf(b->l->r.arena, "%s.%s", s->name, p->name);
			if (mill_streq(key, pair->key)) {
				p->pinned = (uint16_t)pair->value->integer;
				p->pin_mark = pair->value->mark;
				return;
			}
			if (n < NAMES_MAX)
				names[n++] = key;
		}
	}
	struct mill_diag *d = mill_diag_error(b->l->r.diags, pair->key_mark,
					      "component '%s' has no port '%s'", b->c->name, pair->key);
	if (!mill_diag_suggest(d, pair->key, names, n) && n)
		mill_diag_hint(d, "ports are written service.port, such as %s", names[0]);
}

static void unknown_key(struct block *b, const struct mill_pair *pair)
{
	const struct mill_component *c = b->c;
	const char *why = mill_read_text(mill_read_map(c->node, "retired"), pair->key, NULL);
	const char *names[NAMES_MAX];
	size_t n = 0;
	if (why) {
		mill_diag_hint(mill_diag_warning(b->l->r.diags, pair->key_mark,
						 "'%s' no longer means anything", pair->key),
			       "%s", why);
		return;
	}
	for (size_t i = 0; i < c->n_settings && n < NAMES_MAX; i++)
		names[n++] = c->settings[i].name;
	for (const struct mill_schema_key *k = b->schema->keys; k->name && n < NAMES_MAX; k++)
		names[n++] = k->name;
	struct mill_diag *d = mill_diag_error(b->l->r.diags, pair->key_mark,
					      "component '%s' has no setting '%s'", c->name, pair->key);
	if (!mill_diag_suggest(d, pair->key, names, n))
		mill_diag_hint(d, "data-mill component show %s lists its settings", c->name);
}

static void apply(struct block *b, const struct mill_node *node)
{
	struct mill_component *c = b->c;
	mill_schema_check(b->schema, node, b->what, b->l->r.diags);
	c->release = mill_read_text(node, "release", c->release);
	c->memory_override = mill_read_size(node, "memory", c->memory_override);
	if (mill_read_map(node, "kubernetes"))
		c->pod_options = mill_read_map(node, "kubernetes");
	c->deployment = mill_read_text(c->pod_options, "deployment", c->deployment);
	MILL_MAP_EACH (pair, mill_read_map(node, "ports"))
		pin_port(b, pair);
	MILL_MAP_EACH (pair, node) {
		if (mill_schema_find(b->schema, pair->key))
			continue;
		struct mill_setting *s = mill_component_setting(c, pair->key);
		if (!s)
			unknown_key(b, pair);
		else if (!mill_node_is_null(pair->value))
			mill_setting_assign(&b->l->r, s, pair->value, b->folder);
	}
}

/* ---- where the file is ---- */
static char *existing(char *path)
{
	if (mill_is_file(path))
		return path;
	free(path);
	return NULL;
}

/* In one of the two places that have a folder for each component; owned or NULL. */
static char *in_place(const char *place, const char *component, const char *const *names,
		      const char *config_file, const char *not_this)
{
	for (size_t i = 0; place && names[i]; i++) {
		char *path = existing(mill_xasprintf("%s/%s/%s", place, component, names[i]));
		if (path)
			return path;
	}
	if (!place || !config_file)
		return NULL;
	char *path = existing(mill_path_join(place, config_file));
	if (path && mill_streq(path, not_this))
		path = (free(path), NULL);
	return path;
}

static char *find_config(struct mill_loading *l, const struct mill_component *c,
			 const char *config_folder, const char *config_file)
{
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	const char *fallback = mill_read_text(project, "component_default_config", "config.yaml");
	const char *names[3] = {0};
	size_t n = 0;
	if (l->flavour_file)
		names[n++] = l->flavour_file;
	if (mill_path_is_inside(fallback))
		names[n++] = fallback;
	const char *flavour = l->m->project.flavour_path;
	char *path = in_place(l->flavour_dir, c->name, names, config_file, flavour);
	if (!path)
		path = in_place(config_folder, c->name, names, config_file, flavour);
	for (size_t i = 0; !path && names[i]; i++)
		path = existing(mill_path_join(c->dir, names[i]));
	return path;
}

/* A configuration written for the original wraps its keys in the component's name. */
static const struct mill_node *unwrap(const struct mill_node *root, const struct mill_component *c)
{
	const struct mill_node *inner = mill_read_map(root, c->name);
	return inner && root->n == 1 && !mill_component_setting(c, c->name) ? inner : root;
}

static void apply_file(struct mill_loading *l, struct mill_component *c, const char *path)
{
	struct mill_document *doc = mill_loading_document(l, path, l->r.diags);
	c->config_path = mill_arena_strdup(l->r.arena, path);
	if (!doc || !doc->root || mill_node_is_null(doc->root))
		return;
	struct block b = {.l = l, .c = c, .schema = &mill_schema_config};
	b.what = mill_arena_printf(l->r.arena, "the configuration of '%s'", c->name);
	b.folder = mill_path_dirname(path);
	apply(&b, unwrap(doc->root, c));
	free(b.folder);
}

static void check_blocks(struct mill_loading *l)
{
	const char *names[NAMES_MAX * 4];
	size_t n = 0;
	for (const struct mill_schema_key *k = mill_schema_flavour.keys; k->name; k++)
		names[n++] = k->name;
	for (size_t i = 0; i < l->n_folders && n < MILL_ARRAY_LEN(names); i++)
		names[n++] = l->names[i];
	MILL_MAP_EACH (pair, l->flavour) {
		if (mill_schema_find(&mill_schema_flavour, pair->key) ||
		    mill_loading_folder(l, pair->key))
			continue;
		struct mill_diag *d = mill_diag_error(l->r.diags, pair->key_mark,
						      "'%s' is neither a section nor a component",
						      pair->key);
		if (!mill_diag_suggest(d, pair->key, names, n))
			mill_diag_hint(d, "sections are project, local, remote and hybrid; data-mill "
					  "component list shows the components");
	}
}

void mill_config_apply(struct mill_loading *l)
{
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	const struct mill_node *named = mill_read_scalar(project, "config_folder");
	_cleanup_free_ char *folder = named ? mill_find_folder(l, named->text) : NULL;
	if (named && !folder)
		mill_diag_warning(l->r.diags, named->mark, "config_folder: there is no folder '%s'",
				  named->text);
	check_blocks(l);
	for (size_t i = 0; i < l->m->n_known; i++) {
		struct mill_component *c = l->m->known[i];
		const struct mill_pair *pair = mill_node_pair(l->flavour, c->name);
		const struct mill_node *config_file =
			pair ? mill_read_scalar(pair->value, "config_file") : NULL;
		_cleanup_free_ char *path =
			find_config(l, c, folder, config_file ? config_file->text : NULL);
		if (path)
			apply_file(l, c, path);
		if (config_file && (!path || !mill_ends_with(path, config_file->text)))
			mill_diag_hint(mill_diag_warning(l->r.diags, config_file->mark,
							 "config_file: '%s' is not used",
							 config_file->text),
				       path ? "%s comes first" : "it is looked for in the flavour's folder "
								 "and in config_folder",
				       path);
		if (!pair || mill_node_is_null(pair->value))
			continue;
		struct block b = {.l = l, .c = c, .schema = &mill_schema_block};
		b.what = mill_arena_printf(l->r.arena, "block '%s'", c->name);
		b.folder = l->flavour_dir;
		apply(&b, pair->value);
	}
}
