/*
 * microk8s on this machine: a snap, one a machine.  Installing and removing
 * it needs root and is asked about.  https://canonical.com/microk8s/docs/command-reference
 */
#include "base/json.h"
#include "cluster/internal.h"

char *mill_microk8s_snap(const struct mill_cluster *c)
{
	const char *v = c->version;
	size_t n;

	if (!v)
		return mill_xstrdup("microk8s --classic");
	v += v[0] == 'v';
	n = strcspn(v, ".");
	n += v[n] == '.' ? 1 + strcspn(v + n + 1, ".") : 0; /* channels are of minor versions */
	return mill_xasprintf("microk8s --classic --channel=%.*s/stable", (int)n, v);
}

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	_cleanup_free_ char *snap = mill_microk8s_snap(c);

	if (install && !c->tool && (c->cpus || c->memory_mib || c->storage_mib))
		mill_cluster_note(c, "microk8s uses this machine as it is: cpus, memory and storage of the target mean nothing to it");
	return mill_tool_prepare_snap(c, install, snap, err);
}

enum mill_cluster_state mill_microk8s_state(const char *answer)
{
	if (strstr(answer, "running: True"))
		return MILL_CLUSTER_RUNNING;
	if (strstr(answer, "is not running, try microk8s start"))
		return MILL_CLUSTER_STOPPED;
	return MILL_CLUSTER_BROKEN;
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	const struct mill_symptom *s;
	int code = 0, r;

	mill_argv(&argv, c->tool, "status", "--format=yaml", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .said = &said, .ret_exit = &code}, err);
	if (r < 0)
		return r;
	s = code ? mill_symptom_find("microk8s", out.data) : NULL;
	if (s && s->kind == MILL_SYMPTOM_FORBIDDEN) {
		mill_fail(err, EACCES, "microk8s status: %s", s->cause);
		return mill_error_hint(err, "%s", s->next);
	}
	ret->state = mill_microk8s_state(out.data);
	if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xstrdup("its services run, Kubernetes in it does not answer; microk8s inspect says why");
	return 0;
}

static int command(struct mill_cluster *c, const struct mill_strv *prefix, const char *what, const char *const *words,
		   struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	for (size_t i = 0; i < prefix->n; i++)
		mill_strv_add(&argv, prefix->items[i]);
	for (; *words; words++)
		mill_strv_add(&argv, *words);
	return mill_call(c, &(struct mill_call){.what = what, .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS}, err);
}

int mill_microk8s_settle(struct mill_cluster *c, const struct mill_strv *prefix, struct mill_error *err)
{
	const char *const wait[] = {"status", "--wait-ready", "--timeout=600", NULL};
	const char *const dns[] = {"enable", "dns", NULL}, *const storage[] = {"enable", "hostpath-storage", NULL};
	const char *const community[] = {"enable", "community", NULL}, *const istio[] = {"enable", "istio", NULL};
	const char *const nvidia[] = {"enable", "nvidia", NULL};
	int r = command(c, prefix, "waiting until microk8s is ready", wait, err);

	if (r == 0)
		r = command(c, prefix, "enabling dns", dns, err);
	if (r == 0)
		r = command(c, prefix, "enabling storage", storage, err);
	if (r == 0 && c->gpu)
		r = command(c, prefix, "enabling the GPU", nvidia, err);
	if (r == 0 && c->istio) {
		r = command(c, prefix, "adding the community's add-ons, where Istio is", community, err);
		if (r == 0)
			r = command(c, prefix, "enabling Istio", istio, err);
	}
	return r;
}

static void own(const struct mill_cluster *c, struct mill_strv *prefix)
{
	mill_strv_add(prefix, c->tool);
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv prefix = {0};

	(void)was; /* the snap is the cluster: prepare() has installed it */
	own(c, &prefix);
	return mill_microk8s_settle(c, &prefix, err);
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	const char *const words[] = {"start", NULL}, *const wait[] = {"status", "--wait-ready", "--timeout=600", NULL};
	_cleanup_strv_ struct mill_strv prefix = {0};
	int r;

	own(c, &prefix);
	r = command(c, &prefix, "starting microk8s", words, err);
	return r < 0 ? r : command(c, &prefix, "waiting until microk8s is ready", wait, err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	const char *const words[] = {"stop", NULL};
	_cleanup_strv_ struct mill_strv prefix = {0};

	own(c, &prefix);
	return command(c, &prefix, "stopping microk8s", words, err);
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_call call = {.what = "removing the snap", .argv = &argv, .timeout_ms = MILL_CALL_CHANGE_MS};

	mill_argv(&argv, "snap", "remove", "microk8s", "--purge", NULL);
	return mill_call_as_root(c, &call, "Removing microk8s with its data needs root.", err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int r;

	mill_argv(&argv, c->tool, "config", "--use-loopback", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out}, err);
	if (r == 0)
		r = mill_record_kubeconfig(c, out.data, out.len, err);
	return r < 0 ? r : mill_kubefile_choose(c, NULL, err);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	(void)c;
	ret->plugin = MILL_PLUGIN_VENDOR;
	ret->text = mill_xstrdup("microk8s enable nvidia installs NVIDIA's operator, which brings device plugin and container toolkit, and uses this "
				 "machine's driver or brings one; it can be enabled at any time");
}

static int gpu_enable(struct mill_cluster *c, struct mill_error *err)
{
	const char *const words[] = {"enable", "nvidia", NULL};
	_cleanup_strv_ struct mill_strv prefix = {0};

	own(c, &prefix);
	return command(c, &prefix, "enabling the GPU", words, err);
}

const struct mill_cluster_driver mill_driver_microk8s = {
	.provider = "microk8s",
	.title = "cluster",
	.tool = "microk8s",
	.installed_is_made = true,
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
