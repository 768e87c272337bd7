/* Kubeconfigs, as far as we read them: which contexts there are. */
#include <sys/stat.h>

#include "base/io.h"
#include "cluster/internal.h"
#include "yaml/node.h"

void mill_kubefile_release(struct mill_kubefile *k)
{
	free(k->current);
	mill_strv_release(&k->contexts);
	k->current = NULL;
}

static int not_one(const char *path, const char *why, struct mill_error *err)
{
	mill_fail_usage(err, "%s: not a kubeconfig: %s", path, why);
	return mill_error_hint(err, "kubectl --kubeconfig %s config view     shows what kubectl makes of it", path);
}

int mill_kubefile_read(const char *path, struct mill_kubefile *ret, struct mill_error *err)
{
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	_cleanup_document_ struct mill_document *doc = NULL;
	const char *current;
	int r;

	if (!mill_exists(path)) {
		mill_fail_usage(err, "%s: no such kubeconfig", path);
		return mill_error_hint(err, "hybrid.config in the target file, or --kubeconfig FILE, names it");
	}
	if (access(path, R_OK) < 0)
		return mill_fail_errno(err, errno, "%s", path);
	r = mill_document_load(path, path, &diags, &doc);
	if (r < 0 || diags.n_errors)
		return not_one(path, diags.n ? diags.entries[0]->message : strerror(-r), err);
	if (!mill_node_is(doc->root, MILL_NODE_MAP) || !mill_node_is(mill_node_get(doc->root, "clusters"), MILL_NODE_SEQ))
		return not_one(path, "it has no list of clusters", err);
	current = mill_node_text(mill_node_get(doc->root, "current-context"));
	ret->current = current && *current ? mill_xstrdup(current) : NULL;
	MILL_SEQ_EACH (item, mill_node_get(doc->root, "contexts")) {
		const char *name = mill_node_text(mill_node_get(item, "name"));

		if (name)
			mill_strv_add(&ret->contexts, name);
	}
	return 0;
}

int mill_kubefile_choose(struct mill_cluster *c, const char *wanted, struct mill_error *err)
{
	_cleanup_(mill_kubefile_release) struct mill_kubefile file = {0};
	const char *chosen;
	int r;

	/* the vendor's tool may have written it; its folder is 0700 */
	if (!c->driver->foreign && chmod(c->kubeconfig, 0600) < 0)
		return mill_fail_errno(err, errno, "%s", c->kubeconfig);
	r = mill_kubefile_read(c->kubeconfig, &file, err);
	if (r < 0)
		return r;
	chosen = wanted ? wanted : file.current ? file.current : file.contexts.n == 1 ? file.contexts.items[0] : NULL;
	if (chosen && mill_strv_contains(&file.contexts, chosen)) {
		c->context = mill_arena_strdup(&c->arena, chosen);
		return 0;
	}
	_cleanup_free_ char *list = mill_strv_join(&file.contexts, ", ");
	if (chosen)
		mill_fail_usage(err, "%s has no context '%s'", c->kubeconfig, chosen);
	else
		mill_fail_usage(err, "%s has no current context", c->kubeconfig);
	return mill_error_hint(err, "there are: %s; `context` in the section hybrid names one", *list ? list : "none");
}
