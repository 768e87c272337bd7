#include "chart/layer.h"

#include <signal.h>

#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "chart/layer_call.h"

#define OUTPUT_MAX ((size_t)64 << 20) /* Prometheus' CRDs are 5 MB */

void mill_layer_say(const struct mill_layer *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	if (l->on_step)
		l->on_step(l->arg, text);
}

static int run(const struct mill_layer *l, struct mill_run *r, struct mill_strv *argv, bool quiet, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	int status = 0, rv;

	r->spawn.argv = mill_strv_argv(argv);
	r->output_max = OUTPUT_MAX;
	r->cancel_fd = l->cancel_fd;
	r->spawn.parent_death_signal = SIGTERM; /* a helm that outlives us would work on while the next install takes over */
	rv = mill_run(r, out, &said, &status, err);
	if (rv < 0 || status == 0)
		return rv;
	if (quiet)
		return -EIO;
	_cleanup_free_ char *reason = mill_chart_reason(said.data);
	return mill_fail(err, EIO, "%s %s: %s", mill_path_basename(argv->items[0]), argv->items[1], reason);
}

int mill_layer_run(const struct mill_layer *l, struct mill_strv *argv, const char *input, bool quiet, struct mill_strbuf *out,
	       struct mill_error *err)
{
	struct mill_run r = MILL_RUN_INIT;

	r.input = input;
	r.input_len = input ? strlen(input) : 0;
	return run(l, &r, argv, quiet, out, err);
}

int mill_layer_run_with(const struct mill_layer *l, struct mill_strv *argv, const struct mill_chart_handed *values, struct mill_strbuf *out,
			struct mill_error *err)
{
	struct mill_run r = MILL_RUN_INIT;

	r.spawn.keep_fds = values->fds;
	r.spawn.n_keep_fds = values->n_fds;
	return run(l, &r, argv, false, out, err);
}

static void kubectl(const struct mill_layer *l, struct mill_strv *argv, const char *const *words)
{
	mill_strv_add(argv, l->helm.kubectl);
	for (; *words; words++)
		mill_strv_add(argv, *words);
	if (l->helm.kubeconfig)
		mill_strv_addf(argv, "--kubeconfig=%s", l->helm.kubeconfig);
	if (l->helm.context)
		mill_strv_addf(argv, "--context=%s", l->helm.context);
}

int mill_layer_call(const struct mill_layer *l, const char *const *words, const char *input, bool quiet, struct mill_strbuf *out,
		struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	kubectl(l, &argv, words);
	return mill_layer_run(l, &argv, input, quiet, out, err);
}

/* True when it exists; an error of the API server counts as absent and shows at the next step. */
static bool exists(const struct mill_layer *l, const char *const *words)
{
	return mill_layer_call(l, words, NULL, true, NULL, NULL) == 0;
}

/* A person may well have named a release as we do (helm install cert-manager -n cert-manager): only our label tells. */
int mill_layer_owner(const struct mill_layer *l, const struct mill_chart_release *rel, enum mill_layer_owner *ret, struct mill_error *err)
{
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", rel->own_namespace);
	_cleanup_free_ char *which = mill_xasprintf("--selector=owner=helm,name=%s", rel->name);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	_cleanup_strv_ struct mill_strv labels = {0};
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "secrets", where, which, "--no-headers",
						    "--output=custom-columns=LAYER:.metadata.labels.data-mill\\.io/layer"),
				NULL, false, &text, err);

	mill_strv_split(&labels, text.data ? text.data : "", "\n");
	*ret = !labels.n ? MILL_LAYER_NOBODY : mill_strv_contains(&labels, rel->name) ? MILL_LAYER_OURS : MILL_LAYER_THEIRS;
	return r;
}

/* Somebody else's: their release, or one of its CRDs where neither our release nor our label is. */
static int is_foreign(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	enum mill_layer_owner owner;
	int r = mill_layer_owner(l, rel, &owner, err);

	if (r < 0 || owner != MILL_LAYER_NOBODY)
		return r < 0 ? r : owner == MILL_LAYER_THEIRS;
	for (size_t i = 0; i < rel->n_ready; i++) {
		_cleanup_strbuf_ struct mill_strbuf label = MILL_STRBUF_INIT;

		if (!mill_starts_with(rel->ready[i].what, "crd/"))
			continue;
		if (mill_layer_call(l, MILL_LAYER_WORDS("get", rel->ready[i].what, "--output=jsonpath={.metadata.labels.data-mill\\.io/layer}"), NULL, true, &label,
			 NULL) == 0)
			return !label.len;
	}
	return 0;
}

static int make_namespace(const struct mill_layer *l, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *text = mill_xasprintf("{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"%s\", "
						   "\"labels\": {\"" MILL_LAYER_LABEL "\": \"%s\"}}}", name, name);

	if (exists(l, MILL_LAYER_WORDS("get", "namespace", name)))
		return 0;
	return mill_layer_call(l, MILL_LAYER_WORDS("create", "--filename=-"), text, false, NULL, err);
}

/* Secrets that are there keep what they hold: another machine's administrator made them. */
static int make_secrets(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", rel->own_namespace);
	_cleanup_json_ json_t *names = json_array(), *ours = NULL;
	size_t i;
	json_t *secret, *one;
	int r;

	json_array_foreach(rel->secrets, i, secret)
		json_array_append_new(names, json_pack("{s:s, s:s, s:{s:O}}", "apiVersion", "v1", "kind", "Secret", "metadata", "name",
						       json_object_get(secret, "name")));
	if (!json_array_size(names))
		return 0;
	r = mill_layer_claim(l, rel, names, &ours, err);
	json_array_foreach(rel->secrets, i, secret) {
		const char *name = json_string_value(json_object_get(secret, "name"));
		_cleanup_json_ json_t *alone = json_pack("[O]", secret);
		struct mill_chart_release just = *rel;
		struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
		bool claimed = false;
		size_t k;

		json_array_foreach(ours, k, one)
			claimed = claimed || mill_streq(mill_json_get_string(json_object_get(one, "metadata"), "name", ""), name);
		if (r < 0 || !claimed || exists(l, MILL_LAYER_WORDS("get", "secret", name, where)))
			continue;
		just.secrets = alone;
		r = mill_chart_secrets_text(&just, &(struct mill_chart_where){.layer = rel->name}, l->resolve, l->arg, &text, err);
		if (r == 0)
			r = mill_layer_call(l, MILL_LAYER_WORDS("create", "--filename=-", where), text.data, false, NULL, err);
		mill_chart_text_wipe(&text);
	}
	return r;
}

static int pull(void *arg, struct mill_strv *argv, struct mill_error *err)
{
	mill_layer_say(arg, "helm pull %s", argv->items[2]);
	return mill_layer_run(arg, argv, NULL, false, NULL, err);
}

int mill_layer_package(const struct mill_layer *l, const struct mill_chart *chart, char **ret, struct mill_error *err)
{
	return mill_chart_package_get(&l->helm, chart, l->packages, pull, (void *)l, ret, err);
}

/* The files of crds/ folders out of what helm template prints ("helm show crds" runs files together without a separator). */
static void cut_crds(const char *text, struct mill_strbuf *out)
{
	bool keep = false;

	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		_cleanup_free_ char *source = NULL;

		end = strchrnul(line, '\n');
		if (mill_starts_with(line, "# Source: ")) {
			source = mill_xstrndup(line, (size_t)(end - line));
			keep = strstr(source, "/crds/") && !strstr(source, "/templates/");
			if (keep)
				mill_strbuf_addstr(out, "---\n");
		}
		if (keep)
			mill_strbuf_printf(out, "%.*s\n", (int)(end - line), line);
	}
}

/*
 * The label is in what is applied, so that an install that is stopped midway is known as ours by the next one.  Where others
 * have one of the CRDs, theirs stay without it: only new ones get it, afterwards.
 */
static int send_crds(const struct mill_layer *l, const struct mill_chart_release *rel, const char *crds, struct mill_strv *names,
		     struct mill_error *err)
{
	_cleanup_free_ char *label = mill_xasprintf(MILL_LAYER_LABEL "=%s", rel->name);
	_cleanup_free_ char *theirs = mill_xasprintf("--selector=" MILL_LAYER_LABEL "!=%s", rel->name);
	_cleanup_strbuf_ struct mill_strbuf before = MILL_STRBUF_INIT_MAX(OUTPUT_MAX), found = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_strbuf_ struct mill_strbuf labelled = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_strv_ struct mill_strv old = {0};
	bool shared = false;
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "customresourcedefinitions", theirs, "--output=name"), NULL, false, &before, err);

	r = r < 0 ? r : mill_layer_call(l, MILL_LAYER_WORDS("label", "--local", "--filename=-", "--output=name", label), crds, false, &found, err);
	r = r < 0 ? r : mill_layer_call(l, MILL_LAYER_WORDS("label", "--local", "--overwrite", "--filename=-", "--output=json", label), crds, false,
					&labelled, err);
	if (r < 0)
		return r;
	mill_strv_split(names, found.data, "\n");
	mill_strv_split(&old, before.data ? before.data : "", "\n");
	for (size_t i = 0; i < names->n; i++)
		shared = shared || mill_strv_contains(&old, names->items[i]);
	r = mill_layer_call(l, MILL_LAYER_WORDS("apply", "--server-side", "--force-conflicts", "--field-manager=data-mill", "--filename=-"),
			    shared ? crds : labelled.data, false, NULL, err);
	for (size_t i = 0; shared && r == 0 && i < names->n; i++)
		if (!mill_strv_contains(&old, names->items[i]))
			r = mill_layer_call(l, MILL_LAYER_WORDS("label", "--overwrite", names->items[i], label), NULL, false, NULL, err);
	return r;
}

static int apply_crds(const struct mill_layer *l, const struct mill_chart_release *rel, const char *package,
		      const struct mill_chart_handed *values, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf all = MILL_STRBUF_INIT_MAX(OUTPUT_MAX), crds = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_strv_ struct mill_strv argv = {0}, names = {0};
	struct mill_chart_helm with_crds = l->helm;
	int r;

	with_crds.skip_crds = false;
	mill_chart_argv_template(&with_crds, rel, package, values->path, &argv);
	r = mill_layer_run_with(l, &argv, values, &all, err);
	if (r == 0 && all.data)
		cut_crds(all.data, &crds);
	if (!crds.len)
		return r;
	mill_layer_say(l, "CRDs of %s", rel->chart->name);
	r = send_crds(l, rel, crds.data, &names, err);
	return r < 0 ? r : mill_layer_wait_crds(l, &names, err);
}

/* CRDs, then the rest, with values that are in no file. */
static int upgrade(const struct mill_layer *l, struct mill_chart_release *rel, const char *package, struct mill_error *err)
{
	_cleanup_(mill_chart_handed_release) struct mill_chart_handed values = MILL_CHART_HANDED_INIT;
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_chart_helm h = l->helm;
	int r = mill_chart_hand_over(rel, l->resolve, l->arg, &values, err);

	h.skip_crds = true; /* they are there */
	h.wait = false;
	if (r < 0)
		return r;
	mill_chart_argv_upgrade(&h, rel, package, values.path, &argv);
	mill_strv_addf(&argv, "--labels=" MILL_LAYER_LABEL "=%s", rel->name);
	r = apply_crds(l, rel, package, &values, err);
	if (r < 0)
		return r;
	mill_layer_say(l, "helm upgrade --install %s", rel->name);
	return mill_layer_run_with(l, &argv, &values, NULL, err);
}

static int apply_objects(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_json_ json_t *objects = NULL, *ours = NULL;
	int r = 0;

	if (!json_array_size(rel->objects))
		return 0;
	objects = mill_chart_objects(rel, &(struct mill_chart_where){.layer = rel->name});
	r = mill_layer_claim(l, rel, objects, &ours, err);
	return r < 0 ? r : mill_layer_apply(l, ours, err);
}

static const char *condition_of(const struct mill_chart_ready_item *w)
{
	if (w->condition)
		return w->condition;
	return mill_starts_with(w->what, "crd/") ? "Established" : mill_starts_with(w->what, "deployment/") ? "Available" : "Ready";
}

static int wait_ready(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", rel->own_namespace);

	for (size_t i = 0; i < rel->n_ready; i++) {
		const struct mill_chart_ready_item *w = &rel->ready[i];
		_cleanup_free_ char *condition = mill_xasprintf("--for=condition=%s", condition_of(w));
		_cleanup_free_ char *timeout = mill_xasprintf("--timeout=%llus", (unsigned long long)(w->timeout_ns / 1000000000));

		mill_layer_say(l, "wait for %s", w->what);
		int r = mill_layer_call(l, MILL_LAYER_WORDS("wait", condition, timeout, w->what, where), NULL, false, NULL, err);
		if (r < 0)
			return mill_error_hint(err, "kubectl -n %s get pods,events", rel->own_namespace);
	}
	return 0;
}

int mill_layer_install(const struct mill_layer *l, struct mill_chart_release *rel, enum mill_layer_found *ret_found,
		       struct mill_error *err)
{
	_cleanup_free_ char *package = NULL;
	int r;

	*ret_found = MILL_LAYER_FOREIGN;
	r = is_foreign(l, rel, err);
	if (r != 0)
		return r < 0 ? mill_error_wrap(err, "%s", rel->component->name) : 0;
	*ret_found = MILL_LAYER_INSTALLED;
	r = rel->chart->name ? mill_layer_package(l, rel->chart, &package, err) : 0;
	r = r < 0 ? r : make_namespace(l, rel->own_namespace, err);
	r = r < 0 || !package ? r : mill_layer_take_over(l, rel, err);
	r = r < 0 ? r : mill_layer_record_begin(l, rel, err);
	r = r < 0 ? r : make_secrets(l, rel, err);
	if (package)
		r = r < 0 ? r : upgrade(l, rel, package, err);
	r = r < 0 ? r : mill_layer_kustomize(l, rel, err);
	r = r < 0 ? r : apply_objects(l, rel, err);
	if (r == 0 && l->wait)
		r = wait_ready(l, rel, err);
	return r < 0 ? mill_error_wrap(err, "%s", rel->component->name) : 0;
}
