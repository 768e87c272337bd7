/* The plan's edges turned round (who depends on me), and a heap of ids: lowest first. */
#ifndef MILL_ENGINE_DAG_H
#define MILL_ENGINE_DAG_H

#include "plan/action.h"

struct mill_dag {
	unsigned *waits_for;   /* per action: how many it still waits for */
	unsigned *first;       /* n + 1: where an action's dependants begin in `dependants` */
	unsigned *dependants;
};

/* -EINVAL: an edge to nowhere or a cycle; either is a mistake of the planner's, told and not run. */
int mill_dag_make(struct mill_dag *g, const struct mill_plan *plan, struct mill_error *err);
void mill_dag_release(struct mill_dag *g);
size_t mill_dag_n_dependants(const struct mill_dag *g, unsigned id);
unsigned mill_dag_dependant(const struct mill_dag *g, unsigned id, size_t i);

struct mill_idheap {
	unsigned *items;
	size_t n, cap;
};
void mill_idheap_push(struct mill_idheap *h, unsigned id);
bool mill_idheap_pop(struct mill_idheap *h, unsigned *ret_id); /* false: empty */
void mill_idheap_release(struct mill_idheap *h);

#endif
