/*
 * minikube: a cluster in a container (docker, podman) or a virtual machine
 * (kvm2).  One profile a cluster, named as the cluster; the context has that
 * name, too.  https://minikube.sigs.k8s.io/docs/commands/
 */
#include "base/json.h"
#include "cluster/internal.h"

#define NOT_FOUND 85 /* ExGuestNotFound in minikube's reason package: no such profile */

static bool is(const struct mill_cluster *c, const char *driver)
{
	return mill_streq(c->vm_driver ? c->vm_driver : "docker", driver);
}

static void begin(const struct mill_cluster *c, struct mill_strv *argv, const char *command)
{
	mill_argv(argv, c->tool, command, NULL);
	mill_strv_addf(argv, "--profile=%s", c->name);
}

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	_cleanup_free_ char *engine = NULL;
	int r = mill_tool_prepare(c, install, err);

	if (r == 0 && install && (is(c, "docker") || is(c, "podman"))) {
		r = mill_tool_engine(c, &engine, err);
		if (r < 0)
			mill_error_wrap(err, "vm_driver %s", is(c, "podman") ? "podman" : "docker");
	}
	return r;
}

/* One node is an object, several are a list; the first is the control plane. */
static void read_status(const char *answer, size_t len, struct mill_cluster_status *ret)
{
	_cleanup_json_ json_t *o = NULL;
	const json_t *node;
	const char *host, *api;

	ret->state = MILL_CLUSTER_BROKEN;
	if (mill_json_parse("minikube status", answer, len, &o, NULL) < 0) {
		ret->text = mill_xstrdup("minikube's status cannot be read");
		return;
	}
	node = json_is_array(o) ? json_array_get(o, 0) : o;
	host = mill_json_get_string(node, "Host", "?");
	api = mill_json_get_string(node, "APIServer", "?");
	if (mill_streq(host, "Running") && mill_streq(api, "Running"))
		ret->state = MILL_CLUSTER_RUNNING;
	else if (mill_streq(host, "Stopped") || mill_streq(api, "Paused"))
		ret->state = MILL_CLUSTER_STOPPED;
	else if (mill_streq(host, "Nonexistent"))
		ret->text = mill_xstrdup("its profile is there, its machine is not");
	else
		ret->text = mill_xasprintf("its machine is %s, its API server %s", host, api);
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int code = 0, r;

	begin(c, &argv, "status");
	mill_argv(&argv, "--output=json", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .said = &said, .ret_exit = &code, .ret_kind = &kind}, err);
	if (r < 0)
		return r;
	if (code == NOT_FOUND || kind == MILL_SYMPTOM_ABSENT) {
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	if (!strchr("{[", out.data[0]) || !out.len) {
		mill_fail(err, EIO, "minikube status: exit code %d", code);
		mill_error_detail(err, said.len ? said.data : out.data);
		return -EIO;
	}
	read_status(out.data, out.len, ret);
	return 0;
}

static void add_sizes(const struct mill_cluster *c, struct mill_strv *argv)
{
	if (c->cpus)
		mill_strv_addf(argv, "--cpus=%lld", (long long)c->cpus);
	if (c->memory_mib)
		mill_strv_addf(argv, "--memory=%llum", (unsigned long long)c->memory_mib);
	if (c->storage_mib)
		mill_strv_addf(argv, "--disk-size=%llum", (unsigned long long)c->storage_mib);
	if (c->version)
		mill_strv_addf(argv, "--kubernetes-version=%s", c->version);
}

static int run_start(struct mill_cluster *c, bool create, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, "start");
	mill_argv(&argv, "--interactive=false", "--embed-certs", "--wait=apiserver,system_pods,default_sa,node_ready", NULL);
	if (create) {
		mill_strv_addf(&argv, "--driver=%s", c->vm_driver ? c->vm_driver : "docker");
		add_sizes(c, &argv);
		if (c->gpu && is(c, "docker"))
			mill_argv(&argv, "--container-runtime=docker", "--gpus=all", NULL);
		if (c->gpu && is(c, "kvm2"))
			mill_argv(&argv, "--kvm-gpu", NULL);
		if (c->registry && !c->loopback)
			mill_strv_addf(&argv, "--insecure-registry=%s", c->registry);
	}
	return mill_call(c, &(struct mill_call){.what = create ? "making the cluster (minikube start)" : "starting the cluster",
						.argv = &argv, .timeout_ms = MILL_CALL_CREATE_MS}, err);
}

static int add_on(struct mill_cluster *c, const char *name, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *what = mill_xasprintf("enabling %s", name);

	mill_argv(&argv, c->tool, "addons", "enable", name, NULL);
	mill_strv_addf(&argv, "--profile=%s", c->name);
	return mill_call(c, &(struct mill_call){.what = what, .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

static int gpu_enable(struct mill_cluster *c, struct mill_error *err)
{
	int r = add_on(c, "nvidia-device-plugin", err);

	if (r == 0 && is(c, "kvm2"))
		r = add_on(c, "nvidia-driver-installer", err);
	return r;
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	/* a profile that is there keeps its own driver and sizes: minikube goes on with it */
	int r = run_start(c, was == MILL_CLUSTER_ABSENT, err);

	if (r == 0 && c->istio) {
		r = add_on(c, "istio-provisioner", err);
		if (r == 0)
			r = add_on(c, "istio", err);
	}
	if (r == 0 && c->gpu && is(c, "kvm2"))
		r = gpu_enable(c, err);
	if (r == 0 && c->loopback)
		mill_cluster_note(c, "`data-mill registry config minikube` prints how its node pulls from this machine's registry (%s)", c->registry);
	return r;
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	return run_start(c, false, err);
}

static int simple(struct mill_cluster *c, const char *command, const char *what, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	begin(c, &argv, command);
	return mill_call(c, &(struct mill_call){.what = what, .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	return simple(c, "stop", "stopping the cluster", err);
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	return simple(c, "delete", "deleting the cluster", err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	/* writes to $KUBECONFIG, which names our file */
	int r = simple(c, "update-context", NULL, err);

	return r < 0 ? r : mill_kubefile_choose(c, c->name, err);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	ret->at_creation = true;
	ret->plugin = MILL_PLUGIN_VENDOR;
	if (is(c, "docker")) {
		ret->text = mill_xstrdup("minikube hands all of the machine's NVIDIA GPUs to its container (start --gpus=all) and installs the "
					 "device plugin; the driver and NVIDIA's container toolkit must be on this machine");
	} else if (is(c, "kvm2")) {
		ret->text = mill_xstrdup("minikube passes spare GPUs to its machine (start --kvm-gpu), which needs an IOMMU and GPUs that no "
					 "driver here holds; it installs driver and device plugin as add-ons");
	} else {
		ret->plugin = MILL_PLUGIN_NONE;
		ret->at_creation = false;
		ret->text = mill_xasprintf("minikube passes no GPU through with vm_driver: %s; docker and kvm2 can", c->vm_driver);
	}
}

const struct mill_cluster_driver mill_driver_minikube = {
	.provider = "minikube",
	.title = "minikube cluster",
	.tool = "minikube",
	.prepare = prepare,
	.status = status,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
	.gpu_enable = gpu_enable,
};
