/*
 * NetworkPolicies, from who requires whom: nobody comes in but a component's
 * consumers, its own services, collectors of what it exports, and what we run
 * ourselves (hooks, notebooks, the debug pod).  A cluster whose network plug-in
 * knows no policies accepts and ignores them.
 */
#include "runtime/kubernetes/chart.h"

#include "base/json.h"

static void allow_component(json_t *from, const char *component)
{
	json_array_append_new(from, json_pack("{s:{s:{s:s}}}", "podSelector", "matchLabels", "data-mill.io/component", component));
}

/* Jobs that a chart has as hooks carry no label of ours, only the chart's own. */
static void allow_hooks(json_t *from, const json_t *record)
{
	static const char *const labels[] = {"app.kubernetes.io/instance", "release"};
	const char *release = mill_kube_release(record);

	for (size_t i = 0; mill_kube_by_chart(record) && i < MILL_ARRAY_LEN(labels); i++)
		json_array_append_new(from, json_pack("{s:{s:{s:s}}}", "podSelector", "matchLabels", labels[i], release));
}

static bool requires(const json_t *record, const char *provider)
{
	const char *capability;
	json_t *q;

	json_object_foreach(json_object_get(record, "requires"), capability, q)
		if (mill_streq(mill_json_get_string(q, "provider", ""), provider))
			return true;
	return false;
}

static json_t *policy(const struct mill_kube *k, const char *component, const json_t *records)
{
	json_t *from = json_array(), *meta = mill_kube_meta(k, component, component, NULL);
	const char *name;
	json_t *record;

	json_object_set_new(meta, "name", json_sprintf("data-mill-%s", component));
	allow_component(from, component);
	allow_hooks(from, json_object_get((json_t *)records, component));
	json_object_foreach((json_t *)records, name, record)
		if (!mill_streq(name, component) &&
		    (requires(record, component) || json_object_size(json_object_get(record, "collected"))))
		{
			allow_component(from, name);
			allow_hooks(from, record);
		}
	json_array_append_new(from, json_pack("{s:{s:[{s:s, s:s, s:[s, s, s]}]}}", "podSelector", "matchExpressions", "key",
					      "data-mill.io/role", "operator", "In", "values", "hook", "notebook", "debug"));
	return json_pack("{s:s, s:s, s:o, s:{s:{s:{s:s}}, s:[s], s:[{s:o}]}}", "apiVersion", "networking.k8s.io/v1", "kind",
			 "NetworkPolicy", "metadata", meta, "spec", "podSelector", "matchLabels", "data-mill.io/component", component,
			 "policyTypes", "Ingress", "ingress", "from", from);
}

static json_t *deny_all(const struct mill_kube *k)
{
	json_t *selector = json_object(), *meta = mill_kube_meta(k, "data-mill-default-deny", NULL, NULL);

	json_object_set_new(selector, MILL_KUBE_LABEL, json_string(k->namespace));
	return json_pack("{s:s, s:s, s:o, s:{s:{s:o}, s:[s]}}", "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
			 "metadata", meta, "spec", "podSelector", "matchLabels", selector, "policyTypes", "Ingress");
}

json_t *mill_kube_policy_objects(const struct mill_kube *k, const json_t *records)
{
	json_t *list = json_array(), *record;
	const char *name;

	json_array_append_new(list, deny_all(k));
	json_object_foreach((json_t *)records, name, record)
		if (json_object_size(json_object_get(record, "services")))
			json_array_append_new(list, policy(k, name, records));
	return list;
}

int mill_kube_policies(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *objects = mill_kube_policy_objects(k, k->n->records);

	return mill_kube_apply(k, "apply NetworkPolicies", objects, err);
}
