/*
 * Images of environments are large, and a person who spawns a notebook should
 * not wait for them: once pushed, a DaemonSet pulls them on every node and goes
 * away again.  A node that does not manage in time is no failure of `up`.
 */
#include "runtime/kubernetes/internal.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define WAIT_MS 600000
#define LOOK_MS 1500

static json_t *daemon_set(const struct mill_kube *k, const char *name, const char *image)
{
	json_t *spec = mill_kube_pod_spec(k, "prepull", image, 3600, "1m", "8Mi");

	return json_pack("{s:s, s:s, s:o, s:{s:{s:{s:s}}, s:{s:{s:{s:s, s:s}}, s:o}}}", "apiVersion", "apps/v1", "kind", "DaemonSet",
			 "metadata", mill_kube_meta(k, name, NULL, NULL), "spec", "selector", "matchLabels", "data-mill.io/prepull", name,
			 "template", "metadata", "labels", "data-mill.io/prepull", name, MILL_KUBE_LABEL, k->namespace, "spec", spec);
}

/* Nodes that have it, and nodes that should. */
static int look(struct mill_kube *k, const char *name, int64_t *ret_ready, int64_t *ret_wanted)
{
	_cleanup_json_ json_t *found = NULL;
	const json_t *status;
	int r = mill_kube_json(k, MILL_KUBE_CALL("look at the nodes that pull"), &found, NULL, "get", "daemonset", name, NULL);

	status = json_object_get(found, "status");
	*ret_ready = mill_json_get_int(status, "numberReady", 0);
	*ret_wanted = mill_json_get_int(status, "desiredNumberScheduled", -1);
	return r;
}

void mill_kube_prepull(struct mill_kube *k, const char *image, struct mill_progress *p)
{
	_cleanup_free_ char *name = mill_xasprintf("prepull-%.40s-%d", image, (int)getpid());
	_cleanup_free_ char *object = NULL;
	_cleanup_json_ json_t *list = NULL;
	uint64_t deadline = mill_now_ns() + WAIT_MS * (uint64_t)MILL_MS;
	int64_t ready = 0, wanted = -1;

	for (char *c = name; *c; c++)
		if (*c == ':')
			*c = '-';
	object = mill_xasprintf("daemonset/%s", name);
	list = json_pack("[o]", daemon_set(k, name, image));
	if (mill_kube_apply(k, "pull on every node", list, NULL) < 0) {
		mill_progress_report(p, -1, "nodes pull it when it is first used: no right to make a DaemonSet");
		return;
	}
	while (mill_now_ns() < deadline && (wanted < 0 || ready < wanted)) {
		if (look(k, name, &ready, &wanted) == 0 && wanted > 0)
			mill_progress_report(p, (double)ready / (double)wanted, "pulled on %lld of %lld nodes", (long long)ready,
					     (long long)wanted);
		if (mill_kube_pause(mill_progress_cancel_fd(p), LOOK_MS))
			break;
	}
	(void)mill_kube_kubectl(k, MILL_KUBE_CALL("end the pulling"), NULL, NULL, NULL, "delete", object, "--ignore-not-found",
				"--wait=false", NULL);
}
