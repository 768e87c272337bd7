/* k3d: k3s in docker's containers.  https://k3d.io/stable/usage/commands/k3d_cluster/ */
#include "base/io.h"
#include "base/json.h"
#include "cluster/internal.h"

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	_cleanup_free_ char *engine = NULL;
	int r = mill_tool_prepare(c, install, err);

	return r == 0 && install ? mill_tool_engine(c, &engine, err) : r;
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_error_ struct mill_error why = {0};
	_cleanup_json_ json_t *all = NULL;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	long long running, count;
	int r;

	mill_argv(&argv, c->tool, "cluster", "list", c->name, "--output=json", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .ret_kind = &kind}, &why);
	if (r < 0 && kind == MILL_SYMPTOM_ABSENT) {
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	if (r == 0)
		r = mill_json_parse("k3d cluster list", out.data, out.len, &all, &why);
	if (r < 0) {
		mill_fail(err, -r, "%s", why.message);
		if (why.detail)
			mill_error_detail(err, why.detail);
		return why.hint ? mill_error_hint(err, "%s", why.hint) : r;
	}
	running = mill_json_get_int(json_array_get(all, 0), "serversRunning", 0);
	count = mill_json_get_int(json_array_get(all, 0), "serversCount", 0);
	ret->state = !count ? MILL_CLUSTER_ABSENT : running == count ? MILL_CLUSTER_RUNNING
		     : running ? MILL_CLUSTER_BROKEN : MILL_CLUSTER_STOPPED;
	if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xasprintf("%lld of its %lld servers run", running, count);
	return 0;
}

static int change(struct mill_cluster *c, const char *verb, const char *what, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "cluster", verb, c->name, NULL);
	return mill_call(c, &(struct mill_call){.what = what, .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	return change(c, "start", "starting the cluster", err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	return change(c, "stop", "stopping the cluster", err);
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	return change(c, "delete", "deleting the cluster", err);
}

/* https://k3d.io/stable/usage/registries/: a registries.yaml as k3s reads it. */
static int add_registry(const struct mill_cluster *c, struct mill_strv *argv, struct mill_error *err)
{
	_cleanup_free_ char *file = mill_path_join(c->dir, "registries.yaml");
	const char *port = strchr(c->registry, ':');
	/* k3d's name for the machine that its containers run on */
	_cleanup_free_ char *seen = c->loopback ? mill_xasprintf("host.k3d.internal%s", port) : mill_xstrdup(c->registry);
	_cleanup_free_ char *text = mill_xasprintf("mirrors:\n  \"%s\":\n    endpoint:\n    - \"http://%s\"\n", c->registry, seen);
	int r = mill_record_folder(c, err);

	if (r == 0)
		r = mill_write_file(file, text, strlen(text), 0600, 0, err);
	if (r == 0)
		mill_strv_addf(argv, "--registry-config=%s", file);
	return r;
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	int r = 0;

	if (was == MILL_CLUSTER_RUNNING) /* only the last step was missing */
		return 0;
	if (was != MILL_CLUSTER_ABSENT) /* k3d cannot go on with a half-made cluster; nothing is on it yet */
		r = delete(c, err);
	if (r < 0)
		return r;
	mill_argv(&argv, c->tool, "cluster", "create", c->name, "--kubeconfig-update-default=false",
		  "--kubeconfig-switch-context=false", "--wait", "--timeout=10m", NULL);
	if (c->memory_mib)
		mill_strv_addf(&argv, "--servers-memory=%llum", (unsigned long long)c->memory_mib);
	if (c->version)
		mill_strv_addf(&argv, "--image=rancher/k3s:v%s-k3s1", c->version + (c->version[0] == 'v'));
	if (c->gpu)
		mill_argv(&argv, "--gpus=all", NULL);
	if (c->registry)
		r = add_registry(c, &argv, err);
	return r < 0 ? r : mill_call(c, &(struct mill_call){.what = "making the cluster (k3d cluster create)", .argv = &argv,
							    .timeout_ms = MILL_CALL_CREATE_MS}, err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *context = mill_xasprintf("k3d-%s", c->name);
	int r;

	mill_argv(&argv, c->tool, "kubeconfig", "get", c->name, NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out}, err);
	if (r == 0)
		r = mill_record_kubeconfig(c, out.data, out.len, err);
	return r < 0 ? r : mill_kubefile_choose(c, context, err);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->plugin = MILL_PLUGIN_LAYER;
	ret->at_creation = true;
	ret->text = mill_xstrdup("k3d hands all of docker's GPUs to its node (create --gpus=all); the node's image must hold NVIDIA's container "
				 "toolkit, which rancher/k3s has not (https://k3d.io/stable/usage/advanced/cuda/); the cluster layer installs "
				 "the device plugin");
}

const struct mill_cluster_driver mill_driver_k3d = {
	.provider = "k3d",
	.title = "k3d cluster",
	.tool = "k3d",
	.prepare = prepare,
	.status = status,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
};
