/*
 * kind: nodes are containers of docker or podman (vm_driver).  kind itself
 * cannot stop a cluster: its containers are stopped and started, which kind
 * supports.  https://kind.sigs.k8s.io/docs/user/quick-start/
 */
#include "base/io.h"
#include "base/json.h"
#include "cluster/internal.h"

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	_cleanup_free_ char *engine = NULL;
	int r = mill_tool_prepare(c, install, err);

	if (mill_streq(c->vm_driver, "podman")) {
		/* https://kind.sigs.k8s.io/docs/user/rootless/ */
		c->variable = "KIND_EXPERIMENTAL_PROVIDER";
		c->value = "podman";
	}
	return r == 0 && install ? mill_tool_engine(c, &engine, err) : r;
}

static int ask(struct mill_cluster *c, struct mill_strv *argv, struct mill_strbuf *out, struct mill_error *err)
{
	return mill_call(c, &(struct mill_call){.argv = argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = out}, err);
}

static int list_nodes(struct mill_cluster *c, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int r;

	mill_argv(&argv, c->tool, "get", "nodes", NULL);
	mill_strv_addf(&argv, "--name=%s", c->name);
	r = ask(c, &argv, &out, err);
	if (r == 0)
		mill_strv_split(ret, out.data, "\n");
	return r;
}

/* docker start NODES, docker stop NODES, docker inspect .. */
static int engine(struct mill_cluster *c, const char *verb, const char *option, const char *what, struct mill_strbuf *out,
		  struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct mill_strv argv = {0}, nodes = {0};
	int r = mill_tool_engine(c, &path, err);

	if (r == 0)
		r = list_nodes(c, &nodes, err);
	if (r < 0)
		return r;
	if (!nodes.n)
		return mill_fail(err, ENOENT, "kind knows no node of the cluster '%s'", c->name);
	mill_argv(&argv, path, verb, option, NULL);
	for (size_t i = 0; i < nodes.n; i++)
		mill_strv_add(&argv, nodes.items[i]);
	return mill_call(c, &(struct mill_call){.what = what, .argv = &argv, .out = out, .quiet = out != NULL,
						.timeout_ms = out ? MILL_CALL_ASK_MS : MILL_CALL_CHANGE_MS}, err);
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0}, clusters = {0}, states = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, inspected = MILL_STRBUF_INIT;
	size_t running = 0;
	int r;

	mill_argv(&argv, c->tool, "get", "clusters", NULL);
	r = ask(c, &argv, &out, err);
	if (r < 0)
		return r;
	mill_strv_split(&clusters, out.data, "\n");
	if (!mill_strv_contains(&clusters, c->name)) {
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	r = engine(c, "inspect", "--format={{.State.Status}}", NULL, &inspected, err);
	if (r < 0)
		return r;
	mill_strv_split(&states, inspected.data, "\n");
	for (size_t i = 0; i < states.n; i++)
		running += mill_streq(states.items[i], "running");
	ret->state = running == states.n ? MILL_CLUSTER_RUNNING : running ? MILL_CLUSTER_BROKEN : MILL_CLUSTER_STOPPED;
	if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xasprintf("%zu of its %zu containers run", running, states.n);
	return 0;
}

#define BRIDGE "172.17.0.1" /* this machine, from docker's containers: its usual bridge */

/*
 * A registry of this machine or network, which speaks plain http, is made known to containerd by a folder
 * that kind mounts into the node: https://kind.sigs.k8s.io/docs/user/local-registry/
 */
static int write_registry(const struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_xasprintf("%s/certs.d/%s", c->dir, c->registry);
	_cleanup_free_ char *file = mill_path_join(dir, "hosts.toml");
	_cleanup_free_ char *seen = c->loopback ? mill_xasprintf(BRIDGE "%s", strchr(c->registry, ':')) : mill_xstrdup(c->registry);
	_cleanup_free_ char *text = mill_xasprintf("server = \"http://%s\"\n\n[host.\"http://%s\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
						   seen, seen);
	int r = mill_mkdir_p(dir, 0755, err);

	return r < 0 ? r : mill_write_file(file, text, strlen(text), 0644, 0, err);
}

static int write_config(const struct mill_cluster *c, char **ret_path, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int r = mill_record_folder(c, err);

	mill_strbuf_addstr(&out, "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- role: control-plane\n");
	if (r == 0 && c->registry) {
		r = write_registry(c, err);
		/* JSON strings are YAML strings: a path may hold anything */
		mill_strbuf_addstr(&out, "  extraMounts:\n  - hostPath: \"");
		mill_json_escape(&out, c->dir, strlen(c->dir));
		mill_strbuf_addstr(&out, "/certs.d\"\n    containerPath: /etc/containerd/certs.d\n    readOnly: true\n");
	}
	if (r < 0)
		return r;
	*ret_path = mill_path_join(c->dir, "kind.yaml");
	return mill_write_file(*ret_path, out.data, out.len, 0600, 0, err);
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "delete", "cluster", NULL);
	mill_strv_addf(&argv, "--name=%s", c->name);
	mill_strv_addf(&argv, "--kubeconfig=%s", c->kubeconfig);
	return mill_call(c, &(struct mill_call){.what = "deleting the cluster", .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *config = NULL;
	int r = 0;

	if (was == MILL_CLUSTER_RUNNING) /* only the last step was missing */
		return 0;
	if (was != MILL_CLUSTER_ABSENT) /* kind cannot go on with a half-made cluster; nothing is on it yet */
		r = delete(c, err);
	if (r == 0)
		r = write_config(c, &config, err);
	if (r < 0)
		return r;
	mill_argv(&argv, c->tool, "create", "cluster", NULL);
	mill_strv_addf(&argv, "--name=%s", c->name);
	mill_strv_addf(&argv, "--config=%s", config);
	mill_strv_addf(&argv, "--kubeconfig=%s", c->kubeconfig);
	if (c->version)
		mill_strv_addf(&argv, "--image=kindest/node:v%s", c->version + (c->version[0] == 'v'));
	mill_argv(&argv, "--wait=5m", NULL);
	return mill_call(c, &(struct mill_call){.what = "making the cluster (kind create cluster)", .argv = &argv,
						.timeout_ms = MILL_CALL_CREATE_MS}, err);
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct mill_strv argv = {0}, nodes = {0};
	int r = mill_tool_engine(c, &path, err);

	if (r == 0)
		r = list_nodes(c, &nodes, err);
	if (r < 0)
		return r;
	mill_argv(&argv, path, "start", NULL);
	for (size_t i = 0; i < nodes.n; i++)
		mill_strv_add(&argv, nodes.items[i]);
	return mill_call(c, &(struct mill_call){.what = "starting the cluster's containers", .argv = &argv,
						.timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	return engine(c, "stop", NULL, "stopping the cluster's containers", NULL, err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *context = mill_xasprintf("kind-%s", c->name);
	int r;

	mill_argv(&argv, c->tool, "get", "kubeconfig", NULL);
	mill_strv_addf(&argv, "--name=%s", c->name);
	r = ask(c, &argv, &out, err);
	if (r == 0)
		r = mill_record_kubeconfig(c, out.data, out.len, err);
	return r < 0 ? r : mill_kubefile_choose(c, context, err);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->plugin = MILL_PLUGIN_NONE;
	ret->text = mill_xstrdup("kind has no option that hands a GPU to its nodes; minikube (vm_driver: docker), k3d and microk8s have one");
}

const struct mill_cluster_driver mill_driver_kind = {
	.provider = "kind",
	.title = "kind cluster",
	.tool = "kind",
	.prepare = prepare,
	.status = status,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
};
