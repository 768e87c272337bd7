/* Names, start, stop, restart, wait, down. */
#include <fcntl.h>
#include <sys/file.h>

#include "runtime/native/ops.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/actions.h"
#include "runtime/native/edges.h"
#include "runtime/native/remote.h"
#include "runtime/native/live.h"
#include "spec/spec.h"

#define DAEMON_END_MS 10000

/* ---- names ---- */

static int unknown_name(const struct mill_strv *ids, const struct mill_strv *components, const char *name,
			struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv all = {0};
	for (size_t i = 0; i < components->n; i++)
		mill_strv_add(&all, components->items[i]);
	for (size_t i = 0; i < ids->n; i++)
		mill_strv_add(&all, ids->items[i]);
	const char *near = mill_suggest(name, (const char *const *)all.items, all.n);
	mill_fail_usage(err, "this platform has no component or service \"%s\"%s%s%s", name,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	_cleanup_free_ char *list = mill_strv_join(components, ", ");
	if (components->n)
		mill_error_hint(err, "it has: %s", list);
	if (err)
		err->code = ENOENT;
	return -ENOENT;
}

static bool is_named(const char *id, const char *const *names, size_t n_names)
{
	_cleanup_free_ char *component = mill_edges_component(id);
	for (size_t i = 0; i < n_names; i++)
		if (strcmp(names[i], id) == 0 || strcmp(names[i], component) == 0)
			return true;
	return n_names == 0;
}

int mill_ops_expand(struct mill_native *n, const char *const *names, size_t n_names, struct mill_strv *ret_ids,
		    struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0}, components = {0};
	int r = mill_edges_all(n, &ids, err);
	if (r == 0)
		r = mill_native_components(n, &components, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_names; i++) {
		bool known = mill_strv_contains(&components, names[i]);
		for (size_t k = 0; k < ids.n && !known; k++)
			known = is_named(ids.items[k], &names[i], 1);
		if (!known)
			return unknown_name(&ids, &components, names[i], err);
	}
	for (size_t k = 0; k < ids.n; k++)
		if (is_named(ids.items[k], names, n_names))
			mill_strv_add(ret_ids, ids.items[k]);
	return 0;
}

/* ---- start and restart: a small plan, run by the engine along the edges ---- */

struct round {
	const struct mill_ops_watch *w;
	struct mill_error *err; /* the first failure */
	size_t failed;
};

static void tell(const struct mill_ops_watch *w, const char *id, const char *state, const char *reason)
{
	if (w && w->on_state)
		w->on_state(w->arg, id, state, reason ? reason : "");
}

static void on_event(void *arg, const struct mill_event *e)
{
	struct round *round = arg;
	const char *id = mill_json_get_string(e->action->data, "id", "");
	switch (e->kind) {
	case MILL_EVENT_BEGIN:
		tell(round->w, id, "starting", NULL);
		break;
	case MILL_EVENT_DONE:
		tell(round->w, id, "ready", NULL);
		break;
	case MILL_EVENT_SKIPPED:
		tell(round->w, id, "skipped", e->text);
		break;
	case MILL_EVENT_FAILED:
		tell(round->w, id, "failed", e->error->message);
		if (round->failed++ == 0 && round->err) {
			mill_fail(round->err, e->error->code, "%s", e->error->message);
			mill_error_detail(round->err, e->error->detail);
			mill_error_hint(round->err, "%s", e->error->hint ? e->error->hint : "");
		}
		break;
	default:
		break;
	}
}

static int add_actions(struct mill_native *n, const struct mill_strv *ids, enum mill_action_kind kind,
		       struct mill_plan *plan, struct mill_error *err)
{
	for (size_t i = 0; i < ids->n; i++) {
		_cleanup_free_ char *path = mill_native_service_path(n, ids->items[i], "spec.json");
		json_t *spec = NULL;
		int r = mill_json_load(path, MILL_SPEC_FILE_MAX, &spec, err);
		if (r == -ENOENT) {
			mill_fail(err, ENOENT, "%s has not been set up yet", ids->items[i]);
			mill_error_hint(err, "data-mill up sets it up and starts it");
		}
		if (r < 0)
			return r;
		unsigned *after = mill_arena_calloc(&plan->arena, ids->n, sizeof(*after));
		struct mill_action *a = &plan->actions[plan->n_actions];
		*a = (struct mill_action){.id = (unsigned)plan->n_actions, .kind = kind, .after = after, .reason = "asked for"};
		a->component = mill_arena_strdup(&plan->arena, mill_json_get_string(spec, "component", ""));
		a->name = mill_arena_strdup(&plan->arena, mill_json_get_string(spec, "service", ""));
		a->data = json_pack("{s:s, s:o}", "id", ids->items[i], "spec", spec);
		json_array_append_new(plan->json, a->data);
		for (unsigned k = 0; k < i; k++) { /* ids are in start order: only earlier ones can come before */
			size_t e;
			json_t *before;
			json_array_foreach(json_object_get(spec, "after"), e, before)
				if (mill_streq(json_string_value(before), ids->items[k]))
					after[a->n_after++] = k;
		}
		plan->n_actions++;
	}
	return 0;
}

static int run_round(struct mill_native *n, const struct mill_strv *ids, enum mill_action_kind kind,
		     const struct mill_ops_watch *w, struct mill_error *err)
{
	struct mill_plan plan = {.json = json_array()};
	plan.actions = mill_arena_calloc(&plan.arena, ids->n + 1, sizeof(*plan.actions));
	struct round round = {.w = w, .err = err};
	int r = add_actions(n, ids, kind, &plan, err);
	if (r == 0) {
		const struct mill_executor x = mill_native_executor(n);
		const struct mill_engine_options o = {.cancel_fd = w ? w->cancel_fd : -1, .on_event = on_event, .arg = &round};
		struct mill_engine_result result;
		r = mill_engine_run(&plan, &x, &o, &result, round.failed ? NULL : err);
		if (r == 0 && round.failed)
			r = err && err->code ? -err->code : -EIO;
	}
	json_decref(plan.json);
	mill_arena_release(&plan.arena);
	mill_live_forget(n);
	return r;
}

int mill_ops_start(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		   struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0}, all = {0};
	int r = mill_ops_expand(n, names, n_names, &ids, err);
	if (r < 0)
		return r;
	mill_edges_with_providers(n, &ids, &all);
	return run_round(n, &all, MILL_ACTION_START, w, err);
}

int mill_ops_restart(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		     struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	int r = mill_ops_expand(n, names, n_names, &ids, err);
	return r < 0 ? r : run_round(n, &ids, MILL_ACTION_RESTART, w, err);
}

/* ---- stop ---- */

static bool is_up(struct mill_native *n, const char *id)
{
	const char *state = mill_json_get_string(mill_live_service(n, id), "state", "stopped");
	return strcmp(state, "stopped") != 0 && strcmp(state, "failed") != 0;
}

int mill_ops_dependents(struct mill_native *n, const char *const *names, size_t n_names, struct mill_strv *ret_ids,
			struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0}, all = {0};
	int r = mill_ops_expand(n, names, n_names, &ids, err);
	if (r < 0)
		return r;
	mill_edges_dependents(n, &ids, &all);
	for (size_t i = 0; i < all.n; i++)
		if (is_up(n, all.items[i]))
			mill_strv_add(ret_ids, all.items[i]);
	return 0;
}

static int check_results(struct mill_native *n, const json_t *answer, const char *phase, struct mill_error *err)
{
	size_t i;
	json_t *result;
	json_array_foreach(json_object_get(answer, "results"), i, result)
		if (!mill_json_get_bool(result, "ok", true))
			return mill_service_failed(n, mill_json_get_string(result, "id", "?"), phase, result, err);
	return 0;
}

static bool anything_alive(struct mill_native *n)
{
	_cleanup_strv_ struct mill_strv alive = {0};
	mill_live_processes(n, &alive);
	return alive.n > 0;
}

/* A connection when there is a daemon, or a reason to have one; *ret NULL: nothing runs. */
static int connect_if_needed(struct mill_native *n, int cancel_fd, struct mill_client **ret, struct mill_error *err)
{
	*ret = NULL;
	int r = mill_native_client(n, false, cancel_fd, ret, err);
	if (r == 0 || (r != -ENOENT && r != -ECONNREFUSED))
		return r;
	mill_error_release(err);
	return anything_alive(n) ? mill_native_client(n, true, cancel_fd, ret, err) : 0;
}

static int stop_elsewhere(struct mill_native *n, const struct mill_strv *ids, const struct mill_ops_watch *w, struct mill_error *err)
{
	int r = n->remote->stop(n->remote_arg, ids, w, err);
	if (r == 0)
		r = n->remote->saved(n->remote_arg, err);
	mill_live_forget(n);
	return r;
}

int mill_ops_stop(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		  struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0}, all = {0};
	int cancel_fd = w ? w->cancel_fd : -1;
	int r = mill_ops_expand(n, names, n_names, &all, err);
	if (r < 0)
		return r;
	mill_edges_dependents(n, &all, &ids);
	for (size_t i = 0; i < all.n; i++)
		mill_strv_add(&ids, all.items[i]);
	for (size_t i = 0; i < ids.n && r == 0; i++)
		if (mill_native_wanted(n, ids.items[i]))
			r = mill_native_want(n, ids.items[i], false, NULL, err);
	if (n->remote)
		return r < 0 ? r : stop_elsewhere(n, &ids, w, err);
	struct mill_client *c = NULL;
	if (r == 0)
		r = connect_if_needed(n, cancel_fd, &c, err);
	if (r < 0 || !c)
		return r;
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_strv_ struct mill_strv up = {0}; /* the others are asked for, too, but there is nothing to tell */
	for (size_t i = 0; i < ids.n; i++)
		if (is_up(n, ids.items[i])) {
			mill_strv_add(&up, ids.items[i]);
			tell(w, ids.items[i], "stopping", NULL);
		}
	if (ids.n)
		r = mill_client_services(c, "stop", (const char *const *)ids.items, ids.n, -1, cancel_fd, &answer, err);
	if (r == 0)
		r = check_results(n, answer, "stop", err);
	for (size_t i = 0; i < up.n && r == 0; i++)
		tell(w, up.items[i], "stopped", NULL);
	for (size_t i = 0; i < all.n && r == 0; i++)
		if (!mill_strv_contains(&up, all.items[i]))
			tell(w, all.items[i], "already stopped", NULL);
	mill_client_close(c);
	mill_live_forget(n);
	return r;
}

static int forget_wanted(struct mill_native *n, struct mill_error *err)
{
	size_t i;
	json_t *service;
	bool changed = false;
	json_array_foreach(json_object_get(n->p->desired, "services"), i, service) {
		changed |= !mill_streq(mill_json_get_string(service, "wanted", ""), "down");
		json_object_set_new(service, "wanted", json_string("down"));
	}
	return changed ? mill_platform_save_desired(n->p, err) : 0;
}

/* It answers before it ends; until it has, the platform is not down. */
static int wait_for_daemon_end(const struct mill_native *n, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(n->p->dir, "run/daemon.lock");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC); /* read: what it wrote last stays */
	for (unsigned waited_ms = 0; fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0; waited_ms += 5) {
		if (waited_ms >= DAEMON_END_MS)
			return mill_fail(err, ETIMEDOUT, "platform %s: all services are stopped, its daemon does not end",
					 n->p->name);
		mill_sleep_ms(5);
	}
	return 0;
}

int mill_ops_down(struct mill_native *n, const struct mill_ops_watch *w, struct mill_error *err)
{
	int cancel_fd = w ? w->cancel_fd : -1;
	struct mill_client *c = NULL;
	if (n->remote) {
		_cleanup_strv_ struct mill_strv all = {0};
		(void)mill_edges_all(n, &all, NULL);
		int rc = n->remote->stop(n->remote_arg, &all, w, err);
		if (rc == 0)
			rc = forget_wanted(n, err);
		mill_live_forget(n);
		return rc < 0 ? rc : n->remote->saved(n->remote_arg, err);
	}
	int r = connect_if_needed(n, cancel_fd, &c, err);
	if (r < 0)
		return r;
	if (c) {
		_cleanup_strv_ struct mill_strv ids = {0};
		_cleanup_json_ json_t *answer = NULL;
		(void)mill_edges_all(n, &ids, NULL);
		for (size_t i = ids.n; i-- > 0;)
			if (is_up(n, ids.items[i]))
				tell(w, ids.items[i], "stopping", NULL);
		r = mill_client_call(c, json_pack("{s:s}", "op", "down"), -1, cancel_fd, &answer, err);
		if (r == 0)
			r = check_results(n, answer, "stop", err);
		mill_client_close(c);
		mill_live_forget(n);
	}
	if (r == 0)
		r = wait_for_daemon_end(n, err);
	return r < 0 ? r : forget_wanted(n, err);
}

/* ---- wait ---- */

int mill_ops_wait(struct mill_native *n, const char *const *names, size_t n_names, const char *what, int timeout_ms,
		  const struct mill_ops_watch *w, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	_cleanup_json_ json_t *answer = NULL;
	int cancel_fd = w ? w->cancel_fd : -1;
	struct mill_client *c = NULL;
	int r = mill_ops_expand(n, names, n_names, &ids, err);
	if (r == 0 && n->remote)
		return n->remote->wait(n->remote_arg, &ids, what, timeout_ms, w, err);
	if (r == 0)
		r = connect_if_needed(n, cancel_fd, &c, err);
	if (r < 0)
		return r;
	if (!c && strcmp(what, "stopped") == 0)
		return 0;
	if (!c) {
		mill_fail(err, ENOTCONN, "platform %s is down", n->p->name);
		return mill_error_hint(err, "data-mill up");
	}
	if (ids.n)
		r = mill_client_wait(c, (const char *const *)ids.items, ids.n, what, timeout_ms, cancel_fd, &answer, err);
	if (r == 0)
		r = check_results(n, answer, strcmp(what, "ready") == 0 ? "not ready" : "not stopped", err);
	mill_client_close(c);
	return r;
}
