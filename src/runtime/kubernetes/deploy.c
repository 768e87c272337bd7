/*
 * A component's release: values and Secrets first, then `helm upgrade
 * --install` of the generic chart.  One release a component, deployed once a
 * run: the first of its services to start does it, the others find it done.
 */
#include "runtime/kubernetes/chart.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"

#define HELM_MS   300000
#define OWN_CHART "component-" /* helm-charts/component, as Helm's records name it */

struct mill_kube_deploy {
	struct mill_kube_deploy *next;
	char *component;
	pthread_mutex_t lock;
	bool done;
	int previous; /* revision that was deployed before; 0: none */
	char *manifest; /* of before: release.yaml; NULL: none */
	bool by_chart;
	struct mill_chart_run run;
};

static struct mill_kube_deploy *deploy_of(struct mill_kube *k, const char *component)
{
	struct mill_kube_deploy *d;

	pthread_mutex_lock(&k->lock);
	for (d = k->deploys; d && strcmp(d->component, component) != 0; d = d->next)
		;
	if (!d) {
		d = mill_xcalloc(1, sizeof(*d));
		d->component = mill_xstrdup(component);
		pthread_mutex_init(&d->lock, NULL);
		d->next = k->deploys;
		k->deploys = d;
	}
	pthread_mutex_unlock(&k->lock);
	return d;
}

void mill_kube_forget_deploys(struct mill_kube *k)
{
	while (k->deploys) {
		struct mill_kube_deploy *d = k->deploys;

		k->deploys = d->next;
		pthread_mutex_destroy(&d->lock);
		mill_chart_run_release(&d->run);
		free(d->manifest);
		free(d->component);
		free(d);
	}
}

/* ---- specs of a component: the plan's, else those that were saved ---- */

static json_t *specs_of(struct mill_kube *k, const char *component)
{
	_cleanup_free_ char *prefix = mill_xasprintf("%s.", component);
	const json_t *record = NULL;
	json_t *out = k->n->plan ? mill_kube_specs(k->n->plan, component) : json_object(), *spec;
	const char *service;

	if (json_object_size(out) || mill_native_record(k->n, component, &record, NULL) < 0)
		return out;
	json_object_foreach(json_object_get(record, "services"), service, spec) {
		_cleanup_free_ char *name = mill_xasprintf("%s%s", prefix, service);
		_cleanup_free_ char *path = mill_native_service_path(k->n, name, "spec.json");
		json_t *saved = NULL;

		if (*service && mill_json_load(path, MILL_JSON_FILE_MAX, &saved, NULL) == 0)
			json_object_set_new(out, name, saved);
	}
	return out;
}

/* ---- helm ---- */

static char *chart_path(const struct mill_kube *k)
{
	return mill_path_join(k->layout->resources, "helm-charts/component");
}

/* 0600, in a folder of the platform's: helm reads it once. */
int mill_kube_write_values(const struct mill_kube *k, const char *component, const json_t *values, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(k->p->dir, "values");
	char *path = mill_xasprintf("%s/%s.json", dir, component);
	_cleanup_free_ char *text = json_dumps(values, JSON_INDENT(1));
	int r = mill_mkdir_p(dir, 0700, err);

	if (r == 0)
		r = mill_write_file(path, text, strlen(text), 0600, 0, err);
	if (r < 0) {
		free(path);
		return r;
	}
	*ret = path;
	return 0;
}

/* The newest record of a release. */
struct release {
	char *status, *chart; /* owned; NULL: there is none */
	int revision, deployed; /* deployed: the last one that was */
};

static void release_free(struct release *r)
{
	free(r->status);
	free(r->chart);
}

static int release_state(struct mill_kube *k, const char *release, struct release *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	struct mill_kube_call c = {.what = "read the release's history", .cancel_fd = -1, .raw = true};
	_cleanup_json_ json_t *history = NULL;
	const json_t *item;
	size_t i;
	int r;

	*ret = (struct release){0};
	mill_strv_add(&words, "history");
	mill_strv_add(&words, release);
	mill_strv_add(&words, "--output=json");
	r = mill_kube_helm_v(k, &c, &words, &out, err);
	if (r == 0 && c.status == 0)
		r = mill_json_parse("helm's history", out.data, out.len, &history, err);
	mill_strbuf_release(&out);
	json_array_foreach(history, i, item) {
		const char *status = mill_json_get_string(item, "status", "");

		ret->revision = (int)mill_json_get_int(item, "revision", 0);
		if (mill_streq(status, "deployed") || mill_streq(status, "superseded"))
			ret->deployed = ret->revision;
		release_free(ret);
		ret->status = mill_xstrdup(status);
		ret->chart = mill_xstrdup(mill_json_get_string(item, "chart", ""));
	}
	return r;
}

/* A helm that was killed leaves a record that blocks the next one: the record goes (1), the objects stay and are taken over. */
static int recover(struct mill_kube *k, const char *release, const char *status, int revision, struct mill_progress *p,
		   struct mill_error *err)
{
	_cleanup_free_ char *name = mill_xasprintf("secret/sh.helm.release.v1.%s.v%d", release, revision);
	int r;

	if (!status || !mill_starts_with(status, "pending-"))
		return 0;
	mill_progress_report(p, -1, "an earlier helm was killed (%s): going on from there", status);
	r = mill_kube_kubectl(k, MILL_KUBE_CALL("remove the record of a helm that was killed"), NULL, NULL, err, "delete", name,
			      "--ignore-not-found", NULL);
	return r < 0 ? r : 1;
}

/* Our own chart's name, or our label on Helm's record, tells.  1: ours, 0: somebody else's. */
static int is_ours(struct mill_kube *k, const char *release, const struct release *now, struct mill_error *err)
{
	_cleanup_free_ char *which = mill_xasprintf("--selector=owner=helm,name=%s," MILL_KUBE_LABEL "=%s", release, k->namespace);
	_cleanup_json_ json_t *found = NULL;
	int r;

	if (mill_starts_with(now->chart, OWN_CHART))
		return 1;
	r = mill_kube_json(k, MILL_KUBE_CALL("see whose the release is"), &found, err, "get", "secrets", which, NULL);
	return r < 0 ? r : json_array_size(json_object_get(found, "items")) > 0;
}

/* A person's release is not upgraded into ours. */
static int check_release(struct mill_kube *k, const char *release, const struct release *now, struct mill_error *err)
{
	int r = now->status ? is_ours(k, release, now, err) : 1;

	if (r)
		return r < 0 ? r : 0;
	mill_fail(err, EPERM, "release %s (%s) in namespace %s is not ours", release, now->chart, k->namespace);
	return mill_error_hint(err, "give the component another `release`, or choose another k8s_namespace");
}

static int uninstall(struct mill_kube *k, const char *release, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_kube_call c = {.what = "helm uninstall", .cancel_fd = -1, .timeout_ms = HELM_MS};

	mill_strv_add(&words, "uninstall");
	mill_strv_add(&words, release);
	mill_strv_add(&words, "--ignore-not-found");
	mill_strv_add(&words, "--wait");
	return mill_kube_helm_v(k, &c, &words, NULL, err);
}

int mill_kube_uninstall(struct mill_kube *k, const char *release, struct mill_error *err)
{
	struct release now;
	int r = release_state(k, release, &now, err);

	if (r == 0 && now.status)
		r = is_ours(k, release, &now, err);
	release_free(&now);
	return r <= 0 ? r : uninstall(k, release, err);
}

int mill_kube_make_way(struct mill_kube *k, const char *component, struct mill_error *err)
{
	_cleanup_json_ json_t *charts = mill_kube_charts_deployed(k, component);
	const json_t *record = NULL;
	int r = mill_native_record(k->n, component, &record, err);

	if (r == 0)
		r = charts ? mill_kube_chart_remove(k, component, err) : mill_kube_uninstall(k, mill_kube_release(record), err);
	mill_kube_stale(k);
	return r;
}

/* An upgrade and then its rollback may both have been stopped: until no newest record is in the way. */
int mill_kube_settle(struct mill_kube *k, const char *release, bool by_chart, int *ret_deployed, struct mill_progress *p, struct mill_error *err)
{
	int r = 1;

	for (int i = 0; i < MILL_KUBE_HISTORY_MAX && r > 0; i++) {
		struct release now;

		r = release_state(k, release, &now, err);
		*ret_deployed = now.deployed;
		if (r == 0)
			r = check_release(k, release, &now, err);
		if (r == 0)
			r = recover(k, release, now.status, now.revision, p, err);
		if (r == 0 && by_chart && now.status && mill_starts_with(now.chart, OWN_CHART)) {
			r = uninstall(k, release, err);
			*ret_deployed = 0;
		}
		release_free(&now);
	}
	return r < 0 ? r : 0;
}

int mill_kube_add_manifest(const struct mill_strbuf *said, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	int r = mill_json_parse("helm's answer", said->data ? said->data : "", said->len, &answer, err);

	if (r == 0)
		mill_strbuf_printf(out, "---\n%s\n", mill_json_get_string(answer, "manifest", ""));
	return r;
}

/* What helm applied is kept: drift is measured against it. */
static int keep_manifest(struct mill_kube *k, const char *component, const struct mill_strbuf *said, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_native_component_path(k->n, component, "release.yaml");
	_cleanup_strbuf_ struct mill_strbuf manifest = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	int r = mill_kube_add_manifest(said, &manifest, err);

	return r < 0 ? r : mill_write_file(path, manifest.data, manifest.len, 0600, 0, err);
}

static int upgrade(struct mill_kube *k, const char *component, const char *release, const char *values, struct mill_progress *p,
		   struct mill_error *err)
{
	struct mill_strbuf said = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	int r;
	_cleanup_strv_ struct mill_strv words = {0};
	_cleanup_free_ char *chart = chart_path(k), *what = mill_xasprintf("helm upgrade --install %s", release);
	struct mill_kube_call c = {.what = what, .timeout_ms = HELM_MS, .cancel_fd = mill_progress_cancel_fd(p)};

	mill_strv_add(&words, "upgrade");
	mill_strv_add(&words, "--install");
	mill_strv_add(&words, release);
	mill_strv_add(&words, chart);
	mill_strv_addf(&words, "--values=%s", values);
	mill_strv_addf(&words, "--history-max=%d", MILL_KUBE_HISTORY_MAX);
	mill_strv_add(&words, "--output=json");
	r = mill_kube_helm_v(k, &c, &words, &said, err);
	if (r == 0)
		r = keep_manifest(k, component, &said, err);
	mill_strbuf_release(&said);
	return r;
}

/* Other people's objects under our names are never taken: helm refuses them, and says which. */
static int explain_foreign(const char *release, struct mill_error *err, int r)
{
	if (err && err->message && strstr(err->message, "invalid ownership metadata"))
		mill_error_hint(err, "an object of that name is not ours: give the component another `release`, or choose another k8s_namespace (release %s)",
				release);
	return r;
}

/* What an upstream's chart made makes way for ours. */
static int deploy_generic(struct mill_kube *k, struct mill_kube_deploy *d, const json_t *specs, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_json_ json_t *values = NULL;
	_cleanup_free_ char *path = NULL;
	json_t *secrets = json_array();
	const json_t *record = NULL;
	int r = mill_native_record(k->n, d->component, &record, err);

	if (r == 0)
		r = mill_kube_chart_remove(k, d->component, err);
	if (r == 0)
		r = mill_kube_values(k, d->component, specs, &values, secrets, err);
	if (r == 0)
		r = mill_kube_apply(k, "apply Secrets", secrets, err);
	mill_native_wipe(secrets);
	if (r == 0)
		r = mill_kube_write_values(k, d->component, values, &path, err);
	if (r == 0)
		r = mill_kube_settle(k, mill_kube_release(record), false, &d->previous, p, err);
	if (r == 0) {
		mill_progress_report(p, -1, "helm upgrade --install %s", mill_kube_release(record));
		r = explain_foreign(mill_kube_release(record), err, upgrade(k, d->component, mill_kube_release(record), path, p, err));
	}
	return r;
}

static int deploy(struct mill_kube *k, struct mill_kube_deploy *d, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_json_ json_t *specs = specs_of(k, d->component);
	_cleanup_free_ char *unit = mill_xasprintf("%s." MILL_CHART_UNIT, d->component);
	const json_t *charts = json_object_get(json_object_get(specs, unit), "charts");
	_cleanup_free_ char *kept = mill_native_component_path(k->n, d->component, "release.yaml");
	size_t len;
	int r;

	(void)mill_read_file(kept, MILL_KUBE_OUTPUT_MAX, &d->manifest, &len, NULL); /* for a rollback; none: the first */
	d->by_chart = charts != NULL;
	r = charts ? explain_foreign(d->component, err, mill_kube_chart_deploy(k, d->component, charts, &d->run, p, err)) :
		     deploy_generic(k, d, specs, p, err);
	mill_kube_stale(k);
	return r;
}

int mill_kube_deploy(struct mill_kube *k, const char *component, struct mill_progress *p, struct mill_error *err)
{
	struct mill_kube_deploy *d = deploy_of(k, component);
	int r = 0;

	pthread_mutex_lock(&d->lock);
	if (!d->done)
		r = deploy(k, d, p, err);
	if (r == 0)
		d->done = true;
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int roll_back(struct mill_kube *k, struct mill_kube_deploy *d, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_kube_call c = {.what = "helm rollback", .timeout_ms = HELM_MS, .cancel_fd = -1};
	const json_t *record = NULL;
	int r;

	if (d->by_chart)
		return mill_kube_chart_rollback(k, d->component, &d->run, err);
	if (d->previous <= 0)
		return 0;
	r = mill_native_record(k->n, d->component, &record, err);
	if (r < 0)
		return r;
	mill_strv_add(&words, "rollback");
	mill_strv_add(&words, mill_kube_release(record));
	mill_strv_addf(&words, "%d", d->previous);
	r = mill_kube_helm_v(k, &c, &words, NULL, err);
	return r < 0 ? r : d->previous;
}

int mill_kube_rollback(struct mill_kube *k, const char *component, struct mill_error *err)
{
	struct mill_kube_deploy *d = deploy_of(k, component);
	_cleanup_free_ char *kept = mill_native_component_path(k->n, component, "release.yaml");
	int r;

	pthread_mutex_lock(&d->lock);
	r = roll_back(k, d, err);
	if (r > 0 && d->manifest) /* what drift is measured against */
		(void)mill_write_file(kept, d->manifest, strlen(d->manifest), 0600, 0, NULL);
	d->previous = 0; /* once is enough, whichever service asks */
	mill_chart_run_release(&d->run);
	pthread_mutex_unlock(&d->lock);
	if (r > 0)
		(void)mill_kube_push(k, NULL);
	return r;
}
