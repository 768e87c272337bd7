/*
 * The Google Kubernetes Engine, by gcloud.  One zone: a zonal cluster; several: a
 * regional one.  https://cloud.google.com/sdk/gcloud/reference/container/clusters
 */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cluster/internal.h"

#define GPU_POOL "gpu"
#define GPU_TYPE "nvidia-tesla-t4"
#define GPU_MACHINE "n1-standard-4"

static int check(struct mill_cluster *c, struct mill_error *err)
{
	if (!c->n_zones) {
		mill_fail_usage(err, "gke: `zones` is missing");
		return mill_error_hint(err, "zones: [europe-west3-a]     one zone makes a zonal cluster, several a regional one");
	}
	if (c->n_zones > 1 && !c->region)
		return mill_fail_usage(err, "gke: several zones need the `region` that they are in");
	if (!c->node_size)
		return mill_fail_usage(err, "gke: `node_size` is missing (e2-standard-4, ...)");
	return 0;
}

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	int r = mill_tool_prepare_snap(c, install, "google-cloud-cli --classic", err);

	if (r == 0 && install) {
		/* kubectl signs in by it: https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl */
		_cleanup_free_ char *plugin = mill_path_find_program("gke-gcloud-auth-plugin", getenv("PATH"));

		if (!plugin) {
			mill_fail(err, ENOENT, "gke-gcloud-auth-plugin is not on PATH; kubectl signs in to GKE by it");
			return mill_error_hint(err, "gcloud components install gke-gcloud-auth-plugin\n"
						    "or the package google-cloud-cli-gke-gcloud-auth-plugin");
		}
	}
	return r;
}

static int64_t total_nodes(const struct mill_cluster *c)
{
	return c->nodes ? c->nodes : 3;
}

/* --num-nodes is a number for each zone. */
static int64_t nodes_per_zone(const struct mill_cluster *c)
{
	return (total_nodes(c) + (int64_t)c->n_zones - 1) / (int64_t)c->n_zones;
}

/* gcloud container GROUP VERB NAME --location=.. --project=.. */
static void begin(const struct mill_cluster *c, struct mill_strv *argv, const char *group, const char *verb, const char *name)
{
	mill_argv(argv, c->tool, "container", group, verb, name, NULL);
	mill_strv_addf(argv, "--location=%s", c->n_zones == 1 ? c->zones[0] : c->region);
	if (c->project)
		mill_strv_addf(argv, "--project=%s", c->project);
}

static int change(struct mill_cluster *c, struct mill_strv *argv, const char *what, struct mill_error *err)
{
	mill_strv_add(argv, "--quiet"); /* we have asked */
	return mill_call(c, &(struct mill_call){.what = what, .argv = argv, .timeout_ms = MILL_CALL_CLOUD_MS}, err);
}

static int ask(struct mill_cluster *c, struct mill_strv *argv, json_t **ret, enum mill_symptom_kind *ret_kind,
	       struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int r;

	mill_strv_add(argv, "--format=json");
	r = mill_call(c, &(struct mill_call){.argv = argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .ret_kind = ret_kind}, err);
	return r < 0 ? r : mill_json_parse("gcloud", out.data, out.len, ret, err);
}

static void read_status(const json_t *o, struct mill_cluster_status *ret)
{
	const char *state = mill_json_get_string(o, "status", "?");
	const char *why = mill_json_get_string(o, "statusMessage", NULL);

	/* https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters#status */
	if (mill_streq(state, "RUNNING") || mill_streq(state, "RECONCILING"))
		ret->state = mill_json_get_int(o, "currentNodeCount", 0) ? MILL_CLUSTER_RUNNING : MILL_CLUSTER_STOPPED;
	else if (mill_streq(state, "PROVISIONING"))
		ret->state = MILL_CLUSTER_STARTING;
	else
		ret->state = MILL_CLUSTER_BROKEN;
	if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xasprintf("%s%s%s", state, why ? ": " : "", why ? why : "");
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_json_ json_t *o = NULL;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r;

	begin(c, &argv, "clusters", "describe", c->name);
	r = ask(c, &argv, &o, &kind, err);
	if (r < 0 && kind == MILL_SYMPTOM_ABSENT) {
		mill_error_release(err);
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	if (r == 0)
		read_status(o, ret);
	return r;
}

static char *estimate(const struct mill_cluster *c)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *zones = mill_cluster_zones(c);
	char size[32];

	mill_strbuf_printf(&out, "  the management fee of one %s cluster (stopping does not end it)\n",
			   c->n_zones == 1 ? "zonal" : "regional");
	mill_strbuf_printf(&out, "  %lld x %s in %s\n", (long long)(nodes_per_zone(c) * (int64_t)c->n_zones), c->node_size, zones);
	if (c->gpu)
		mill_strbuf_printf(&out, "  %lld x " GPU_MACHINE " with one %s each in %s\n", (long long)(c->gpu_nodes * (int64_t)c->n_zones),
				   c->gpu_type ? c->gpu_type : GPU_TYPE, zones);
	mill_strbuf_printf(&out, "  a boot disk each (%s), the disks of volumes, load balancers, traffic out\n",
			   c->storage_mib ? mill_format_size(c->storage_mib << 20, size, sizeof(size)) : "gcloud's default size");
	mill_strbuf_addstr(&out, "Prices: https://cloud.google.com/products/calculator");
	return mill_strbuf_steal(&out);
}

static int list_pools(struct mill_cluster *c, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "container", "node-pools", "list", NULL);
	mill_strv_addf(&argv, "--cluster=%s", c->name);
	mill_strv_addf(&argv, "--location=%s", c->n_zones == 1 ? c->zones[0] : c->region);
	if (c->project)
		mill_strv_addf(&argv, "--project=%s", c->project);
	return ask(c, &argv, ret, NULL, err);
}

static int make_gpu_pool(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_json_ json_t *pools = NULL;
	const json_t *pool;
	size_t i;
	int r = list_pools(c, &pools, err);

	if (r < 0)
		return r;
	json_array_foreach (pools, i, pool)
		if (mill_streq(mill_json_get_string(pool, "name", ""), GPU_POOL))
			return 0;
	begin(c, &argv, "node-pools", "create", GPU_POOL);
	mill_strv_addf(&argv, "--cluster=%s", c->name);
	/* with a driver version GKE installs driver and device plugin itself:
	 * https://cloud.google.com/kubernetes-engine/docs/how-to/gpus */
	mill_strv_addf(&argv, "--accelerator=type=%s,count=1,gpu-driver-version=default", c->gpu_type ? c->gpu_type : GPU_TYPE);
	mill_argv(&argv, "--machine-type=" GPU_MACHINE, NULL);
	mill_strv_addf(&argv, "--num-nodes=%lld", (long long)c->gpu_nodes);
	return change(c, &argv, "making the nodes with a GPU", err);
}

static int make(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *zones = mill_cluster_zones(c);

	begin(c, &argv, "clusters", "create", c->name);
	mill_strv_addf(&argv, "--num-nodes=%lld", (long long)nodes_per_zone(c));
	mill_strv_addf(&argv, "--machine-type=%s", c->node_size);
	if (c->n_zones > 1)
		mill_strv_addf(&argv, "--node-locations=%s", zones);
	if (c->storage_mib)
		mill_strv_addf(&argv, "--disk-size=%lluGB", (unsigned long long)((c->storage_mib + 1023) / 1024));
	if (c->version)
		mill_strv_addf(&argv, "--cluster-version=%s", c->version);
	return change(c, &argv, "making the cluster (gcloud container clusters create); 5 to 10 minutes", err);
}

static int await_made(struct mill_cluster *c, struct mill_error *err)
{
	for (int i = 0; i < 180; i++) {
		_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
		int r = status(c, &s, err);

		if (r < 0 || s.state == MILL_CLUSTER_RUNNING)
			return r;
		if (s.state != MILL_CLUSTER_STARTING)
			return mill_fail(err, EIO, "%s is %s%s%s", mill_cluster_title(c), mill_cluster_state_name(s.state),
					 s.text ? ": " : "", s.text ? s.text : "");
		if (i == 0)
			mill_cluster_note(c, "it is being made already; waiting");
		r = mill_cluster_pause(c, 10000);
		if (r < 0)
			return mill_fail(err, -r, "interrupted");
	}
	return mill_fail(err, ETIMEDOUT, "%s was not made in 30 minutes", mill_cluster_title(c));
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	int r;

	if (was == MILL_CLUSTER_BROKEN) {
		mill_fail(err, EIO, "%s is half made, and GKE cannot mend it", mill_cluster_title(c));
		return mill_error_hint(err, "data-mill cluster delete %s     then create it again", c->flags);
	}
	r = was == MILL_CLUSTER_STARTING ? await_made(c, err) : was == MILL_CLUSTER_ABSENT ? make(c, err) : 0;
	if (r == 0 && c->gpu)
		r = make_gpu_pool(c, err);
	return r;
}

static int resize(struct mill_cluster *c, const char *pool, int64_t nodes, const char *what, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "clusters", "resize", c->name);
	mill_strv_addf(&argv, "--node-pool=%s", pool);
	mill_strv_addf(&argv, "--num-nodes=%lld", (long long)nodes);
	return change(c, &argv, what, err);
}

/* All pools: to nothing, or to what the target says. */
static int resize_all(struct mill_cluster *c, bool up, const char *what, struct mill_error *err)
{
	_cleanup_json_ json_t *pools = NULL;
	const json_t *pool;
	size_t i;
	int r = list_pools(c, &pools, err);

	json_array_foreach (pools, i, pool) {
		const char *name = mill_json_get_string(pool, "name", "");
		int64_t nodes = mill_streq(name, GPU_POOL) ? c->gpu_nodes : nodes_per_zone(c);

		if (r == 0 && *name)
			r = resize(c, name, up ? nodes : 0, what, err);
	}
	return r;
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	return resize_all(c, true, "bringing the nodes back", err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	int r = resize_all(c, false, "taking the nodes away", err);

	if (r == 0)
		mill_cluster_note(c, "the management fee and the disks of volumes still cost; `data-mill cluster delete %s` ends that", c->flags);
	return r;
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "clusters", "delete", c->name);
	return change(c, &argv, "deleting the cluster", err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	begin(c, &argv, "clusters", "get-credentials", c->name); /* into $KUBECONFIG, which is ours */
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS}, err);
	return r < 0 ? r : mill_kubefile_choose(c, NULL, err);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->plugin = MILL_PLUGIN_VENDOR;
	ret->text = mill_xasprintf("GKE adds a pool of %lld node(s) a zone with one %s each, and installs driver and device plugin itself; "
				   "these nodes cost extra", (long long)c->gpu_nodes, c->gpu_type ? c->gpu_type : GPU_TYPE);
}

static int gpu_enable(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *question = mill_xasprintf("This adds %lld x " GPU_MACHINE " with one %s each to %s, which cost money.",
						       (long long)(c->gpu_nodes * (int64_t)c->n_zones),
						       c->gpu_type ? c->gpu_type : GPU_TYPE, mill_cluster_title(c));
	int r = mill_cluster_confirm(c, question, c->name, err);

	return r < 0 ? r : make_gpu_pool(c, err);
}

const struct mill_cluster_driver mill_driver_gke = {
	.provider = "gke",
	.title = "GKE cluster",
	.tool = "gcloud",
	.cloud = true,
	.check = check,
	.prepare = prepare,
	.status = status,
	.estimate = estimate,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
	.gpu_enable = gpu_enable,
};
