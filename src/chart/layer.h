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

#endif
