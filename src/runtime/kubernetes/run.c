/* kubectl and helm, and what they say when they fail. */
#include "runtime/kubernetes/internal.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/proc.h"

void mill_kube_prefix(const struct mill_kube *k, struct mill_strv *argv)
{
	mill_strv_add(argv, k->kubectl);
	if (k->kubeconfig)
		mill_strv_addf(argv, "--kubeconfig=%s", k->kubeconfig);
	if (k->context)
		mill_strv_addf(argv, "--context=%s", k->context);
}

/* ---- causes ---- */

/* The line that holds mark, or (NULL) the last one. */
static void pick_line(const char *said, const char *mark, struct mill_strbuf *out)
{
	const char *found = mark ? strstr(said, mark) : NULL, *end = said + strlen(said), *at;

	if (found)
		end = found + strcspn(found, "\n");
	while (end > said && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	for (at = end; at > said && at[-1] != '\n'; at--)
		;
	mill_strbuf_add(out, at, (size_t)(end - at));
}

/* Substring -> what to do; the first that fits. */
static const struct {
	const char *mark, *hint;
	int code;
} causes[] = {
	{"exceeded quota", "raise the namespace's ResourceQuota, or ask for less (memory, storage of the components)", ENOSPC},
	{"spec is immutable after creation", "a volume keeps its storage class and access mode: end what mounts it, delete the claim "
	 "(kubectl delete persistentvolumeclaim), and `up` makes and fills it anew", EINVAL},
	{"field can not be less than previous value", "a volume never shrinks: ask for its size or more, or delete its claim, and `up` makes "
	 "and fills it anew", EINVAL},
	{"only dynamically provisioned pvc can be resized", "its storage class lets no volume grow: delete its claim, and `up` makes and fills "
	 "it anew", EINVAL},
	{"violates PodSecurity", "the namespace enforces a Pod Security Standard that this pod does not meet", EPERM},
	{"being terminated", "the namespace is being deleted: wait until it is gone, then try again (what keeps it: kubectl get namespace -o yaml)", EBUSY},
	{"You must be logged in", "the kubeconfig's credentials are not accepted (any more): log in again, or get a new kubeconfig", EACCES},
	{"Unauthorized", "the kubeconfig's credentials are not accepted (any more): log in again, or get a new kubeconfig", EACCES},
	{"certificate has expired", "the kubeconfig's certificate is too old: get a new kubeconfig", EACCES},
	{"certificate signed by unknown authority", "the kubeconfig names another cluster's certificate authority: get a new one", EACCES},
	{"tls: failed to verify", "the kubeconfig names another cluster's certificate authority: get a new one", EACCES},
	{"(Forbidden)", "ask the cluster's administrator for the Role that `data-mill render --layer role` prints", EPERM},
	{"is forbidden: User", "ask the cluster's administrator for the Role that `data-mill render --layer role` prints", EPERM},
	{"failed calling webhook", "an admission webhook of the cluster does not answer: its operator's pods must run first", EAGAIN},
	{"denied the request", "an admission webhook of the cluster refuses it: its message says why", EPERM},
	{"no such host", "the kubeconfig names a server that cannot be found: is it the right one, and is the cluster up?", EHOSTUNREACH},
	{"connection refused", "the API server does not answer: is the cluster up? (data-mill cluster status)", ECONNREFUSED},
	{"Unable to connect to the server", "the API server does not answer: is the cluster up? (data-mill cluster status)", ECONNREFUSED},
	{"i/o timeout", "the API server does not answer: is the cluster up? (data-mill cluster status)", ETIMEDOUT},
	{"context deadline exceeded", "the API server is too slow or gone: try again", ETIMEDOUT},
	{"context \"", "`kubectl config get-contexts` lists those that the kubeconfig has", ENOENT},
};

int mill_kube_explain(const struct mill_kube *k, const char *what, const char *said, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;

	for (size_t i = 0; i < MILL_ARRAY_LEN(causes); i++)
		if (strstr(said, causes[i].mark)) {
			pick_line(said, causes[i].mark, &line);
			mill_fail(err, causes[i].code, "%s (namespace %s): %s", what, k->namespace, line.data);
			mill_error_hint(err, "%s", causes[i].hint);
			return -causes[i].code;
		}
	pick_line(said, NULL, &line);
	mill_fail(err, EIO, "%s (namespace %s): %s", what, k->namespace, line.len ? line.data : "it failed and said nothing");
	if (strchr(said, '\n'))
		mill_error_detail(err, said);
	return -EIO;
}

/* ---- calls ---- */

static int call(struct mill_kube *k, const char *program, struct mill_kube_call *c, struct mill_strv *argv, struct mill_strbuf *out,
		struct mill_strbuf *err_out, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf own = MILL_STRBUF_INIT;
	struct mill_strbuf *said = err_out ? err_out : &own;
	struct mill_run run = MILL_RUN_INIT;
	int r;

	run.spawn.argv = mill_strv_argv(argv);
	run.spawn.new_group = true;
	/* helm goes on to its end when we are killed: half an upgrade is worse than one that nobody waited for. */
	run.spawn.parent_death_signal = mill_streq(program, "helm") ? 0 : SIGTERM;
	run.input = c->input;
	run.input_len = c->input_len ? c->input_len : c->input ? strlen(c->input) : 0;
	run.output_max = MILL_KUBE_OUTPUT_MAX;
	run.timeout_ms = c->timeout_ms ? c->timeout_ms : MILL_KUBE_CALL_MS;
	run.cancel_fd = c->cancel_fd;
	run.spawn.keep_fds = c->keep_fds;
	run.spawn.n_keep_fds = c->n_keep_fds;
	r = mill_run(&run, out, said, &c->status, err);
	if (r == -ETIMEDOUT) {
		mill_error_release(err);
		mill_fail(err, ETIMEDOUT, "%s (namespace %s): %s did not end within %d s", c->what, k->namespace, program,
			  run.timeout_ms / 1000);
		return mill_error_hint(err, "the API server is slow or gone: data-mill cluster status");
	}
	if (r < 0)
		return mill_error_wrap(err, "%s", c->what), r;
	if (c->status == 0 || c->raw)
		return 0;
	return mill_kube_explain(k, c->what, said->data, err);
}

int mill_kube_kubectl_v(struct mill_kube *k, struct mill_kube_call *c, const struct mill_strv *words, struct mill_strbuf *out,
			struct mill_strbuf *err_out, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_kube_prefix(k, &argv);
	if (!c->cluster)
		mill_strv_addf(&argv, "--namespace=%s", k->namespace);
	for (size_t i = 0; i < words->n; i++)
		mill_strv_add(&argv, words->items[i]);
	return call(k, "kubectl", c, &argv, out, err_out, err);
}

static void take_words(struct mill_strv *words, va_list ap)
{
	const char *word;

	while ((word = va_arg(ap, const char *)))
		mill_strv_add(words, word);
}

int mill_kube_kubectl(struct mill_kube *k, struct mill_kube_call *c, struct mill_strbuf *out, struct mill_strbuf *err_out,
		      struct mill_error *err, ...)
{
	_cleanup_strv_ struct mill_strv words = {0};
	va_list ap;

	va_start(ap, err);
	take_words(&words, ap);
	va_end(ap);
	return mill_kube_kubectl_v(k, c, &words, out, err_out, err);
}

int mill_kube_json(struct mill_kube *k, struct mill_kube_call *c, json_t **ret, struct mill_error *err, ...)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	va_list ap;
	int r;

	va_start(ap, err);
	take_words(&words, ap);
	va_end(ap);
	mill_strv_add(&words, "--output=json");
	*ret = NULL;
	r = mill_kube_kubectl_v(k, c, &words, &out, NULL, err);
	if (r == 0 && out.len && out.data[strspn(out.data, " \n")])
		r = mill_json_parse("kubectl's answer", out.data, out.len, ret, err);
	if (out.data)
		explicit_bzero(out.data, out.len);
	mill_strbuf_release(&out);
	return r;
}

int mill_kube_apply(struct mill_kube *k, const char *what, const json_t *objects, struct mill_error *err)
{
	_cleanup_json_ json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", objects);
	struct mill_kube_call c = {.what = what, .cancel_fd = -1};
	char *text;
	int r;

	if (!json_array_size(objects))
		return 0;
	text = json_dumps(list, JSON_COMPACT);
	c.input = text;
	r = mill_kube_kubectl(k, &c, NULL, NULL, err, "apply", "--server-side", "--field-manager=data-mill", "--force-conflicts",
			      "--filename=-", NULL);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}

int mill_kube_helm_v(struct mill_kube *k, struct mill_kube_call *c, const struct mill_strv *words, struct mill_strbuf *out,
		     struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_strv_add(&argv, k->helm);
	if (k->kubeconfig)
		mill_strv_addf(&argv, "--kubeconfig=%s", k->kubeconfig);
	if (k->context)
		mill_strv_addf(&argv, "--kube-context=%s", k->context);
	mill_strv_addf(&argv, "--namespace=%s", k->namespace);
	for (size_t i = 0; i < words->n; i++)
		mill_strv_add(&argv, words->items[i]);
	return call(k, "helm", c, &argv, out, NULL, err);
}
