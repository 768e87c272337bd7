/* One action of a plan at a time; see engine/engine.h for the order. */
#include "runtime/kubernetes/chart.h"
#include "runtime/kubernetes/data.h"

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/actions.h"
#include "runtime/native/configure.h"

/* ---- images ---- */

static void on_progress(void *arg, const struct mill_image_progress *ip)
{
	mill_progress_report(arg, ip->fraction, "%s", ip->text ? ip->text : "");
}

static const char *entry_program(const struct mill_kube *k)
{
	static char path[4096];
	const char *given = getenv("DATA_MILL_LIBEXEC");
	char exe[4000];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	_cleanup_free_ char *dir = NULL;

	exe[len > 0 ? len : 0] = '\0';
	dir = given && *given ? mill_path_absolute(given) : mill_path_dirname(exe);
	snprintf(path, sizeof(path), "%s/data-mill-entry", dir);
	return path;
}

void mill_kube_image_source(const struct mill_kube *k, const json_t *source, struct mill_image_source *ret)
{
	*ret = (struct mill_image_source){
		.name = mill_json_get_string(source, "name", ""),
		.kind = mill_json_get_string(source, "kind", "component"),
		.title = mill_json_get_string(source, "title", NULL),
		.version = mill_json_get_string(source, "version", NULL),
		.license = mill_json_get_string(source, "license", NULL),
		.homepage = mill_json_get_string(source, "homepage", NULL),
		.recipes = json_object_get(source, "recipes"),
		.dir = mill_json_get_string(source, "dir", ""),
		.hooks_dir = mill_json_get_string(source, "hooks_dir", NULL),
		.entry_program = entry_program(k),
	};
}

static int make_image(struct mill_kube *k, const char *image, const json_t *description, struct mill_progress *p, struct mill_error *err)
{
	const struct mill_image_registry registry = {.host = k->registry};
	struct mill_image_options o = MILL_IMAGE_OPTIONS_INIT;
	struct mill_image_source source;
	const char *colon = strrchr(image, ':');
	int r;

	if (!colon || !k->images)
		return mill_fail(err, EINVAL, "the plan names no image");
	mill_kube_image_source(k, description, &source);
	o.cancel_fd = mill_progress_cancel_fd(p);
	o.on_progress = on_progress;
	o.arg = p;
	r = mill_image_build(k->images, &source, &o, NULL, err);
	if (r < 0)
		return r;
	mill_progress_report(p, -1, "push %s", image);
	return mill_image_push(k->images, &registry, source.name, colon + 1, &o, err);
}

/* Made and pushed where the registry lacks it; an environment's is pulled by the nodes, too. */
static int install(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	const char *image = mill_json_get_string(a->data, "image", ""), *id = mill_json_get_string(a->data, "id", NULL);
	const json_t *source = json_object_get(a->data, "source");
	int r = source ? make_image(k, image, source, p, err) : 0;

	if (r < 0)
		return mill_error_wrap(err, "image of %s", a->component), r;
	if (!id)
		return 0;
	mill_kube_prepull(k, image, p);
	r = mill_native_task_done(k->n, id, mill_json_get_string(a->data, "fingerprint", ""), err);
	return r < 0 ? r : mill_kube_push(k, err);
}

/* ---- services ---- */

static int save_spec(struct mill_kube *k, const json_t *spec, struct mill_error *err)
{
	const char *id = mill_json_get_string(spec, "id", "");
	_cleanup_free_ char *dir = mill_native_service_path(k->n, id, NULL), *path = mill_path_join(dir, "spec.json");
	int r = mill_mkdir_p(dir, 0700, err);

	return r < 0 ? r : mill_native_save_json(path, spec, err);
}

static bool will_start(const struct mill_kube *k, const char *id)
{
	const struct mill_plan *plan = k->n->plan;

	for (size_t i = 0; plan && i < plan->n_actions; i++)
		if ((plan->actions[i].kind == MILL_ACTION_START || plan->actions[i].kind == MILL_ACTION_RESTART) &&
		    mill_streq(mill_json_get_string(plan->actions[i].data, "id", ""), id))
			return true;
	return false;
}

/* The tasks before it ran in its pod, or it would not be ready. */
static int note_tasks(struct mill_kube *k, const json_t *spec, struct mill_error *err)
{
	const json_t *task;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(json_object_get(spec, "pod"), "tasks"), i, task)
		if (r == 0)
			r = mill_native_task_done(k->n, mill_json_get_string(task, "id", ""),
						  mill_json_get_string(task, "fingerprint", ""), err);
	return r;
}

static int note_running(struct mill_kube *k, const json_t *spec, struct mill_error *err)
{
	int r = save_spec(k, spec, err);

	if (r == 0)
		r = mill_kube_chart_own_claims(k, mill_json_get_string(spec, "component", ""), json_object_get(spec, "charts"), err);
	if (r == 0)
		r = mill_configure_data(k->n, spec, err);
	if (r == 0)
		r = mill_configure_applied(k->n, spec, err);
	if (r == 0)
		r = note_tasks(k, spec, err);
	return r < 0 ? r : mill_kube_push(k, err);
}

/* A release that was fine before is put back as it was; a first one stays as it is, to be looked at. */
static int put_back(struct mill_kube *k, const char *component, struct mill_error *err, int r)
{
	_cleanup_error_ struct mill_error why = {0};
	int to;

	if (r == -ECANCELED)
		return r;
	to = mill_kube_rollback(k, component, &why);
	if (to > 0)
		mill_error_wrap(err, "%s was rolled back to revision %d", component, to);
	else if (to < 0)
		mill_error_wrap(err, "%s could not be rolled back (%s)", component, why.message ? why.message : "");
	return r;
}

static int bring_up(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	const json_t *spec = json_object_get(a->data, "spec");
	const char *id = mill_json_get_string(spec, "id", NULL);
	int r;

	if (!id)
		return mill_fail(err, EINVAL, "%s %s: the plan has no spec for it", mill_action_verb(a->kind), a->component);
	r = mill_native_want(k->n, id, true, json_object_get(spec, "after"), err);
	if (r == 0)
		r = mill_kube_deploy(k, a->component, p, err);
	if (r < 0) {
		mill_error_wrap(err, "%s: %s", id, mill_action_verb(a->kind));
		/* A chart's hooks may have failed, with half of it upgraded. */
		return json_object_get(spec, "charts") ? put_back(k, a->component, err, r) : r;
	}
	r = mill_kube_wait_ready(k, spec, p, err);
	return r < 0 ? put_back(k, a->component, err, r) : note_running(k, spec, err);
}

/* `restart` of a platform that is as it should be: new pods of the same template. */
static int restart(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	const json_t *spec = json_object_get(a->data, "spec"), *pod = json_object_get(spec, "pod");
	_cleanup_free_ char *what = NULL;
	int r;

	if (k->n->plan)
		return bring_up(k, a, p, err);
	if (json_object_get(spec, "charts")) {
		r = mill_kube_chart_restart(k, a->component, err);
		return r < 0 ? r : mill_kube_wait_ready(k, spec, p, err);
	}
	what = mill_xasprintf("%s/%s", mill_json_get_bool(pod, "data", false) ? "statefulset" : "deployment",
			      mill_json_get_string(pod, "name", ""));
	r = mill_kube_kubectl(k, MILL_KUBE_CALL("restart"), NULL, NULL, err, "rollout", "restart", what, NULL);
	if (r == 0)
		r = mill_kube_wait_ready(k, spec, p, err);
	return r;
}

static int reload(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	const json_t *spec = json_object_get(a->data, "spec"), *file;
	_cleanup_json_ json_t *snapshot = NULL, *state = NULL;
	_cleanup_wipe_ json_t *files = json_array();
	struct mill_kube_call c = {.what = "reload", .cancel_fd = mill_progress_cancel_fd(p)};
	const char *pod;
	char *text;
	size_t i;
	/* The next pod finds them in its ConfigMap and Secret. */
	int r = mill_kube_deploy(k, a->component, p, err);

	/* A file that holds a secret for the first time makes a volume, and that another pod. */
	if (r == 0)
		r = mill_kube_wait_ready(k, spec, p, err);
	json_array_foreach(json_object_get(spec, "files"), i, file) {
		char *content = NULL;

		if (r < 0 || !mill_json_get_bool(file, "reload", false))
			continue;
		r = mill_native_resolve_text(k->n, json_object_get(file, "content"), &content, err);
		if (r == 0)
			json_array_append_new(files, json_pack("{s:s, s:s, s:s}", "path", mill_json_get_string(file, "path", ""), "mode",
							       mill_json_get_string(file, "mode", "0600"), "content", content));
		free(content);
	}
	if (r == 0)
		r = mill_kube_snapshot(k, 0, &snapshot, err);
	if (r < 0)
		return r;
	state = mill_kube_service_state(snapshot, mill_json_get_string(spec, "id", ""),
					mill_json_get_string(json_object_get(spec, "pod"), "name", ""));
	pod = mill_json_get_string(state, "pod", NULL);
	if (!pod)
		return mill_fail(err, ESRCH, "%s: it has no pod to reload", mill_json_get_string(spec, "id", ""));
	text = json_dumps(files, JSON_COMPACT);
	c.input = text;
	r = mill_kube_kubectl(k, &c, NULL, NULL, err, "exec", "--stdin", pod, "--", MILL_IMAGE_ENTRY, "reload", NULL);
	explicit_bzero(text, strlen(text));
	free(text);
	return r < 0 ? r : note_running(k, spec, err);
}

/* What only the chart reads (probes, resources, placement) is for its next upgrade, now, unless a start brings it. */
static int configure(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	const json_t *spec = json_object_get(a->data, "spec");
	int r;

	if (!spec || will_start(k, mill_json_get_string(spec, "id", "")))
		return 0;
	r = mill_kube_deploy(k, a->component, p, err);
	if (r == 0)
		r = mill_kube_wait_ready(k, spec, p, err);
	return r < 0 ? put_back(k, a->component, err, r) : note_running(k, spec, err);
}

static bool runs_in_pod(const struct mill_kube *k, const struct mill_action *a)
{
	_cleanup_free_ char *id = mill_xasprintf("%s.%s", a->component, mill_json_get_string(a->data, "service", ""));
	const json_t *spec = k->n->plan ? json_object_get(k->n->plan->specs, id) : NULL, *task;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(spec, "pod"), "tasks"), i, task)
		if (mill_streq(mill_json_get_string(task, "name", ""), a->name))
			return true;
	return false;
}

static int task(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	int r;

	if (runs_in_pod(k, a)) {
		mill_progress_report(p, -1, "runs in the pod, before its service");
		return 0;
	}
	r = mill_action_task(k->n, a, p, err);
	return r < 0 ? r : mill_kube_push(k, err);
}

static int stop(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	const char *id = mill_json_get_string(a->data, "id", "");
	const struct mill_ops_watch w = {.cancel_fd = mill_progress_cancel_fd(p)};
	int r = mill_native_want(k->n, id, false, NULL, err);

	mill_strv_add(&ids, id);
	if (r == 0)
		r = mill_kube_remote.stop(k, &ids, &w, err);
	if (r == 0 && mill_json_get_bool(a->data, "remove", false))
		r = mill_kube_make_way(k, a->component, err);
	return r < 0 ? r : mill_kube_push(k, err);
}

static int publish(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_json_ json_t *data = json_deep_copy(a->data);
	_cleanup_free_ char *endpoint = NULL;
	struct mill_action here = *a;
	int r;

	if (json_object_get(data, "volume"))
		return mill_kube_data_action(k, a, p, err);
	r = mill_kube_reach(k, mill_json_get_string(data, "endpoint", ""), &endpoint, err);

	if (r < 0)
		return r;
	json_object_set_new(data, "endpoint", json_string(endpoint));
	here.data = data;
	r = mill_action_publish(k->n, &here, p, err);
	return r < 0 ? r : mill_kube_push(k, err);
}

static int step(struct mill_kube *k, int (*run)(struct mill_native *, const struct mill_action *, struct mill_progress *,
						struct mill_error *), const struct mill_action *a, struct mill_progress *p,
		struct mill_error *err)
{
	int r = run(k->n, a, p, err);

	return r < 0 ? r : mill_kube_push(k, err);
}

int mill_kube_action(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	struct mill_kube *k = arg;

	switch (a->kind) {
	case MILL_ACTION_INSTALL:
		return install(k, a, p, err);
	case MILL_ACTION_CONFIGURE:
		return configure(k, a, p, err);
	case MILL_ACTION_TASK:
		return task(k, a, p, err);
	case MILL_ACTION_START:
		return bring_up(k, a, p, err);
	case MILL_ACTION_RESTART:
		return restart(k, a, p, err);
	case MILL_ACTION_RELOAD:
		return reload(k, a, p, err);
	case MILL_ACTION_PROVISION:
		return step(k, mill_action_provision, a, p, err);
	case MILL_ACTION_HOOK:
		return step(k, mill_action_hook, a, p, err);
	case MILL_ACTION_PUBLISH:
		return publish(k, a, p, err);
	case MILL_ACTION_STOP:
		return stop(k, a, p, err);
	}
	BUG("action kind %d", a->kind);
}
