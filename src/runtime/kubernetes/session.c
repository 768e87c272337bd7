/*
 * A person's session inside the namespace: a pod of their own, removed when
 * they leave.  `app` is a data-science environment of the platform where it has
 * one, else an image with the hooks' tools; `net` is the smallest image there is.
 * The platform's variables come from a Secret that lives as long as the pod.
 */
#include "runtime/kubernetes/data.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/proc.h"

#define HOLD_SECONDS 43200

char *mill_kube_any_image(struct mill_kube *k, bool environment)
{
	_cleanup_strv_ struct mill_strv names = {0};
	const char *found = NULL;

	(void)mill_native_components(k->n, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		const json_t *record = json_object_get(k->n->records, names.items[i]);
		const char *image = mill_json_get_string(record, "image", NULL);
		bool suits = mill_streq(mill_json_get_string(record, "category", ""), "environment") == environment;

		if (image && (!found || suits))
			found = image;
		if (image && suits)
			break;
	}
	return found ? mill_xstrdup(found) : NULL;
}

static json_t *pod_object(struct mill_kube *k, const char *name, const char *image)
{
	json_t *spec = mill_kube_pod_spec(k, "debug", image, HOLD_SECONDS, "10m", "128Mi");
	json_t *container = json_array_get(json_object_get(spec, "containers"), 0), *pod;

	json_object_set_new(container, "workingDir", json_string("/tmp"));
	json_object_set_new(container, "envFrom", json_pack("[{s:{s:s}}]", "secretRef", "name", name));
	json_object_set_new(container, "env", json_pack("[{s:s, s:s}]", "name", "HOME", "value", "/tmp"));
	pod = mill_kube_pod_object(k, name, NULL, "debug", spec, HOLD_SECONDS);
	mill_kube_data_mount(k, pod);
	return pod;
}

static int make(struct mill_kube *k, const char *name, const char *image, struct mill_error *err)
{
	_cleanup_wipe_ json_t *env = NULL, *objects = json_array();
	int r = mill_ops_env(k->n, &env, err);

	if (r < 0)
		return r;
	json_array_append_new(objects, mill_kube_secret(k, name, NULL, NULL, env));
	json_array_append_new(objects, pod_object(k, name, image));
	return mill_kube_pod_start(k, "start the debug pod", name, objects, -1, err);
}

/* In the foreground, on our terminal: Ctrl-C is the program's there. */
static int talk(struct mill_kube *k, const char *name, char *const *argv, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_proc proc = MILL_PROC_INIT;
	int status = 0, r;

	mill_kube_prefix(k, &words);
	mill_strv_addf(&words, "--namespace=%s", k->namespace);
	mill_strv_add(&words, "exec");
	mill_strv_add(&words, "--stdin");
	if (isatty(0) && isatty(1))
		mill_strv_add(&words, "--tty");
	mill_strv_add(&words, name);
	mill_strv_add(&words, "--");
	for (; *argv; argv++)
		mill_strv_add(&words, *argv);
	const struct mill_spawn s = {.argv = mill_strv_argv(&words), .stdin_fd = 0, .stdout_fd = 1, .stderr_fd = 2,
				     .parent_death_signal = SIGTERM};
	signal(SIGINT, SIG_IGN);
	r = mill_proc_spawn(&s, &proc, err);
	if (r == 0)
		r = mill_proc_wait(&proc, -1, -1, &status);
	signal(SIGINT, SIG_DFL);
	mill_proc_release(&proc);
	return r < 0 ? r : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int mill_kube_session(struct mill_kube *k, const char *kind, char *const *argv, struct mill_error *err)
{
	_cleanup_free_ char *image = mill_kube_any_image(k, !mill_streq(kind, "net")), *name = mill_xasprintf("debug-%d", (int)getpid());
	_cleanup_free_ char *pod = mill_xasprintf("pod/%s", name), *secret = mill_xasprintf("secret/%s", name);
	int r;

	if (!image) {
		mill_fail(err, ENOENT, "platform %s has no image that a session could run in", k->namespace);
		return mill_error_hint(err, "data-mill up makes them");
	}
	r = make(k, name, image, err);
	if (r == 0)
		r = talk(k, name, argv, err);
	(void)mill_kube_kubectl(k, MILL_KUBE_CALL("remove the debug pod"), NULL, NULL, NULL, "delete", pod, secret, "--ignore-not-found",
				"--wait=false", "--grace-period=0", "--force", NULL);
	return r;
}

/* ---- the way to the cluster's own pages ---- */

int mill_kube_proxy(struct mill_kube *k, unsigned port, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	_cleanup_free_ char *number = mill_xasprintf("--port=%u", port);
	struct mill_proc proc = MILL_PROC_INIT;
	int status = 0, r;

	mill_kube_prefix(k, &words);
	mill_strv_add(&words, "proxy");
	mill_strv_add(&words, "--address=127.0.0.1");
	mill_strv_add(&words, number);
	const struct mill_spawn s = {.argv = mill_strv_argv(&words), .stdin_fd = -1, .stdout_fd = 1, .stderr_fd = 2,
				     .parent_death_signal = SIGTERM};
	r = mill_proc_spawn(&s, &proc, err);
	if (r == 0)
		r = mill_proc_wait(&proc, -1, -1, &status);
	mill_proc_release(&proc);
	return r < 0 ? r : WIFEXITED(status) ? WEXITSTATUS(status) : 130;
}

int mill_kube_has_dashboard(struct mill_kube *k, char **ret_path)
{
	_cleanup_json_ json_t *found = NULL;
	struct mill_kube_call c = {.what = "look for the Kubernetes dashboard", .cancel_fd = -1, .cluster = true};
	const json_t *o, *meta;

	if (mill_kube_json(k, &c, &found, NULL, "get", "services", "--all-namespaces",
			   "--selector=k8s-app in (kubernetes-dashboard,kubernetes-dashboard-kong)", NULL) < 0)
		return 0;
	o = json_array_get(json_object_get(found, "items"), 0);
	meta = json_object_get(o, "metadata");
	if (!meta)
		return 0;
	*ret_path = mill_xasprintf("/api/v1/namespaces/%s/services/https:%s:/proxy/", mill_json_get_string(meta, "namespace", ""),
				   mill_json_get_string(meta, "name", ""));
	return 1;
}
