/* What would be applied, for Argo CD, Flux or a person: plain manifests, with secrets by reference. */
#include "runtime/kubernetes/data.h"

#include "base/io.h"
#include "base/json.h"

static void add_json(struct mill_strbuf *out, const json_t *o)
{
	char *text = json_dumps(o, JSON_INDENT(1));

	/* JSON is YAML: one document each. */
	mill_strbuf_printf(out, "---\n%s\n", text);
	free(text);
}

/* Names and keys, never what is in them. */
static void add_references(struct mill_strbuf *out, const json_t *secrets)
{
	const json_t *s, *value;
	const char *key;
	size_t i;

	json_array_foreach((json_t *)secrets, i, s) {
		mill_strbuf_printf(out, "# Secret %s must exist, with the keys", mill_json_get_string(json_object_get(s, "metadata"), "name", ""));
		json_object_foreach(json_object_get(s, "data"), key, value)
			mill_strbuf_printf(out, " %s", key);
		mill_strbuf_addch(out, '\n');
	}
}

static int add_release(struct mill_kube *k, const char *component, const json_t *record, const json_t *values, struct mill_strbuf *out,
		       struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	_cleanup_free_ char *path = NULL, *chart = mill_path_join(k->layout->resources, "helm-charts/component");
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	struct mill_kube_call c = {.what = "helm template", .cancel_fd = -1};
	int r = mill_kube_write_values(k, component, values, &path, err);

	mill_strv_add(&words, "template");
	mill_strv_add(&words, mill_kube_release(record));
	mill_strv_add(&words, chart);
	mill_strv_addf(&words, "--values=%s", path ? path : "");
	if (r == 0)
		r = mill_kube_helm_v(k, &c, &words, &text, err);
	if (r == 0 && text.len)
		mill_strbuf_addstr(out, text.data);
	mill_strbuf_release(&text);
	return r;
}

/* The records are the plan's; the platform need not be there yet. */
int mill_kube_render(struct mill_kube *k, const struct mill_plan *plan, bool only_values, struct mill_strbuf *out, struct mill_error *err)
{
	const char *component;
	json_t *record;
	int r = 0;

	k->names_only = true;
	mill_native_forget_records(k->n);
	k->n->records = json_deep_copy(plan->records);
	json_object_foreach(plan->records, component, record) {
		_cleanup_json_ json_t *values = NULL, *specs = mill_kube_specs(plan, component);
		json_t *secrets = json_array();

		if (r == 0)
			r = mill_kube_values(k, component, specs, &values, secrets, err);
		if (r == 0 && json_object_size(specs)) {
			add_references(out, secrets);
			if (only_values)
				add_json(out, values);
			else
				r = add_release(k, component, record, values, out, err);
		}
		mill_native_wipe(secrets);
	}
	if (r == 0 && !only_values) {
		_cleanup_json_ json_t *policies = mill_kube_policy_objects(k, plan->records);
		_cleanup_json_ json_t *claim = plan->data_volume ? mill_kube_data_object(k, plan->data_volume) : NULL;
		const json_t *o;
		size_t i;

		json_array_foreach(policies, i, o)
			add_json(out, o);
		if (claim)
			add_json(out, claim);
	}
	return r;
}

void mill_kube_render_role(struct mill_kube *k, struct mill_strbuf *out)
{
	_cleanup_json_ json_t *role = mill_kube_role(k);

	mill_strbuf_printf(out, "# What a user needs for a platform in the namespace %s; bind it: kubectl create rolebinding data-mill "
				"--role=data-mill --user=NAME --namespace=%s\n", k->namespace, k->namespace);
	add_json(out, role);
}
