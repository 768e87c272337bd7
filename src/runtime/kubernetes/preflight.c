/* What we may do in the namespace, asked before anything is changed. */
#include "runtime/kubernetes/internal.h"

#include <sys/wait.h>

#include "base/json.h"

/* The same list is the Role that `render --layer role` prints. */
static const struct {
	const char *resource, *verbs[6];
} needs[] = {
	{"secrets", {"get", "list", "create", "patch", "delete", NULL}},
	{"configmaps", {"get", "list", "create", "patch", "delete", NULL}},
	{"services", {"get", "list", "create", "patch", "delete", NULL}},
	{"persistentvolumeclaims", {"get", "list", "create", "delete", NULL}},
	{"pods", {"get", "list", "create", "patch", "delete", NULL}},
	{"pods/log", {"get", NULL}},
	{"pods/exec", {"create", NULL}},
	{"pods/portforward", {"create", NULL}},
	{"events", {"list", NULL}},
	{"statefulsets.apps", {"get", "list", "create", "patch", "delete", NULL}},
	{"deployments.apps", {"get", "list", "create", "patch", "delete", NULL}},
	{"statefulsets.apps/scale", {"patch", NULL}},
	{"deployments.apps/scale", {"patch", NULL}},
	{"networkpolicies.networking.k8s.io", {"get", "list", "create", "patch", "delete", NULL}},
	{"leases.coordination.k8s.io", {"get", "create", "update", "delete", NULL}},
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

int mill_kube_preflight(struct mill_kube *k, const struct mill_plan *plan, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf missing = MILL_STRBUF_INIT;

	int r = mill_kube_check_owners(k, err);

	if (r < 0 || may_everything(k))
		return r;
	for (size_t i = 0; i < MILL_ARRAY_LEN(needs); i++)
		for (const char *const *verb = needs[i].verbs; *verb; verb++)
			if (!may(k, *verb, needs[i].resource))
				mill_strbuf_printf(&missing, "%s%s %s", missing.len ? ", " : "", *verb, needs[i].resource);
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
