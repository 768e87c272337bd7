/* Where no chart is published: what kubectl's kustomize makes of a root, with our label on each object. */
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "chart/layer_call.h"

#define OUTPUT_MAX ((size_t)64 << 20)

/* kubectl prints objects one after another, without a separator. */
static int parse_all(const char *text, json_t *crds, json_t *rest, struct mill_error *err)
{
	for (text += strspn(text, " \n"); *text;) {
		json_error_t why;
		json_t *one = json_loads(text, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &why);

		if (!json_is_object(one)) {
			json_decref(one);
			return mill_fail(err, EPROTO, "kubectl's answer, line %d: %s", why.line, why.text);
		}
		bool crd = mill_streq(mill_json_get_string(one, "kind", ""), "CustomResourceDefinition");
		json_array_append_new(crd ? crds : rest, one);
		text += why.position;
		text += strspn(text, " \n");
	}
	return 0;
}

int mill_layer_parse(const struct mill_layer *l, const struct mill_chart_release *rel, const char *yaml, json_t *crds, json_t *rest,
		     struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_free_ char *label = mill_xasprintf(MILL_LAYER_LABEL "=%s", rel->name);
	int r = mill_layer_call(l, MILL_LAYER_WORDS("label", "--local", "--overwrite", "--filename=-", "--output=json", label), yaml, false, &text, err);

	return r < 0 ? r : parse_all(text.data, crds, rest, err);
}

int mill_layer_wait_crds(const struct mill_layer *l, const struct mill_strv *names, struct mill_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->n; i++)
		r = mill_layer_call(l, MILL_LAYER_WORDS("wait", "--for=condition=Established", "--timeout=60s", names->items[i]), NULL, false, NULL, err);
	return r;
}

static int apply_crds(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *crds, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *ours = NULL;
	const json_t *crd;
	size_t i;
	int r;

	if (!json_array_size(crds))
		return 0;
	r = mill_layer_claim(l, rel, crds, &ours, err);
	r = r < 0 ? r : mill_layer_apply(l, ours, err);
	json_array_foreach((json_t *)crds, i, crd)
		mill_strv_addf(&names, "customresourcedefinition.apiextensions.k8s.io/%s",
			       mill_json_get_string(json_object_get(crd, "metadata"), "name", ""));
	return r < 0 ? r : mill_layer_wait_crds(l, &names, err);
}

static int apply_root(const struct mill_layer *l, const struct mill_chart_release *rel, const char *root, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_json_ json_t *crds = json_array(), *rest = json_array(), *ours = NULL;
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	mill_layer_say(l, "kustomize %s", root);
	mill_chart_argv_kustomize(&l->helm, root, &argv);
	r = mill_layer_run(l, &argv, NULL, false, &text, err);
	r = r < 0 ? r : mill_layer_parse(l, rel, text.data, crds, rest, err);
	r = r < 0 ? r : apply_crds(l, rel, crds, err);
	if (r == 0 && json_array_size(rest))
		r = mill_layer_claim(l, rel, rest, &ours, err);
	return r < 0 ? r : mill_layer_apply(l, ours, err);
}

int mill_layer_kustomize(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rel->chart->n_kustomize; i++)
		r = apply_root(l, rel, rel->chart->kustomize[i], err);
	return r;
}
