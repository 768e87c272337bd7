/*
 * A component's release: values and Secrets first, then `helm upgrade
 * --install` of the generic chart.  One release a component, deployed once a
 * run: the first of its services to start does it, the others find it done.
 */
#include "runtime/kubernetes/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"

#define HELM_MS     300000
#define HISTORY_MAX 5 /* records that helm keeps of a release */

struct mill_kube_deploy {
	struct mill_kube_deploy *next;
	char *component;
	pthread_mutex_t lock;
	bool done;
	int previous; /* revision that was deployed before; 0: none */
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

/* status and revision of the newest record of a release; *ret_status NULL: there is none. */
static int release_state(struct mill_kube *k, const char *release, char **ret_status, int *ret_revision, int *ret_deployed,
			 struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	struct mill_kube_call c = {.what = "read the release's history", .cancel_fd = -1, .raw = true};
	_cleanup_json_ json_t *history = NULL;
	const json_t *item;
	size_t i;
	int r;

	*ret_status = NULL;
	*ret_revision = *ret_deployed = 0;
	mill_strv_add(&words, "history");
	mill_strv_add(&words, release);
	mill_strv_add(&words, "--output=json");
	r = mill_kube_helm_v(k, &c, &words, &out, err);
	if (r == 0 && c.status == 0)
		r = mill_json_parse("helm's history", out.data, out.len, &history, err);
	mill_strbuf_release(&out);
	json_array_foreach(history, i, item) {
		const char *status = mill_json_get_string(item, "status", "");

		*ret_revision = (int)mill_json_get_int(item, "revision", 0);
		if (mill_streq(status, "deployed") || mill_streq(status, "superseded"))
			*ret_deployed = *ret_revision;
		free(*ret_status);
		*ret_status = mill_xstrdup(status);
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

/* An upgrade and then its rollback may both have been stopped: until no newest record is in the way. */
static int settle(struct mill_kube *k, const char *release, int *ret_deployed, struct mill_progress *p, struct mill_error *err)
{
	int r = 1;

	for (int i = 0; i < HISTORY_MAX && r > 0; i++) {
		_cleanup_free_ char *status = NULL;
		int revision;

		r = release_state(k, release, &status, &revision, ret_deployed, err);
		if (r == 0)
			r = recover(k, release, status, revision, p, err);
	}
	return r < 0 ? r : 0;
}

/* What helm applied is kept: drift is measured against it. */
static int keep_manifest(struct mill_kube *k, const char *component, const struct mill_strbuf *said, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_native_component_path(k->n, component, "release.yaml");
	_cleanup_json_ json_t *answer = NULL;
	const char *manifest;
	int r = mill_json_parse("helm's answer", said->data ? said->data : "", said->len, &answer, err);

	if (r < 0)
		return r;
	manifest = mill_json_get_string(answer, "manifest", "");
	return mill_write_file(path, manifest, strlen(manifest), 0600, 0, err);
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
	mill_strv_addf(&words, "--history-max=%d", HISTORY_MAX);
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

static int deploy(struct mill_kube *k, struct mill_kube_deploy *d, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_json_ json_t *specs = specs_of(k, d->component), *values = NULL;
	_cleanup_free_ char *path = NULL;
	json_t *secrets = json_array();
	const json_t *record = NULL;
	int r = mill_native_record(k->n, d->component, &record, err);

	if (r == 0)
		r = mill_kube_values(k, d->component, specs, &values, secrets, err);
	if (r == 0)
		r = mill_kube_apply(k, "apply Secrets", secrets, err);
	mill_native_wipe(secrets);
	if (r == 0)
		r = mill_kube_write_values(k, d->component, values, &path, err);
	if (r == 0)
		r = settle(k, mill_kube_release(record), &d->previous, p, err);
	if (r == 0) {
		mill_progress_report(p, -1, "helm upgrade --install %s", mill_kube_release(record));
		r = explain_foreign(mill_kube_release(record), err, upgrade(k, d->component, mill_kube_release(record), path, p, err));
	}
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

int mill_kube_rollback(struct mill_kube *k, const char *component, struct mill_error *err)
{
	struct mill_kube_deploy *d = deploy_of(k, component);
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_kube_call c = {.what = "helm rollback", .timeout_ms = HELM_MS, .cancel_fd = -1};
	const json_t *record = NULL;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	if (d->previous > 0)
		r = mill_native_record(k->n, component, &record, err);
	if (r == 0 && d->previous > 0) {
		mill_strv_add(&words, "rollback");
		mill_strv_add(&words, mill_kube_release(record));
		mill_strv_addf(&words, "%d", d->previous);
		r = mill_kube_helm_v(k, &c, &words, NULL, err);
	}
	if (r == 0)
		r = d->previous;
	d->previous = 0; /* once is enough, whichever service asks */
	pthread_mutex_unlock(&d->lock);
	return r;
}
