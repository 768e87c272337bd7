/* Taking a chart of the cluster's layer away again. */
#include "base/json.h"
#include "base/proc.h"
#include "chart/layer.h"
#include "chart/layer_call.h"

/* Names of the CRDs that go with the release: those that we labelled, and those that Helm holds for it. */
static int find_crds(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)64 << 20);
	_cleanup_json_ json_t *list = NULL;
	json_t *crd;
	size_t i;
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "customresourcedefinitions", "--output=json"), NULL, false, &text, err);

	r = r < 0 ? r : mill_json_parse("kubectl's answer", text.data, text.len, &list, err);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(list, "items"), i, crd) {
		const json_t *metadata = json_object_get(crd, "metadata"), *notes = json_object_get(metadata, "annotations");
		bool labelled = mill_streq(mill_json_get_string(json_object_get(metadata, "labels"), MILL_LAYER_LABEL, NULL), rel->name);
		bool helms = mill_streq(mill_json_get_string(notes, "meta.helm.sh/release-name", NULL), rel->name) &&
			     mill_streq(mill_json_get_string(notes, "meta.helm.sh/release-namespace", NULL), rel->own_namespace);

		if (labelled || helms)
			mill_strv_add(ret, mill_json_get_string(metadata, "name", ""));
	}
	return 0;
}

static int refuse_instances(const struct mill_layer *l, const struct mill_chart_release *rel, const struct mill_strv *crds,
			    struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf found = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	size_t n = 0;

	for (size_t i = 0; i < crds->n; i++) {
		_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)16 << 20);
		_cleanup_strv_ struct mill_strv lines = {0};
		int r = mill_layer_call(l, MILL_LAYER_WORDS("get", crds->items[i], "--all-namespaces", "--ignore-not-found", "--no-headers",
							    "--output=custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name"),
					NULL, false, &text, err);

		if (r < 0)
			return r;
		mill_strv_split(&lines, text.data, "\n");
		for (size_t k = 0; k < lines.n; k++, n++)
			mill_strbuf_printf(&found, "%s\n", lines.items[k]);
	}
	if (!n)
		return 0;
	mill_fail(err, EBUSY, "%s: %zu object%s of its kinds exist%s, and would go with it", rel->component->name, n, n == 1 ? "" : "s",
		  n == 1 ? "s" : "");
	mill_error_detail(err, found.data);
	return mill_error_hint(err, "remove them first, or say --force");
}

static int remove_release(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	if (!rel->chart->name)
		return 0;
	mill_layer_say(l, "helm uninstall %s", rel->name);
	mill_chart_argv_uninstall(&l->helm, rel, &argv);
	return mill_layer_run(l, &argv, NULL, false, NULL, err);
}

/* Other charts may be in it: KServe is three. */
static int remove_namespace(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_free_ char *label = mill_xasprintf("--selector=" MILL_LAYER_LABEL "=%s", rel->own_namespace);
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", rel->own_namespace);
	_cleanup_strbuf_ struct mill_strbuf ours = MILL_STRBUF_INIT, others = MILL_STRBUF_INIT;
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "namespaces", label, "--output=name"), NULL, false, &ours, err);

	if (r == 0 && ours.len)
		r = mill_layer_call(l, MILL_LAYER_WORDS("get", "secrets", where, "--selector=owner=helm", "--output=name"), NULL, false, &others, err);
	if (r < 0 || !ours.len || others.len)
		return r;
	mill_layer_say(l, "namespace %s", rel->own_namespace);
	return mill_layer_call(l, MILL_LAYER_WORDS("delete", "namespace", rel->own_namespace, "--ignore-not-found", "--timeout=180s"), NULL, false,
			       NULL, err);
}

int mill_layer_uninstall(const struct mill_layer *l, const struct mill_chart_release *rel, bool force, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv crds = {0};
	enum mill_layer_owner owner;
	int r;

	if (rel->chart->n_kustomize) {
		mill_fail(err, ENOTSUP, "%s came by kustomize, and nothing records what that made", rel->component->name);
		return mill_error_hint(err, "kubectl kustomize ROOT | kubectl delete -f -, for its roots in the manifest, last one first");
	}
	r = mill_layer_owner(l, rel, &owner, err);
	if (r == 0 && owner == MILL_LAYER_THEIRS) {
		mill_layer_say(l, "not ours: it stays");
		return 0;
	}
	r = r < 0 ? r : find_crds(l, rel, &crds, err);
	if (r == 0 && !force)
		r = refuse_instances(l, rel, &crds, err);
	/* the operator ends what it made of them before it goes itself */
	for (size_t i = 0; r == 0 && i < crds.n; i++)
		r = mill_layer_call(l, MILL_LAYER_WORDS("delete", "customresourcedefinition", crds.items[i], "--ignore-not-found", "--timeout=120s"),
				    NULL, false, NULL, err);
	r = r < 0 ? r : remove_release(l, rel, err);
	return r < 0 ? r : remove_namespace(l, rel, err);
}
