/*
 * How a component by chart is doing, and stopping it.  Its workloads carry our
 * labels; what an operator makes of our objects is seen by the objects'
 * conditions and, for pods, by the labels that the manifest names (`selector`).
 */
#include "runtime/kubernetes/chart.h"

#include <strings.h>

#include "base/json.h"

#define ASLEEP "data-mill.io/asleep" /* a node's label that no node has: DaemonSets cannot be scaled */

bool mill_kube_by_chart(const json_t *record)
{
	return mill_streq(mill_json_get_string(record, "deployment", ""), "chart");
}

bool mill_kube_has_charts(const struct mill_kube *k)
{
	const char *name;
	json_t *record;

	json_object_foreach(k->n->records, name, record)
		if (mill_kube_by_chart(record))
			return true;
	return false;
}

char *mill_kube_chart_fingerprint(const struct mill_kube *k, const char *component)
{
	_cleanup_free_ char *id = mill_xasprintf("%s." MILL_CHART_UNIT, component);
	_cleanup_free_ char *path = mill_native_service_path(k->n, id, "spec.json");
	_cleanup_json_ json_t *spec = NULL, *charts = mill_kube_charts_deployed(k, component);

	/* A run that was killed has begun with others than those that were seen to run. */
	if (mill_json_load(path, MILL_JSON_FILE_MAX, &spec, NULL) < 0 || !charts || !json_equal(json_object_get(spec, "charts"), charts))
		return NULL;
	return mill_xstrdup(mill_json_get_string(spec, "fingerprint", ""));
}

/* ---- the look ---- */

/* crd/NAME is the cluster's layer's; the rest is of the namespace. */
static bool is_ours(const char *what)
{
	return !mill_starts_with(what, "crd/");
}

static void add_words(const json_t *charts, struct mill_strv *objects, struct mill_strv *selectors)
{
	const json_t *chart, *item;
	size_t i, n;

	json_array_foreach((json_t *)charts, i, chart) {
		const char *selector = mill_json_get_string(chart, "selector", NULL);

		if (selector)
			mill_strv_add(selectors, selector);
		json_array_foreach(json_object_get(chart, "ready"), n, item)
			if (is_ours(mill_json_get_string(item, "what", "")))
				mill_strv_add(objects, mill_json_get_string(item, "what", ""));
	}
}

static int get(struct mill_kube *k, const struct mill_strv *words, json_t *into, const char *selector)
{
	struct mill_kube_call c = {.what = "look at what runs", .cancel_fd = -1, .raw = true};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	_cleanup_json_ json_t *found = NULL;
	const json_t *items, *o;
	size_t i;
	int r = mill_kube_kubectl_v(k, &c, words, &out, NULL, NULL);

	if (r == 0 && out.len)
		r = mill_json_parse("kubectl's answer", out.data, out.len, &found, NULL);
	mill_strbuf_release(&out);
	items = json_object_get(found, "items");
	if (!items && found) /* one object is no list */
		json_array_append(into, found);
	json_array_foreach((json_t *)items, i, o) {
		if (selector)
			json_object_set_new((json_t *)o, "selected", json_string(selector));
		json_array_append(into, (json_t *)o);
	}
	return r;
}

/* A kind that the API server does not know (its operator is gone) is an object that is not there. */
int mill_kube_chart_look(struct mill_kube *k, json_t *snapshot, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0}, objects = {0}, selectors = {0};
	json_t *others = json_array(), *pods = json_array();
	int r = mill_native_components(k->n, &names, err);

	for (size_t i = 0; i < names.n; i++) {
		_cleanup_json_ json_t *charts = mill_kube_charts_deployed(k, names.items[i]);

		add_words(charts, &objects, &selectors);
	}
	for (size_t i = 0; i < objects.n && r == 0; i++) {
		_cleanup_strv_ struct mill_strv words = {0};

		mill_strv_add(&words, "get");
		mill_strv_add(&words, objects.items[i]);
		mill_strv_add(&words, "--ignore-not-found");
		mill_strv_add(&words, "--output=json");
		(void)get(k, &words, others, NULL);
	}
	for (size_t i = 0; i < selectors.n && r == 0; i++) {
		_cleanup_strv_ struct mill_strv words = {0};

		mill_strv_add(&words, "get");
		mill_strv_add(&words, "pods");
		mill_strv_addf(&words, "--selector=%s", selectors.items[i]);
		mill_strv_add(&words, "--output=json");
		(void)get(k, &words, pods, selectors.items[i]);
	}
	json_object_set_new(snapshot, "others", others);
	json_object_set_new(snapshot, "operated", pods);
	return r;
}

/* ---- one workload, one object ---- */

static const char *label_of(const json_t *o, const char *key)
{
	return mill_json_get_string(json_object_get(json_object_get(o, "metadata"), "labels"), key, "");
}

static bool is_of(const json_t *o, const char *component)
{
	return mill_streq(label_of(o, "data-mill.io/component"), component) &&
	       mill_streq(label_of(o, "data-mill.io/service"), MILL_CHART_UNIT);
}

static bool is_kind(const json_t *o, const char *kind)
{
	return mill_streq(mill_json_get_string(o, "kind", ""), kind);
}

static bool is_current(const json_t *o)
{
	int64_t seen = mill_json_get_int(json_object_get(o, "status"), "observedGeneration", -1);

	return seen < 0 || seen >= mill_json_get_int(json_object_get(o, "metadata"), "generation", 0);
}

/* How many pods it is to have, and has ready of its newest template. */
static void count(const json_t *w, int64_t *want, int64_t *ready)
{
	const json_t *status = json_object_get(w, "status");
	int64_t updated;

	if (is_kind(w, "DaemonSet")) {
		*want = mill_json_get_int(status, "desiredNumberScheduled", 0);
		*ready = mill_json_get_int(status, "numberReady", 0);
		updated = mill_json_get_int(status, "updatedNumberScheduled", 0);
	} else {
		*want = mill_json_get_int(json_object_get(w, "spec"), "replicas", 1);
		*ready = mill_json_get_int(status, "readyReplicas", 0);
		updated = mill_json_get_int(status, "updatedReplicas", 0);
	}
	*ready = !is_current(w) || mill_kube_has_old_pods(w) ? -1 : updated < *ready ? updated : *ready;
}

/* kafka.kafka.strimzi.io/NAME, deployment/NAME */
static bool is_what(const json_t *o, const char *what)
{
	const char *kind = mill_json_get_string(o, "kind", ""), *slash = strchr(what, '/');
	size_t n = strlen(kind);

	return slash && strncasecmp(what, kind, n) == 0 && strchr("./s", what[n]) &&
	       mill_streq(slash + 1, mill_json_get_string(json_object_get(o, "metadata"), "name", ""));
}

static const json_t *find_what(const json_t *snapshot, const char *what)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(snapshot, "others"), i, o)
		if (is_what(o, what))
			return o;
	return NULL;
}

/* NULL: it is so.  Else why not, owned. */
static char *unmet(const json_t *snapshot, const json_t *item)
{
	const char *what = mill_json_get_string(item, "what", "");
	const char *wanted = mill_json_get_string(item, "condition", mill_starts_with(what, "deployment/") ? "Available" : "Ready");
	const json_t *o = find_what(snapshot, what), *c;
	size_t i;

	if (!o)
		return mill_xasprintf("%s is not there", what);
	if (!is_current(o))
		return mill_xasprintf("%s: its operator has not looked at it yet", what);
	json_array_foreach(json_object_get(json_object_get(o, "status"), "conditions"), i, c)
		if (mill_streq(mill_json_get_string(c, "type", ""), wanted))
			return mill_streq(mill_json_get_string(c, "status", ""), "True") ?
				       NULL :
				       mill_xasprintf("%s: %s: %s", what, mill_json_get_string(c, "reason", "not ready"),
						      mill_json_get_string(c, "message", ""));
	return mill_xasprintf("%s: its operator says nothing of %s: is it running?", what, wanted);
}

/* ---- the whole ---- */

struct sum {
	size_t workloads, wanting, ready, pods, running;
	int64_t restarts;
	char *trouble, *unmet;
	const char *pod, *pending_on;
	int64_t started_ms;
};

static void add_pods(struct sum *s, const json_t *pods, const char *component, const json_t *charts)
{
	const json_t *pod, *chart;
	size_t i, n;

	json_array_foreach((json_t *)pods, i, pod) {
		bool ours = is_of(pod, component);

		json_array_foreach((json_t *)charts, n, chart)
			ours |= mill_streq(mill_json_get_string(chart, "selector", "-"), mill_json_get_string(pod, "selected", ""));
		if (!ours)
			continue;
		const json_t *status = json_object_get(pod, "status");
		const char *phase = mill_json_get_string(status, "phase", "");

		if (mill_streq(phase, "Succeeded")) /* a job's */
			continue;
		if (mill_streq(phase, "Failed")) { /* evicted: it lies beside the one that follows it */
			if (!s->trouble)
				s->trouble = mill_xasprintf("%s: %s", mill_json_get_string(status, "reason", "Failed"),
							    mill_json_get_string(status, "message", ""));
			continue;
		}
		s->pods++;
		s->running += mill_streq(phase, "Running");
		char *trouble = mill_kube_pod_trouble(pod, &s->restarts);
		if (trouble && !s->trouble) {
			s->trouble = MILL_TAKE(trouble);
			s->pod = mill_json_get_string(json_object_get(pod, "metadata"), "name", NULL);
		}
		free(trouble);
		if (!s->pod)
			s->pod = mill_json_get_string(json_object_get(pod, "metadata"), "name", NULL);
		if (mill_streq(phase, "Pending"))
			s->pending_on = mill_json_get_string(json_object_get(pod, "spec"), "nodeName", NULL);
		s->started_ms = mill_kube_when_ms(mill_json_get_string(status, "startTime", NULL));
	}
}

static struct sum sum_up(const json_t *snapshot, const char *component, const json_t *charts)
{
	struct sum s = {0};
	const json_t *chart, *item;
	const char *name;
	json_t *w;
	size_t i, n;

	json_object_foreach(json_object_get(snapshot, "workloads"), name, w) {
		int64_t want, ready;

		if (!is_of(w, component))
			continue;
		count(w, &want, &ready);
		s.workloads++;
		s.wanting += want > 0;
		s.ready += want > 0 && ready >= want;
		if (!s.trouble)
			s.trouble = mill_kube_replica_failure(w);
	}
	add_pods(&s, json_object_get(snapshot, "pods"), component, charts);
	add_pods(&s, json_object_get(snapshot, "operated"), component, charts);
	json_array_foreach((json_t *)charts, i, chart)
		json_array_foreach(json_object_get(chart, "ready"), n, item)
			if (!s.unmet && is_ours(mill_json_get_string(item, "what", "")))
				s.unmet = unmet(snapshot, item);
	return s;
}

static bool has_objects(const json_t *charts)
{
	const json_t *chart;
	size_t i;

	json_array_foreach((json_t *)charts, i, chart)
		if (json_array_size(json_object_get(chart, "objects")) || json_array_size(json_object_get(chart, "ready")))
			return true;
	return false;
}

static const char *state_of(const struct sum *s, const json_t *charts)
{
	bool rests = s->wanting == 0 && s->pods == 0; /* no pods wanted of workloads, and none there */

	if (rests && (s->workloads > 0 || s->unmet))
		return "stopped";
	if (s->wanting == 0 && s->pods > 0 && s->workloads > 0 && !has_objects(charts))
		return "stopping";
	if (s->ready == s->wanting && !s->unmet)
		return "ready";
	if (s->trouble && mill_starts_with(s->trouble, "CrashLoopBackOff"))
		return "backoff";
	return s->running ? "running" : "starting";
}

json_t *mill_kube_chart_state(const json_t *snapshot, const char *component, const json_t *charts)
{
	struct sum s;
	const char *state;
	json_t *o;

	if (!json_array_size(charts))
		return NULL;
	s = sum_up(snapshot, component, charts);
	state = state_of(&s, charts);
	o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:s*, s:s*}", "id", json_sprintf("%s." MILL_CHART_UNIT, component), "state", state,
		      "restarts", (json_int_t)s.restarts, "started_ms", (json_int_t)s.started_ms, "since_ms", (json_int_t)s.started_ms,
		      "pods", (json_int_t)(s.pods + s.wanting), "pod", s.pod, "pending_on", s.pending_on);
	if (!mill_streq(state, "ready") && (s.trouble || s.unmet))
		json_object_set_new(o, "reason", json_string(s.trouble ? s.trouble : s.unmet));
	free(s.trouble);
	free(s.unmet);
	return o;
}

/* ---- stuck ---- */

static bool is_ready(const json_t *pod)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(pod, "status"), "conditions"), i, c)
		if (mill_streq(mill_json_get_string(c, "type", ""), "Ready"))
			return mill_streq(mill_json_get_string(c, "status", ""), "True");
	return false;
}

/* The StatefulSet that a pod is one of; NULL: none of the snapshot's. */
static const json_t *set_of(const json_t *snapshot, const json_t *pod)
{
	const json_t *owner, *w;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(pod, "metadata"), "ownerReferences"), i, owner) {
		w = json_object_get(json_object_get(snapshot, "workloads"), mill_json_get_string(owner, "name", ""));
		if (w && is_kind(w, "StatefulSet"))
			return w;
	}
	return NULL;
}

bool mill_kube_chart_is_stuck(const json_t *snapshot, const json_t *pod)
{
	const json_t *set = set_of(snapshot, pod);
	const char *revision = mill_json_get_string(json_object_get(set, "status"), "updateRevision", NULL);

	return revision && is_current(set) && !is_ready(pod) && strcmp(label_of(pod, "controller-revision-hash"), revision) != 0;
}

void mill_kube_chart_unstick(struct mill_kube *k, const json_t *snapshot, const char *component)
{
	const json_t *pod;
	size_t i;

	json_array_foreach(json_object_get(snapshot, "pods"), i, pod)
		if (is_of(pod, component) && mill_kube_chart_is_stuck(snapshot, pod))
			(void)mill_kube_kubectl(k, MILL_KUBE_CALL("replace a pod that is in the way"), NULL, NULL, NULL, "delete", "pod",
						mill_json_get_string(json_object_get(pod, "metadata"), "name", ""), "--wait=false",
						"--ignore-not-found", NULL);
}

/* ---- stopping ---- */

/* "deployment/NAME", owned. */
static char *reference(const json_t *w, const char *name)
{
	return mill_xasprintf("%s/%s", is_kind(w, "Deployment") ? "deployment" : is_kind(w, "DaemonSet") ? "daemonset" : "statefulset", name);
}

int mill_kube_chart_restart(struct mill_kube *k, const char *component, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL;
	const char *name;
	json_t *w;
	int r = mill_kube_snapshot(k, 0, &snapshot, err);

	json_object_foreach(json_object_get(snapshot, "workloads"), name, w) {
		_cleanup_free_ char *what = reference(w, name);

		if (r == 0 && is_of(w, component))
			r = mill_kube_kubectl(k, MILL_KUBE_CALL("restart"), NULL, NULL, err, "rollout", "restart", what, NULL);
	}
	return r;
}

static int scale_down(struct mill_kube *k, const char *name, const json_t *w, struct mill_error *err)
{
	_cleanup_free_ char *what = reference(w, name);

	if (is_kind(w, "DaemonSet"))
		return mill_kube_kubectl(k, MILL_KUBE_CALL("stop a DaemonSet"), NULL, NULL, err, "patch", what, "--type=merge",
					 "--patch={\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"" ASLEEP "\":\"true\"}}}}}", NULL);
	return mill_kube_kubectl(k, MILL_KUBE_CALL("scale to zero"), NULL, NULL, err, "scale", "--replicas=0", what, NULL);
}

static int stop_item(struct mill_kube *k, const json_t *item, struct mill_error *err)
{
	const char *what = mill_json_get_string(item, "delete", NULL), *selector = mill_json_get_string(item, "selector", NULL);
	struct mill_kube_call c = {.what = "stop what an operator runs", .cancel_fd = -1, .timeout_ms = 180000};
	_cleanup_free_ char *text = NULL, *by = NULL;

	if (!what) {
		text = json_dumps(json_object_get(item, "apply"), JSON_COMPACT);
		c.input = text;
		return mill_kube_kubectl(k, &c, NULL, NULL, err, "apply", "--server-side", "--force-conflicts",
					 "--field-manager=data-mill-stop", "--filename=-", NULL);
	}
	if (selector)
		by = mill_xasprintf("--selector=%s", selector);
	return mill_kube_kubectl(k, &c, NULL, NULL, err, "delete", what, "--ignore-not-found", by, NULL);
}

/* Who has objects that an operator answers for, and does not say how they are stopped, runs on: said before anything is stopped. */
static int check_stop(const char *component, const json_t *chart, struct mill_error *err)
{
	const json_t *item;
	size_t i;

	if (json_array_size(json_object_get(chart, "stop")) || mill_json_get_string(chart, "chart", NULL))
		return 0;
	json_array_foreach(json_object_get(chart, "ready"), i, item)
		if (is_ours(mill_json_get_string(item, "what", ""))) {
			mill_fail(err, ENOTSUP, "%s: its operator knows no way to stop %s and keep its data", component,
				  mill_json_get_string(item, "what", ""));
			return mill_error_hint(err, "data-mill uninstall %s removes it and keeps its volumes", component);
		}
	return 0;
}

int mill_kube_chart_stop(struct mill_kube *k, const json_t *snapshot, const char *component, struct mill_error *err)
{
	_cleanup_json_ json_t *charts = mill_kube_charts_deployed(k, component);
	const json_t *chart, *item;
	const char *name;
	json_t *w;
	size_t i, n;
	int r = 0;

	json_array_foreach(charts, i, chart)
		r = r < 0 ? r : check_stop(component, chart, err);
	json_array_foreach(charts, i, chart)
		json_array_foreach(json_object_get(chart, "stop"), n, item)
			r = r < 0 ? r : stop_item(k, item, err);
	json_object_foreach(json_object_get(snapshot, "workloads"), name, w)
		if (r == 0 && is_of(w, component))
			r = scale_down(k, name, w, err);
	return r;
}

int mill_kube_chart_wake(struct mill_kube *k, const char *component, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL;
	const char *name;
	json_t *w;
	int r = mill_kube_snapshot(k, 0, &snapshot, err);

	json_object_foreach(json_object_get(snapshot, "workloads"), name, w) {
		const json_t *pod = json_object_get(json_object_get(json_object_get(w, "spec"), "template"), "spec");
		_cleanup_free_ char *what = mill_xasprintf("daemonset/%s", name);

		if (r < 0 || !is_of(w, component) || !is_kind(w, "DaemonSet") || !json_object_get(json_object_get(pod, "nodeSelector"), ASLEEP))
			continue;
		r = mill_kube_kubectl(k, MILL_KUBE_CALL("start a DaemonSet"), NULL, NULL, err, "patch", what, "--type=merge",
				      "--patch={\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"" ASLEEP "\":null}}}}}", NULL);
	}
	return r;
}
