/* fit -> render -> diff. */
#include "plan/plan.h"

#include "base/json.h"
#include "base/parse.h"
#include "plan/build.h"

static void free_build(struct mill_build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->components[i].before.items);
		free(b->components[i].ready.items);
	}
	free(b->components);
	mill_map_release(&b->installs);
	mill_map_release(&b->services);
	mill_map_release(&b->stops);
	mill_render_free(b->r);
}

static bool is_listed(const char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (mill_streq(*names, name))
			return true;
	return false;
}

/* Those asked for, and whom they need. */
static void mark_wanted(struct mill_build *b)
{
	for (size_t i = b->n; i-- > 0;) { /* consumers first */
		struct mill_planned *c = &b->components[i];

		if (!b->o->only || is_listed(b->o->only, c->rendered->component->name))
			c->wanted = true;
		for (size_t k = 0; c->wanted && k < c->rendered->n_bound; k++) {
			const struct mill_component *p = c->rendered->bound[k].requirement->provider;
			struct mill_rendered *r = mill_render_find(b->r, p->name);

			if (r)
				b->components[r - b->r->components].wanted = true;
		}
	}
}

static void note_components(struct mill_build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct mill_component *c = b->components[i].rendered->component;

		if (c->stands_for)
			mill_build_note(b, "stands-in", "%s stands in for %s", c->name, c->stands_for);
		if (c->why && mill_starts_with(c->why, "needed by "))
			mill_build_note(b, "added", "%s: %s", c->name, c->why);
		if (mill_streq(c->upstream_status, "frozen") || mill_streq(c->upstream_status, "dead"))
			mill_build_note(b, "frozen", "%s is %s upstream%s%s", c->name, c->upstream_status,
					c->upstream_note ? ": " : "", c->upstream_note ? c->upstream_note : "");
	}
}

static void note_ports(struct mill_build *b)
{
	const json_t *moved;
	size_t i;

	json_array_foreach(b->r->ports_moved, i, moved)
		mill_build_note(b, "port-moved", "%s: port %lld is taken, uses %lld", mill_json_get_string(moved, "key", ""),
				(long long)mill_json_get_int(moved, "from", 0),
				(long long)mill_json_get_int(moved, "to", 0));
}

/* Records of what runs outside the flavour, so that its metrics are still collected. */
static json_t *kept_records(const struct mill_plan_host *host, const struct mill_strv *kept)
{
	json_t *records = json_object();

	for (size_t i = 0; i < kept->n && host->record; i++) {
		const char *dot = strchr(kept->items[i], '.');
		_cleanup_free_ char *name = mill_xstrndup(kept->items[i], dot ? (size_t)(dot - kept->items[i]) : strlen(kept->items[i]));
		json_t *record;

		if (json_object_get(records, name))
			continue;
		record = host->record(host, name);
		if (record)
			json_object_set_new(records, name, record);
	}
	return records;
}

static void note_fit(struct mill_build *b, const struct mill_fit *fit)
{
	char asked[32], given[32];

	if (fit->needed < fit->asked)
		mill_build_note(b, "fit", "memory is tight: services ask for %s and get %s",
				mill_format_size(fit->asked, asked, sizeof(asked)),
				mill_format_size(fit->needed, given, sizeof(given)));
}

static void set_totals(struct mill_build *b, const struct mill_fit *fit)
{
	struct mill_plan *plan = b->plan;

	plan->memory_needed = fit->needed + fit->kept;
	plan->memory_min = fit->min + fit->kept;
	plan->memory_budget = b->host->pods ? 0 : fit->budget; /* nodes have it, and the scheduler knows */
	plan->install_seconds = b->seconds_known ? b->seconds : -1;
	plan->disk_needed = plan->install_bytes;
	for (size_t i = 0; i < b->n; i++) {
		const struct mill_component *c = b->components[i].rendered->component;

		for (size_t k = 0; k < c->n_services; k++)
			if (mill_when_holds(&c->services[k].when, c))
				plan->disk_needed += c->services[k].disk;
	}
}

static int build(struct mill_build *b, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv kept = {0};
	struct mill_render_options options = {.move_ports = b->o->move_ports};
	_cleanup_json_ json_t *records = NULL;
	struct mill_fit fit;
	int r;

	if (!b->o->prune || b->m->project.n_only)
		mill_desired_kept(b->m, b->p, &kept);
	mill_fit_platform(b->m, b->p, b->host, &kept, &fit);
	records = kept_records(b->host, &kept);
	options.kept = records;
	r = mill_render_new(b->m, b->p, b->host, &options, &b->r, err);
	if (r < 0)
		return r;
	b->n = b->r->n;
	b->components = mill_xcalloc(b->n + 1, sizeof(*b->components));
	for (size_t i = 0; i < b->n; i++)
		b->components[i].rendered = &b->r->components[i];
	mark_wanted(b);
	note_components(b);
	note_ports(b);
	note_fit(b, &fit);
	mill_diff(b);
	b->plan->environment = mill_render_environment(b->r);
	b->plan->desired = mill_desired_make(b);
	set_totals(b, &fit);
	return mill_diags_fail(b->m->diags, err);
}

int mill_plan_make(struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		   const struct mill_plan_options *o, struct mill_plan **ret, struct mill_error *err)
{
	static const struct mill_plan_options no_options;
	struct mill_build b = {.m = m, .p = p, .host = host, .o = o ? o : &no_options};
	int r;

	b.plan = mill_xcalloc(1, sizeof(*b.plan));
	b.plan->specs = json_object();
	b.plan->records = json_object();
	b.plan->json = json_array();
	b.tasks = json_object_get(p->desired, "tasks");
	r = build(&b, err);
	free_build(&b);
	if (r < 0) {
		mill_plan_free(b.plan);
		return r;
	}
	*ret = b.plan;
	return 0;
}

struct mill_plan *mill_plan_free(struct mill_plan *plan)
{
	if (!plan)
		return NULL;
	json_decref(plan->specs);
	json_decref(plan->records);
	json_decref(plan->desired);
	json_decref(plan->data_volume);
	json_decref(plan->environment);
	json_decref(plan->json);
	free(plan->actions);
	free(plan->notes);
	mill_arena_release(&plan->arena);
	free(plan);
	return NULL;
}

bool mill_plan_is_empty(const struct mill_plan *plan)
{
	return plan->n_actions == 0;
}
