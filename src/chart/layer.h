/*
 * The cluster's layer: charts of CRDs and operators, installed once by an
 * administrator and used by every platform.  This runs helm and kubectl.
 *
 * Invariants
 *   - What is there and was not made by this is used as it is: a release without our label whatever its name, an
 *     operator whose CRDs exist without our release, and CRDs, Secrets and namespaces that were there before.
 *   - CRDs of a chart's crds/ folder are applied server-side by us, at each install, so that they are upgraded, too;
 *     those that we made carry the label data-mill.io/layer.
 *   - Nothing is removed while an object of one of its kinds exists in any namespace.
 *
 *	struct mill_layer l = {.helm = {...}, .packages = folder, ...};
 *	mill_layer_install(&l, &rel, &found, err);     charts in order: what others need first
 *	mill_layer_uninstall(&l, &rel, false, err);    the other way round
 */
#ifndef MILL_CHART_LAYER_H
#define MILL_CHART_LAYER_H

#include "chart/chart.h"

struct mill_layer {
	struct mill_chart_helm helm; /* name_space is not used */
	const char *packages;        /* a folder of packages; what is not there is pulled into it */
	bool wait;                   /* for what the charts call ready */
	int cancel_fd;               /* -1: none */
	mill_chart_resolve_fn *resolve; /* texts of secrets */
	void (*on_step)(void *arg, const char *text);
	void *arg;                   /* of both */
};

enum mill_layer_found { MILL_LAYER_INSTALLED, MILL_LAYER_FOREIGN /* there, and not ours: used as it is */ };

int mill_layer_install(const struct mill_layer *l, struct mill_chart_release *rel, enum mill_layer_found *ret_found,
		       struct mill_error *err);
/* -EBUSY: objects of its kinds exist; the error's detail lists them.  `force` removes them with their CRDs. */
int mill_layer_uninstall(const struct mill_layer *l, const struct mill_chart_release *rel, bool force, struct mill_error *err);

/*
 * The release as plain manifests, appended: what others need first, CRDs before the rest, each object with its namespace,
 * Secrets as comments that name them with their keys.  Packages are pulled as for an install; no cluster is asked.  `seen` is an
 * object that the caller keeps between releases.  The same model and packages give the same bytes.
 */
int mill_layer_render(const struct mill_layer *l, struct mill_chart_release *rel, json_t *seen, struct mill_strbuf *out, struct mill_error *err);

/* ---- what is needed of it (layer_needs.c) ---- */
enum mill_layer_whose {
	MILL_LAYER_MISSING,
	MILL_LAYER_THERE,         /* whose is not known: this user may not read CRDs */
	MILL_LAYER_THERE_OURS,
	MILL_LAYER_THERE_FOREIGN, /* installed by others: counts as there */
	MILL_LAYER_UNKNOWN,       /* its manifest names no CRD by which it could be told */
};
struct mill_layer_need {
	const struct mill_component *wants; /* of the flavour; the same as `component` when that is in the flavour itself */
	const struct mill_component *component; /* of the cluster's layer */
	struct mill_strv crds, missing;     /* "kafkas.kafka.strimzi.io": those that its manifest waits for, and which are not there */
	enum mill_layer_whose whose;
};
struct mill_layer_needs {
	struct mill_layer_need *items; /* what others need first */
	size_t n;
};
/*
 * What the components of a resolved model that run by chart need, and whether the cluster has it.  Of `l`, only how the
 * cluster is reached counts.  Asks API discovery, which every authenticated user may read: the Role of `render --layer role`
 * is enough.
 */
int mill_layer_needs(const struct mill_layer *l, const struct mill_model *m, struct mill_layer_needs *ret, struct mill_error *err);
void mill_layer_needs_release(struct mill_layer_needs *n);
/* The same for a preflight: -ENOENT names who needs what, the CRDs that are missing, and the command that installs it. */
int mill_layer_needs_check(const struct mill_layer *l, const struct mill_model *m, struct mill_error *err);

#endif
