/*
 * Kubernetes on AWS, by kops.  What the cluster should be is in the state store,
 * a bucket; `kops update cluster --yes` makes it so.  https://kops.sigs.k8s.io/cli/kops/
 *
 * kops cannot stop a cluster: stop sets the groups of nodes to none, start
 * brings them back.  The control plane goes on.
 */
#include "base/json.h"
#include "base/parse.h"
#include "cluster/kops.h"

#define GPU_GROUP "gpu-nodes"
#define GPU_MACHINE "g4dn.xlarge"
#define CREDENTIALS "--admin=18h" /* kops' default lifetime; access() renews it */

static int check(struct mill_cluster *c, struct mill_error *err)
{
	const char *missing = !c->bucket ? "bucket_name" : !c->n_zones ? "zones" : !c->node_size ? "node_size" : NULL;

	if (missing)
		return mill_fail_usage(err, "aws: `%s` is missing in the target's section remote", missing);
	if (!strchr(c->name, '.')) {
		mill_fail_usage(err, "cluster_name: kops wants a DNS name, '%s' has no dot", c->name);
		return mill_error_hint(err, "%s.k8s.local needs no DNS zone of yours", c->name);
	}
	return 0;
}

/* kops VERB.. --name=.. --state=s3://..; further words follow. */
static void begin(const struct mill_cluster *c, struct mill_strv *argv, const char *verb, const char *what)
{
	mill_argv(argv, c->tool, verb, what, NULL);
	mill_strv_addf(argv, "--name=%s", c->name);
	mill_strv_addf(argv, "--state=s3://%s", c->bucket);
}

static int change(struct mill_cluster *c, struct mill_strv *argv, const char *what, struct mill_error *err)
{
	return mill_call(c, &(struct mill_call){.what = what, .argv = argv, .timeout_ms = MILL_CALL_CLOUD_MS}, err);
}

/* 0 and the answer; -ENOENT: the state store has no such cluster. */
static int ask(struct mill_cluster *c, const char *what, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r;

	begin(c, &argv, "get", what);
	mill_strv_add(&argv, "--output=json");
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .ret_kind = &kind}, err);
	if (r < 0)
		return kind == MILL_SYMPTOM_ABSENT ? -ENOENT : r;
	return mill_json_parse("kops get", out.data, out.len, ret, err);
}

/* One is an object, several are a list. */
static int list_groups(struct mill_cluster *c, json_t **ret, struct mill_error *err)
{
	json_t *o = NULL;
	int r = ask(c, "instancegroups", &o, err);

	if (r < 0)
		return r;
	if (!json_is_array(o)) {
		json_t *list = json_array();

		json_array_append_new(list, o);
		o = list;
	}
	*ret = o;
	return 0;
}

static bool is_workers(const json_t *group)
{
	return mill_streq(mill_json_get_string(json_object_get(group, "spec"), "role", ""), "Node");
}

static const char *group_name(const json_t *group)
{
	return mill_json_get_string(json_object_get(group, "metadata"), "name", "");
}

static int export_kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	begin(c, &argv, "export", "kubeconfig");
	mill_strv_add(&argv, CREDENTIALS);
	mill_strv_addf(&argv, "--kubeconfig=%s", c->kubeconfig);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS}, err);
	return r < 0 ? r : mill_kubefile_choose(c, c->name, err);
}

static int64_t workers(const json_t *groups)
{
	const json_t *group;
	int64_t n = 0;
	size_t i;

	json_array_foreach ((json_t *)groups, i, group)
		if (is_workers(group))
			n += mill_json_get_int(json_object_get(group, "spec"), "maxSize", 1);
	return n;
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *cluster = NULL, *groups = NULL;
	_cleanup_error_ struct mill_error why = {0};
	int r = mill_kops_bucket_find(c, err);

	if (r == 0)
		r = ask(c, "clusters", &cluster, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	if (r == 0)
		r = list_groups(c, &groups, err);
	if (r < 0)
		return r;
	if (workers(groups) == 0) {
		ret->state = MILL_CLUSTER_STOPPED;
		ret->text = mill_xstrdup("no nodes; its control plane runs and costs");
		return 0;
	}
	ret->state = MILL_CLUSTER_RUNNING;
	r = mill_cluster_write_kubeconfig(c, &why);
	if (r == 0)
		r = mill_cluster_ping(c, NULL, &why);
	if (r == -ECANCELED)
		return mill_fail(err, ECANCELED, "interrupted");
	if (r < 0) {
		ret->state = MILL_CLUSTER_BROKEN;
		ret->text = mill_xstrdup(why.message);
	}
	return 0;
}

static char *estimate(const struct mill_cluster *c)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *zones = mill_cluster_zones(c);
	char size[32];

	mill_strbuf_printf(&out, "  1 control-plane machine, of kops' default size, in %s\n", c->zones[0]);
	mill_strbuf_printf(&out, "  %lld x %s in %s\n", (long long)(c->nodes ? c->nodes : (int64_t)c->n_zones), c->node_size, zones);
	if (c->gpu)
		mill_strbuf_printf(&out, "  %lld x %s (GPU)\n", (long long)c->gpu_nodes, c->gpu_type ? c->gpu_type : GPU_MACHINE);
	mill_strbuf_printf(&out, "  a root disk each (%s), etcd's disks, the disks of volumes, load balancers, public addresses, traffic\n"
				 "  the bucket '%s' (very little)\n"
				 "Prices: https://calculator.aws",
			   c->storage_mib ? mill_format_size(c->storage_mib << 20, size, sizeof(size)) : "kops' default size", c->bucket);
	return mill_strbuf_steal(&out);
}

/* ---- making ---- */
static int define(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *zones = mill_cluster_zones(c);

	begin(c, &argv, "create", "cluster");
	mill_argv(&argv, "--cloud=aws", NULL);
	mill_strv_addf(&argv, "--zones=%s", zones);
	mill_strv_addf(&argv, "--control-plane-zones=%s", c->zones[0]);
	mill_strv_addf(&argv, "--node-size=%s", c->node_size);
	if (c->nodes)
		mill_strv_addf(&argv, "--node-count=%lld", (long long)c->nodes);
	if (c->storage_mib)
		mill_strv_addf(&argv, "--node-volume-size=%llu", (unsigned long long)((c->storage_mib + 1023) / 1024));
	if (c->version)
		mill_strv_addf(&argv, "--kubernetes-version=%s", c->version);
	if (c->gpu) /* https://kops.sigs.k8s.io/gpu/ */
		mill_argv(&argv, "--set=spec.containerd.nvidiaGPU.enabled=true", NULL);
	return change(c, &argv, "describing the cluster (kops create cluster)", err);
}

static int apply(struct mill_cluster *c, const char *what, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "update", "cluster");
	mill_argv(&argv, "--yes", "--create-kube-config=false", NULL);
	return change(c, &argv, what, err);
}

static int validate(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "validate", "cluster");
	mill_argv(&argv, "--wait=20m", NULL);
	mill_strv_addf(&argv, "--kubeconfig=%s", c->kubeconfig);
	return change(c, &argv, "waiting until every node is there (kops validate cluster); 5 to 15 minutes", err);
}

static int set_group(struct mill_cluster *c, const char *group, int64_t size, const char *machine, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "edit", "instancegroup");
	mill_strv_add(&argv, group);
	mill_strv_addf(&argv, "--set=spec.minSize=%lld", (long long)size);
	mill_strv_addf(&argv, "--set=spec.maxSize=%lld", (long long)size);
	if (machine)
		mill_strv_addf(&argv, "--set=spec.machineType=%s", machine);
	return change(c, &argv, NULL, err);
}

static int define_gpu(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_json_ json_t *groups = NULL;
	const json_t *group;
	size_t i;
	int r = list_groups(c, &groups, err);

	if (r < 0)
		return r;
	json_array_foreach (groups, i, group)
		if (mill_streq(group_name(group), GPU_GROUP))
			return 0;
	begin(c, &argv, "create", "instancegroup");
	mill_argv(&argv, GPU_GROUP, "--role=node", "--edit=false", NULL);
	mill_strv_addf(&argv, "--subnet=%s", c->zones[0]);
	r = change(c, &argv, "describing the nodes with a GPU", err);
	return r < 0 ? r : set_group(c, GPU_GROUP, c->gpu_nodes, c->gpu_type ? c->gpu_type : GPU_MACHINE, err);
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	int r = mill_kops_bucket_ensure(c, err);

	if (r == 0 && was == MILL_CLUSTER_ABSENT)
		r = define(c, err);
	if (r == 0 && c->gpu)
		r = define_gpu(c, err);
	/* running it once more on what is there makes what is missing */
	if (r == 0)
		r = apply(c, "making it (kops update cluster)", err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	return r < 0 ? r : validate(c, err);
}

/* ---- stop, start: the groups of nodes ---- */
static int scale(struct mill_cluster *c, bool up, struct mill_error *err)
{
	_cleanup_json_ json_t *groups = NULL;
	const json_t *group;
	size_t i, n = 0, at = 0;
	int r = list_groups(c, &groups, err);
	int64_t total = c->nodes ? c->nodes : (int64_t)c->n_zones;

	json_array_foreach (groups, i, group)
		n += is_workers(group) && !mill_streq(group_name(group), GPU_GROUP);
	json_array_foreach (groups, i, group) {
		bool gpu = mill_streq(group_name(group), GPU_GROUP);
		int64_t size = 0;

		if (r < 0 || !is_workers(group))
			continue;
		if (up) /* a zone's share; the first ones get what is left over */
			size = gpu ? c->gpu_nodes : total / (int64_t)n + ((int64_t)at < total % (int64_t)n);
		at += !gpu;
		r = set_group(c, group_name(group), size, NULL, err);
	}
	return r < 0 ? r : apply(c, up ? "bringing the nodes back" : "taking the nodes away", err);
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_json_ json_t *groups = NULL;
	int r = list_groups(c, &groups, err);

	if (r == 0 && workers(groups) == 0)
		r = scale(c, true, err);
	else if (r == 0)
		r = apply(c, "making what is missing (kops update cluster)", err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	return r < 0 ? r : validate(c, err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	int r = scale(c, false, err);

	if (r == 0)
		mill_cluster_note(c, "the control plane, load balancers and the disks of volumes still cost; `data-mill cluster delete %s` ends that",
				  c->flags);
	return r;
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	begin(c, &argv, "delete", "cluster");
	mill_strv_add(&argv, "--yes");
	r = change(c, &argv, "deleting the cluster (kops delete cluster)", err);
	if (r == 0)
		mill_cluster_note(c, "the bucket '%s' is kept: aws s3 rb s3://%s --force deletes it, with its versions by the console", c->bucket,
				  c->bucket);
	return r;
}

/* ---- GPU ---- */
static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->plugin = MILL_PLUGIN_VENDOR;
	ret->text = mill_xasprintf("kops installs NVIDIA's driver, runtime and device plugin (containerd.nvidiaGPU) and adds %lld x %s; these nodes cost "
				   "extra, are tainted nvidia.com/gpu, and pods on them name runtimeClassName: nvidia",
				   (long long)c->gpu_nodes, c->gpu_type ? c->gpu_type : GPU_MACHINE);
}

static int gpu_enable(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *question = mill_xasprintf("This adds %lld x %s to %s, which cost money.", (long long)c->gpu_nodes,
						       c->gpu_type ? c->gpu_type : GPU_MACHINE, mill_cluster_title(c));
	int r = mill_cluster_confirm(c, question, c->name, err);

	if (r < 0)
		return r;
	begin(c, &argv, "edit", "cluster");
	mill_strv_add(&argv, "--set=spec.containerd.nvidiaGPU.enabled=true");
	r = change(c, &argv, "turning the GPU on", err);
	if (r == 0)
		r = define_gpu(c, err);
	if (r == 0)
		r = apply(c, "making the nodes with a GPU", err);
	return r < 0 ? r : validate(c, err);
}

const struct mill_cluster_driver mill_driver_kops = {
	.provider = "aws",
	.title = "kops cluster",
	.tool = "kops",
	.default_name = "data-mill.k8s.local",
	.cloud = true,
	.check = check,
	.prepare = mill_tool_prepare,
	.status = status,
	.estimate = estimate,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = export_kubeconfig,
	.gpu_plan = gpu_plan,
	.gpu_enable = gpu_enable,
};
