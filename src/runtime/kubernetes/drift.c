/*
 * Drift: what a hand changed in the cluster.  Each release's manifest is kept
 * when it is deployed (components/<name>/release.yaml); a server-side dry run
 * of all of them says what the API server would make of it now, and what
 * differs from the live objects was changed by somebody else.  Fields that the
 * manifest does not name (defaults, a controller's) are not looked at.
 */
#include "runtime/kubernetes/internal.h"

#include <sys/wait.h>

#include "base/io.h"
#include "base/json.h"

#define MANIFEST_MAX ((size_t)8 << 20)

/* The API server's own, or changed by every apply. */
static const char *const ignored[] = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "status",
				      "kubectl.kubernetes.io/restartedAt"};

static bool is_ignored(const char *key)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(ignored); i++)
		if (mill_streq(ignored[i], key))
			return true;
	return false;
}

/* The first place where the two differ, as a path; false: nowhere. */
static bool differs(const json_t *live, const json_t *wanted, struct mill_strbuf *path)
{
	size_t len = path->len, i;
	const char *key;
	json_t *value;

	if (json_is_object(live) && json_is_object(wanted)) {
		json_object_foreach((json_t *)wanted, key, value) {
			if (is_ignored(key))
				continue;
			mill_strbuf_printf(path, "%s%s", path->len ? "." : "", key);
			if (differs(json_object_get(live, key), value, path))
				return true;
			mill_strbuf_truncate(path, len);
		}
		return false;
	}
	if (json_is_array(live) && json_is_array(wanted) && json_array_size(live) == json_array_size(wanted)) {
		json_array_foreach(wanted, i, value) {
			mill_strbuf_printf(path, "[%zu]", i);
			if (differs(json_array_get(live, i), value, path))
				return true;
			mill_strbuf_truncate(path, len);
		}
		return false;
	}
	return !json_equal((json_t *)live, (json_t *)wanted);
}

static char *identity(const json_t *o)
{
	return mill_xasprintf("%s %s", mill_json_get_string(o, "kind", ""),
			      mill_json_get_string(json_object_get(o, "metadata"), "name", ""));
}

static void index_objects(const json_t *answer, json_t *into)
{
	const json_t *items = json_object_get(answer, "items"), *o;
	size_t i;

	if (!items && json_is_object(answer)) {
		_cleanup_free_ char *id = identity(answer);

		json_object_set(into, id, (json_t *)answer);
	}
	json_array_foreach((json_t *)items, i, o) {
		_cleanup_free_ char *id = identity(o);

		json_object_set(into, id, (json_t *)o);
	}
}

static json_t *ask(struct mill_kube *k, const char *manifest, bool dry_run)
{
	struct mill_kube_call c = {.what = "look for drift", .input = manifest, .cancel_fd = -1, .raw = true};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	json_t *found = json_object(), *answer = NULL;
	int r = dry_run ? mill_kube_kubectl(k, &c, &out, NULL, NULL, "apply", "--server-side", "--dry-run=server", "--field-manager=helm",
					    "--force-conflicts", "--filename=-", "--output=json", NULL) :
			  mill_kube_kubectl(k, &c, &out, NULL, NULL, "get", "--ignore-not-found", "--filename=-", "--output=json", NULL);

	if (r == 0 && out.len && mill_json_parse("kubectl's answer", out.data, out.len, &answer, NULL) == 0)
		index_objects(answer, found);
	json_decref(answer);
	mill_strbuf_release(&out);
	return found;
}

static void add_manifest(struct mill_kube *k, const char *component, struct mill_strbuf *all)
{
	_cleanup_free_ char *path = mill_native_component_path(k->n, component, "release.yaml"), *text = NULL;
	size_t len;

	if (mill_read_file(path, MANIFEST_MAX, &text, &len, NULL) == 0)
		mill_strbuf_printf(all, "---\n%s\n", text);
}

/* "StatefulSet a: spec.replicas" -> by the release's instance label. */
static void note(json_t *found, const json_t *wanted, const char *id, const char *what)
{
	const json_t *labels = json_object_get(json_object_get(wanted, "metadata"), "labels");
	const char *component = mill_json_get_string(labels, "data-mill.io/component", NULL);

	if (component && !json_object_get(found, component))
		json_object_set_new(found, component, json_sprintf("%s was changed in the cluster: %s", id, what));
}

static void compare(struct mill_kube *k, const char *manifest)
{
	_cleanup_json_ json_t *wanted = ask(k, manifest, true), *live = ask(k, manifest, false);
	const char *id;
	json_t *o;

	json_object_foreach(wanted, id, o) {
		_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;
		const json_t *now = json_object_get(live, id);

		if (!now)
			note(k->drift, o, id, "it is gone");
		else if (differs(now, o, &path))
			note(k->drift, o, id, path.len ? path.data : "it differs");
	}
}

char *mill_kube_drift(void *arg, const char *component)
{
	struct mill_kube *k = arg;

	if (!k->drift) {
		_cleanup_strv_ struct mill_strv names = {0};
		struct mill_strbuf all = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);

		k->drift = json_object();
		(void)mill_native_components(k->n, &names, NULL);
		for (size_t i = 0; i < names.n; i++)
			add_manifest(k, names.items[i], &all);
		if (all.len)
			compare(k, all.data);
		mill_strbuf_release(&all);
	}
	const char *text = mill_json_get_string(k->drift, component, NULL);

	return text ? mill_xstrdup(text) : NULL;
}

/* ---- who else thinks that these are theirs ---- */

static const struct {
	const char *key, *who;
} owners[] = {
	{"argocd.argoproj.io/tracking-id", "Argo CD"},
	{"argocd.argoproj.io/instance", "Argo CD"},
	{"kustomize.toolkit.fluxcd.io/name", "Flux"},
	{"helm.toolkit.fluxcd.io/name", "Flux"},
};

int mill_kube_check_owners(struct mill_kube *k, struct mill_error *err)
{
	static const char *const parts[] = {"labels", "annotations"};
	_cleanup_json_ json_t *snapshot = NULL;
	const char *name;
	json_t *w;
	int r = mill_kube_snapshot(k, 1000, &snapshot, err);

	json_object_foreach(json_object_get(snapshot, "workloads"), name, w)
		for (size_t i = 0; i < MILL_ARRAY_LEN(owners); i++)
			for (size_t p = 0; p < MILL_ARRAY_LEN(parts) && r == 0; p++) {
				const json_t *part = json_object_get(json_object_get(w, "metadata"), parts[p]);
				const char *value = mill_json_get_string(part, owners[i].key, NULL);

				if (!value)
					continue;
				r = mill_fail(err, EPERM, "namespace %s: %s %s belongs to %s (%s)", k->namespace,
					      mill_json_get_string(w, "kind", "object"), name, owners[i].who, value);
				mill_error_hint(err, "change it where %s takes it from: data-mill render -f FLAVOUR", owners[i].who);
			}
	return r;
}
