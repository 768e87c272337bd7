#include "model/loading.h"

#include "base/io.h"
#include "model/manifest.h"
#include "model/settings.h"

void mill_loading_keep(struct mill_model *m, struct mill_document *doc)
{
	MILL_GROW(m->priv->docs, m->priv->n_docs, m->priv->cap_docs);
	m->priv->docs[m->priv->n_docs++] = doc;
}

struct mill_document *mill_loading_document(struct mill_loading *l, const char *path,
					    struct mill_diags *diags)
{
	struct mill_document *doc = NULL;
	if (!l->cwd[0] && !getcwd(l->cwd, sizeof(l->cwd)))
		memcpy(l->cwd, "//", 3); /* no path begins so: all are shown whole */
	if (mill_document_load(path, mill_find_shown(l->cwd, path), diags, &doc) < 0)
		return NULL;
	mill_loading_keep(l->m, doc);
	return doc;
}

static struct mill_model *model_new(struct mill_diags *diags)
{
	struct mill_model *m = mill_xcalloc(1, sizeof(*m));
	m->diags = diags;
	m->priv = mill_xcalloc(1, sizeof(*m->priv));
	return m;
}

static int load(struct mill_loading *l, struct mill_error *err)
{
	int rc = mill_flavour_load(l, err);
	if (rc < 0)
		return rc;
	mill_discover(l);
	mill_flavour_read(l);
	rc = mill_target_read(l, err);
	if (rc == 0) {
		mill_discover_needed(l);
		rc = mill_flavour_select(l, err);
	}
	if (rc < 0)
		return rc;
	mill_discover_report(l);
	mill_config_apply(l);
	return 0;
}

int mill_model_load(const struct mill_model_request *q, struct mill_diags *diags,
		    struct mill_model **ret, struct mill_error *err)
{
	_cleanup_error_ struct mill_error own = {0};
	struct mill_model *m = model_new(diags);
	struct mill_loading l = {.m = m, .request = q};
	if (q->resources)
		m->priv->shared_hooks = mill_arena_printf(&m->arena, "%s/components/_hooks", q->resources);
	l.r = (struct mill_reader){.arena = &m->arena,
				   .diags = diags,
				   .sources = &m->priv->sources,
				   .shared_hooks = m->priv->shared_hooks,
				   .strict = q->all_manifests};
	int rc = load(&l, err ? err : &own);
	for (size_t i = 0; i < l.n_folders; i++)
		mill_diags_release(&l.folders[i].diags);
	free(l.folders);
	free(l.flavour_dir);
	*ret = m;
	return rc;
}

struct mill_model *mill_model_free(struct mill_model *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->priv->n_docs; i++)
		mill_document_free(m->priv->docs[i]);
	free(m->priv->docs);
	mill_sources_release(&m->priv->sources);
	free(m->priv);
	mill_map_release(&m->project.use);
	mill_arena_release(&m->arena);
	free(m);
	return NULL;
}

char *mill_model_component_file(const struct mill_model *m, const struct mill_component *c, const char *name)
{
	char *own = mill_path_join(c->dir, name);
	_cleanup_free_ char *shared = m->priv->shared_hooks ? mill_path_join(m->priv->shared_hooks, name) : NULL;
	if (!shared || mill_exists(own) || !mill_exists(shared))
		return own;
	free(own);
	return MILL_TAKE(shared);
}

struct mill_component *mill_model_load_manifest(struct mill_model *m, const char *name,
						const char *dir)
{
	struct mill_loading l = {.m = m};
	l.r = (struct mill_reader){.arena = &m->arena,
				   .diags = m->diags,
				   .sources = &m->priv->sources,
				   .shared_hooks = m->priv->shared_hooks,
				   .strict = true};
	_cleanup_free_ char *path = mill_path_join(dir, mill_manifest_file(dir));
	_cleanup_free_ char *absolute = mill_path_absolute(dir);
	const size_t before = m->diags->n_errors;
	struct mill_document *doc = mill_loading_document(&l, path, m->diags);
	if (!doc)
		return NULL;
	if (!doc->root) {
		mill_diag_error(m->diags, mill_source_whole(doc->source), "the manifest is empty");
		return NULL;
	}
	struct mill_component *c = mill_manifest_read(&l.r, doc->root, name, absolute);
	mill_environment_link(&l.r, m, c);
	mill_manifest_check(&l.r, m, c);
	return m->diags->n_errors == before ? c : NULL;
}

/* ---- looking ---- */
struct mill_component *mill_model_find(const struct mill_model *m, const char *name)
{
	size_t low = 0, high = m->n_known;
	while (name && low < high) { /* known is sorted */
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, m->known[middle]->name);
		if (order == 0)
			return m->known[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct mill_service *mill_component_service(const struct mill_component *c, const char *name)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (mill_streq(c->services[i].name, name))
			return &c->services[i];
	return NULL;
}

struct mill_setting *mill_component_setting(const struct mill_component *c, const char *name)
{
	for (size_t i = 0; i < c->n_settings; i++)
		if (mill_streq(c->settings[i].name, name))
			return &c->settings[i];
	return NULL;
}

struct mill_port *mill_service_port(const struct mill_service *s, const char *name)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (mill_streq(s->ports[i].name, name))
			return &s->ports[i];
	return NULL;
}

bool mill_when_holds(const struct mill_when *w, const struct mill_component *c)
{
	bool holds = true;
	if (w->setting) {
		const struct mill_setting *s = mill_component_setting(c, w->setting);
		holds = s && mill_streq(s->value, "true");
	} else if (w->kubernetes) {
		holds = c->in_pods;
	} else if (w->capability) {
		holds = false;
		for (size_t i = 0; i < c->n_requires; i++)
			if (mill_streq(c->requires[i].capability, w->capability))
				holds = c->requires[i].provider != NULL;
	}
	return holds != w->negated;
}
