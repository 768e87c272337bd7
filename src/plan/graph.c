#include "plan/graph.h"

#include "base/map.h"

enum colour { WHITE, GREY, BLACK };

struct walk {
	struct mill_model *m;
	struct mill_map index;        /* name -> position + 1 in `by_name` */
	struct mill_component **by_name;
	enum colour *colour;
	const struct mill_requirement **via; /* stack: the requirement followed from each grey component */
	struct mill_component **stack;
	size_t depth;
	struct mill_component **out;
	size_t n_out;
	bool cyclic;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct mill_component *const *)a)->name, (*(struct mill_component *const *)b)->name);
}

static void report_cycle(struct walk *w, const struct mill_component *again)
{
	_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;
	size_t from = w->depth;

	while (from > 0 && w->stack[from - 1] != again)
		from--;
	for (size_t i = from ? from - 1 : 0; i < w->depth; i++)
		mill_strbuf_printf(&path, "%s%s needs %s from %s", path.len ? ", " : "", w->stack[i]->name,
				   w->via[i]->capability, w->via[i]->provider->name);
	mill_diag_error(w->m->diags, w->via[w->depth - 1]->mark, "cycle: %s", path.data);
	w->cyclic = true;
}

static int compare_requirements(const void *a, const void *b)
{
	const struct mill_requirement *x = *(struct mill_requirement *const *)a;
	const struct mill_requirement *y = *(struct mill_requirement *const *)b;

	return strcmp(x->provider->name, y->provider->name);
}

/* Depth is bounded by the number of components, which the model caps. */
static void visit(struct walk *w, size_t at)
{
	struct mill_component *c = w->by_name[at];
	const struct mill_requirement **edges = mill_xcalloc(c->n_requires + 1, sizeof(*edges));
	size_t n = 0;

	w->colour[at] = GREY;
	w->stack[w->depth++] = c;
	for (size_t i = 0; i < c->n_requires; i++)
		if (c->requires[i].provider)
			edges[n++] = &c->requires[i];
	if (n > 1)
		qsort(edges, n, sizeof(*edges), compare_requirements);
	for (size_t i = 0; i < n; i++) {
		size_t next = (size_t)(uintptr_t)mill_map_get(&w->index, edges[i]->provider->name);

		if (!next--)
			continue;
		w->via[w->depth - 1] = edges[i];
		if (w->colour[next] == GREY)
			report_cycle(w, edges[i]->provider);
		else if (w->colour[next] == WHITE)
			visit(w, next);
	}
	free(edges);
	w->depth--;
	w->colour[at] = BLACK;
	w->out[w->n_out++] = c;
}

void mill_graph_sort(struct mill_model *m)
{
	size_t n = m->n_selected;
	struct walk w = {.m = m, .by_name = m->selected};

	if (n == 0)
		return;
	qsort(m->selected, n, sizeof(*m->selected), compare_names);
	for (size_t i = 0; i < n; i++)
		mill_map_set(&w.index, m->selected[i]->name, (void *)(uintptr_t)(i + 1));
	w.colour = mill_xcalloc(n, sizeof(*w.colour));
	w.via = mill_xcalloc(n + 1, sizeof(*w.via));
	w.stack = mill_xcalloc(n + 1, sizeof(*w.stack));
	w.out = MILL_ARENA_ARRAY(&m->arena, n + 1, struct mill_component *);
	for (size_t i = 0; i < n; i++)
		if (w.colour[i] == WHITE)
			visit(&w, i);
	if (!w.cyclic)
		m->selected = w.out;
	free(w.colour);
	free(w.via);
	free(w.stack);
	mill_map_release(&w.index);
}

/* A cycle among a component's own services is refused by the model; here it only must end. */
size_t *mill_graph_services(const struct mill_component *c)
{
	size_t *order = mill_xcalloc(c->n_services + 1, sizeof(*order)), n = 0;
	bool *done = mill_xcalloc(c->n_services + 1, sizeof(*done));

	for (size_t pass = 0; pass < c->n_services && n < c->n_services; pass++)
		for (size_t i = 0; i < c->n_services; i++) {
			const struct mill_service *s = &c->services[i];
			bool ready = !done[i];

			for (size_t k = 0; ready && k < s->n_after; k++)
				for (size_t j = 0; j < c->n_services; j++)
					if (mill_streq(c->services[j].name, s->after[k]) && !done[j])
						ready = false;
			if (ready) {
				done[i] = true;
				order[n++] = i;
			}
		}
	for (size_t i = 0; i < c->n_services; i++)
		if (!done[i])
			order[n++] = i;
	free(done);
	return order;
}
