/*
 * An existing cluster, reached by somebody's kubeconfig (the location hybrid):
 * used in place, never changed, made, stopped or deleted.
 */
#include "base/io.h"
#include "cluster/internal.h"

/* --kubeconfig, hybrid.config, else what kubectl itself would take. */
static int check(struct mill_cluster *c, struct mill_error *err)
{
	const char *variable = getenv("KUBECONFIG"), *home = getenv("HOME");

	if (c->kubeconfig)
		return 0;
	if (variable && *variable) {
		/* a list: kubectl merges it, the first is where it writes */
		_cleanup_free_ char *first = mill_xstrndup(variable, strcspn(variable, ":"));
		_cleanup_free_ char *path = mill_path_absolute(first);

		c->kubeconfig = mill_arena_strdup(&c->arena, path);
	} else if (home && home[0] == '/') {
		c->kubeconfig = mill_arena_printf(&c->arena, "%s/.kube/config", home);
	} else {
		return mill_fail_usage(err, "hybrid: no kubeconfig is named, and HOME is not set");
	}
	return 0;
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	return mill_kubefile_choose(c, c->context, err);
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_error_ struct mill_error why = {0};
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r = kubeconfig(c, err);

	if (r == 0)
		r = mill_cluster_kubectl(c, err);
	if (r < 0)
		return r;
	r = mill_cluster_ping(c, &kind, &why);
	if (r == 0) {
		ret->state = MILL_CLUSTER_RUNNING;
		ret->version = mill_cluster_server_version(c);
		return 0;
	}
	if (r == -ECANCELED)
		return mill_fail(err, ECANCELED, "interrupted");
	ret->state = MILL_CLUSTER_BROKEN;
	ret->text = mill_xstrdup(why.message);
	return 0;
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->plugin = MILL_PLUGIN_LAYER;
	ret->text = mill_xstrdup("nodes with a GPU, its driver and NVIDIA's container runtime are its administrator's to bring; "
				 "the cluster layer installs the device plugin unless nodes already offer nvidia.com/gpu");
}

const struct mill_cluster_driver mill_driver_kubeconfig = {
	.provider = "kubeconfig",
	.title = "cluster",
	.foreign = true,
	.check = check,
	.status = status,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
};
