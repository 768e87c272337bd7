/* The cluster's layer as plain manifests, for Argo CD or Flux: nothing is asked of a cluster, and nothing carries our label. */
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "chart/layer_call.h"

#define OUTPUT_MAX ((size_t)64 << 20)

/* Kubernetes' own kinds without a namespace: charts leave the namespace of the others to Helm, and here nobody adds it. */
static const char *const cluster_kinds[] = {
	"APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle",
	"CustomResourceDefinition", "DeviceClass", "FlowSchema", "IPAddress", "IngressClass", "MutatingAdmissionPolicy",
	"MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PodSecurityPolicy",
	"PriorityClass", "PriorityLevelConfiguration", "RuntimeClass", "ServiceCIDR", "StorageClass", "StorageVersionMigration",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
	"VolumeAttributesClass",
};

static bool is_built_in(const char *version)
{
	const char *slash = strchr(version, '/');
	size_t n = slash ? (size_t)(slash - version) : 0;

	/* v1, apps/v1, rbac.authorization.k8s.io/v1; CRDs that use k8s.io (gateway.networking.k8s.io) are in `seen` */
	return !slash || !memchr(version, '.', n) || (n > 7 && strncmp(slash - 7, ".k8s.io", 7) == 0);
}

/* Of CRDs that were rendered so far, their own word counts. */
static bool has_namespace(const json_t *seen, const json_t *object)
{
	const char *version = mill_json_get_string(object, "apiVersion", ""), *kind = mill_json_get_string(object, "kind", "");
	const char *slash = strchr(version, '/');
	_cleanup_free_ char *key = mill_xasprintf("%.*s/%s", slash ? (int)(slash - version) : 0, version, kind);
	const char *scope = mill_json_get_string(seen, key, NULL);

	if (scope)
		return !mill_streq(scope, "Cluster");
	for (size_t i = 0; is_built_in(version) && i < MILL_ARRAY_LEN(cluster_kinds); i++)
		if (mill_streq(kind, cluster_kinds[i]))
			return false;
	return true;
}

static void learn(json_t *seen, const json_t *crds)
{
	const json_t *crd;
	size_t i;

	json_array_foreach((json_t *)crds, i, crd) {
		const json_t *spec = json_object_get(crd, "spec");
		_cleanup_free_ char *key = mill_xasprintf("%s/%s", mill_json_get_string(spec, "group", ""),
							  mill_json_get_string(json_object_get(spec, "names"), "kind", ""));

		json_object_set_new(seen, key, json_string(mill_json_get_string(spec, "scope", "")));
	}
}

/* Our label came in when kubectl read it. */
static void unlabel(json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata"), *labels = json_object_get(metadata, "labels");

	json_object_del(labels, MILL_LAYER_LABEL);
	if (labels && !json_object_size(labels))
		json_object_del(metadata, "labels");
}

static void add(struct mill_strbuf *out, const json_t *object)
{
	char *text = json_dumps(object, JSON_INDENT(1));

	mill_strbuf_printf(out, "---\n%s\n", text); /* JSON is YAML */
	free(text);
}

static void add_all(const struct mill_chart_release *rel, json_t *objects, const json_t *seen, struct mill_strbuf *out)
{
	json_t *one, *metadata;
	size_t i;

	json_array_foreach(objects, i, one) {
		metadata = json_object_get(one, "metadata");
		unlabel(one);
		if (has_namespace(seen, one) && !mill_json_get_string(metadata, "namespace", NULL))
			json_object_set_new(metadata, "namespace", json_string(rel->own_namespace));
		add(out, one);
	}
}

static int template(const struct mill_layer *l, struct mill_chart_release *rel, const char *package, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_(mill_chart_handed_release) struct mill_chart_handed values = MILL_CHART_HANDED_INIT;
	struct mill_chart_release plain = *rel;
	struct mill_chart_helm h = l->helm;
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	plain.secret_values = NULL; /* by reference only: whoever applies it sets them */
	plain.secret_values_path = NULL;
	r = mill_chart_hand_over(&plain, l->resolve, l->arg, &values, err);
	h.skip_crds = false;
	mill_chart_argv_template(&h, &plain, package, values.path, &argv);
	mill_strv_add(&argv, "--skip-tests");
	return r < 0 ? r : mill_layer_run_with(l, &argv, &values, out, err);
}

static int read_all(const struct mill_layer *l, struct mill_chart_release *rel, json_t *crds, json_t *rest, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_free_ char *package = NULL;
	int r = 0;

	if (rel->chart->name) {
		r = mill_layer_package(l, rel->chart, &package, err);
		r = r < 0 ? r : template(l, rel, package, &text, err);
		if (r == 0 && strstr(text.data, "apiVersion"))
			r = mill_layer_parse(l, rel, text.data, crds, rest, err);
	}
	for (size_t i = 0; r == 0 && i < rel->chart->n_kustomize; i++) {
		_cleanup_strv_ struct mill_strv argv = {0};

		mill_strbuf_reset(&text);
		mill_chart_argv_kustomize(&l->helm, rel->chart->kustomize[i], &argv);
		r = mill_layer_run(l, &argv, NULL, false, &text, err);
		r = r < 0 ? r : mill_layer_parse(l, rel, text.data, crds, rest, err);
	}
	return r;
}

static bool has_object(const json_t *objects, const char *kind, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)objects, i, one)
		if (mill_streq(mill_json_get_string(one, "kind", ""), kind) &&
		    mill_streq(mill_json_get_string(json_object_get(one, "metadata"), "name", ""), name))
			return true;
	return false;
}

/* Names and keys, never what is in them. */
static void add_references(const struct mill_chart_release *rel, struct mill_strbuf *out)
{
	const json_t *secret, *value;
	const char *key;
	size_t i;

	json_array_foreach(rel->secrets, i, secret) {
		mill_strbuf_printf(out, "# Secret %s/%s must exist, with the keys", rel->own_namespace,
				   json_string_value(json_object_get(secret, "name")));
		json_object_foreach(json_object_get(secret, "keys"), key, value)
			mill_strbuf_printf(out, " %s", key);
		mill_strbuf_addch(out, '\n');
	}
	json_object_foreach(rel->secret_values, key, value)
		mill_strbuf_printf(out, "# the chart's value %s is a secret, and not set here\n", key);
}

int mill_layer_render(const struct mill_layer *l, struct mill_chart_release *rel, json_t *seen, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_json_ json_t *crds = json_array(), *rest = json_array(), *beside = mill_chart_objects(rel, &(struct mill_chart_where){0});
	_cleanup_free_ char *place = mill_xasprintf("namespace %s", rel->own_namespace);
	int r = read_all(l, rel, crds, rest, err);

	if (r < 0)
		return mill_error_wrap(err, "%s", rel->component->name);
	mill_strbuf_printf(out, "# %s: release %s, namespace %s\n", rel->component->name, rel->name, rel->own_namespace);
	add_references(rel, out);
	if (!json_object_get(seen, place) && !has_object(rest, "Namespace", rel->own_namespace)) {
		_cleanup_json_ json_t *object = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name",
							  rel->own_namespace);
		add(out, object);
	}
	json_object_set_new(seen, place, json_true());
	learn(seen, crds);
	add_all(rel, crds, seen, out);
	add_all(rel, rest, seen, out);
	add_all(rel, beside, seen, out);
	return out->overflow ? mill_fail(err, EFBIG, "manifests of more than %zu bytes", out->max) : 0;
}
