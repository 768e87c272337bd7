/* What runs, as the API server says: one look at workloads, pods and claims for everybody who asks within a second. */
#include "runtime/kubernetes/chart.h"

#include <time.h>

#include "base/clock.h"
#include "base/json.h"

#define FRESH_MS 900

/* ---- the look ---- */

static const char *name_of(const json_t *object)
{
	return mill_json_get_string(json_object_get(object, "metadata"), "name", "");
}

static json_t *sort_out(const json_t *items)
{
	json_t *workloads = json_object(), *pods = json_array(), *claims = json_array();
	const json_t *o;
	size_t i;

	json_array_foreach((json_t *)items, i, o) {
		const char *kind = mill_json_get_string(o, "kind", "");

		if (mill_streq(kind, "Pod"))
			json_array_append(pods, (json_t *)o);
		else if (mill_streq(kind, "PersistentVolumeClaim"))
			json_array_append(claims, (json_t *)o);
		else
			json_object_set(workloads, name_of(o), (json_t *)o);
	}
	return json_pack("{s:o, s:o, s:o}", "workloads", workloads, "pods", pods, "claims", claims);
}

int mill_kube_snapshot(struct mill_kube *k, unsigned max_age_ms, json_t **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *found = NULL;
	int r = 0;

	pthread_mutex_lock(&k->snapshot_lock);
	if (!k->snapshot || mill_now_ns() - k->snapshot_ns > max_age_ms * (uint64_t)MILL_MS) {
		bool charts = mill_kube_has_charts(k);

		r = mill_kube_json(k, MILL_KUBE_CALL("look at what runs"), &found, err, "get",
				   charts ? "statefulsets,deployments,daemonsets,pods,persistentvolumeclaims" :
					    "statefulsets,deployments,pods,persistentvolumeclaims",
				   "--selector=" MILL_KUBE_LABEL, NULL);
		if (r == 0) {
			if (k->snapshot)
				json_decref(k->snapshot);
			k->snapshot = sort_out(json_object_get(found, "items"));
			k->snapshot_ns = mill_now_ns();
			r = charts ? mill_kube_chart_look(k, k->snapshot, err) : 0;
		}
	}
	if (r == 0)
		*ret = json_deep_copy(k->snapshot); /* jansson counts references without locks */
	pthread_mutex_unlock(&k->snapshot_lock);
	return r;
}

void mill_kube_stale(struct mill_kube *k)
{
	pthread_mutex_lock(&k->snapshot_lock);
	k->snapshot_ns = 0;
	pthread_mutex_unlock(&k->snapshot_lock);
}

/* ---- one service ---- */

int64_t mill_kube_when_ms(const char *stamp)
{
	struct tm t = {0};

	if (!stamp || !strptime(stamp, "%Y-%m-%dT%H:%M:%SZ", &t))
		return 0;
	return (int64_t)timegm(&t) * 1000;
}

static bool belongs(const json_t *pod, const char *component, const char *service)
{
	const json_t *labels = json_object_get(json_object_get(pod, "metadata"), "labels");

	return mill_streq(mill_json_get_string(labels, "data-mill.io/component", ""), component) &&
	       mill_streq(mill_json_get_string(labels, "data-mill.io/service", ""), service);
}

/* What a container of this name may use and asked for: "a limit of 160Mi (it asks for 16Mi)". */
static char *memory_limit(const json_t *pod, const char *name)
{
	const json_t *spec = json_object_get(pod, "spec"), *c;
	size_t i;

	json_array_foreach(json_object_get(spec, "containers"), i, c) {
		const json_t *resources = json_object_get(c, "resources");
		const char *limit = mill_json_get_string(json_object_get(resources, "limits"), "memory", NULL);
		const char *request = mill_json_get_string(json_object_get(resources, "requests"), "memory", NULL);

		if (mill_streq(mill_json_get_string(c, "name", ""), name) && limit && request)
			return mill_xasprintf("its limit of %s (it asks for %s)", limit, request);
	}
	return mill_xstrdup("its limit");
}

/* Its words for why a container does not run, or NULL. */
static char *container_trouble(const json_t *pod, const json_t *status)
{
	const json_t *waiting = json_object_get(json_object_get(status, "state"), "waiting");
	const json_t *last = json_object_get(json_object_get(status, "lastState"), "terminated");
	const json_t *ended = json_object_get(json_object_get(status, "state"), "terminated");
	const char *reason = mill_json_get_string(waiting, "reason", NULL);
	const char *why = mill_json_get_string(ended ? ended : last, "reason", "");

	if (mill_streq(why, "OOMKilled") && !json_is_true(json_object_get(status, "ready"))) {
		_cleanup_free_ char *limit = memory_limit(pod, mill_json_get_string(status, "name", ""));

		return mill_xasprintf("%sOOMKilled: it was killed for using more memory than %s",
				      mill_streq(reason ? reason : "", "CrashLoopBackOff") ? "CrashLoopBackOff: " : "", limit);
	}
	if (!reason || mill_streq(reason, "ContainerCreating") || mill_streq(reason, "PodInitializing"))
		return NULL;
	if (!mill_streq(reason, "CrashLoopBackOff"))
		return mill_xasprintf("%s: %s", reason, mill_json_get_string(waiting, "message", ""));
	return mill_xasprintf("CrashLoopBackOff: exit code %lld", (long long)mill_json_get_int(last, "exitCode", -1));
}

char *mill_kube_pod_trouble(const json_t *pod, int64_t *restarts)
{
	static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
	const json_t *status = json_object_get(pod, "status"), *c;
	char *trouble = NULL;
	size_t k;

	for (size_t i = 0; i < MILL_ARRAY_LEN(lists); i++)
		json_array_foreach(json_object_get(status, lists[i]), k, c) {
			*restarts += mill_json_get_int(c, "restartCount", 0);
			if (!trouble)
				trouble = container_trouble(pod, c);
		}
	json_array_foreach(json_object_get(status, "conditions"), k, c)
		if (!trouble && mill_streq(mill_json_get_string(c, "type", ""), "PodScheduled") &&
		    mill_streq(mill_json_get_string(c, "status", ""), "False"))
			trouble = mill_xasprintf("%s: %s", mill_json_get_string(c, "reason", "Unschedulable"),
						 mill_json_get_string(c, "message", ""));
	return trouble;
}

static bool is_current(const json_t *pod, const char *fingerprint)
{
	const json_t *annotations = json_object_get(json_object_get(pod, "metadata"), "annotations");

	return mill_streq(mill_json_get_string(annotations, "data-mill.io/fingerprint", ""), fingerprint);
}

/*
 * A pod that the kubelet ended: a Deployment leaves it lying beside the one that follows it.  Only of the current
 * template: what the release before suffered from may be mended.
 */
static bool was_evicted(const json_t *pod, const char *fingerprint)
{
	return mill_streq(mill_json_get_string(json_object_get(pod, "status"), "reason", ""), "Evicted") && is_current(pod, fingerprint);
}

static const char *started_at(const json_t *pod)
{
	return mill_json_get_string(json_object_get(pod, "status"), "startTime", "");
}

static bool has_ended(const json_t *pod)
{
	const char *phase = mill_json_get_string(json_object_get(pod, "status"), "phase", "");

	return mill_streq(phase, "Failed") || mill_streq(phase, "Succeeded");
}

/* A Deployment's old pod is ready for as long as its new one is not: as `kubectl rollout status` has it. */
bool mill_kube_has_old_pods(const json_t *w)
{
	const json_t *status = json_object_get(w, "status");

	return mill_streq(mill_json_get_string(w, "kind", ""), "Deployment") &&
	       mill_json_get_int(status, "replicas", 0) > mill_json_get_int(status, "updatedReplicas", 0);
}

static const char *workload_state(const json_t *w, const char *trouble, size_t pods, bool any_running)
{
	const json_t *status = json_object_get(w, "status");
	int64_t want = mill_json_get_int(json_object_get(w, "spec"), "replicas", 1);
	bool seen = mill_json_get_int(status, "observedGeneration", 0) >=
		    mill_json_get_int(json_object_get(w, "metadata"), "generation", 0);

	if (want == 0)
		return pods ? "stopping" : "stopped";
	if (seen && !mill_kube_has_old_pods(w) && mill_json_get_int(status, "readyReplicas", 0) >= want && mill_json_get_int(status, "updatedReplicas", 0) >= want)
		return "ready";
	if (trouble && mill_starts_with(trouble, "CrashLoopBackOff"))
		return "backoff";
	return any_running ? "running" : "starting";
}

/* Deployments say here why they cannot make pods (quota, Pod Security, a webhook). */
char *mill_kube_replica_failure(const json_t *w)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(w, "status"), "conditions"), i, c)
		if (mill_streq(mill_json_get_string(c, "type", ""), "ReplicaFailure") &&
		    mill_streq(mill_json_get_string(c, "status", ""), "True"))
			return mill_xasprintf("%s: %s", mill_json_get_string(c, "reason", "FailedCreate"),
					      mill_json_get_string(c, "message", ""));
	return NULL;
}

json_t *mill_kube_service_state(const json_t *snapshot, const char *id, const char *workload)
{
	const json_t *w = json_object_get(json_object_get(snapshot, "workloads"), workload), *pod;
	const json_t *annotations = json_object_get(
		json_object_get(json_object_get(json_object_get(w, "spec"), "template"), "metadata"), "annotations");
	const char *dot = strchr(id, '.'), *state, *pod_name = NULL, *started = NULL, *pending_on = NULL, *ordinal = NULL;
	const char *fingerprint = mill_json_get_string(annotations, "data-mill.io/fingerprint", "");
	const json_t *evicted = NULL;
	_cleanup_free_ char *component = mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id)), *trouble = NULL;
	int64_t restarts = 0;
	bool any_running = false;
	size_t i, n = 0;
	json_t *o;

	if (!w)
		return NULL;
	json_array_foreach(json_object_get(snapshot, "pods"), i, pod) {
		const json_t *status = json_object_get(pod, "status");

		if (!belongs(pod, component, dot ? dot + 1 : ""))
			continue;
		if (has_ended(pod)) {
			if (was_evicted(pod, fingerprint) && (!evicted || strcmp(started_at(pod), started_at(evicted)) > 0))
				evicted = pod;
			continue;
		}
		n++;
		if (mill_streq(mill_json_get_string(w, "kind", ""), "StatefulSet") && is_current(pod, fingerprint))
			ordinal = mill_json_get_string(json_object_get(pod, "metadata"), "uid", NULL);
		if (!trouble)
			trouble = mill_kube_pod_trouble(pod, &restarts);
		any_running |= mill_streq(mill_json_get_string(status, "phase", ""), "Running");
		pod_name = name_of(pod);
		if (mill_streq(mill_json_get_string(status, "phase", ""), "Pending"))
			pending_on = mill_json_get_string(json_object_get(pod, "spec"), "nodeName", NULL);
		started = mill_json_get_string(status, "startTime", NULL);
	}
	if (!trouble)
		trouble = mill_kube_replica_failure(w);
	state = workload_state(w, trouble, n, any_running);
	if (!trouble && evicted && !mill_streq(state, "stopped"))
		trouble = mill_xasprintf("Evicted: %s", mill_json_get_string(json_object_get(evicted, "status"), "message", ""));
	o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", id, "state", state, "fingerprint", fingerprint,
		      "restarts", (json_int_t)restarts,
		      "started_ms", (json_int_t)mill_kube_when_ms(started));
	json_object_set_new(o, "since_ms", json_integer((json_int_t)mill_kube_when_ms(started)));
	if (trouble && !mill_streq(state, "ready"))
		json_object_set_new(o, "reason", json_string(trouble));
	if (pod_name)
		json_object_set_new(o, "pod", json_string(pod_name));
	if (ordinal) /* the controller removes an evicted pod of a StatefulSet at once: only its successor can be seen */
		json_object_set_new(o, "pod_uid", json_string(ordinal));
	if (evicted)
		json_object_set(o, "evicted", json_object_get(json_object_get(evicted, "metadata"), "uid"));
	if (pending_on) /* a node was chosen, and nothing came of it yet */
		json_object_set_new(o, "pending_on", json_string(pending_on));
	return o;
}

json_t *mill_kube_state_of(struct mill_kube *k, const json_t *snapshot, const char *id)
{
	const char *dot = strchr(id, '.');
	_cleanup_free_ char *component = mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id)), *workload = NULL;
	const json_t *record = NULL;

	if (mill_native_record(k->n, component, &record, NULL) < 0)
		return NULL;
	if (mill_kube_by_chart(record)) {
		_cleanup_json_ json_t *charts = mill_kube_charts_deployed(k, component);
		_cleanup_free_ char *fingerprint = mill_kube_chart_fingerprint(k, component);
		json_t *state = mill_streq(dot ? dot + 1 : "", MILL_CHART_UNIT) ? mill_kube_chart_state(snapshot, component, charts) : NULL;

		if (state && fingerprint)
			json_object_set_new(state, "fingerprint", json_string(fingerprint));
		/* Objects keep their conditions when their operator rests. */
		if (state && mill_json_get_int(state, "pods", 0) == 0 &&
		    mill_streq(mill_json_get_string(mill_native_wanted(k->n, id), "wanted", ""), "down"))
			json_object_set_new(state, "state", json_string("stopped"));
		return state;
	}
	workload = mill_kube_workload(record, dot ? dot + 1 : "");
	return workload ? mill_kube_service_state(snapshot, id, workload) : NULL;
}

/* ---- for the native runtime's bookkeeping ---- */

int mill_kube_live(void *arg, json_t **ret, struct mill_error *err)
{
	struct mill_kube *k = arg;
	_cleanup_json_ json_t *snapshot = NULL;
	_cleanup_strv_ struct mill_strv names = {0};
	json_t *services = json_object();
	int r = mill_native_components(k->n, &names, err); /* by chart or not: the look differs */

	if (r == 0)
		r = mill_kube_snapshot(k, FRESH_MS, &snapshot, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		const json_t *record = NULL;
		const char *service;
		json_t *s;

		r = mill_native_record(k->n, names.items[i], &record, err);
		json_object_foreach(json_object_get(record, "services"), service, s) {
			_cleanup_free_ char *id = mill_xasprintf("%s.%s", names.items[i], service);
			json_t *state = *service ? mill_kube_state_of(k, snapshot, id) : NULL;

			if (state)
				json_object_set_new(services, id, state);
		}
	}
	*ret = json_pack("{s:o}", "services", services);
	return r;
}
