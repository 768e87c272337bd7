/*
 * microk8s in a virtual machine of multipass, where this machine's own system
 * cannot run it.  https://canonical.com/multipass/docs/reference
 */
#include "base/json.h"
#include "cluster/internal.h"

#define IMAGE "24.04"

static int prepare(struct mill_cluster *c, bool install, struct mill_error *err)
{
	return mill_tool_prepare_snap(c, install, "multipass", err);
}

/* multipass exec NAME -- sudo microk8s */
static void inside(const struct mill_cluster *c, struct mill_strv *argv, const char *program)
{
	mill_argv(argv, c->tool, "exec", c->name, "--", "sudo", program, NULL);
}

static int status_inside(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	int code = 0, r;

	inside(c, &argv, "microk8s");
	mill_argv(&argv, "status", "--format=yaml", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .said = &said, .ret_exit = &code}, err);
	if (r < 0)
		return r;
	ret->state = mill_microk8s_state(out.data);
	if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xstrdup(code == 127 || strstr(said.data, "command not found")
						 ? "its machine runs, microk8s is not in it yet"
						 : "its machine runs, microk8s in it does not answer");
	return 0;
}

static int status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	_cleanup_json_ json_t *o = NULL;
	const char *state;
	int code = 0, r;

	mill_argv(&argv, c->tool, "info", c->name, "--format=json", NULL);
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out,
					     .said = &said, .ret_exit = &code, .ret_kind = &kind}, err);
	if (r < 0)
		return r;
	if (kind == MILL_SYMPTOM_ABSENT) {
		ret->state = MILL_CLUSTER_ABSENT;
		return 0;
	}
	if (code || mill_json_parse("multipass info", out.data, out.len, &o, err) < 0) {
		const struct mill_symptom *s = mill_symptom_find("multipass", said.data);

		mill_fail(err, EIO, "multipass info: %s", s ? s->cause : "it failed");
		mill_error_detail(err, said.data);
		return s && s->next ? mill_error_hint(err, "%s", s->next) : -EIO;
	}
	state = mill_json_get_string(json_object_get(json_object_get(o, "info"), c->name), "state", "?");
	if (mill_streq(state, "Running"))
		return status_inside(c, ret, err);
	ret->state = mill_streq(state, "Stopped") || mill_streq(state, "Suspended") ? MILL_CLUSTER_STOPPED
		     : mill_streq(state, "Starting") || mill_streq(state, "Restarting") ? MILL_CLUSTER_STARTING
		     : MILL_CLUSTER_BROKEN;
	if (mill_streq(state, "Deleted"))
		ret->text = mill_xstrdup("its machine was deleted and still keeps the name; multipass purge frees it");
	else if (ret->state == MILL_CLUSTER_BROKEN)
		ret->text = mill_xasprintf("its machine is %s", state);
	return 0;
}

static int run(struct mill_cluster *c, struct mill_strv *argv, const char *what, int timeout_ms, struct mill_error *err)
{
	return mill_call(c, &(struct mill_call){.what = what, .argv = argv, .timeout_ms = timeout_ms}, err);
}

static int launch(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "launch", IMAGE, "--name", c->name, "--timeout", "900", NULL);
	if (c->cpus) {
		mill_strv_add(&argv, "--cpus");
		mill_strv_addf(&argv, "%lld", (long long)c->cpus);
	}
	if (c->memory_mib) {
		mill_strv_add(&argv, "--memory");
		mill_strv_addf(&argv, "%lluM", (unsigned long long)c->memory_mib);
	}
	if (c->storage_mib) {
		mill_strv_add(&argv, "--disk");
		mill_strv_addf(&argv, "%lluM", (unsigned long long)c->storage_mib);
	}
	return run(c, &argv, "making the machine (multipass launch)", MILL_CALL_CREATE_MS, err);
}

/* Nothing to do for one that runs. */
static int boot(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "start", c->name, "--timeout", "600", NULL);
	return run(c, &argv, "starting the machine", MILL_CALL_CHANGE_MS, err);
}

static int create(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv install = {0}, prefix = {0};
	_cleanup_free_ char *snap = mill_microk8s_snap(c);
	int r = was == MILL_CLUSTER_ABSENT ? launch(c, err) : boot(c, err);

	if (r < 0)
		return r;
	inside(c, &install, "snap");
	mill_strv_add(&install, "install");
	mill_strv_split(&install, snap, " ");
	inside(c, &prefix, "microk8s");
	r = run(c, &install, "installing microk8s in it", MILL_CALL_CHANGE_MS, err);
	if (r == 0)
		r = mill_microk8s_settle(c, &prefix, err);
	if (r == 0 && c->loopback)
		mill_cluster_note(c, "`data-mill registry config microk8s` prints how it pulls from this machine's registry (%s)", c->registry);
	return r;
}

static int start(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ready = {0};
	int r = boot(c, err);

	inside(c, &ready, "microk8s");
	mill_argv(&ready, "status", "--wait-ready", "--timeout=600", NULL);
	return r < 0 ? r : run(c, &ready, "waiting until microk8s is ready", MILL_CALL_CHANGE_MS, err);
}

static int stop(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "stop", c->name, NULL);
	return run(c, &argv, "stopping the machine", MILL_CALL_CHANGE_MS, err);
}

static int delete(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	mill_argv(&argv, c->tool, "delete", "--purge", c->name, NULL);
	return run(c, &argv, "deleting the machine", MILL_CALL_CHANGE_MS, err);
}

static int kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int r;

	inside(c, &argv, "microk8s");
	mill_strv_add(&argv, "config"); /* with the machine's address, which this one reaches */
	r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .out = &out}, err);
	if (r == 0)
		r = mill_record_kubeconfig(c, out.data, out.len, err);
	return r < 0 ? r : mill_kubefile_choose(c, NULL, err);
}

static int check(struct mill_cluster *c, struct mill_error *err)
{
	/* https://canonical.com/multipass/docs/instance-name-format */
	size_t n = strlen(c->name);

	if (n < 64 && strspn(c->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n &&
	    !strchr("0123456789-", c->name[0]) && c->name[n - 1] != '-')
		return 0;
	return mill_fail_usage(err, "cluster_name: a multipass machine cannot be called '%s' (letters, digits, dashes; a letter first)", c->name);
}

static void gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret)
{
	(void)c;
	ret->plugin = MILL_PLUGIN_NONE;
	ret->text = mill_xstrdup("multipass hands no GPU to its machines; microk8s on this machine itself (microk8s.yaml) can use one");
}

const struct mill_cluster_driver mill_driver_multipass = {
	.provider = "multipass",
	.title = "multipass machine",
	.tool = "multipass",
	.check = check,
	.prepare = prepare,
	.status = status,
	.create = create,
	.start = start,
	.stop = stop,
	.remove = delete,
	.kubeconfig = kubeconfig,
	.gpu_plan = gpu_plan,
};
