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

static uint64_t recorded_of(const json_t *fit, const char *id)
{
	int64_t v = mill_json_get_int(json_object_get(json_object_get(fit, "services"), id), "share", 0);

	return v > 0 ? (uint64_t)v : 0;
}

uint64_t mill_fit_of(const struct mill_platform *p, const char *id)
{
	return recorded_of(json_object_get(p->memory, "memory"), id);
}

uint64_t mill_fit_disk_of(const struct mill_platform *p, const char *id)
{
	return recorded_of(json_object_get(p->memory, "disk"), id);
}

/* What the flavour says, as recorded: "75%" or a number of bytes. */
static char *budget_text(const struct mill_budget *b)
{
	if (b->bytes)
		return mill_xasprintf("%llu", (unsigned long long)b->bytes);
	return mill_xasprintf("%g%%", b->share * 100);
}

static uint64_t budget_of(const struct mill_budget *b, uint64_t whole)
{
	return b->bytes ? b->bytes : (uint64_t)((double)whole * b->share);
}

static void disk_limits(const struct mill_service *s, uint64_t *ret_min, uint64_t *ret_max)
{
	*ret_min = s->disk;
	*ret_max = s->disk_max > s->disk ? s->disk_max : s->disk;
}

struct items {
	struct mill_fit_item *items;
	size_t n, cap;
};

static void collect(const struct mill_model *m, void (*limits)(const struct mill_service *, uint64_t *, uint64_t *),
		    struct items *f)
{
	for (size_t i = 0; i < m->n_selected; i++) {
		const struct mill_component *c = m->selected[i];

		for (size_t k = 0; k < c->n_services; k++) {
			const struct mill_service *s = &c->services[k];

			if (!mill_when_holds(&s->when, c))
				continue;
			MILL_GROW(f->items, f->n, f->cap);
			f->items[f->n] = (struct mill_fit_item){.id = mill_xasprintf("%s.%s", c->name, s->name)};
			limits(s, &f->items[f->n].min, &f->items[f->n].max);
			f->n++;
		}
	}
}

static void release(struct items *f)
{
	for (size_t i = 0; i < f->n; i++)
		free((char *)f->items[i].id);
	free(f->items);
}

/* True when the record already answers for exactly these inputs. */
static bool recorded(const json_t *old, const char *spec, const struct items *f, const struct mill_strv *kept)
{
	const json_t *services = json_object_get(old, "services");
	size_t covered = 0;

	if (!mill_streq(mill_json_get_string(old, "project", ""), spec))
		return false;
	for (size_t i = 0; i < f->n; i++) {
		const json_t *s = json_object_get(services, f->items[i].id);

		if (!s || mill_json_get_int(s, "min", -1) != (int64_t)f->items[i].min ||
		    mill_json_get_int(s, "max", -1) != (int64_t)f->items[i].max)
			return false;
		covered++;
	}
	for (size_t i = 0; i < kept->n; i++)
		covered += json_object_get(services, kept->items[i]) ? 1 : 0;
	return covered == json_object_size(services); /* something recorded is gone: its share is free */
}

static json_t *to_json(const char *spec, uint64_t budget, const struct items *f, const json_t *old,
		       const struct mill_strv *kept)
{
	json_t *services = json_object();

	for (size_t i = 0; i < kept->n; i++) {
		json_t *s = json_object_get(json_object_get(old, "services"), kept->items[i]);

		if (s)
			json_object_set(services, kept->items[i], s);
	}
	for (size_t i = 0; i < f->n; i++)
		json_object_set_new(services, f->items[i].id,
				    json_pack("{s:I, s:I, s:I}", "share", (json_int_t)f->items[i].memory, "min",
					      (json_int_t)f->items[i].min, "max", (json_int_t)f->items[i].max));
	return json_pack("{s:s, s:I, s:o}", "project", spec, "budget", (json_int_t)budget, "services", services);
}

/* The record that is in force from now on, a new reference. */
static json_t *fit(const struct mill_budget *b, uint64_t whole, const json_t *old, const struct items *f,
		   const struct mill_strv *kept, struct mill_fit *ret)
{
	_cleanup_free_ char *spec = budget_text(b);
	json_t *now = NULL;

	*ret = (struct mill_fit){.budget = budget_of(b, whole)};
	for (size_t i = 0; i < kept->n; i++)
		ret->kept += recorded_of(old, kept->items[i]);
	if (recorded(old, spec, f, kept)) {
		ret->budget = (uint64_t)mill_json_get_int(old, "budget", (int64_t)ret->budget);
		now = json_incref((json_t *)old);
	} else {
		mill_fit_share(f->items, f->n, ret->budget > ret->kept ? ret->budget - ret->kept : 0);
		now = to_json(spec, ret->budget, f, old, kept);
	}
	for (size_t i = 0; i < f->n; i++) {
		ret->needed += recorded_of(now, f->items[i].id);
		ret->min += f->items[i].min;
		ret->asked += f->items[i].max;
	}
	return now;
}

/* A share is of what was free when the budget was first made: data that came since took of it. */
static uint64_t whole_disk(const struct mill_platform *p, const struct mill_plan_host *host, const json_t *old)
{
	uint64_t whole = (uint64_t)mill_json_get_int(old, "whole", 0), id;

	if (!whole && (!host->disk || host->disk(host, p->dir, &whole, &id, NULL) < 0))
		return 0;
	return whole;
}

void mill_fit_platform(const struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		       const struct mill_strv *kept, struct mill_fit *ret)
{
	const json_t *old_memory = json_object_get(p->memory, "memory"), *old_disk = json_object_get(p->memory, "disk");
	uint64_t whole = whole_disk(p, host, old_disk);
	struct items memory = {0}, disk = {0};
	struct mill_fit unused;
	json_t *fitted = json_object(), *of_disk;

	collect(m, mill_fit_limits, &memory);
	collect(m, disk_limits, &disk);
	json_object_set_new(fitted, "memory", fit(&m->project.memory, host->memory_total, old_memory, &memory, kept, ret));
	of_disk = fit(&m->project.disk, whole, old_disk, &disk, kept, &unused);
	json_object_set_new(of_disk, "whole", json_integer((json_int_t)whole));
	json_object_set_new(fitted, "disk", of_disk);
	json_decref(p->memory);
	p->memory = fitted;
	release(&memory);
	release(&disk);
}
