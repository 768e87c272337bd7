/* What we may do in the namespace, asked before anything is changed. */
#include "runtime/kubernetes/internal.h"

#include <sys/wait.h>

#include "base/json.h"

#define FOR_RULES 3

/* The same list is the Role that `render --layer role` prints. */
static const struct {
	const char *resource, *verbs[7];
} needs[] = {
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

int mill_kube_preflight(struct mill_kube *k, const struct mill_plan *plan, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf missing = MILL_STRBUF_INIT;
	size_t n;
	int r = mill_kube_check_owners(k, err);

	if (r < 0 || may_everything(k))
		return r;
	n = MILL_ARRAY_LEN(needs) - (ask_rules(k, plan ? plan->specs : NULL, &missing) ? 0 : FOR_RULES);
	for (size_t i = 0; i < n; i++)
		for (const char *const *verb = needs[i].verbs; *verb; verb++)
			ask(k, *verb, needs[i].resource, &missing);
	if (!missing.len)
		return 0;
	mill_fail(err, EPERM, "namespace %s: this user may not: %s", k->namespace, missing.data);
	return mill_error_hint(err, "ask the cluster's administrator for the Role that `data-mill render --layer role` prints");
}

json_t *mill_kube_role(const struct mill_kube *k)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < MILL_ARRAY_LEN(needs); i++) {
		_cleanup_free_ char *name = mill_xstrdup(needs[i].resource), *group = NULL;
		json_t *verbs = json_array();
		char *slash = strchr(name, '/'), *dot;
		_cleanup_free_ char *sub = slash ? mill_xstrdup(slash) : mill_xstrdup("");

		if (slash)
			*slash = '\0';
		dot = strchr(name, '.');
		group = mill_xstrdup(dot ? dot + 1 : "");
		if (dot)
			*dot = '\0';
		for (const char *const *verb = needs[i].verbs; *verb; verb++)
			json_array_append_new(verbs, json_string(*verb));
		json_array_append_new(rules, json_pack("{s:[s], s:[o], s:o}", "apiGroups", group, "resources",
						       json_sprintf("%s%s", name, sub), "verbs", verbs));
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "rbac.authorization.k8s.io/v1", "kind", "Role", "metadata",
			 mill_kube_meta(k, "data-mill", NULL, NULL), "rules", rules);
}
