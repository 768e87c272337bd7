#include "cmd/pace.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"

#define NAMED 4 /* steps of the chain that are named: the longest ones */

struct mill_pace {
	const struct mill_plan *plan;
	uint64_t began_ns, cpu_ms;
	uint64_t *took_ns; /* by action; 0: not done */
};

static uint64_t own_cpu_ms(void)
{
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	uint64_t ms = 0;

	for (size_t i = 0; i < MILL_ARRAY_LEN(whose); i++) {
		struct rusage u;

		if (getrusage(whose[i], &u) == 0)
			ms += (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
			      (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
	}
	return ms;
}

struct mill_pace *mill_pace_new(const struct mill_plan *plan)
{
	struct mill_pace *p = mill_xcalloc(1, sizeof(*p));

	*p = (struct mill_pace){.plan = plan, .began_ns = mill_now_ns(), .cpu_ms = own_cpu_ms()};
	p->took_ns = mill_xcalloc(plan->n_actions + 1, sizeof(*p->took_ns));
	return p;
}

struct mill_pace *mill_pace_free(struct mill_pace *p)
{
	if (p)
		free(p->took_ns);
	free(p);
	return NULL;
}

void mill_pace_event(struct mill_pace *p, const struct mill_event *e)
{
	if (e->kind == MILL_EVENT_DONE)
		p->took_ns[e->action->id] = e->elapsed_ns ? e->elapsed_ns : 1;
}

/* The end of the longest chain up to each action; the plan's order is not that of its edges. */
static uint64_t chain_to(const struct mill_pace *p, unsigned id, uint64_t *sums, unsigned *before)
{
	const struct mill_action *a = &p->plan->actions[id];

	if (sums[id])
		return sums[id];
	before[id] = id;
	for (size_t i = 0; i < a->n_after; i++) {
		uint64_t sum = chain_to(p, a->after[i], sums, before);

		if (sum > sums[id]) {
			sums[id] = sum;
			before[id] = a->after[i];
		}
	}
	return sums[id] += p->took_ns[id];
}

static int by_length(const void *a, const void *b)
{
	const uint64_t x = **(const uint64_t *const *)a, y = **(const uint64_t *const *)b;

	return (x < y) - (x > y);
}

/* The chain's longest steps, in the order they ran in. */
static json_t *name_steps(const struct mill_pace *p, unsigned last, const unsigned *before)
{
	const uint64_t **steps = mill_xcalloc(p->plan->n_actions + 1, sizeof(*steps));
	json_t *names = json_array();
	uint64_t least;
	size_t n = 0;

	for (unsigned id = last;; id = before[id]) {
		steps[n++] = &p->took_ns[id];
		if (before[id] == id)
			break;
	}
	qsort(steps, n, sizeof(*steps), by_length);
	least = *steps[n < NAMED ? n - 1 : NAMED - 1];
	free(steps);
	for (unsigned id = last;; id = before[id]) {
		const struct mill_action *a = &p->plan->actions[id];

		if (p->took_ns[id] >= least && p->took_ns[id] >= 100 * MILL_MS)
			json_array_insert_new(names, 0, json_sprintf("%s %s%s%s", mill_action_verb(a->kind),
								     a->component ? a->component : "", a->name ? "." : "",
								     a->name ? a->name : ""));
		if (before[id] == id)
			break;
	}
	return names;
}

/* Of the services that this plan started, what they used until now. */
static uint64_t services_cpu_ms(const struct mill_pace *p, const json_t *status)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < p->plan->n_actions; i++) {
		const struct mill_action *a = &p->plan->actions[i];
		const char *id = mill_json_get_string(a->data, "id", "");
		const json_t *component, *service;
		size_t k, s;

		if (a->kind != MILL_ACTION_START && a->kind != MILL_ACTION_RESTART)
			continue;
		json_array_foreach(json_object_get(status, "components"), k, component)
			json_array_foreach(json_object_get(component, "services"), s, service)
				if (mill_streq(mill_json_get_string(service, "id", NULL), id))
					ms += (uint64_t)mill_json_get_int(service, "cpu_ms", 0);
	}
	return ms;
}

json_t *mill_pace_json(const struct mill_pace *p, const json_t *status, unsigned cpus)
{
	uint64_t *sums = mill_xcalloc(p->plan->n_actions + 1, sizeof(*sums));
	unsigned *before = mill_xcalloc(p->plan->n_actions + 1, sizeof(*before)), last = 0;
	uint64_t wall_ms = (mill_now_ns() - p->began_ns) / MILL_MS;
	json_t *o;

	for (unsigned id = 0; id < p->plan->n_actions; id++)
		if (chain_to(p, id, sums, before) > sums[last])
			last = id;
	o = json_pack("{s:I, s:I, s:o, s:I, s:i}", "wall_ms", (json_int_t)wall_ms, "chain_ms",
		      (json_int_t)(sums[last] / MILL_MS), "chain",
		      p->plan->n_actions ? name_steps(p, last, before) : json_array(), "cpu_ms",
		      (json_int_t)(own_cpu_ms() - p->cpu_ms + services_cpu_ms(p, status)), "cpus", (int)cpus);
	free(sums);
	free(before);
	return o;
}

static const char *duration(const json_t *pace, const char *key, char *buf, size_t n)
{
	return mill_format_duration((uint64_t)mill_json_get_int(pace, key, 0) * MILL_MS, buf, n);
}

void mill_pace_show(const struct mill_ui *ui, const json_t *pace)
{
	_cleanup_strbuf_ struct mill_strbuf chain = MILL_STRBUF_INIT;
	char wall[32], longest[32], cpu[32];
	const json_t *step;
	size_t i;

	json_array_foreach((json_t *)json_object_get(pace, "chain"), i, step)
		mill_strbuf_printf(&chain, "%s%s", i ? ", " : "", json_string_value(step));
	mill_note(ui, "took %s; longest chain %s%s%s%s; processor time %s on %lld processors",
		  duration(pace, "wall_ms", wall, sizeof(wall)), duration(pace, "chain_ms", longest, sizeof(longest)),
		  chain.len ? " (" : "", chain.len ? chain.data : "", chain.len ? ")" : "",
		  duration(pace, "cpu_ms", cpu, sizeof(cpu)), (long long)mill_json_get_int(pace, "cpus", 1));
}
