/*
 * A component by its upstream's chart: Secrets, the package, `helm upgrade
 * --install`, our objects beside it.  What is deployed is written down before
 * helm is asked (components/NAME/chart.json), so that a run that is killed, a
 * flavour that changes its mind and a removal all know what there is.
 *
 * Helm hands what it renders to `kubectl kustomize` (a post-renderer), which
 * puts our labels on every object and pod, and "keep" on volume claims: by the
 * labels state, logs, policies and removal find a chart's objects as they find
 * ours, and uninstalling destroys no data.
 * https://helm.sh/docs/topics/advanced/#post-rendering
 */
#include "runtime/kubernetes/internal.h"

#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "chart/chart.h"
#include "chart/resolve.h"
#include "runtime/kubernetes/chart.h"

#define HELM_MS 900000 /* hooks of charts are jobs that helm waits for */

static char *deployed_path(const struct mill_kube *k, const char *component)
{
	return mill_native_component_path(k->n, component, "chart.json");
}

json_t *mill_kube_charts_deployed(const struct mill_kube *k, const char *component)
{
	_cleanup_free_ char *path = deployed_path(k, component);
	json_t *charts = NULL;

	return mill_json_load(path, MILL_JSON_FILE_MAX, &charts, NULL) == 0 ? charts : NULL;
}

static int save_deployed(struct mill_kube *k, const char *component, const json_t *charts, struct mill_error *err)
{
	_cleanup_free_ char *path = deployed_path(k, component);
	int r = mill_native_save_json(path, charts, err);

	return r < 0 ? r : mill_kube_push(k, err);
}

json_t *mill_kube_chart_labels(const struct mill_kube *k, const char *component)
{
	return mill_kube_labels(k, component, MILL_CHART_UNIT);
}

/* ---- objects and Secrets ---- */

static int send(struct mill_kube *k, const char *what, const char *text, const char *manager, struct mill_error *err)
{
	_cleanup_free_ char *by = mill_xasprintf("--field-manager=%s", manager);
	struct mill_kube_call c = {.what = what, .cancel_fd = -1, .input = text};

	return mill_kube_kubectl(k, &c, NULL, NULL, err, "apply", "--server-side", "--force-conflicts", by, "--filename=-", NULL);
}

/* What is there of these objects; of a kind that the API server does not know (yet, or any more), there is nothing. */
static int look_up(struct mill_kube *k, const json_t *objects, json_t **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", objects), *found = NULL;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX), said = MILL_STRBUF_INIT;
	struct mill_kube_call c = {.what = "see whose the objects are", .cancel_fd = -1, .raw = true};
	_cleanup_free_ char *text = json_dumps(list, JSON_COMPACT);
	json_t *items;
	int r;

	c.input = text;
	r = mill_kube_kubectl(k, &c, &out, &said, err, "get", "--ignore-not-found", "--filename=-", "--output=json", NULL);
	if (r == 0 && c.status && !strstr(said.data ? said.data : "", "no matches for kind"))
		r = mill_kube_explain(k, c.what, said.data ? said.data : "", err);
	if (r == 0 && out.len)
		r = mill_json_parse("kubectl's answer", out.data, out.len, &found, err);
	if (out.data)
		explicit_bzero(out.data, out.len);
	if (r < 0)
		return r;
	items = json_object_get(found, "items");
	*ret = json_is_array(items) ? json_incref(items) : found ? json_pack("[O]", found) : json_array(); /* one object is no list */
	return 0;
}

static bool is_labelled(const struct mill_kube *k, const json_t *o)
{
	const json_t *labels = json_object_get(json_object_get(o, "metadata"), "labels");

	return mill_streq(mill_json_get_string(labels, MILL_KUBE_LABEL, ""), k->namespace);
}

/* What a release is about to apply, by name. */
static void add_names(const struct mill_chart_release *rel, json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(rel->secrets, i, o)
		json_array_append_new(list, json_pack("{s:s, s:s, s:{s:O}}", "apiVersion", "v1", "kind", "Secret", "metadata", "name",
						      json_object_get(o, "name")));
	json_array_foreach(rel->objects, i, o)
		json_array_append_new(list, json_pack("{s:O, s:O, s:{s:O}}", "apiVersion", json_object_get(o, "apiVersion"), "kind",
						      json_object_get(o, "kind"), "metadata", "name",
						      json_object_get(json_object_get(o, "metadata"), "name")));
}

/* Another's object or release of the same name is not applied over; asked before anything is written down as ours. */
static int claim(struct mill_kube *k, const char *component, const json_t *charts, struct mill_chart_run *run, struct mill_progress *p,
		 struct mill_error *err)
{
	_cleanup_json_ json_t *names = json_array();
	_cleanup_wipe_ json_t *found = NULL;
	const json_t *chart, *o;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)charts, i, chart) {
		_cleanup_chart_recorded_ struct mill_chart_recorded one;
		int previous = 0;

		mill_chart_recorded_open(chart, component, &one);
		add_names(&one.release, names);
		if (r == 0 && one.chart.name)
			r = mill_kube_settle(k, one.release.name, true, &previous, p, err);
		json_object_set_new(run->previous, one.release.name, json_integer(previous));
	}
	if (r == 0 && json_array_size(names))
		r = look_up(k, names, &found, err);
	json_array_foreach(found, i, o) {
		if (r < 0 || is_labelled(k, o))
			continue;
		r = mill_fail(err, EPERM, "%s %s in namespace %s is not ours", mill_json_get_string(o, "kind", "object"),
			      mill_json_get_string(json_object_get(o, "metadata"), "name", ""), k->namespace);
		mill_error_hint(err, "give the component another `release`, or choose another k8s_namespace");
	}
	return r;
}

static int apply_secrets(struct mill_kube *k, const struct mill_chart_release *rel, const struct mill_chart_where *where,
			 struct mill_error *err)
{
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	int r = mill_chart_secrets_text(rel, where, mill_chart_resolve_in, k->p->dir, &text, err);

	if (r == 0 && text.len)
		r = send(k, "apply Secrets", text.data, "data-mill", err);
	mill_chart_text_wipe(&text);
	return r;
}

/* Takes back what stopping it said: the same objects, with nothing of ours in them. */
static int take_back_stop(struct mill_kube *k, const struct mill_chart_release *rel, struct mill_error *err)
{
	const json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(rel->stop, i, item) {
		const json_t *o = json_object_get(item, "apply"), *meta = json_object_get(o, "metadata");
		_cleanup_json_ json_t *bare = NULL;
		_cleanup_free_ char *text = NULL;

		if (!o || r < 0)
			continue;
		bare = json_pack("{s:O, s:O, s:{s:O}}", "apiVersion", json_object_get(o, "apiVersion"), "kind", json_object_get(o, "kind"),
				 "metadata", "name", json_object_get(meta, "name"));
		text = json_dumps(bare, JSON_COMPACT);
		r = send(k, "take back what stopped it", text, "data-mill-stop", err);
	}
	return r;
}

static int apply_objects(struct mill_kube *k, const struct mill_chart_release *rel, const struct mill_chart_where *where,
			 struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_CHART_TEXT_MAX);
	int r = mill_chart_objects_text(rel, where, &text, err);

	if (r == 0 && text.len)
		r = send(k, "apply the objects beside the chart", text.data, "data-mill", err);
	return r < 0 ? r : take_back_stop(k, rel, err);
}

/* ---- the package ---- */

static char *charts_folder(const struct mill_kube *k)
{
	return mill_path_join(k->layout->cache, "charts");
}

/* A chart of ours lies elsewhere on another machine. */
static char *own_chart(const struct mill_kube *k, const struct mill_chart *chart)
{
	if (mill_is_dir(chart->path))
		return mill_xstrdup(chart->path);
	return mill_xasprintf("%s/helm-charts/%s", k->layout->resources, mill_path_basename(chart->path));
}

struct pulling {
	struct mill_kube *k;
	struct mill_progress *p; /* NULL: nobody looks */
};

static int pull(void *arg, struct mill_strv *argv, struct mill_error *err)
{
	const struct pulling *on = arg;
	struct mill_kube_call c = {.what = "pull a chart", .cancel_fd = on->p ? mill_progress_cancel_fd(on->p) : -1, .timeout_ms = HELM_MS};
	_cleanup_strv_ struct mill_strv words = {0};

	for (size_t i = 1; i < argv->n; i++) /* the program is mill_kube_helm_v()'s to name */
		mill_strv_add(&words, argv->items[i]);
	if (on->p)
		mill_progress_report(on->p, -1, "helm pull %s", words.items[1]);
	return mill_kube_helm_v(on->k, &c, &words, NULL, err);
}

int mill_kube_chart_package(struct mill_kube *k, const struct mill_chart_release *rel, struct mill_progress *p, char **ret,
			    struct mill_error *err)
{
	const struct mill_chart_helm helm = {.helm = k->helm, .kubectl = k->kubectl};
	_cleanup_free_ char *folder = charts_folder(k);
	struct pulling on = {.k = k, .p = p};

	if (rel->chart->path) {
		*ret = own_chart(k, rel->chart);
		return 0;
	}
	return mill_chart_package_get(&helm, rel->chart, folder, pull, &on, ret, err);
}

/* ---- helm ---- */

/* The folder that `kubectl kustomize` reads; what is rendered comes through standard input. */
static int write_post_renderer(const struct mill_kube *k, const char *component, char **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *labels = mill_kube_chart_labels(k, component);
	_cleanup_json_ json_t *o = json_pack(
		"{s:[s], s:[{s:O, s:b, s:[{s:s, s:s, s:b}]}], s:[{s:{s:s}, s:s}]}", "resources", "/dev/stdin", "labels", "pairs", labels,
		"includeTemplates", 1, "fields", "path", "spec/volumeClaimTemplates[]/metadata/labels", "kind", "StatefulSet", "create", 1,
		"patches", "target", "kind", "PersistentVolumeClaim", "patch",
		"[{\"op\": \"add\", \"path\": \"/metadata/annotations/helm.sh~1resource-policy\", \"value\": \"keep\"}]");
	_cleanup_free_ char *dir = mill_xasprintf("%s/values/%s.kustomize", k->p->dir, component);
	_cleanup_free_ char *path = mill_path_join(dir, "kustomization.yaml"), *text = json_dumps(o, JSON_INDENT(1));
	int r = mill_mkdir_p(dir, 0700, err);

	r = r < 0 ? r : mill_write_file(path, text, strlen(text), 0600, 0, err);
	if (r == 0)
		*ret = MILL_TAKE(dir);
	return r;
}

int mill_kube_chart_words(struct mill_kube *k, const char *component, struct mill_strv *words, struct mill_error *err)
{
	_cleanup_free_ char *dir = NULL;
	int r = write_post_renderer(k, component, &dir, err);

	if (r < 0)
		return r;
	mill_strv_addf(words, "--post-renderer=%s", k->kubectl);
	mill_strv_add(words, "--post-renderer-args=kustomize");
	mill_strv_add(words, "--post-renderer-args=--load-restrictor=LoadRestrictionsNone");
	mill_strv_addf(words, "--post-renderer-args=%s", dir);
	return 0;
}

/* Values in memory: what only they can say of secrets is on no disk, whatever ends us. */
static int upgrade(struct mill_kube *k, struct mill_chart_release *rel, const char *package, struct mill_progress *p,
		   struct mill_strbuf *said, struct mill_error *err)
{
	_cleanup_(mill_chart_handed_release) struct mill_chart_handed values = MILL_CHART_HANDED_INIT;
	const char *component = rel->component->name;
	_cleanup_free_ char *what = mill_xasprintf("helm upgrade --install %s", rel->name);
	struct mill_kube_call c = {.what = what, .timeout_ms = HELM_MS, .cancel_fd = mill_progress_cancel_fd(p)};
	_cleanup_strv_ struct mill_strv words = {0};
	int r = mill_chart_hand_over(rel, mill_chart_resolve_in, k->p->dir, &values, err);

	if (r < 0)
		return r;
	c.keep_fds = values.fds;
	c.n_keep_fds = values.n_fds;
	mill_strv_add(&words, "upgrade");
	mill_strv_add(&words, "--install");
	mill_strv_add(&words, rel->name);
	mill_strv_add(&words, package);
	mill_strv_addf(&words, "--values=%s", values.path);
	if (rel->secret_values_path)
		mill_strv_addf(&words, "--values=%s", rel->secret_values_path);
	mill_strv_add(&words, "--reset-values");
	mill_strv_addf(&words, "--history-max=%d", MILL_KUBE_HISTORY_MAX);
	mill_strv_addf(&words, "--timeout=%ds", HELM_MS / 1000 - 60);
	mill_strv_addf(&words, "--labels=" MILL_KUBE_LABEL "=%s,data-mill.io/component=%s", k->namespace, component);
	mill_strv_add(&words, "--output=json");
	r = mill_kube_chart_words(k, component, &words, err);
	mill_progress_report(p, -1, "helm upgrade --install %s", rel->name);
	return r < 0 ? r : mill_kube_helm_v(k, &c, &words, said, err);
}

static int deploy_one(struct mill_kube *k, const json_t *chart, const char *component, struct mill_chart_run *run,
		      struct mill_strbuf *manifests, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_json_ json_t *labels = mill_kube_chart_labels(k, component);
	const struct mill_chart_where where = {.platform = k->namespace, .labels = labels};
	_cleanup_chart_recorded_ struct mill_chart_recorded one;
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	_cleanup_free_ char *package = NULL;
	int r;

	mill_chart_recorded_open(chart, component, &one);
	r = one.chart.name ? mill_kube_chart_package(k, &one.release, p, &package, err) : 0;
	if (r < 0)
		return r;
	run->changed = true;
	r = apply_secrets(k, &one.release, &where, err);
	if (one.chart.name) {
		r = r < 0 ? r : upgrade(k, &one.release, package, p, &said, err);
		r = r < 0 ? r : mill_kube_add_manifest(&said, manifests, err);
	}
	return r < 0 ? r : apply_objects(k, &one.release, &where, err);
}

static bool is_among(const json_t *charts, const char *release)
{
	const json_t *chart;
	size_t i;

	json_array_foreach((json_t *)charts, i, chart)
		if (mill_streq(mill_json_get_string(chart, "release", ""), release))
			return true;
	return false;
}

static json_t *without(const json_t *charts, const json_t *wanted)
{
	json_t *gone = json_array();
	json_t *chart;
	size_t i;

	json_array_foreach((json_t *)charts, i, chart)
		if (!is_among(wanted, mill_json_get_string(chart, "release", "")))
			json_array_append(gone, chart);
	return gone;
}

/* Pods read their Secrets when they start, and a chart does not see that one of ours is another. */
static bool secrets_differ(const json_t *before, const json_t *charts)
{
	const json_t *chart, *old;
	size_t i, n;

	json_array_foreach((json_t *)charts, i, chart)
		json_array_foreach((json_t *)before, n, old)
			if (mill_streq(mill_json_get_string(chart, "release", ""), mill_json_get_string(old, "release", "-")) &&
			    !json_equal(json_object_get(chart, "secrets"), json_object_get(old, "secrets")))
				return true;
	return false;
}

int mill_kube_chart_deploy(struct mill_kube *k, const char *component, const json_t *charts, struct mill_chart_run *run,
			   struct mill_progress *p, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_native_component_path(k->n, component, "release.yaml");
	_cleanup_strbuf_ struct mill_strbuf manifests = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	_cleanup_json_ json_t *before = mill_kube_charts_deployed(k, component), *gone = without(before, charts);
	const json_t *chart;
	size_t i;
	int r;

	run->before = before ? json_incref(before) : NULL;
	run->previous = json_object();
	r = claim(k, component, charts, run, p, err);
	r = r < 0 ? r : mill_kube_chart_uninstall(k, component, gone, err);
	if (r == 0 && (!before || !json_equal(before, (json_t *)charts)))
		r = save_deployed(k, component, charts, err);
	json_array_foreach((json_t *)charts, i, chart)
		if (r == 0)
			r = deploy_one(k, chart, component, run, &manifests, p, err);
	r = r < 0 ? r : mill_kube_chart_wake(k, component, err);
	if (r == 0 && secrets_differ(before, charts))
		r = mill_kube_chart_restart(k, component, err);
	return r < 0 ? r : mill_write_file(path, manifests.data ? manifests.data : "", manifests.len, 0600, 0, err);
}

/* Each release as it was, the last one first. */
int mill_kube_chart_rollback(struct mill_kube *k, const char *component, struct mill_chart_run *run, struct mill_error *err)
{
	_cleanup_json_ json_t *labels = mill_kube_chart_labels(k, component);
	const struct mill_chart_where where = {.platform = k->namespace, .labels = labels};
	int first = 1, r = 0;

	if (!run->changed)
		return 0;
	for (size_t i = json_array_size(run->before); i-- > 0 && r == 0;) {
		_cleanup_chart_recorded_ struct mill_chart_recorded one;
		_cleanup_strv_ struct mill_strv words = {0};
		struct mill_kube_call c = {.what = "helm rollback", .timeout_ms = HELM_MS, .cancel_fd = -1};
		int to;

		mill_chart_recorded_open(json_array_get(run->before, i), component, &one);
		to = (int)mill_json_get_int(run->previous, one.release.name, 0);
		mill_strv_add(&words, "rollback");
		mill_strv_add(&words, one.release.name);
		mill_strv_addf(&words, "%d", to);
		first = to > 0 ? to : 1;
		if (to > 0)
			r = mill_kube_helm_v(k, &c, &words, NULL, err);
		r = r < 0 ? r : apply_objects(k, &one.release, &where, err);
	}
	if (r < 0 || !json_array_size(run->before))
		return r;
	r = save_deployed(k, component, run->before, err);
	return r < 0 ? r : first;
}

void mill_chart_run_release(struct mill_chart_run *run)
{
	json_decref(run->before);
	json_decref(run->previous);
	*run = (struct mill_chart_run){0};
}

/* ---- removal ---- */

/* Claims that an operator made carry its labels: with ours they are listed, kept and removed as all are. */
int mill_kube_chart_own_claims(struct mill_kube *k, const char *component, const json_t *charts, struct mill_error *err)
{
	_cleanup_json_ json_t *labels = mill_kube_chart_labels(k, component);
	const json_t *chart;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)charts, i, chart) {
		const char *selector = mill_json_get_string(chart, "selector", NULL), *key;
		struct mill_kube_call c = {.what = "label an operator's volume claims", .cancel_fd = -1};
		_cleanup_strv_ struct mill_strv words = {0};
		json_t *value;

		if (!selector || r < 0)
			continue;
		mill_strv_add(&words, "label");
		mill_strv_add(&words, "persistentvolumeclaims");
		mill_strv_addf(&words, "--selector=%s", selector);
		mill_strv_add(&words, "--overwrite");
		json_object_foreach(labels, key, value)
			mill_strv_addf(&words, "%s=%s", key, json_string_value(value));
		r = mill_kube_kubectl_v(k, &c, &words, NULL, NULL, err);
	}
	return r;
}

static int delete_objects(struct mill_kube *k, const struct mill_chart_release *rel, struct mill_error *err)
{
	struct mill_kube_call c = {.what = "delete the objects beside the chart", .cancel_fd = -1, .timeout_ms = 180000};
	_cleanup_json_ json_t *names = json_array(), *found = NULL, *ours = json_array(), *list = NULL;
	_cleanup_free_ char *input = NULL;
	const json_t *o;
	size_t i;
	int r = 0;

	add_names(&(struct mill_chart_release){.objects = rel->objects}, names);
	if (json_array_size(names))
		r = look_up(k, names, &found, err);
	json_array_foreach(found, i, o)
		if (is_labelled(k, o))
			json_array_append(ours, (json_t *)o);
	if (r < 0 || !json_array_size(ours))
		return r;
	list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", ours);
	c.input = input = json_dumps(list, JSON_COMPACT);
	return mill_kube_kubectl(k, &c, NULL, NULL, err, "delete", "--ignore-not-found", "--filename=-", NULL);
}

int mill_kube_chart_uninstall(struct mill_kube *k, const char *component, const json_t *charts, struct mill_error *err)
{
	int r = mill_kube_chart_own_claims(k, component, charts, err);

	for (size_t i = json_array_size(charts); i-- > 0 && r == 0;) {
		_cleanup_chart_recorded_ struct mill_chart_recorded one;

		mill_chart_recorded_open(json_array_get(charts, i), component, &one);
		r = delete_objects(k, &one.release, err);
		if (r == 0 && one.chart.name)
			r = mill_kube_uninstall(k, one.release.name, err);
	}
	return r < 0 ? mill_error_wrap(err, "%s", component) : 0;
}

int mill_kube_chart_remove(struct mill_kube *k, const char *component, struct mill_error *err)
{
	_cleanup_json_ json_t *charts = mill_kube_charts_deployed(k, component);
	_cleanup_free_ char *path = deployed_path(k, component), *kept = mill_native_component_path(k->n, component, "release.yaml");
	int r = mill_kube_chart_uninstall(k, component, charts, err);

	if (r == 0 && charts) {
		(void)unlink(path);
		(void)unlink(kept);
	}
	return r;
}
