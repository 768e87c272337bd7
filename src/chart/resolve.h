/* A mill_chart_resolve_fn for secrets in a platform's folder; apart from chart.h, because spec.h and the model's header exclude each other. */
#ifndef MILL_CHART_RESOLVE_H
#define MILL_CHART_RESOLVE_H

#include <jansson.h>

#include "base/strbuf.h"

/* `folder`: the platform's, a const char *. */
int mill_chart_resolve_in(void *folder, const json_t *value, struct mill_strbuf *out, struct mill_error *err);

/*
 * Secrets that are made, handed over and forgotten: no file holds them, so that none is left by a process that is killed.
 * The cluster's layer keeps its own in the cluster alone.
 */
struct mill_chart_pool {
	char **names, **values; /* "component/name"; owned, wiped */
	size_t n;
};
/* Makes it unless it is there. */
int mill_chart_pool_add(struct mill_chart_pool *p, const char *component, const char *name, unsigned length, const char *alphabet,
			struct mill_error *err);
/* A mill_chart_resolve_fn; `pool`: a struct mill_chart_pool. */
int mill_chart_resolve_pool(void *pool, const json_t *value, struct mill_strbuf *out, struct mill_error *err);
void mill_chart_pool_release(struct mill_chart_pool *p);

#endif
