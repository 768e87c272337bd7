/* Pods of our own (hooks, sessions, prepulls): restricted, of an image of ours, holding still until something runs in them. */
#include "runtime/kubernetes/internal.h"

#include "base/json.h"

#define START_MS 240000

static json_t *mounts(void)
{
	static const char *const places[][2] = {{"/data-mill/data", "data"}, {"/data-mill/config", "config"}, {"/data-mill/run", "run"},
						{"/data-mill/log", "log"}, {"/tmp", "tmp"}, {"/var/tmp", "var-tmp"}};
	json_t *list = json_array();

	for (size_t i = 0; i < MILL_ARRAY_LEN(places); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", "scratch", "mountPath", places[i][0], "subPath", places[i][1]));
	return list;
}

json_t *mill_kube_pod_spec(const struct mill_kube *k, const char *container, const char *image, unsigned seconds, const char *cpu,
			   const char *memory)
{
	json_t *c = json_pack("{s:s, s:o, s:[s, o], s:{s:b, s:b, s:{s:[s]}}, s:{s:{s:s, s:s}}, s:o}", "name", container, "image",
			      json_sprintf("%s/%s", k->registry, image), "args", "hold", json_sprintf("%u", seconds), "securityContext",
			      "allowPrivilegeEscalation", 0, "readOnlyRootFilesystem", 1, "capabilities", "drop", "ALL", "resources",
			      "requests", "cpu", cpu, "memory", memory, "volumeMounts", mounts());
	json_t *spec = json_pack("{s:b, s:b, s:i, s:{s:b, s:i, s:i, s:i, s:{s:s}}, s:[o], s:[{s:s, s:{}}]}", "automountServiceAccountToken", 0,
				 "enableServiceLinks", 0, "terminationGracePeriodSeconds", 1, "securityContext", "runAsNonRoot", 1,
				 "runAsUser", MILL_IMAGE_UID, "runAsGroup", MILL_IMAGE_UID, "fsGroup", MILL_IMAGE_UID, "seccompProfile",
				 "type", "RuntimeDefault", "containers", c, "volumes", "name", "scratch", "emptyDir");

	if (k->pull_secret)
		json_object_set_new(spec, "imagePullSecrets", json_pack("[{s:s}]", "name", k->pull_secret));
	return spec;
}

json_t *mill_kube_pod_object(const struct mill_kube *k, const char *name, const char *component, const char *role, json_t *spec,
			     unsigned seconds)
{
	json_t *meta = mill_kube_meta(k, name, component, NULL);

	json_object_set_new(json_object_get(meta, "labels"), "data-mill.io/role", json_string(role));
	json_object_set_new(spec, "restartPolicy", json_string("Never"));
	json_object_set_new(spec, "activeDeadlineSeconds", json_integer(seconds));
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Pod", "metadata", meta, "spec", spec);
}

int mill_kube_pod_start(struct mill_kube *k, const char *what, const char *name, const json_t *objects, int cancel_fd, struct mill_error *err)
{
	uint64_t patience_ms = mill_kube_patience_ms(START_MS);
	struct mill_kube_call wait = {.what = what, .cancel_fd = cancel_fd, .timeout_ms = patience_ms < INT32_MAX / 2 ? (int)patience_ms + 60000 : -1};
	_cleanup_free_ char *pod = mill_xasprintf("pod/%s", name);
	_cleanup_free_ char *why = NULL, *limit = mill_xasprintf("--timeout=%llums", (unsigned long long)patience_ms);
	int r = mill_kube_apply(k, what, objects, err);

	if (r < 0)
		return r;
	r = mill_kube_kubectl(k, &wait, NULL, NULL, err, "wait", "--for=condition=Ready", limit, pod, NULL);
	why = r < 0 && r != -ECANCELED ? mill_kube_warning(k, name, NULL) : NULL;
	if (why) { /* kubectl only knows that it has waited long enough */
		const char *hint = mill_kube_next_step(why);

		r = mill_fail(err, EIO, "%s (namespace %s): %s", what, k->namespace, why);
		if (hint)
			mill_error_hint(err, "%s", hint);
	}
	return r;
}
