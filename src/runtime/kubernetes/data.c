/* The volume of the data folder: its claim, who mounts it, and a pod that fills it. */
#include "runtime/kubernetes/data.h"

#include <unistd.h>

#include "base/json.h"
#include "base/parse.h"
#include "spec/place.h"

#define DIGEST       "data-mill.io/digest"
#define ROLE         "data"
#define MOUNTS       "data-mill.io/mounts"
#define HOLD_SECONDS 7200 /* of filling; a pod that a killed data-mill left ends then */

/* ---- the claim ---- */

json_t *mill_kube_data_object(const struct mill_kube *k, const json_t *wanted)
{
	_cleanup_free_ char *name = mill_place_data_claim(k->namespace);
	json_t *meta = mill_kube_meta(k, name, NULL, NULL), *spec;

	json_object_set_new(json_object_get(meta, "labels"), "data-mill.io/role", json_string(ROLE));
	spec = json_pack("{s:[s], s:{s:{s:o}}}", "accessModes", mill_json_get_string(wanted, "access", "ReadWriteOnce"), "resources", "requests",
			 "storage", json_sprintf("%lldMi", (long long)((mill_json_get_int(wanted, "bytes", 0) + (1 << 20) - 1) >> 20)));
	if (json_object_get(wanted, "storage_class"))
		json_object_set(spec, "storageClassName", json_object_get(wanted, "storage_class"));
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "PersistentVolumeClaim", "metadata", meta, "spec", spec);
}

int mill_kube_data_claim(struct mill_kube *k, const json_t *wanted, struct mill_error *err)
{
	_cleanup_json_ json_t *list = NULL;

	if (!wanted)
		return 0;
	list = json_pack("[o]", mill_kube_data_object(k, wanted));
	mill_kube_stale(k);
	return mill_kube_apply(k, "make the claim of the data volume", list, err);
}

/* A new reference; NULL: there is none, or the cluster does not say. */
static json_t *find_claim(struct mill_kube *k, unsigned max_age_ms)
{
	_cleanup_json_ json_t *snapshot = NULL;
	json_t *claim;
	size_t i;

	if (mill_kube_snapshot(k, max_age_ms, &snapshot, NULL) < 0)
		return NULL;
	json_array_foreach(json_object_get(snapshot, "claims"), i, claim) {
		const json_t *meta = json_object_get(claim, "metadata");

		if (mill_streq(mill_json_get_string(json_object_get(meta, "labels"), "data-mill.io/role", ""), ROLE) &&
		    !json_object_get(meta, "deletionTimestamp"))
			return json_incref(claim);
	}
	return NULL;
}

static const char *size_of(const json_t *claim)
{
	const json_t *resources = json_object_get(json_object_get(claim, "spec"), "resources");

	return mill_json_get_string(json_object_get(resources, "requests"), "storage", "0");
}

static const char *digest_of(const json_t *claim)
{
	return mill_json_get_string(json_object_get(json_object_get(claim, "metadata"), "annotations"), DIGEST, NULL);
}

json_t *mill_kube_data_state(void *arg)
{
	_cleanup_json_ json_t *claim = find_claim(arg, 1000);
	json_t *state;

	if (!claim)
		return NULL;
	state = json_pack("{s:s}", "storage", size_of(claim));
	if (digest_of(claim))
		json_object_set_new(state, "digest", json_string(digest_of(claim)));
	return state;
}

/* digest NULL: nobody knows what is in it. */
static int mark(struct mill_kube *k, const char *digest, struct mill_error *err)
{
	_cleanup_free_ char *name = mill_place_data_claim(k->namespace), *note = digest ? mill_xasprintf(DIGEST "=%s", digest) : mill_xstrdup(DIGEST "-");

	mill_kube_stale(k);
	return mill_kube_kubectl(k, MILL_KUBE_CALL("note what is in the data volume"), NULL, NULL, err, "annotate", "--overwrite",
				 "persistentvolumeclaim", name, note, NULL);
}

/* ---- who mounts it ---- */

static bool is_shared(const json_t *claim)
{
	const json_t *mode;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(claim, "spec"), "accessModes"), i, mode)
		if (mill_streq(json_string_value(mode), "ReadWriteMany"))
			return true;
	return false;
}

static json_t *list_in(json_t *o, const char *key)
{
	if (!json_object_get(o, key))
		json_object_set_new(o, key, json_array());
	return json_object_get(o, key);
}

/* A volume that one node mounts at a time brings all of its pods to that node. */
static json_t *beside_the_others(const struct mill_kube *k)
{
	return json_pack("{s:{s:[{s:s, s:{s:{s:s, s:s}}}]}}", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "topologyKey",
			 "kubernetes.io/hostname", "labelSelector", "matchLabels", MILL_KUBE_LABEL, k->namespace, MOUNTS, ROLE);
}

static void mount(const struct mill_kube *k, json_t *pod, const json_t *claim, bool to_write)
{
	json_t *spec = json_object_get(pod, "spec"), *container = json_array_get(json_object_get(spec, "containers"), 0);
	const char *name = mill_json_get_string(json_object_get(claim, "metadata"), "name", "");

	json_array_append_new(list_in(spec, "volumes"),
			      json_pack("{s:s, s:{s:s}}", "name", ROLE, "persistentVolumeClaim", "claimName", name));
	json_array_append_new(list_in(container, "volumeMounts"), json_pack("{s:s, s:s, s:b}", "name", ROLE, "mountPath",
									    MILL_POD_DATA, "readOnly", !to_write));
	json_array_append_new(list_in(container, "env"), json_pack("{s:s, s:s}", "name", "MILL_DATA_FOLDER", "value", MILL_POD_DATA));
	json_object_set_new(json_object_get(spec, "securityContext"), "fsGroupChangePolicy", json_string("OnRootMismatch"));
	if (is_shared(claim))
		return;
	json_object_set_new(json_object_get(json_object_get(pod, "metadata"), "labels"), MOUNTS, json_string(ROLE));
	json_object_set_new(spec, "affinity", beside_the_others(k));
}

void mill_kube_data_mount(struct mill_kube *k, json_t *pod)
{
	_cleanup_json_ json_t *claim = find_claim(k, 2000);

	/* One that is not bound yet would hold the pod up. */
	if (mill_streq(mill_json_get_string(json_object_get(claim, "status"), "phase", ""), "Bound"))
		mount(k, pod, claim, false);
}

/* ---- filling ---- */

struct filling {
	struct mill_kube *k;
	bool marked;
	void (*on_progress)(void *arg, double fraction, const char *text);
	void *arg;
};

static int before_change(void *arg, struct mill_error *err)
{
	const struct filling *f = arg;

	return f->marked ? mark(f->k, NULL, err) : 0;
}

static void on_progress(void *arg, double fraction, const char *text)
{
	const struct filling *f = arg;

	if (f->on_progress)
		f->on_progress(f->arg, fraction, text);
}

static int in_a_pod(struct mill_kube *k, const char *image, const json_t *claim, const struct mill_kube_fill *fill,
		    struct mill_kube_filled *ret, struct mill_error *err)
{
	_cleanup_free_ char *name = mill_xasprintf("data-%d", (int)getpid()), *object = mill_xasprintf("pod/%s", name);
	_cleanup_json_ json_t *list = json_array();
	json_t *pod = mill_kube_pod_object(k, name, NULL, ROLE, mill_kube_pod_spec(k, ROLE, image, HOLD_SECONDS, "10m", "64Mi"), HOLD_SECONDS);
	int r;

	mount(k, pod, claim, true);
	json_array_append_new(list, pod);
	r = mill_kube_pod_start(k, "start the pod that fills the data volume", name, list, fill->cancel_fd, err);
	if (r == 0)
		r = mill_kube_fill_pod(k, name, fill, ret, err);
	(void)mill_kube_kubectl(k, MILL_KUBE_CALL("remove the pod that filled the data volume"), NULL, NULL, NULL, "delete", object,
				"--ignore-not-found", "--wait=false", "--grace-period=0", "--force", NULL);
	return r;
}

static int fill_volume(struct filling *f, const char *folder, const char *digest, const char *image, int cancel_fd,
		       struct mill_kube_filled *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *claim = find_claim(f->k, 0);
	struct mill_kube_fill fill = {.folder = folder, .cancel_fd = cancel_fd, .before_change = before_change, .on_progress = on_progress, .arg = f};
	int r;

	if (!claim)
		return mill_fail(err, ENOENT, "namespace %s: the claim of the data volume is not there", f->k->namespace);
	(void)mill_parse_size(size_of(claim), &fill.room_bytes);
	f->marked = digest_of(claim) != NULL;
	r = in_a_pod(f->k, image, claim, &fill, ret, err);
	return r < 0 ? r : mark(f->k, digest, err);
}

/* It stays the platform's, which is how it goes with the platform's data; a later claim takes it back. */
static int leave(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_free_ char *name = mill_place_data_claim(k->namespace);

	mill_kube_stale(k);
	return mill_kube_kubectl(k, MILL_KUBE_CALL("leave the data volume"), NULL, NULL, err, "label", "--overwrite", "persistentvolumeclaim",
				 name, "data-mill.io/role=left", NULL);
}

static void to_engine(void *arg, double fraction, const char *text)
{
	mill_progress_report(arg, fraction, "%s", text);
}

int mill_kube_data_action(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	struct filling f = {.k = k, .on_progress = to_engine, .arg = p};
	struct mill_kube_filled done = {0};
	char size[32];
	int r;

	if (mill_json_get_bool(a->data, "leave", false))
		return leave(k, err);
	r = fill_volume(&f, mill_json_get_string(a->data, "folder", ""), mill_json_get_string(a->data, "digest", ""),
			    mill_json_get_string(a->data, "image", ""), mill_progress_cancel_fd(p), &done, err);

	if (r == 0)
		mill_progress_report(p, 1, "%zu files sent, %zu removed, %zu unchanged, %s", done.sent, done.removed, done.unchanged,
				     mill_format_size(done.bytes, size, sizeof(size)));
	return r;
}

int mill_kube_data_push(struct mill_kube *k, const char *folder, const char *digest, int cancel_fd,
			void (*tell)(void *arg, double fraction, const char *text), void *arg, struct mill_kube_filled *ret,
			struct mill_error *err)
{
	struct filling f = {.k = k, .on_progress = tell, .arg = arg};
	_cleanup_json_ json_t *claim = find_claim(k, 0);
	_cleanup_free_ char *image = claim ? mill_kube_any_image(k, false) : NULL;

	*ret = (struct mill_kube_filled){.none = !image};
	return image ? fill_volume(&f, folder, digest, image, cancel_fd, ret, err) : 0;
}
