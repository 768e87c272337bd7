/* What we may do in the namespace, asked before anything is changed. */
#include "runtime/kubernetes/chart.h"

#include <sys/wait.h>

#include "base/json.h"

#define FOR_RULES 3

/* The same list is the Role that `render --layer role` prints. */
struct need {
	const char *resource, *verbs[7];
};
static const struct need needs[] = {
	{"namespaces", {"get", NULL}}, /* in a Role: this one */
	{"secrets", {"get", "list", "create", "update", "patch", "delete", NULL}}, /* update: helm, of its own records */
	{"configmaps", {"get", "list", "create", "patch", "delete", NULL}},
	{"services", {"get", "list", "create", "patch", "delete", NULL}},
	{"persistentvolumeclaims", {"get", "list", "watch", "create", "patch", "delete", NULL}},
	{"pods", {"get", "list", "watch", "create", "delete", NULL}},
	{"pods", {"patch", NULL}},
	{"pods/log", {"get", NULL}},
	{"pods/exec", {"create", NULL}},
	{"pods/portforward", {"create", NULL}},
	{"events", {"get", "list", "watch", NULL}},
	{"statefulsets.apps", {"get", "list", "create", "patch", "delete", NULL}},
	{"deployments.apps", {"get", "list", "create", "patch", "delete", NULL}},
	{"daemonsets.apps", {"get", "create", "patch", "delete", NULL}},
	{"statefulsets.apps/scale", {"patch", NULL}},
	{"deployments.apps/scale", {"patch", NULL}},
	{"networkpolicies.networking.k8s.io", {"get", "list", "create", "patch", "delete", NULL}},
	{"leases.coordination.k8s.io", {"get", "create", "update", "delete", NULL}},
	/* FOR_RULES: only where a service's pods may do something at the API server */
	{"serviceaccounts", {"get", "create", "patch", "delete", NULL}},
	{"roles.rbac.authorization.k8s.io", {"get", "create", "patch", "delete", NULL}},
	{"rolebindings.rbac.authorization.k8s.io", {"get", "create", "patch", "delete", NULL}},
};

/* What upstreams' charts are made of beside that. */
static const struct need chart_needs[] = {
	{"persistentvolumeclaims", {"patch", NULL}},
	{"services", {"update", NULL}},
	{"daemonsets.apps", {"list", NULL}},
	{"replicasets.apps", {"get", "list", NULL}},
	{"jobs.batch", {"get", "list", "watch", "create", "patch", "delete", NULL}},
	{"cronjobs.batch", {"get", "create", "patch", "delete", NULL}},
	{"serviceaccounts", {"get", "create", "patch", "delete", NULL}},
	{"roles.rbac.authorization.k8s.io", {"get", "create", "patch", "delete", NULL}},
	{"rolebindings.rbac.authorization.k8s.io", {"get", "create", "patch", "delete", NULL}},
	{"poddisruptionbudgets.policy", {"get", "create", "patch", "delete", NULL}},
	{"horizontalpodautoscalers.autoscaling", {"get", "create", "patch", "delete", NULL}},
	{"ingresses.networking.k8s.io", {"get", "create", "patch", "delete", NULL}},
};
static const char *const object_verbs[] = {"get", "list", "create", "patch", "delete", NULL};

/* `kubectl auth can-i --list` asks one SelfSubjectRulesReview; exact checks follow for what it does not show. */
static bool may(struct mill_kube *k, const char *verb, const char *resource)
{
	struct mill_kube_call c = {.what = "ask what we may do", .cancel_fd = -1, .raw = true};
	_cleanup_free_ char *name = mill_xstrdup(resource);
	char *slash = strchr(name, '/');
	_cleanup_free_ char *sub = slash ? mill_xasprintf("--subresource=%s", slash + 1) : NULL;

	if (slash)
		*slash = '\0';
	return mill_kube_kubectl(k, &c, NULL, NULL, NULL, "auth", "can-i", verb, name, sub ? sub : "--quiet", sub ? "--quiet" : NULL,
				 NULL) < 0 || c.status == 0;
}

/* An administrator may everything: one question instead of fifty. */
static bool may_everything(struct mill_kube *k)
{
	struct mill_kube_call c = {.what = "ask what we may do", .cancel_fd = -1, .raw = true};

	return mill_kube_kubectl(k, &c, NULL, NULL, NULL, "auth", "can-i", "*", "*", "--quiet", NULL) == 0 && c.status == 0;
}

static void ask(struct mill_kube *k, const char *verb, const char *resource, struct mill_strbuf *missing)
{
	if (!may(k, verb, resource))
		mill_strbuf_printf(missing, "%s%s %s", missing->len ? ", " : "", verb, resource);
}

/* Who makes a Role must have each of its rights: the API server refuses it otherwise (privilege escalation). */
static void ask_rule(struct mill_kube *k, const json_t *rule, struct mill_strbuf *missing)
{
	const json_t *groups = json_object_get(rule, "apiGroups"), *group, *resource, *verb;
	size_t g, i, v;

	json_array_foreach((json_t *)groups, g, group)
		json_array_foreach(json_object_get(rule, "resources"), i, resource)
			json_array_foreach(json_object_get(rule, "verbs"), v, verb) {
				const char *dot = json_string_length(group) ? "." : "";
				_cleanup_free_ char *name = mill_xasprintf("%s%s%s", json_string_value(resource), dot, json_string_value(group));

				ask(k, json_string_value(verb), name, missing);
			}
}

/* True when some service has rules. */
static bool ask_rules(struct mill_kube *k, const json_t *specs, struct mill_strbuf *missing)
{
	bool any = false;
	const char *id;
	json_t *spec, *rule;
	size_t i;

	json_object_foreach((json_t *)specs, id, spec)
		json_array_foreach(json_object_get(json_object_get(spec, "pod"), "rules"), i, rule) {
			ask_rule(k, rule, missing);
			any = true;
		}
	return any;
}

static void ask_all(struct mill_kube *k, const struct need *list, size_t n, struct mill_strbuf *missing)
{
	for (size_t i = 0; i < n; i++)
		for (const char *const *verb = list[i].verbs; *verb; verb++)
			ask(k, *verb, list[i].resource, missing);
}

/* "strimzipodset.core.strimzi.io", "daskcluster.kubernetes.dask.org/NAME" -> the group. */
static void add_stop_group(json_t *groups, const json_t *item)
{
	const char *what = mill_json_get_string(item, "delete", ""), *dot = strchr(what, '.');
	_cleanup_free_ char *group = dot ? mill_xstrndup(dot + 1, strcspn(dot + 1, "/")) : NULL;

	if (group)
		json_object_set_new(groups, group, json_true());
}

/* All kinds of a group: `auth can-i` takes no such question, and says no to "*.GROUP". */
static bool may_all(struct mill_kube *k, const char *verb, const char *group)
{
	_cleanup_json_ json_t *review = json_pack("{s:s, s:s, s:{s:{s:s, s:s, s:s, s:s}}}", "apiVersion", "authorization.k8s.io/v1", "kind",
						  "SelfSubjectAccessReview", "spec", "resourceAttributes", "namespace", k->namespace, "verb",
						  verb, "group", group, "resource", "*");
	_cleanup_free_ char *text = json_dumps(review, 0);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX((size_t)1 << 16);
	struct mill_kube_call c = {.what = "ask what we may do", .cancel_fd = -1, .raw = true, .cluster = true, .input = text,
				   .input_len = strlen(text)};

	return mill_kube_kubectl(k, &c, &out, NULL, NULL, "create", "--filename=-", "--output=jsonpath={.status.allowed}", NULL) < 0 ||
	       c.status != 0 || mill_streq(out.data, "true");
}

/* API groups of the objects beside charts: {"kafka.strimzi.io": true}; NULL: nothing runs by chart. */
static json_t *groups_of(const struct mill_plan *plan)
{
	json_t *groups = NULL, *spec, *chart, *o;
	const char *id;
	size_t i, n;

	json_object_foreach(plan ? plan->specs : NULL, id, spec)
		json_array_foreach(json_object_get(spec, "charts"), i, chart) {
			groups = groups ? groups : json_object();
			json_array_foreach(json_object_get(chart, "stop"), n, o)
				add_stop_group(groups, o);
			json_array_foreach(json_object_get(chart, "objects"), n, o) {
				const char *version = mill_json_get_string(o, "apiVersion", ""), *slash = strchr(version, '/');
				_cleanup_free_ char *group = mill_xstrndup(version, slash ? (size_t)(slash - version) : 0);

				json_object_set_new(groups, group, json_true());
			}
		}
	return groups;
}

static void ask_charts(struct mill_kube *k, const json_t *groups, struct mill_strbuf *missing)
{
	const char *group;
	json_t *value;

	ask_all(k, chart_needs, MILL_ARRAY_LEN(chart_needs), missing);
	json_object_foreach((json_t *)groups, group, value) {
		for (const char *const *verb = object_verbs; *group && *verb; verb++)
			if (!may_all(k, *verb, group))
				mill_strbuf_printf(missing, "%s%s *.%s", missing->len ? ", " : "", *verb, group);
	}
}

int mill_kube_preflight(struct mill_kube *k, const struct mill_plan *plan, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf missing = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *groups = groups_of(plan);
	size_t n;
	int r = mill_kube_check_owners(k, err);

	if (r < 0 || may_everything(k))
		return r;
	n = MILL_ARRAY_LEN(needs) - (ask_rules(k, plan ? plan->specs : NULL, &missing) ? 0 : FOR_RULES);
	ask_all(k, needs, n, &missing);
	if (groups)
		ask_charts(k, groups, &missing);
	if (!missing.len)
		return 0;
	mill_fail(err, EPERM, "namespace %s: this user may not: %s", k->namespace, missing.data);
	return mill_error_hint(err, "ask the cluster's administrator for the Role that `data-mill render --layer role` prints");
}

struct mill_kube_access mill_kube_access_of(const struct mill_kube *k)
{
	return (struct mill_kube_access){.kubeconfig = k->kubeconfig, .context = k->context, .kubectl = k->kubectl, .helm = k->helm,
					 .registry = k->registry, .pull_secret = k->pull_secret};
}

static json_t *role_rule(const struct need *need)
{
	_cleanup_free_ char *name = mill_xstrdup(need->resource), *group = NULL;
	json_t *verbs = json_array();
	char *slash = strchr(name, '/'), *dot;
	_cleanup_free_ char *sub = slash ? mill_xstrdup(slash) : mill_xstrdup("");

	if (slash)
		*slash = '\0';
	dot = strchr(name, '.');
	group = mill_xstrdup(dot ? dot + 1 : "");
	if (dot)
		*dot = '\0';
	for (const char *const *verb = need->verbs; *verb; verb++)
		json_array_append_new(verbs, json_string(*verb));
	return json_pack("{s:[s], s:[o], s:o}", "apiGroups", group, "resources", json_sprintf("%s%s", name, sub), "verbs", verbs);
}

static void add_chart_rules(json_t *rules, const json_t *groups)
{
	const char *group;
	json_t *value;

	for (size_t i = 0; i < MILL_ARRAY_LEN(chart_needs); i++)
		json_array_append_new(rules, role_rule(&chart_needs[i]));
	json_object_foreach((json_t *)groups, group, value) {
		json_t *verbs = json_array();

		for (const char *const *verb = object_verbs; *verb; verb++)
			json_array_append_new(verbs, json_string(*verb));
		if (*group)
			json_array_append_new(rules, json_pack("{s:[s], s:[s], s:O}", "apiGroups", group, "resources", "*", "verbs", verbs));
		json_decref(verbs);
	}
}

json_t *mill_kube_role(const struct mill_kube *k, const struct mill_plan *plan)
{
	_cleanup_json_ json_t *groups = groups_of(plan);
	json_t *rules = json_array();

	for (size_t i = 0; i < MILL_ARRAY_LEN(needs); i++)
		json_array_append_new(rules, role_rule(&needs[i]));
	if (groups)
		add_chart_rules(rules, groups);
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "rbac.authorization.k8s.io/v1", "kind", "Role", "metadata",
			 mill_kube_meta(k, "data-mill", NULL, NULL), "rules", rules);
}
