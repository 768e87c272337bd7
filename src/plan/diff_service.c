/* One component's services: which run, which must restart, and why; with the tasks around them. */
#include "plan/build.h"

#include "base/json.h"
#include "plan/graph.h"

/* All that a chart makes, as one service without tasks. */
static const struct mill_service unit = {.name = MILL_CHART_UNIT};

struct service {
	const struct mill_service *s;
	char *id;
	json_t *spec;             /* borrowed from plan->specs */
	json_t *old;              /* spec.json on disk; owned, NULL: none */
	struct mill_observed seen;
	bool alive, ready, same;  /* a process runs; it is ready; it was started from this fingerprint */
	struct mill_ids before;   /* of its start */
};

static bool is_one_of(const char *state, const char *const *states, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mill_streq(state, states[i]))
			return true;
	return false;
}

static void observe(struct mill_build *b, struct service *v)
{
	static const char *const alive[] = {"starting", "running", "ready", "unhealthy"};

	if (b->host->observe)
		b->host->observe(b->host->arg, v->id, &v->seen);
	v->alive = is_one_of(v->seen.state, alive, MILL_ARRAY_LEN(alive));
	v->ready = mill_streq(v->seen.state, "ready");
	v->same = v->alive && mill_streq(v->seen.fingerprint, mill_json_get_string(v->spec, "fingerprint", "-"));
	v->old = b->host->spec ? b->host->spec(b->host, v->id, v->spec) : NULL;
}

static json_t *service_data(const struct service *v)
{
	return json_pack("{s:s, s:O}", "id", v->id, "spec", v->spec);
}

/* ---- tasks ---- */

static bool is_pending(const struct mill_build *b, const json_t *data, bool *ret_known)
{
	return !mill_build_is_done(b, mill_json_get_string(data, "id", ""),
				   mill_json_get_string(data, "fingerprint", ""), ret_known);
}

/* The first task that must run before the service starts, or NULL. */
static const struct mill_task *pending_task(struct mill_build *b, struct mill_planned *c, const struct service *v)
{
	const struct mill_component *comp = c->rendered->component;

	for (size_t i = 0; i < comp->n_tasks; i++) {
		const struct mill_task *t = &comp->tasks[i];
		_cleanup_json_ json_t *data = NULL;
		bool known;

		if (t->after || !mill_streq(t->service, v->s->name))
			continue;
		data = mill_render_task(b->r, c->rendered, t);
		if (is_pending(b, data, &known))
			return t;
	}
	return NULL;
}

/* One after the other, in the order of the manifest; `chain` is what the next one comes after. */
static void plan_tasks(struct mill_build *b, struct mill_planned *c, const struct service *v, bool after,
		       struct mill_ids *chain)
{
	const struct mill_component *comp = c->rendered->component;

	for (size_t i = 0; i < comp->n_tasks; i++) {
		const struct mill_task *t = &comp->tasks[i];
		json_t *data;
		bool known;

		if (t->after != after || !mill_streq(t->service, v->s->name))
			continue;
		data = mill_render_task(b->r, c->rendered, t);
		if (!is_pending(b, data, &known)) {
			json_decref(data);
			continue;
		}
		mill_ids_add(chain, mill_build_action(b, MILL_ACTION_TASK, comp->name, t->name, chain, data, "%s",
						      known ? "what it does changed" : "not done yet"));
	}
}

/* ---- one service ---- */

static void configure(struct mill_build *b, struct mill_planned *c, struct service *v, const char *reason)
{
	mill_ids_add(&v->before, mill_build_action(b, MILL_ACTION_CONFIGURE, c->rendered->component->name, v->s->name, NULL,
						   service_data(v), "%s", reason));
}

static char *why_not_running(const struct service *v)
{
	if (!v->old)
		return mill_xstrdup("new");
	if (v->seen.reason[0])
		return mill_xasprintf("%s: %s", v->seen.state[0] ? v->seen.state : "stopped", v->seen.reason);
	return mill_xstrdup(mill_streq(v->seen.state, "failed") ? "failed" : "not running");
}

static unsigned start(struct mill_build *b, struct mill_planned *c, struct service *v, const char *reason)
{
	return mill_build_action(b, MILL_ACTION_START, c->rendered->component->name, v->s->name, &v->before,
				 service_data(v), "%s", reason);
}

static char *why_restart(const struct service *v)
{
	char *changes = v->old ? mill_change_describe(v->old, v->spec) : mill_xstrdup("");

	if (*changes)
		return changes;
	free(changes);
	return mill_xstrdup("it was started from an older configuration");
}

static bool reload_differs(const struct mill_build *b, const struct service *v)
{
	const char *old = mill_json_get_string(v->old, "reload_fingerprint", "");
	const char *new = mill_json_get_string(v->spec, "reload_fingerprint", "");

	if (!*old && !*new)
		return false; /* reload covers nothing: nobody wrote down what was applied */
	_cleanup_json_ json_t *applied = b->host->applied ? b->host->applied(b->host, v->id) : NULL;
	/* Nothing said: what spec.json says was applied when it started. */
	return !mill_streq(mill_json_get_string(applied, "reload_fingerprint", old), new);
}

/* Runs from what is wanted; perhaps files that reload covers, or what only the daemon reads, differ. */
static void touch_up(struct mill_build *b, struct mill_planned *c, struct service *v, struct mill_ids *done)
{
	_cleanup_free_ char *text = NULL;

	if (reload_differs(b, v)) {
		text = mill_change_describe_reload(v->old, v->spec);
		mill_ids_add(done, mill_build_action(b, MILL_ACTION_RELOAD, c->rendered->component->name, v->s->name,
						     &v->before, service_data(v), "%s", *text ? text : "its files changed"));
		return;
	}
	text = mill_change_describe_rest(v->old, v->spec);
	if (!*text && v->ready && b->host->drift && (v->s == c->rendered->component->services || v->s == &unit)) {
		free(text);
		text = b->host->drift(b->host->arg, c->rendered->component->name);
		text = text ? text : mill_xstrdup("");
	}
	if (*text) {
		configure(b, c, v, text);
		mill_ids_union(done, &v->before);
	}
	if (!v->ready)
		mill_ids_add(done, start(b, c, v, "running, not ready"));
}

static void plan_service(struct mill_build *b, struct mill_planned *c, struct service *v, struct mill_ids *done)
{
	const char *component = c->rendered->component->name;
	const struct mill_task *task = pending_task(b, c, v);
	_cleanup_free_ char *reason = NULL;

	mill_ids_union(&v->before, &c->before);
	if (v->alive && v->same && !task) {
		touch_up(b, c, v, done);
		return;
	}
	reason = v->alive && !v->same ? why_restart(v) : v->alive ? mill_xasprintf("%s runs before it", task->name) :
								    why_not_running(v);
	if (v->alive && !task) {
		mill_ids_add(done, mill_build_action(b, MILL_ACTION_RESTART, component, v->s->name, &v->before,
						     service_data(v), "%s", reason));
		return;
	}
	if (v->alive) /* makes way for its tasks */
		mill_ids_add(&v->before, mill_build_action(b, MILL_ACTION_STOP, component, v->s->name, &v->before,
							   json_pack("{s:s}", "id", v->id), "%s", reason));
	if (!v->old || !json_equal(v->old, v->spec))
		configure(b, c, v, v->old ? "its configuration changed" : "new");
	plan_tasks(b, c, v, false, &v->before);
	mill_ids_add(done, start(b, c, v, reason));
}

/* ---- a component's ---- */

static void add_siblings(struct mill_planned *c, const struct service *all, size_t n, const struct mill_ids *done,
			 struct service *v)
{
	for (size_t k = 0; k < v->s->n_after; k++)
		for (size_t i = 0; i < n; i++)
			if (all[i].s && mill_streq(all[i].s->name, v->s->after[k]))
				mill_ids_union(&v->before, &done[i]);
}

static void stop_disabled(struct mill_build *b, struct mill_planned *c, const struct mill_service *s)
{
	_cleanup_free_ char *id = mill_xasprintf("%s.%s", c->rendered->component->name, s->name);
	struct mill_observed seen = {0};

	if (b->host->observe)
		b->host->observe(b->host->arg, id, &seen);
	if (seen.state[0] && !mill_streq(seen.state, "stopped"))
		mill_map_set(&b->stops, id,
			     (void *)(uintptr_t)(1 + mill_build_action(b, MILL_ACTION_STOP, c->rendered->component->name,
								       s->name, NULL, json_pack("{s:s}", "id", id),
								       "the settings turn it off")));
}

static void take_spec(struct mill_build *b, struct mill_planned *c, struct service *v, const struct mill_service *s, json_t *spec)
{
	v->s = s;
	v->id = mill_xasprintf("%s.%s", c->rendered->component->name, s->name);
	v->spec = spec;
	json_object_set_new(b->plan->specs, v->id, spec);
	mill_map_set(&b->services, v->id, spec);
	mill_version_check_data(b, c->rendered->component, v->id);
	observe(b, v);
}

static void release(struct service *v)
{
	free(v->id);
	json_decref(v->old);
	free(v->before.items);
}

void mill_diff_unit(struct mill_build *b, struct mill_planned *c, json_t *spec)
{
	struct service v = {0};

	take_spec(b, c, &v, &unit, spec);
	plan_service(b, c, &v, &c->ready);
	release(&v);
}

void mill_diff_services(struct mill_build *b, struct mill_planned *c)
{
	const struct mill_component *comp = c->rendered->component;
	size_t *order = mill_graph_services(comp), n = 0;
	struct service *all = mill_xcalloc(comp->n_services + 1, sizeof(*all));
	struct mill_ids *done = mill_xcalloc(comp->n_services + 1, sizeof(*done));

	for (size_t i = 0; i < comp->n_services; i++) {
		const struct mill_service *s = &comp->services[order[i]];
		struct service *v = &all[n];

		if (!mill_when_holds(&s->when, comp)) {
			stop_disabled(b, c, s);
			continue;
		}
		take_spec(b, c, v, s, mill_render_service(b->r, c->rendered, s));
		add_siblings(c, all, n, done, v);
		plan_service(b, c, v, &done[n]);
		n++;
	}
	for (size_t i = 0; i < n; i++)
		mill_ids_union(&c->ready, &done[i]);
	for (size_t i = 0; i < n; i++) {
		struct mill_ids after = {0};

		mill_ids_union(&after, &done[i]);
		plan_tasks(b, c, &all[i], true, &after);
		mill_ids_union(&c->ready, &after);
		free(after.items);
	}
	for (size_t i = 0; i < n; i++) {
		release(&all[i]);
		free(done[i].items);
	}
	free(all);
	free(done);
	free(order);
}
