/* Does it fit into memory now, and if not: without which component does it? */
#include "plan/preflight.h"

#include "base/json.h"
#include "base/parse.h"
#include "plan/fit.h"

/* Bytes that each selected component will newly take: its services that are to be started. */
struct demand {
	uint64_t *need, *least; /* as fitted; at least (memory_min) */
	uint64_t total, total_least;
};

static size_t index_of(const struct mill_model *m, const char *component)
{
	for (size_t i = 0; i < m->n_selected; i++)
		if (mill_streq(m->selected[i]->name, component))
			return i;
	return m->n_selected;
}

static void add_service(struct mill_preflight_look *l, struct demand *d, const struct mill_action *a)
{
	size_t i = index_of(l->m, a->component);
	const struct mill_service *s = i < l->m->n_selected ? mill_component_service(l->m->selected[i], a->name) : NULL;
	uint64_t need, least, most;

	if (!s)
		return;
	mill_fit_limits(s, &least, &most);
	need = (uint64_t)mill_json_get_int(json_object_get(json_object_get(a->data, "spec"), "resources"), "memory_bytes", 0);
	d->need[i] += need;
	d->least[i] += least;
	d->total += need;
	d->total_least += least;
}

/* `out` and whoever needs one of them (providers stand before their consumers). */
static void drag_along(const struct mill_model *m, bool *out)
{
	for (size_t i = 0; i < m->n_selected; i++)
		for (size_t k = 0; k < m->selected[i]->n_requires && !out[i]; k++) {
			const struct mill_requirement *q = &m->selected[i]->requires[k];
			size_t p = q->provider && !q->optional ? index_of(m, q->provider->name) : m->n_selected;

			out[i] = p < m->n_selected && out[p];
		}
}

static uint64_t saved_by(const struct mill_model *m, const struct demand *d, bool *out)
{
	uint64_t saved = 0;

	drag_along(m, out);
	for (size_t i = 0; i < m->n_selected; i++)
		saved += out[i] ? d->least[i] : 0;
	return saved;
}

static char *names_of(const struct mill_model *m, const bool *out)
{
	_cleanup_strbuf_ struct mill_strbuf names = MILL_STRBUF_INIT;

	for (size_t i = 0; i < m->n_selected; i++)
		if (out[i])
			mill_strbuf_printf(&names, "%s%s", names.len ? ", " : "", m->selected[i]->name);
	return mill_strbuf_steal(&names);
}

/*
 * The one component, with those that need it, whose absence saves enough and
 * takes the fewest along (then: saves the least); "" when no single one does.
 */
static char *without_whom(const struct mill_model *m, const struct demand *d, uint64_t missing)
{
	size_t n = m->n_selected, best_count = n;
	uint64_t best_saved = UINT64_MAX;
	char *best = mill_xstrdup("");
	bool *out = mill_xcalloc(n + 1, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		size_t count = 0;
		uint64_t saved;

		memset(out, 0, n * sizeof(*out));
		out[i] = true;
		saved = saved_by(m, d, out);
		for (size_t k = 0; k < n; k++)
			count += out[k];
		if (saved < missing || count >= n || count > best_count ||
		    (count == best_count && saved >= best_saved))
			continue;
		best_count = count;
		best_saved = saved;
		free(best);
		best = names_of(m, out);
	}
	free(out);
	return best;
}

static void judge(struct mill_preflight_look *l, const struct demand *d)
{
	uint64_t free_bytes = l->host->memory_available, budget = l->plan->memory_budget;
	char need[32], least[32], have[32];
	_cleanup_free_ char *without = NULL, *hint = NULL;

	mill_format_size(d->total, need, sizeof(need));
	mill_format_size(d->total_least, least, sizeof(least));
	mill_format_size(free_bytes, have, sizeof(have));
	if (l->plan->memory_min > budget) {
		char min[32], given[32];

		without = without_whom(l->m, d, l->plan->memory_min - budget);
		hint = mill_xasprintf("%s%s%s, or raise project.memory", *without ? "without " : "leave a component out (--without)",
				      without, *without ? " it fits" : "");
		mill_preflight_say(l, "memory", "error", hint,
				   "the services need at least %s, project.memory gives %s",
				   mill_format_size(l->plan->memory_min, min, sizeof(min)),
				   mill_format_size(budget, given, sizeof(given)))->forceable = true;
	} else if (free_bytes && d->total_least > free_bytes) {
		without = without_whom(l->m, d, d->total_least - free_bytes);
		hint = *without ? mill_xasprintf("without %s it fits", without) :
				  mill_xstrdup("no single component makes the difference: choose a smaller flavour");
		mill_preflight_say(l, "memory", "error", hint, "needs %s (at least %s), %s free", need, least,
				   have)->forceable = true;
	} else if (free_bytes && d->total > free_bytes) {
		mill_preflight_say(l, "memory", "warning", "under full load the machine may swap or end processes",
				   "needs up to %s, %s free", need, have);
	} else if (d->total) {
		mill_preflight_say(l, "memory", "ok", NULL, "needs %s, %s free", need, have);
	}
}

void mill_preflight_memory(struct mill_preflight_look *l)
{
	struct demand d = {.need = mill_xcalloc(l->m->n_selected + 1, sizeof(*d.need)),
			   .least = mill_xcalloc(l->m->n_selected + 1, sizeof(*d.least))};

	for (size_t i = 0; i < l->plan->n_actions; i++)
		if (l->plan->actions[i].kind == MILL_ACTION_START)
			add_service(l, &d, &l->plan->actions[i]);
	if (d.total || d.total_least)
		judge(l, &d);
	free(d.need);
	free(d.least);
}
