/* What a flavour's charts need of the cluster's layer, and whether it is there. */
#include "base/io.h"
#include "base/json.h"
#include "chart/layer.h"
#include "chart/layer_call.h"

#define DEPTH_MAX 8

void mill_layer_needs_release(struct mill_layer_needs *n)
{
	for (size_t i = 0; i < n->n; i++) {
		mill_strv_release(&n->items[i].crds);
		mill_strv_release(&n->items[i].missing);
	}
	free(n->items);
	*n = (struct mill_layer_needs){0};
}

/* "crd/kafkas.kafka.strimzi.io" of `ready`: names of CRDs hold no ${...}. */
static void add_crds(const struct mill_component *c, struct mill_strv *ret)
{
	for (size_t i = 0; i < c->n_charts; i++)
		for (size_t k = 0; c->charts[i].cluster && k < c->charts[i].n_ready; k++) {
			const char *what = c->charts[i].ready[k].what.raw;

			if (what && mill_starts_with(what, "crd/"))
				mill_strv_add(ret, what + strlen("crd/"));
		}
}

static void add_need(struct mill_layer_needs *n, const struct mill_component *wants, const struct mill_component *need)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->items[i].component == need)
			return;
	n->items = mill_xrealloc(n->items, (n->n + 1) * sizeof(*n->items));
	n->items[n->n] = (struct mill_layer_need){.wants = wants, .component = need};
	add_crds(need, &n->items[n->n++].crds);
}

/* What others need first; a component that is of the cluster's layer itself needs to be there. */
static void collect(struct mill_layer_needs *n, const struct mill_model *m, const struct mill_component *wants, const struct mill_component *c,
		    unsigned depth)
{
	bool itself = false;

	for (size_t i = 0; depth < DEPTH_MAX && i < c->n_charts; i++) {
		itself = itself || c->charts[i].cluster;
		for (size_t k = 0; k < c->charts[i].n_needs; k++) {
			const struct mill_component *other = mill_model_find(m, c->charts[i].needs[k]);

			if (other && other != c)
				collect(n, m, depth ? wants : c, other, depth + 1);
		}
	}
	if (itself)
		add_need(n, wants, c);
}

/* Only who may read CRDs learns whose they are. */
static enum mill_layer_whose whose(const struct mill_layer *l, const char *crd)
{
	_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT_MAX((size_t)1 << 20);

	if (mill_layer_call(l, MILL_LAYER_WORDS("get", "customresourcedefinition", crd, "--output=jsonpath={.metadata.labels.data-mill\\.io/layer}"
						"{.metadata.annotations.meta\\.helm\\.sh/release-name}"), NULL, true, &label, NULL) < 0)
		return MILL_LAYER_THERE;
	return label.len ? MILL_LAYER_THERE_OURS : MILL_LAYER_THERE_FOREIGN;
}

int mill_layer_needs(const struct mill_layer *l, const struct mill_model *m, struct mill_layer_needs *ret, struct mill_error *err)
{
	_cleanup_kinds_ struct mill_layer_kinds kinds = {0};
	int r = 0;

	*ret = (struct mill_layer_needs){0};
	for (size_t i = 0; i < m->n_selected; i++)
		if (mill_streq(m->selected[i]->deployment, "chart"))
			collect(ret, m, m->selected[i], m->selected[i], 0);
	if (!ret->n)
		return 0;
	r = mill_layer_kinds_load(l, &kinds, err);
	if (r == 0 && !json_object_size(kinds.resources))
		r = mill_fail(err, EIO, "the cluster does not say what it serves: kubectl api-resources gave no answer");
	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		struct mill_layer_need *need = &ret->items[i];

		for (size_t k = 0; k < need->crds.n; k++)
			if (!json_object_get(kinds.resources, need->crds.items[k]))
				mill_strv_add(&need->missing, need->crds.items[k]);
		need->whose = !need->crds.n ? MILL_LAYER_UNKNOWN : need->missing.n ? MILL_LAYER_MISSING : whose(l, need->crds.items[0]);
	}
	return r;
}

int mill_layer_needs_check(const struct mill_layer *l, const struct mill_model *m, struct mill_error *err)
{
	_cleanup_(mill_layer_needs_release) struct mill_layer_needs needs = {0};
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT_MAX((size_t)1 << 16), names = MILL_STRBUF_INIT_MAX((size_t)1 << 16);
	int r = mill_layer_needs(l, m, &needs, err);

	for (size_t i = 0; r == 0 && i < needs.n; i++) {
		const struct mill_layer_need *need = &needs.items[i];

		if (need->whose != MILL_LAYER_MISSING)
			continue;
		_cleanup_free_ char *missing = mill_strv_join(&need->missing, ", ");
		_cleanup_free_ char *wants = need->wants == need->component ? mill_xstrdup(need->wants->name) :
								      mill_xasprintf("%s needs %s", need->wants->name, need->component->name);

		mill_strbuf_printf(&said, "%s%s: the cluster has no %s", said.len ? "; " : "", wants, missing);
		mill_strbuf_printf(&names, " %s", need->component->name);
	}
	if (r < 0 || !said.len)
		return r;
	mill_fail(err, ENOENT, "%s", said.data);
	return mill_error_hint(err, "an administrator does this once, for every platform: data-mill cluster install -h%s", names.data);
}
