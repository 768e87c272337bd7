/* The order of components: providers before their consumers, by name where that leaves a choice. */
#ifndef MILL_PLAN_GRAPH_H
#define MILL_PLAN_GRAPH_H

#include "plan/plan.h"

/*
 * Sorts model->selected so.  A cycle is reported at the requirement that
 * closes it, as its path: "a needs x from b, b needs y from a"; the order is
 * then by name.  Collectors (`collects:`) make no edge.
 */
void mill_graph_sort(struct mill_model *m);

/* A component's services in start order (own `after` first, then as written); indices into c->services, owned. */
size_t *mill_graph_services(const struct mill_component *c);

#endif
