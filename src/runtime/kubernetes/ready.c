/* Waiting until a workload runs what was asked for, and saying why it does not. */
#include "runtime/kubernetes/chart.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/actions.h"
#include "runtime/native/hooks.h"

#define LOOK_MS        700
#define PULL_MS        30000  /* an image that cannot be pulled stays so */
#define SLACK_MS       120000 /* scheduling, volumes, pulling, on top of the service's own deadline */
#define RESTARTS_MAX   3
#define EVICTIONS_MAX  2      /* once may be the node's bad hour */
#define LOG_LINES      20
#define TAINTS_TOLD    6
#define NO_POD_MS      4000   /* no pod at all: ask the events why */

struct wait {
	struct mill_kube *k;
	const json_t *spec;
	const char *id, *workload;
	struct mill_progress *p;
	uint64_t begin, trouble_since;
	int64_t restarts_at_first;
	unsigned evictions;
	bool seen;
	char evicted[64], pod_uid[64]; /* of the pod that was evicted last; of a StatefulSet's pod */
	char *evicted_why;
	char told[200];
};

/* ---- logs and events ---- */

char *mill_kube_last_lines(struct mill_kube *k, const char *pod, bool previous, unsigned lines)
{
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(1 << 20);
	struct mill_kube_call c = {.what = "read a log", .cancel_fd = -1, .raw = true, .timeout_ms = 15000};
	_cleanup_free_ char *tail = mill_xasprintf("--tail=%u", lines);
	char *text;

	if (mill_kube_kubectl(k, &c, &out, NULL, NULL, "logs", pod, "--all-containers", tail,
			      previous ? "--previous" : "--ignore-errors", NULL) < 0 || c.status ||
	    mill_starts_with(out.data ? out.data : "", "unable to retrieve container logs")) /* the kubelet's, in place of a log that just went */
		mill_strbuf_reset(&out);
	text = mill_xstrdup(out.data ? out.data : "");
	mill_strbuf_release(&out);
	return text;
}

char *mill_kube_warning(struct mill_kube *k, const char *name, const char *reason)
{
	_cleanup_json_ json_t *events = NULL;
	const json_t *e, *best = NULL;
	size_t i;

	if (mill_kube_json(k, MILL_KUBE_CALL("read events"), &events, NULL, "get", "events", "--field-selector=type=Warning",
			   "--sort-by=.lastTimestamp", NULL) < 0)
		return NULL;
	json_array_foreach(json_object_get(events, "items"), i, e) {
		const char *object = mill_json_get_string(json_object_get(e, "involvedObject"), "name", "");

		if (mill_starts_with(object, name) && (!reason || mill_streq(mill_json_get_string(e, "reason", ""), reason)))
			best = e;
	}
	return best ? mill_xasprintf("%s: %s", mill_json_get_string(best, "reason", ""), mill_json_get_string(best, "message", "")) : NULL;
}

/* The scheduler only says how many nodes' taints a pod does not bear: "node1 has disk-pressure:NoSchedule"; owned, NULL: not known. */
static char *taints_of_nodes(struct mill_kube *k)
{
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(1 << 12);
	_cleanup_json_ json_t *nodes = NULL;
	const json_t *node, *taint;
	unsigned told = 0;
	size_t i, n;
	char *text;

	/* who may not see nodes is not told more */
	if (mill_kube_json(k, MILL_KUBE_CALL("read nodes"), &nodes, NULL, "get", "nodes", NULL) < 0)
		return NULL;
	json_array_foreach(json_object_get(nodes, "items"), i, node)
		json_array_foreach(json_object_get(json_object_get(node, "spec"), "taints"), n, taint)
			if (!mill_streq(mill_json_get_string(taint, "effect", ""), "PreferNoSchedule") && told++ < TAINTS_TOLD)
				mill_strbuf_printf(&out, "%s%s has %s:%s", told > 1 ? ", " : "",
						 mill_json_get_string(json_object_get(node, "metadata"), "name", ""),
						 mill_json_get_string(taint, "key", ""), mill_json_get_string(taint, "effect", ""));
	if (told > TAINTS_TOLD)
		mill_strbuf_printf(&out, ", and %u more", told - TAINTS_TOLD);
	text = told ? mill_xstrdup(out.data) : NULL;
	mill_strbuf_release(&out);
	return text;
}

/* ---- judgement ---- */

const char *mill_kube_next_step(const char *reason)
{
	static const struct {
		const char *mark, *hint;
	} hints[] = {
		{"ImagePull", "can the nodes reach the registry? `images.registry` of the target says where from; data-mill image push"},
		{"ErrImage", "can the nodes reach the registry? `images.registry` of the target says where from; data-mill image push"},
		{"Insufficient memory", "no node has that much free: give it less (`memory:` in its block), or add nodes"},
		{"Insufficient cpu", "no node has that much free: add nodes"},
		{"node.kubernetes.io/disk-pressure", "the disk of a node is full: free room on it (images and logs that nobody needs; "
						     "kubectl describe nodes says which), or add nodes"},
		{"node.kubernetes.io/memory-pressure", "a node is out of memory: stop what it can do without, or add nodes"},
		{"low on resource: ephemeral-storage", "the disk of its node is full: free room on it (images and logs that nobody needs; "
						       "kubectl describe nodes says which), or add nodes"},
		{"low on resource: memory", "its node is out of memory: stop what it can do without, or add nodes"},
		{"low on resource", "its node ran out of it: kubectl describe nodes; free it, or add nodes"},
		{"which did not say why", "kubectl get events says who removes it: the kubelet (disk or memory of the node or of the pod), or a person"},
		{"local storage usage exceeds", "it writes more beside its volume than the namespace lets it: raise `ephemeral-storage` of "
						"the LimitRange (kubectl describe limitrange), or let it write less"},
		{"exceeds the limit", "it writes more beside its volume than it may: raise the limit, or let it write less"},
		{"node(s) had untolerated taint", "its `kubernetes.tolerations` do not bear a node's taints"},
		{"didn't match Pod's node affinity", "no node has the labels of its `kubernetes.node_selector`"},
		{"persistentvolumeclaim", "is there a storage class that makes volumes? `kubernetes.storage_class` names another"},
		{"PersistentVolume", "is there a storage class that makes volumes? `kubernetes.storage_class` names another"},
		{"exceeded quota", "raise the namespace's ResourceQuota, or ask for less"},
		{"violates PodSecurity", "the namespace enforces a Pod Security Standard that this pod does not meet"},
		{"kubelet does not answer", "look at the node: kubectl describe node; a pod is given to another one once the node counts as lost"},
		{"webhook", "an admission webhook of the cluster answers for it: is its operator up?"},
		{"OOMKilled", "give it more: `memory:` in its component's block, which is for all of the component's services together (twice what "
			      "they have now is a good try; the limit is twice a service's share and 128Mi)"},
		{"CreateContainerConfigError", "a Secret or ConfigMap that it names is not there: the same command makes it again"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(hints); i++)
		if (strstr(reason, hints[i].mark))
			return hints[i].hint;
	return NULL;
}

/* Troubles that time does not heal. */
static bool is_final(const struct wait *w, const char *reason, const json_t *state)
{
	uint64_t lasted_ms = (mill_now_ns() - w->trouble_since) / MILL_MS;

	if (mill_starts_with(reason, "Evicted"))
		return w->evictions >= EVICTIONS_MAX;
	if (strstr(reason, "violates PodSecurity") || strstr(reason, "InvalidImageName") || strstr(reason, "denied the request"))
		return true;
	if (mill_starts_with(reason, "CrashLoopBackOff"))
		return mill_json_get_int(state, "restarts", 0) - w->restarts_at_first >= RESTARTS_MAX;
	if (strstr(reason, "ImagePull") || strstr(reason, "ErrImage") || strstr(reason, "CreateContainerConfigError") ||
	    strstr(reason, "exceeded quota"))
		return lasted_ms > PULL_MS;
	return false;
}

/* Of one that crashes: the run before, or this one; both may be between two runs just now. */
static char *words_of(struct mill_kube *k, const char *pod, bool crashes)
{
	char *log = NULL;

	for (int i = 0; i < (crashes ? 6 : 1) && (!log || !*log); i++) {
		if (i)
			mill_kube_pause(-1, LOOK_MS);
		free(log);
		log = mill_kube_last_lines(k, pod, crashes && i % 2 == 0, LOG_LINES);
	}
	return log;
}

static int failed(struct wait *w, const json_t *state, const char *reason, const char *phase, struct mill_error *err)
{
	const char *pod = mill_json_get_string(state, "pod", NULL), *hint;
	_cleanup_free_ char *log = NULL, *claim = mill_xasprintf("data-%s-", w->workload);
	/* The scheduler only knows that a volume is missing, its claim knows why. */
	_cleanup_free_ char *volume = strstr(reason, "PersistentVolume") ? mill_kube_warning(w->k, claim, NULL) : NULL;
	_cleanup_free_ char *taints = strstr(reason, "untolerated taint") ? taints_of_nodes(w->k) : NULL;
	_cleanup_free_ char *cause = mill_xasprintf("%s%s%s%s%s", reason, volume ? "; its volume: " : "", volume ? volume : "",
						    taints ? "; " : "", taints ? taints : "");
	int r = mill_fail(err, EIO, "%s: %s: %s", w->id, phase, cause);

	hint = mill_kube_next_step(cause);

	if (pod) {
		log = words_of(w->k, pod, mill_starts_with(reason, "CrashLoopBackOff"));
		if (*log)
			mill_error_detail(err, mill_last_lines(log, LOG_LINES));
	}
	mill_error_hint(err, "%s%sits whole log: data-mill logs %s; then run the same command again", hint ? hint : "", hint ? "; " : "",
			w->id);
	return r;
}

static void tell(struct wait *w, const char *state, const char *reason)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s%.160s", state, reason && *reason ? ": " : "", reason ? reason : "");
	if (strcmp(text, w->told) == 0)
		return;
	memcpy(w->told, text, sizeof(text));
	mill_progress_report(w->p, -1, "%s", text);
}

static void remember(char kept[64], const char *uid)
{
	snprintf(kept, 64, "%s", uid);
}

/*
 * Those of this wait: what lay there before it is history.  A StatefulSet's evicted pod is gone before anybody sees
 * it: another one has its name, and an event may tell why (the kubelet drops events of a pod that had many).
 */
static void count_evictions(struct wait *w, const json_t *state)
{
	const char *uid = mill_json_get_string(state, "evicted", ""), *pod_uid = mill_json_get_string(state, "pod_uid", "");

	if (*uid && !mill_streq(uid, w->evicted)) {
		remember(w->evicted, uid);
		w->evictions += w->seen;
	}
	if (!*pod_uid || mill_streq(pod_uid, w->pod_uid))
		return;
	if (*w->pod_uid) {
		w->evictions++;
		free(w->evicted_why);
		w->evicted_why = mill_kube_warning(w->k, w->workload, "Evicted");
		if (!w->evicted_why)
			w->evicted_why = mill_xasprintf("Evicted: its pod was ended %u times by the cluster, which did not say why", w->evictions);
	}
	remember(w->pod_uid, pod_uid);
}

/* 1: ready.  0: not yet. */
static int look(struct wait *w, bool last, struct mill_error *err)
{
	_cleanup_json_ json_t *snapshot = NULL, *state = NULL;
	_cleanup_free_ char *warning = NULL;
	const char *reason, *now;
	uint64_t age_ms = (mill_now_ns() - w->begin) / MILL_MS;
	_cleanup_error_ struct mill_error why = {0};

	/* An API server that is away for a while is no failure of the service. */
	if (mill_kube_snapshot(w->k, LOOK_MS, &snapshot, &why) < 0) {
		tell(w, "the API server does not answer", NULL);
		return last ? mill_fail(err, why.code ? why.code : EIO, "%s: %s", w->id, why.message) : 0;
	}
	if (json_object_get(w->spec, "charts"))
		mill_kube_chart_unstick(w->k, snapshot, mill_json_get_string(w->spec, "component", ""));
	state = mill_kube_state_of(w->k, snapshot, w->id);
	now = mill_json_get_string(state, "state", "absent");
	reason = mill_json_get_string(state, "reason", "");
	if (mill_streq(now, "ready") &&
	    (json_object_get(w->spec, "charts") || /* helm has upgraded: generations tell */
	     mill_streq(mill_json_get_string(state, "fingerprint", ""), mill_json_get_string(w->spec, "fingerprint", "-"))))
		return 1;
	if (!w->seen)
		w->restarts_at_first = mill_json_get_int(state, "restarts", 0);
	count_evictions(w, state);
	if (!*reason && w->evicted_why)
		reason = w->evicted_why;
	w->seen = true;
	if (!*reason && !mill_json_get_string(state, "pod", NULL) && age_ms > NO_POD_MS) {
		warning = mill_kube_warning(w->k, w->workload, NULL);
		reason = warning ? warning : "";
	}
	if (*reason && !w->trouble_since)
		w->trouble_since = mill_now_ns();
	if (!*reason)
		w->trouble_since = 0;
	tell(w, now, reason);
	if (*reason && is_final(w, reason, state))
		return failed(w, state, reason, "not ready", err);
	if (!last)
		return 0;
	if (!*reason && !warning)
		warning = mill_kube_warning(w->k, w->workload, NULL);
	if (!*reason && !warning && mill_json_get_string(state, "pending_on", NULL))
		warning = mill_xasprintf("node %s was given its pod and has not started it: its kubelet does not answer, or is busy",
					 mill_json_get_string(state, "pending_on", ""));
	return failed(w, state, *reason ? reason : warning ? warning : "its probe did not succeed in time", "not ready", err);
}

/* A person, or a test, who does not want to wait that long. */
uint64_t mill_kube_patience_ms(uint64_t unless_said_ms)
{
	const char *asked = getenv("DATA_MILL_KUBE_WAIT");
	uint64_t given;

	return asked && mill_parse_duration(asked, &given) == 0 ? given / MILL_MS : unless_said_ms;
}

int mill_kube_wait_ready(struct mill_kube *k, const json_t *spec, struct mill_progress *p, struct mill_error *err)
{
	const json_t *charts = json_object_get(spec, "charts");
	struct wait w = {.k = k, .spec = spec, .p = p, .begin = mill_now_ns(),
			 .id = mill_json_get_string(spec, "id", ""),
			 .workload = charts ? mill_json_get_string(json_array_get(charts, 0), "release", "") :
					      mill_json_get_string(json_object_get(spec, "pod"), "name", "")};
	/* A chart's says how long it takes on a cluster already. */
	uint64_t usual_ms = (uint64_t)mill_service_deadline_ms(spec) * (charts ? 1 : 2) + SLACK_MS;
	uint64_t deadline = w.begin + mill_kube_patience_ms(usual_ms) * MILL_MS;
	int cancel_fd = mill_progress_cancel_fd(p), r;

	mill_kube_stale(k);
	for (;;) {
		r = look(&w, mill_now_ns() > deadline, err);
		if (!r && mill_kube_pause(cancel_fd, LOOK_MS))
			r = mill_fail(err, ECANCELED, "%s: cancelled while it was waited for", w.id);
		if (r)
			break;
	}
	free(w.evicted_why);
	return r < 0 ? r : 0;
}
