/* What no table says of charts: whole sources, names of services, files that must be there, and their templates. */
#include "base/io.h"
#include "model/manifest.h"
#include "model/names.h"

static void check_source(struct mill_reader *r, const struct mill_chart *k)
{
	const char *const source[] = {k->repository, k->name, k->version};
	static const char *const names[] = {"repository", "name", "version"};
	size_t said = 0;

	if (k->path) {
		_cleanup_free_ char *file = mill_path_join(k->path, "Chart.yaml");
		if (k->repository || k->version || k->n_kustomize || k->digest)
			mill_diag_error(r->diags, k->mark, "chart: `path` is a chart of ours, and no other source goes with it");
		if (r->strict && !mill_is_file(file))
			mill_diag_error(r->diags, k->mark, "chart: there is no %s", file);
		return;
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(source); i++)
		said += source[i] != NULL;
	for (size_t i = 0; said && i < MILL_ARRAY_LEN(source); i++)
		if (!source[i])
			mill_diag_error(r->diags, k->mark, "chart: '%s' is missing: a chart is repository, name and version", names[i]);
	if (said && k->n_kustomize)
		mill_diag_error(r->diags, k->mark, "chart: it comes from a repository or by kustomize, not both");
	if (!said && !k->n_kustomize && !k->n_objects)
		mill_diag_hint(mill_diag_error(r->diags, k->mark, "chart: there is nothing to deploy"),
			       "say repository, name and version; or kustomize; or objects");
	if (k->digest && !said)
		mill_diag_error(r->diags, k->mark, "chart: a digest without a package");
	if (k->n_values && !k->name)
		mill_diag_error(r->diags, k->mark, "chart: values without a chart");
}

/* What a platform's own people install is in the platform's namespace, and comes by helm. */
static void check_layer(struct mill_reader *r, const struct mill_chart *k)
{
	if (k->cluster)
		return;
	if (k->own_namespace.n)
		mill_diag_hint(mill_diag_error(r->diags, k->mark, "chart: a namespace of its own is for the cluster's layer"), "say `layer: cluster`, or leave `namespace` out");
	if (k->n_kustomize)
		mill_diag_hint(mill_diag_error(r->diags, k->mark, "chart: kustomize is for the cluster's layer"), "say `layer: cluster`");
}

static void check_services(struct mill_reader *r, const struct mill_component *c, const struct mill_chart *k)
{
	for (size_t i = 0; i < k->n_services; i++) {
		const struct mill_chart_service *s = &k->services[i];
		const struct mill_service *of = mill_component_service(c, s->service);
		if (!of) {
			mill_diag_error(r->diags, s->mark, "services: '%s' has no service '%s'", c->name, s->service);
			continue;
		}
		for (size_t p = 0; p < s->name.n; p++)
			if (!s->name.parts[p].text && !mill_streq(s->name.parts[p].group, "release"))
				mill_diag_error(r->diags, s->name.parts[p].mark, "services: a name may hold ${release}, nothing else");
		for (size_t p = 0; p < s->n_ports; p++)
			if (!mill_service_port(of, s->ports[p].name))
				mill_diag_error(r->diags, s->ports[p].mark, "services: '%s' has no port '%s'", s->service,
						s->ports[p].name);
	}
}

static void check_needs(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c,
			const struct mill_chart *k)
{
	for (size_t i = 0; m && m->n_known && i < k->n_needs; i++) {
		const struct mill_component *other = mill_model_find(m, k->needs[i]);
		bool cluster = false;
		if (!other && !r->strict)
			continue; /* not read: this flavour cannot need it */
		for (size_t n = 0; other && n < other->n_charts; n++)
			cluster |= other->charts[n].cluster;
		if (!other)
			mill_diag_error(r->diags, k->mark, "chart: needs '%s', and there is no such component", k->needs[i]);
		else if (!cluster)
			mill_diag_error(r->diags, k->mark, "chart: needs '%s', which has no chart of the cluster's layer", k->needs[i]);
	}
}

/* apiVersion, kind and a name: what kubectl apply cannot do without. */
static void check_object(struct mill_reader *r, const struct mill_chart_file *f, const struct mill_node *root)
{
	const struct mill_node *metadata = mill_read_map(root, "metadata");
	static const char *const keys[] = {"apiVersion", "kind"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++)
		if (!mill_read_scalar(root, keys[i]))
			mill_diag_error(r->diags, root->mark, "'%s': an object needs %s", f->name, keys[i]);
	if (!mill_read_scalar(metadata, "name"))
		mill_diag_error(r->diags, root->mark, "'%s': an object needs metadata.name", f->name);
	if (mill_node_get(metadata, "namespace"))
		mill_diag_hint(mill_diag_error(r->diags, mill_node_get(metadata, "namespace")->mark,
					       "'%s': the namespace is the platform's to choose", f->name),
			       "leave metadata.namespace out");
	if (mill_streq(mill_read_text(root, "kind", ""), "Secret"))
		mill_diag_hint(mill_diag_error(r->diags, root->mark, "'%s': a Secret is no object of this kind", f->name),
			       "write it below `secrets`");
}

struct mill_document *mill_manifest_load_chart_file(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c, const struct mill_chart_file *f, bool object)
{
	_cleanup_document_ struct mill_document *doc = NULL;
	_cleanup_free_ char *path = mill_xasprintf("%s/kubernetes/%s", c->dir, f->name);
	struct mill_scope scope = {.r = r, .model = m, .component = c, .place = MILL_PLACE_CHART, .strict = r->strict};
	if (!mill_is_file(path)) {
		mill_diag_error(r->diags, f->mark, "there is no file 'kubernetes/%s' in the folder of '%s'", f->name, c->name);
		return NULL;
	}
	if (mill_document_load(path, NULL, r->diags, &doc) < 0)
		return NULL;
	if (!mill_node_is(doc->root, MILL_NODE_MAP)) {
		mill_diag_error(r->diags, doc->root ? doc->root->mark : f->mark, "'%s': expected a map", f->name);
		return NULL;
	}
	if (f->when.capability || f->when.setting || f->when.kubernetes)
		scope.guards[0] = &f->when;
	mill_names_check_tree(&scope, doc->root);
	if (object)
		check_object(r, f, doc->root);
	return MILL_TAKE(doc);
}

static void check_files(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c,
			const struct mill_chart_file *files, size_t n, bool objects)
{
	for (size_t i = 0; i < n; i++)
		mill_document_free(mill_manifest_load_chart_file(r, m, c, &files[i], objects));
}

static void check_config_maps(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c,
			      const struct mill_chart *k)
{
	for (size_t i = 0; i < k->n_config_maps; i++) {
		const struct mill_chart_config_map *map = &k->config_maps[i];
		const struct mill_component *of = map->component && m ? mill_model_find(m, map->component) : c;
		_cleanup_free_ char *path = of ? mill_path_join(of->dir, map->folder) : NULL;
		if (!of)
			mill_diag_error(r->diags, map->mark, "config_maps: there is no component '%s'", map->component);
		else if (!mill_is_dir(path))
			mill_diag_error(r->diags, map->mark, "config_maps: there is no folder '%s' in that of '%s'", map->folder, of->name);
	}
}

void mill_manifest_check_charts(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c)
{
	if (c->n_charts && mill_component_service(c, "chart"))
		mill_diag_error(r->diags, c->mark, "services: 'chart' is what the whole of a chart is called; name the service otherwise");
	if (mill_streq(c->deployment, "chart") && !c->n_charts)
		mill_diag_error(r->diags, c->mark, "kubernetes: deployed by 'chart', and there is no chart");
	for (size_t i = 0; i < c->n_charts; i++) {
		const struct mill_chart *k = &c->charts[i];
		check_source(r, k);
		check_layer(r, k);
		check_services(r, c, k);
		check_needs(r, m, c, k);
		if (!r->strict)
			continue; /* files are read when the chart is rendered */
		check_config_maps(r, m, c, k);
		check_files(r, m, c, k->values, k->n_values, false);
		check_files(r, m, c, k->objects, k->n_objects, true);
		for (size_t n = 0; n < k->n_stop; n++)
			if (!k->stop[n].remove.n)
				check_files(r, m, c, &k->stop[n].file, 1, true);
	}
}

static void check(const struct mill_scope *s, enum mill_place place, const struct mill_template *t, const struct mill_when *guard)
{
	struct mill_scope inner = *s;
	inner.place = place;
	if (guard) {
		inner.guards[0] = guard;
		mill_names_check_when(&inner, guard);
	}
	mill_names_check(&inner, t);
}

void mill_manifest_check_chart_templates(const struct mill_scope *s)
{
	const struct mill_component *c = s->component;
	for (size_t i = 0; i < c->n_charts; i++) {
		const struct mill_chart *k = &c->charts[i];
		check(s, MILL_PLACE_CHART, &k->release, NULL);
		check(s, MILL_PLACE_CHART, &k->own_namespace, NULL);
		check(s, MILL_PLACE_CHART, &k->selector, NULL);
		for (size_t n = 0; n < k->n_stop; n++) {
			check(s, MILL_PLACE_CHART, &k->stop[n].remove, NULL);
			check(s, MILL_PLACE_CHART, &k->stop[n].selector, NULL);
		}
		for (size_t n = 0; n < k->n_services; n++)
			check(s, MILL_PLACE_CHART, &k->services[n].name, NULL);
		for (size_t n = 0; n < k->n_config_maps; n++)
			check(s, MILL_PLACE_CHART, &k->config_maps[n].name, NULL);
		for (size_t n = 0; n < k->n_ready; n++)
			check(s, MILL_PLACE_CHART, &k->ready[n].what, &k->ready[n].when);
		for (size_t n = 0; n < k->n_secret_values; n++)
			check(s, MILL_PLACE_SECRET, &k->secret_values[n].value, &k->secret_values[n].when);
		for (size_t n = 0; n < k->n_secrets; n++) {
			check(s, MILL_PLACE_CHART, &k->secrets[n].name, NULL);
			for (size_t e = 0; e < k->secrets[n].n_keys; e++)
				check(s, MILL_PLACE_SECRET, &k->secrets[n].keys[e].value, &k->secrets[n].keys[e].when);
		}
	}
}
