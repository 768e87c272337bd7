/*
 * Hooks run inside the cluster, in a pod of the component's own image, one a
 * component and command.  The question goes in through kubectl exec's standard
 * input and the answer comes out of its standard output: neither is in an
 * object, an argument or a log of the cluster.
 */
#include "runtime/kubernetes/data.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/hooks.h"
#include "secret/secret.h"

#define HOLD_SECONDS 7200
#define HOOK_MS     60000
#define FILE_MAX_BYTES ((size_t)1 << 30)

struct mill_kube_pod {
	struct mill_kube_pod *next;
	char *component, *name;
	pthread_mutex_t lock;
	bool up;
};

static struct mill_kube_pod *pod_of(struct mill_kube *k, const char *component)
{
	struct mill_kube_pod *pod;

	pthread_mutex_lock(&k->lock);
	for (pod = k->pods; pod && strcmp(pod->component, component) != 0; pod = pod->next)
		;
	if (!pod) {
		pod = mill_xcalloc(1, sizeof(*pod));
		pod->component = mill_xstrdup(component);
		pod->name = mill_xasprintf("hook-%.30s-%d-%u", component, (int)getpid(), ++k->counter);
		pthread_mutex_init(&pod->lock, NULL);
		pod->next = k->pods;
		k->pods = pod;
	}
	pthread_mutex_unlock(&k->lock);
	return pod;
}

/* ---- the pod ---- */

/* A tool's files are written by us; a service's are its own pod's. */
static int write_tool_files(struct mill_kube *k, const struct mill_kube_pod *pod, const json_t *record, struct mill_error *err)
{
	const json_t *file;
	size_t i;

	json_array_foreach(json_object_get(record, "files"), i, file) {
		_cleanup_free_ char *path = mill_xasprintf("/data-mill/%s", mill_json_get_string(file, "path", ""));
		struct mill_kube_call c = {.what = "write a tool's file", .cancel_fd = -1};
		char *text = NULL;
		int r = mill_native_resolve_text(k->n, json_object_get(file, "content"), &text, err);

		c.input = text;
		if (r == 0)
			r = mill_kube_kubectl(k, &c, NULL, NULL, err, "exec", "--stdin", pod->name, "--", MILL_IMAGE_ENTRY, "put", path,
					      NULL);
		mill_secret_free(text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start(struct mill_kube *k, struct mill_kube_pod *pod, struct mill_error *err)
{
	_cleanup_json_ json_t *list = json_array();
	const json_t *record = NULL;
	json_t *object;
	int r = mill_native_record(k->n, pod->component, &record, err);

	if (r < 0)
		return r;
	object = mill_kube_pod_object(k, pod->name, pod->component, "hook",
				      mill_kube_pod_spec(k, "hook", mill_json_get_string(record, "image", ""), HOLD_SECONDS, "10m", "64Mi"),
				      HOLD_SECONDS);
	mill_kube_data_mount(k, object);
	json_array_append_new(list, object);
	r = mill_kube_pod_start(k, "start the pod that hooks run in", pod->name, list, -1, err);
	if (r == 0)
		r = write_tool_files(k, pod, record, err);
	if (r == 0)
		pod->up = true;
	else
		mill_error_wrap(err, "hooks of %s", pod->component);
	return r;
}

static int ensure(struct mill_kube *k, const char *component, struct mill_kube_pod **ret, struct mill_error *err)
{
	struct mill_kube_pod *pod = pod_of(k, component);
	int r = 0;

	pthread_mutex_lock(&pod->lock);
	if (!pod->up)
		r = start(k, pod, err);
	pthread_mutex_unlock(&pod->lock);
	*ret = pod;
	return r;
}

void mill_kube_end_pods(struct mill_kube *k)
{
	_cleanup_strv_ struct mill_strv words = {0};

	mill_strv_add(&words, "delete");
	mill_strv_add(&words, "--ignore-not-found");
	mill_strv_add(&words, "--wait=false");
	mill_strv_add(&words, "--grace-period=0");
	mill_strv_add(&words, "--force");
	while (k->pods) {
		struct mill_kube_pod *pod = k->pods;

		k->pods = pod->next;
		mill_strv_addf(&words, "pod/%s", pod->name);
		pthread_mutex_destroy(&pod->lock);
		free(pod->component);
		free(pod->name);
		free(pod);
	}
	if (words.n > 5)
		(void)mill_kube_kubectl_v(k, MILL_KUBE_CALL("remove the pods of hooks"), &words, NULL, NULL, NULL);
}

/* ---- running ---- */

/* kubectl's own last words are not the hook's. */
static void drop_kubectls_words(struct mill_strbuf *log)
{
	char *at = log->data ? strstr(log->data, "command terminated with exit code ") : NULL;

	if (at)
		mill_strbuf_truncate(log, (size_t)(at - log->data));
}

int mill_kube_hook(void *arg, const struct mill_hook_call *c, const struct mill_strbuf *input, struct mill_strbuf *out,
		   struct mill_strbuf *log, int *ret_status, struct mill_error *err)
{
	struct mill_kube *k = arg;
	struct mill_kube_pod *pod;
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_kube_call call = {.what = c->hook, .input = input->data, .input_len = input->len, .cancel_fd = c->cancel_fd, .raw = true};
	int64_t timeout = mill_json_get_int(c->spec, "timeout_ms", 0);
	size_t i;
	json_t *word;
	int r = ensure(k, c->component, &pod, err);

	if (r < 0)
		return r;
	call.timeout_ms = timeout > 0 && timeout < INT32_MAX ? (int)timeout : (int)(c->timeout_ms ? c->timeout_ms : HOOK_MS);
	mill_strv_add(&words, "exec");
	mill_strv_add(&words, "--stdin");
	mill_strv_add(&words, pod->name);
	mill_strv_add(&words, "--");
	mill_strv_add(&words, MILL_IMAGE_ENTRY);
	mill_strv_add(&words, "hook");
	json_array_foreach(json_object_get(c->spec, "command"), i, word)
		mill_strv_add(&words, json_is_string(word) ? json_string_value(word) : "");
	r = mill_kube_kubectl_v(k, &call, &words, out, log, err);
	drop_kubectls_words(log);
	*ret_status = call.status;
	return r;
}

int mill_kube_put(void *arg, const char *component, const char *from, const char *to, struct mill_error *err)
{
	struct mill_kube *k = arg;
	struct mill_kube_call c = {.what = "copy a file to the cluster", .cancel_fd = -1, .timeout_ms = -1};
	struct mill_kube_pod *pod;
	char *text = NULL;
	int r = ensure(k, component, &pod, err);

	if (r == 0)
		r = mill_read_file(from, FILE_MAX_BYTES, &text, &c.input_len, err);
	c.input = text;
	if (r == 0)
		r = mill_kube_kubectl(k, &c, NULL, NULL, err, "exec", "--stdin", pod->name, "--", MILL_IMAGE_ENTRY, "put", to, NULL);
	free(text);
	return r;
}

int mill_kube_get(void *arg, const char *component, const char *from, const char *to, struct mill_error *err)
{
	struct mill_kube *k = arg;
	struct mill_kube_call c = {.what = "copy a file from the cluster", .cancel_fd = -1, .timeout_ms = -1};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(FILE_MAX_BYTES);
	struct mill_kube_pod *pod;
	int r = ensure(k, component, &pod, err);

	if (r == 0)
		r = mill_kube_kubectl(k, &c, &out, NULL, err, "exec", pod->name, "--", MILL_IMAGE_ENTRY, "get", from, NULL);
	if (r == 0)
		r = mill_write_file(to, out.data ? out.data : "", out.len, 0644, 0, err);
	mill_strbuf_release(&out);
	return r;
}
