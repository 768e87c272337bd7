/* The plan's edges turned round (who depends on me), and a heap of ids: lowest first. */
#ifndef MILL_ENGINE_GRAPH_H
#define MILL_ENGINE_GRAPH_H

#include "plan/plan.h"

struct mill_graph {
	unsigned *waits_for;   /* per action: how many it still waits for */
	unsigned *first;       /* n + 1: where an action's dependants begin in `dependants` */
	unsigned *dependants;
};

/* -EINVAL: an edge to nowhere or a cycle; either is a mistake of the planner's, told and not run. */
int mill_graph_make(struct mill_graph *g, const struct mill_plan *plan, struct mill_error *err);
void mill_graph_release(struct mill_graph *g);
size_t mill_graph_n_dependants(const struct mill_graph *g, unsigned id);
unsigned mill_graph_dependant(const struct mill_graph *g, unsigned id, size_t i);

struct mill_heap {
	unsigned *items;
	size_t n, cap;
};
void mill_heap_push(struct mill_heap *h, unsigned id);
bool mill_heap_pop(struct mill_heap *h, unsigned *ret_id); /* false: empty */
void mill_heap_release(struct mill_heap *h);

#endif
