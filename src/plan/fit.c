#include "plan/fit.h"

#include "base/json.h"
#include "plan/internal.h"

#define MIB ((uint64_t)1 << 20)

void mill_fit_share(struct mill_fit_item *items, size_t n, uint64_t budget)
{
	uint64_t min = 0, max = 0;
	double share;

	for (size_t i = 0; i < n; i++) {
		min += items[i].min;
		max += items[i].max;
	}
	if (max <= budget)
		share = 1;
	else if (min >= budget)
		share = 0;
	else
		share = (double)(budget - min) / (double)(max - min);
	for (size_t i = 0; i < n; i++) {
		struct mill_fit_item *it = &items[i];
		uint64_t got = it->min + (uint64_t)((double)(it->max - it->min) * share);

		if (share >= 1)
			got = it->max;
		else
			got -= got % MIB;
		it->memory = got < it->min ? it->min : got;
	}
}

/* An override is for the whole component: its services share it as they shared their sum. */
void mill_fit_limits(const struct mill_service *s, uint64_t *ret_min, uint64_t *ret_max)
{
	const struct mill_component *c = s->component;
	uint64_t max = s->memory, min = s->memory_min ? s->memory_min : s->memory;

	if (c->memory_override) {
		uint64_t sum = 0, n = 0;

		for (size_t i = 0; i < c->n_services; i++) {
			if (!mill_when_holds(&c->services[i].when, c))
				continue;
			sum += c->services[i].memory;
			n++;
		}
		if (sum)
			max = (uint64_t)((double)c->memory_override * ((double)s->memory / (double)sum));
		else
			max = n ? c->memory_override / n : c->memory_override;
		min = max; /* said by the user: neither more nor less */
	}
	*ret_max = max;
	*ret_min = min < max ? min : max;
}

uint64_t mill_fit_of(const struct mill_platform *p, const char *id)
{
	const json_t *s = json_object_get(json_object_get(p->memory, "services"), id);
	int64_t v = mill_json_get_int(s, "memory", 0);

	return v > 0 ? (uint64_t)v : 0;
}

static uint64_t budget_of(const struct mill_project *project, const struct mill_plan_host *host)
{
	double share = project->memory_share > 0 ? project->memory_share : 0.75;

	if (project->memory_bytes)
		return project->memory_bytes;
	return (uint64_t)((double)host->memory_total * share);
}

/* What project.memory says, as recorded: "75%" or a number of bytes. */
static char *budget_text(const struct mill_project *project)
{
	double share = project->memory_share > 0 ? project->memory_share : 0.75;

	if (project->memory_bytes)
		return mill_xasprintf("%llu", (unsigned long long)project->memory_bytes);
	return mill_xasprintf("%g%%", share * 100);
}

static struct mill_fit_item *collect(const struct mill_model *m, size_t *ret_n)
{
	struct mill_fit_item *items = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		for (size_t k = 0; k < c->n_services; k++) {
			const struct mill_service *s = &c->services[k];

			if (!mill_when_holds(&s->when, c))
				continue;
			MILL_GROW(items, n, cap);
			items[n] = (struct mill_fit_item){.id = mill_xasprintf("%s.%s", c->name, s->name)};
			mill_fit_limits(s, &items[n].min, &items[n].max);
			n++;
		}
	}
	*ret_n = n;
	return items;
}

/* True when the record already answers for exactly these inputs. */
static bool recorded(const struct mill_platform *p, const char *spec, const struct mill_fit_item *items, size_t n,
		     const struct mill_strv *kept)
{
	const json_t *services = json_object_get(p->memory, "services");
	size_t covered = 0;

	if (!mill_streq(mill_json_get_string(p->memory, "project_memory", ""), spec))
		return false;
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_object_get(services, items[i].id);

		if (!s || mill_json_get_int(s, "min", -1) != (int64_t)items[i].min ||
		    mill_json_get_int(s, "max", -1) != (int64_t)items[i].max)
			return false;
		covered++;
	}
	for (size_t i = 0; i < kept->n; i++)
		covered += json_object_get(services, kept->items[i]) ? 1 : 0;
	return covered == json_object_size(services); /* something recorded is gone: its share is free */
}

static json_t *to_json(const char *spec, uint64_t budget, const struct mill_fit_item *items, size_t n,
		       const json_t *old, const struct mill_strv *kept)
{
	json_t *services = json_object();

	for (size_t i = 0; i < kept->n; i++) {
		json_t *s = json_object_get(json_object_get(old, "services"), kept->items[i]);

		if (s)
			json_object_set(services, kept->items[i], s);
	}
	for (size_t i = 0; i < n; i++)
		json_object_set_new(services, items[i].id,
				    json_pack("{s:I, s:I, s:I}", "memory", (json_int_t)items[i].memory, "min",
					      (json_int_t)items[i].min, "max", (json_int_t)items[i].max));
	return json_pack("{s:i, s:s, s:I, s:o}", "v", 1, "project_memory", spec, "budget", (json_int_t)budget,
			 "services", services);
}

void mill_fit_platform(const struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		       const struct mill_strv *kept, struct mill_fit *ret)
{
	_cleanup_free_ char *spec = budget_text(&m->project);
	struct mill_fit f = {.budget = budget_of(&m->project, host)};
	size_t n;
	struct mill_fit_item *items = collect(m, &n);

	for (size_t i = 0; i < kept->n; i++)
		f.kept += mill_fit_of(p, kept->items[i]);
	if (recorded(p, spec, items, n, kept)) {
		f.budget = (uint64_t)mill_json_get_int(p->memory, "budget", (int64_t)f.budget);
	} else {
		json_t *fitted;

		mill_fit_share(items, n, f.budget > f.kept ? f.budget - f.kept : 0);
		fitted = to_json(spec, f.budget, items, n, p->memory, kept);
		json_decref(p->memory);
		p->memory = fitted;
	}
	for (size_t i = 0; i < n; i++) {
		f.needed += mill_fit_of(p, items[i].id);
		f.min += items[i].min;
		f.asked += items[i].max;
		free((char *)items[i].id);
	}
	free(items);
	*ret = f;
}
