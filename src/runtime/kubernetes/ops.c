/* Stopping, waiting, removing, volumes, logs, events: what a cluster does in place of the daemon. */
#include "runtime/kubernetes/chart.h"
#include "runtime/kubernetes/data.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/remote.h"

#define LOOK_MS 500
#define STOP_MS 180000

static void tell(const struct mill_ops_watch *w, const char *id, const char *state, const char *reason)
{
	if (w && w->on_state)
		w->on_state(w->arg, id, state, reason ? reason : "");
}

/* "statefulset/minio" of a service; owned, NULL when it is not there. */
static char *workload_of(struct mill_kube *k, const json_t *snapshot, const char *id)
{
	const char *dot = strchr(id, '.');
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *component = mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id));
	const json_t *record = NULL, *w;
	const char *kind;

	if (mill_native_record(k->n, component, &record, NULL) < 0)
		return NULL;
	name = mill_kube_workload(record, dot ? dot + 1 : "");
	if (!name)
		return NULL;
	w = json_object_get(json_object_get(snapshot, "workloads"), name);
	kind = mill_json_get_string(w, "kind", NULL);
	return kind ? mill_xasprintf("%s/%s", mill_streq(kind, "StatefulSet") ? "statefulset" : "deployment", name) : NULL;
}

/* The component of a unit by chart, owned; NULL: it is a service of ours. */
static char *unit_of(struct mill_kube *k, const char *id)
{
	const char *dot = strchr(id, '.');
	char *component = mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id));
	const json_t *record = NULL;

	if (dot && mill_streq(dot + 1, MILL_CHART_UNIT) && mill_native_record(k->n, component, &record, NULL) == 0 &&
	    mill_kube_by_chart(record))
		return component;
	free(component);
	return NULL;
}

/* ---- stop ---- */

struct stopping {
	struct mill_kube *k;
	const struct mill_strv *ids;
	const struct mill_ops_watch *w;
	char *state; /* one each: 0 not yet, 1 asked, 2 gone */
};

/* Does anything that is not gone yet come after it? */
static bool is_needed(const struct stopping *s, const char *id)
{
	for (size_t i = 0; i < s->ids->n; i++) {
		const json_t *wanted = mill_native_wanted(s->k->n, s->ids->items[i]), *after;
		size_t e;

		if (s->state[i] == 2)
			continue;
		json_array_foreach(json_object_get(wanted, "after"), e, after)
			if (mill_streq(json_string_value(after), id))
				return true;
	}
	return false;
}

static int scale_down(const struct stopping *s, const json_t *snapshot, size_t i, struct mill_error *err)
{
	_cleanup_free_ char *workload = workload_of(s->k, snapshot, s->ids->items[i]);
	_cleanup_free_ char *unit = unit_of(s->k, s->ids->items[i]);
	int r;

	s->state[i] = workload || unit ? 1 : 2;
	if (s->state[i] == 2)
		return 0;
	tell(s->w, s->ids->items[i], "stopping", NULL);
	r = unit ? mill_kube_chart_stop(s->k, snapshot, unit, err) :
	    mill_kube_kubectl(s->k, MILL_KUBE_CALL("scale to zero"), NULL, NULL, err, "scale", "--replicas=0", workload, NULL);
	if (r < 0)
		mill_error_wrap(err, "stop %s", s->ids->items[i]);
	return r;
}

static void note_gone(const struct stopping *s, const json_t *snapshot, size_t i)
{
	_cleanup_json_ json_t *state = mill_kube_state_of(s->k, snapshot, s->ids->items[i]);

	/* What has no pods at all (objects alone) is stopped when none is wanted. */
	if (state && !mill_streq(mill_json_get_string(state, "state", ""), "stopped") && mill_json_get_int(state, "pods", 1) > 0)
		return;
	s->state[i] = 2;
	tell(s->w, s->ids->items[i], "stopped", NULL);
}

static int stop_round(const struct stopping *s, size_t *ret_left, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL;
	int r = mill_kube_snapshot(s->k, LOOK_MS / 2, &snapshot, err);

	*ret_left = 0;
	for (size_t i = 0; i < s->ids->n && r == 0; i++) {
		if (s->state[i] == 1)
			note_gone(s, snapshot, i);
		else if (s->state[i] == 0 && !is_needed(s, s->ids->items[i]))
			r = scale_down(s, snapshot, i, err);
		*ret_left += s->state[i] != 2;
	}
	return r;
}

static bool all_stop(struct mill_kube *k, const char *component, const struct mill_strv *ids)
{
	const json_t *record = NULL, *services;
	const char *service;
	json_t *s;

	if (mill_native_record(k->n, component, &record, NULL) < 0)
		return false;
	services = json_object_get(record, "services");
	json_object_foreach((json_t *)services, service, s) {
		_cleanup_free_ char *id = mill_xasprintf("%s.%s", component, service);

		if (!mill_strv_contains(ids, id))
			return false;
	}
	return true;
}

/* People's servers are pods that a service of ours made, not the chart: they end with the whole component, their volumes stay. */
static int end_notebooks(struct mill_kube *k, const struct mill_strv *ids, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL;
	_cleanup_strv_ struct mill_strv words = {0};
	const json_t *pod;
	size_t i;
	int r = mill_kube_snapshot(k, LOOK_MS, &snapshot, err);

	mill_strv_add(&words, "delete");
	mill_strv_add(&words, "--ignore-not-found");
	mill_strv_add(&words, "--grace-period=10");
	json_array_foreach(json_object_get(snapshot, "pods"), i, pod) {
		const json_t *meta = json_object_get(pod, "metadata"), *labels = json_object_get(meta, "labels");

		if (mill_streq(mill_json_get_string(labels, "data-mill.io/role", ""), "notebook") &&
		    all_stop(k, mill_json_get_string(labels, "data-mill.io/component", ""), ids))
			mill_strv_addf(&words, "pod/%s", mill_json_get_string(meta, "name", ""));
	}
	if (r == 0 && words.n > 3)
		r = mill_kube_kubectl_v(k, MILL_KUBE_CALL("end people's servers"), &words, NULL, NULL, err);
	return r;
}

static int stop(void *arg, const struct mill_strv *ids, const struct mill_ops_watch *w, struct mill_error *err)
{
	struct stopping s = {.k = arg, .ids = ids, .w = w, .state = mill_xcalloc(1, ids->n + 1)};
	uint64_t deadline = mill_now_ns() + STOP_MS * (uint64_t)MILL_MS;
	size_t left = 1;
	int r = 0;

	mill_kube_stale(arg);
	r = end_notebooks(arg, ids, err);
	while (r == 0 && left) {
		r = stop_round(&s, &left, err);
		if (r == 0 && left && mill_now_ns() > deadline)
			r = mill_fail(err, ETIMEDOUT, "%zu services do not stop: their pods are still there after %d s", left, STOP_MS / 1000);
		if (r == 0 && left && mill_kube_pause(w ? w->cancel_fd : -1, LOOK_MS))
			r = mill_fail(err, ECANCELED, "cancelled while services were stopping");
	}
	free(s.state);
	return r;
}

/* ---- wait ---- */

static int wait_for(void *arg, const struct mill_strv *ids, const char *what, int timeout_ms, const struct mill_ops_watch *w,
		    struct mill_error *err)
{
	struct mill_kube *k = arg;
	uint64_t begin = mill_now_ns();

	for (;;) {
		_cleanup_json_ json_t *snapshot = NULL;
		_cleanup_strbuf_ struct mill_strbuf left = MILL_STRBUF_INIT;
		int r = mill_kube_snapshot(k, LOOK_MS, &snapshot, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < ids->n; i++) {
			_cleanup_json_ json_t *state = mill_kube_state_of(k, snapshot, ids->items[i]);
			const char *now = mill_json_get_string(state, "state", "stopped");

			if (!mill_streq(now, what))
				mill_strbuf_printf(&left, "%s%s (%s)", left.len ? ", " : "", ids->items[i], now);
		}
		if (!left.len)
			return 0;
		if (timeout_ms >= 0 && mill_now_ns() - begin > (uint64_t)timeout_ms * MILL_MS)
			return mill_fail(err, ETIMEDOUT, "not %s: %s", what, left.data);
		if (mill_kube_pause(w ? w->cancel_fd : -1, LOOK_MS))
			return mill_fail(err, ECANCELED, "cancelled; not %s: %s", what, left.data);
	}
}

/* ---- remove ---- */

/* Objects of ours that no chart owns: Secrets of services, claims, pods of hooks, policies. */
static int delete_kinds(struct mill_kube *k, const char *kinds, const char *selector, struct mill_error *err)
{
	struct mill_kube_call c = {.what = "delete objects", .cancel_fd = -1, .timeout_ms = 180000};
	_cleanup_free_ char *by = mill_xasprintf("--selector=%s", selector);

	return mill_kube_kubectl(k, &c, NULL, NULL, err, "delete", kinds, by, "--ignore-not-found", NULL);
}

static int uninstall_release(struct mill_kube *k, const char *component, struct mill_error *err)
{
	const json_t *record = NULL;
	int r = mill_native_record(k->n, component, &record, err);

	if (r == 0)
		r = mill_kube_chart_remove(k, component, err);
	if (r < 0 || mill_kube_by_chart(record) || !json_object_size(json_object_get(record, "services")))
		return r;
	return mill_kube_uninstall(k, mill_kube_release(record), err);
}

static int remove_component(struct mill_kube *k, const char *component, bool data, struct mill_error *err)
{
	_cleanup_free_ char *selector = mill_xasprintf(MILL_KUBE_LABEL "=%s,data-mill.io/component=%s", k->namespace, component);
	int r = uninstall_release(k, component, err);

	if (r == 0)
		r = delete_kinds(k, "secrets,pods,networkpolicies", selector, err);
	if (r == 0 && data)
		r = delete_kinds(k, "persistentvolumeclaims", selector, err);
	return r;
}

static int remove_namespace(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *found = NULL;
	struct mill_kube_call get = {.what = "look at the namespace", .cancel_fd = -1, .cluster = true};
	struct mill_kube_call del = {.what = "delete the namespace", .cancel_fd = -1, .cluster = true, .timeout_ms = 300000};
	const json_t *notes;
	int r = mill_kube_json(k, &get, &found, err, "get", "namespace", k->namespace, "--ignore-not-found", NULL);

	notes = json_object_get(json_object_get(found, "metadata"), "annotations");
	if (r < 0 || !mill_streq(mill_json_get_string(notes, "data-mill.io/made", ""), "true"))
		return r; /* a person's: it stays */
	k->lost = true; /* the Lease goes with it */
	return mill_kube_kubectl(k, &del, NULL, NULL, err, "delete", "namespace", k->namespace, NULL);
}

static int remove_platform(struct mill_kube *k, bool data, struct mill_error *err)
{
	_cleanup_free_ char *all = mill_xasprintf(MILL_KUBE_LABEL "=%s", k->namespace);
	_cleanup_free_ char *parts = mill_xasprintf("%s,data-mill.io/component", all);
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_native_components(k->n, &names, err);

	for (size_t i = names.n; i-- > 0 && r == 0;)
		r = uninstall_release(k, names.items[i], err);
	if (r == 0)
		r = delete_kinds(k, "pods,networkpolicies", all, err);
	if (r == 0)
		r = delete_kinds(k, "secrets", parts, err);
	if (r < 0 || !data)
		return r;
	r = delete_kinds(k, "persistentvolumeclaims", all, err);
	if (r == 0)
		r = delete_kinds(k, "secrets", all, err);
	return r < 0 ? r : remove_namespace(k, err);
}

static int remove_made(void *arg, const char *component, bool data, struct mill_error *err)
{
	struct mill_kube *k = arg;
	int r = component ? remove_component(k, component, data, err) : remove_platform(k, data, err);

	mill_kube_stale(k);
	return r;
}

/* ---- volumes ---- */

static int volumes(void *arg, const char *component, json_t *list, uint64_t *total, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL;
	const json_t *claim;
	size_t i;
	int r = mill_kube_snapshot(arg, LOOK_MS, &snapshot, err);

	json_array_foreach(json_object_get(snapshot, "claims"), i, claim) {
		const json_t *meta = json_object_get(claim, "metadata"), *labels = json_object_get(meta, "labels");
		const char *owner = mill_json_get_string(labels, "data-mill.io/component", "");
		const json_t *asked = json_object_get(json_object_get(json_object_get(json_object_get(claim, "spec"), "resources"), "requests"), "storage");
		uint64_t bytes = 0;

		if (component && strcmp(owner, component) != 0)
			continue;
		(void)mill_parse_size(json_is_string(asked) ? json_string_value(asked) : "0", &bytes);
		*total += bytes;
		json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "id",
						      !*owner ? json_string("data folder") :
						      json_sprintf("%s.%s", owner, mill_json_get_string(labels, "data-mill.io/service", "")),
						      "path", json_sprintf("volume claim %s", mill_json_get_string(meta, "name", "")), "bytes",
						      (json_int_t)bytes));
	}
	return r;
}

static int begin(void *arg, const struct mill_plan *plan, struct mill_error *err)
{
	struct mill_kube *k = arg;
	int r = mill_kube_push(k, err);

	if (r == 0)
		r = mill_kube_policies(k, err);
	return r < 0 ? r : mill_kube_data_claim(k, plan ? plan->data_volume : NULL, err);
}

static int saved(void *arg, struct mill_error *err)
{
	return mill_kube_push(arg, err);
}

const struct mill_remote mill_kube_remote = {
	.live = mill_kube_live,
	.begin = begin,
	.action = mill_kube_action,
	.hook = mill_kube_hook,
	.put = mill_kube_put,
	.get = mill_kube_get,
	.stop = stop,
	.wait = wait_for,
	.remove = remove_made,
	.volumes = volumes,
	.logs = mill_kube_logs,
	.events = mill_kube_events,
	.saved = saved,
	.reach = mill_kube_reach,
};
