#include "engine/dag.h"

size_t mill_dag_n_dependants(const struct mill_dag *g, unsigned id)
{
	return g->first[id + 1] - g->first[id];
}

unsigned mill_dag_dependant(const struct mill_dag *g, unsigned id, size_t i)
{
	return g->dependants[g->first[id] + i];
}

void mill_dag_release(struct mill_dag *g)
{
	free(g->waits_for);
	free(g->first);
	free(g->dependants);
	*g = (struct mill_dag){0};
}

/* Kahn's algorithm on a copy: what is never free of predecessors is on a cycle or behind one. */
static int check_cycles(const struct mill_dag *g, const struct mill_plan *plan, struct mill_error *err)
{
	unsigned *left = mill_xreallocarray(NULL, plan->n_actions + 1, sizeof(*left));
	struct mill_idheap ready = {0};
	size_t seen = 0;
	for (unsigned id = 0; id < plan->n_actions; id++) {
		left[id] = g->waits_for[id];
		if (left[id] == 0)
			mill_idheap_push(&ready, id);
	}
	unsigned id;
	while (mill_idheap_pop(&ready, &id)) {
		seen++;
		for (size_t i = 0; i < mill_dag_n_dependants(g, id); i++) {
			unsigned next = mill_dag_dependant(g, id, i);
			if (--left[next] == 0)
				mill_idheap_push(&ready, next);
		}
	}
	mill_idheap_release(&ready);
	free(left);
	if (seen == plan->n_actions)
		return 0;
	return mill_fail(err, EINVAL, "the plan's actions wait for each other in a circle");
}

int mill_dag_make(struct mill_dag *g, const struct mill_plan *plan, struct mill_error *err)
{
	size_t n = plan->n_actions, edges = 0;
	*g = (struct mill_dag){.waits_for = mill_xcalloc(n + 1, sizeof(unsigned)),
				 .first = mill_xcalloc(n + 2, sizeof(unsigned))};
	for (size_t id = 0; id < n; id++)
		for (size_t i = 0; i < plan->actions[id].n_after; i++) {
			unsigned before = plan->actions[id].after[i];
			if (before >= n) {
				mill_dag_release(g);
				return mill_fail(err, EINVAL, "action %zu comes after %u, which is not there", id, before);
			}
			g->waits_for[id]++;
			g->first[before + 1]++;
			edges++;
		}
	for (size_t id = 0; id < n; id++)
		g->first[id + 1] += g->first[id];
	g->dependants = mill_xcalloc(edges + 1, sizeof(unsigned));
	unsigned *at = mill_xcalloc(n + 1, sizeof(unsigned));
	for (size_t id = 0; id < n; id++)
		for (size_t i = 0; i < plan->actions[id].n_after; i++) {
			unsigned before = plan->actions[id].after[i];
			g->dependants[g->first[before] + at[before]++] = (unsigned)id;
		}
	free(at);
	int r = check_cycles(g, plan, err);
	if (r < 0)
		mill_dag_release(g);
	return r;
}

void mill_idheap_push(struct mill_idheap *h, unsigned id)
{
	MILL_GROW(h->items, h->n, h->cap);
	size_t i = h->n++;
	while (i > 0 && h->items[(i - 1) / 2] > id) {
		h->items[i] = h->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h->items[i] = id;
}

bool mill_idheap_pop(struct mill_idheap *h, unsigned *ret_id)
{
	if (h->n == 0)
		return false;
	*ret_id = h->items[0];
	unsigned last = h->items[--h->n];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->items[child + 1] < h->items[child])
			child++;
		if (h->items[child] >= last)
			break;
		h->items[i] = h->items[child];
		i = child;
	}
	if (h->n)
		h->items[i] = last;
	return true;
}

void mill_idheap_release(struct mill_idheap *h)
{
	free(h->items);
	*h = (struct mill_idheap){0};
}
