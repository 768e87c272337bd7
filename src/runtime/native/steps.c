/* TASK, PROVISION, HOOK: one-shot steps, recorded as done only once they are. */
#include <signal.h>
#include <sys/wait.h>

#include "runtime/native/actions.h"
#include "runtime/native/hooks.h"

#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "secret/secret.h"

#define TASK_OUTPUT_MAX ((size_t)1 << 20)
#define TASK_LINES 20
#define TASK_TIMEOUT_MS 120000

static int record(struct mill_native *n, const struct mill_action *a, struct mill_error *err)
{
	const char *id = mill_json_get_string(a->data, "id", NULL);
	const char *fingerprint = mill_json_get_string(a->data, "fingerprint", NULL);
	if (!id || !fingerprint)
		return 0; /* a step that is done each time */
	return mill_native_task_done(n, id, fingerprint, err);
}

/* ---- plain commands ---- */

static int task_env(struct mill_native *n, const struct mill_action *a, struct mill_strv *env, struct mill_error *err)
{
	const char *name;
	json_t *value;
	mill_strv_addf(env, "DATA_MILL_SERVICE=%s/%s.%s", n->p->dir, a->component, a->name);
	if (!json_object_get(json_object_get(a->data, "environment"), "PATH"))
		mill_strv_add(env, "PATH=/usr/local/bin:/usr/bin:/bin");
	json_object_foreach(json_object_get(a->data, "environment"), name, value) {
		char *text = NULL;
		int r = mill_native_resolve_text(n, value, &text, err);
		if (r < 0)
			return r;
		mill_strv_setenv(env, name, text);
		mill_secret_free(text);
	}
	return 0;
}

static void wipe_env(struct mill_strv *env)
{
	for (size_t i = 0; i < env->n; i++)
		explicit_bzero(env->items[i], strlen(env->items[i]));
	mill_strv_release(env);
}

static char *task_folder(const struct mill_native *n, const struct mill_action *a)
{
	const char *cwd = mill_json_get_string(a->data, "cwd", NULL);
	const char *service = mill_json_get_string(a->data, "service", NULL);
	if (cwd && cwd[0] == '/')
		return mill_xstrdup(cwd);
	if (service && *service) {
		_cleanup_free_ char *id = mill_xasprintf("%s.%s", a->component, service);
		return mill_native_service_path(n, id, "data");
	}
	return mill_native_component_path(n, a->component, "data");
}

static int task_spawn(struct mill_native *n, const struct mill_action *a, struct mill_strv *argv, struct mill_strv *env,
		      struct mill_progress *p, struct mill_strbuf *out, int *ret_status, struct mill_error *err)
{
	_cleanup_free_ char *cwd = task_folder(n, a);
	int64_t timeout = mill_json_get_int(a->data, "timeout_ms", TASK_TIMEOUT_MS);
	struct mill_run run = MILL_RUN_INIT;
	run.spawn.argv = mill_strv_argv(argv);
	run.spawn.env = mill_strv_argv(env);
	run.spawn.cwd = cwd;
	run.spawn.set_ids = n->layout->root;
	run.spawn.uid = n->layout->uid;
	run.spawn.gid = n->layout->gid;
	run.spawn.new_session = true;
	run.spawn.parent_death_signal = SIGKILL;
	run.spawn.no_new_privs = true;
	run.spawn.umask = 077;
	run.output_max = TASK_OUTPUT_MAX;
	run.merge_stderr = true;
	run.timeout_ms = timeout > 0 && timeout < INT32_MAX ? (int)timeout : TASK_TIMEOUT_MS;
	run.cancel_fd = mill_progress_cancel_fd(p);
	return mill_run(&run, out, NULL, ret_status, err);
}

static int run_plain(struct mill_native *n, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_strv env = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX(TASK_OUTPUT_MAX);
	char text[64];
	int status = 0;
	size_t i;
	json_t *word;
	json_array_foreach(json_object_get(a->data, "command"), i, word)
		mill_strv_add(&argv, json_is_string(word) ? json_string_value(word) : "");
	if (argv.n == 0)
		return mill_fail(err, EINVAL, "task %s.%s: no command", a->component, a->name);
	int r = task_env(n, a, &env, err);
	if (r == 0) {
		r = task_spawn(n, a, &argv, &env, p, &out, &status, err);
		mill_component_log(n, a->component, "tasks.log", a->name, out.data);
	}
	wipe_env(&env);
	if (r == 0 && status == 0)
		return 0;
	if (r < 0)
		mill_error_wrap(err, "task %s.%s", a->component, a->name);
	else
		r = mill_fail(err, EIO, "task %s.%s: %s", a->component, a->name,
			      mill_status_text(status, text, sizeof(text)));
	mill_error_detail(err, mill_last_lines(out.data, TASK_LINES));
	if (r != -ECANCELED) {
		_cleanup_free_ char *log = mill_native_component_path(n, a->component, "tasks.log");
		mill_error_hint(err, "its output is in %s; run the same command again to retry", log);
	}
	return r;
}

/* ---- hooks ---- */

static int run_hook(struct mill_native *n, const struct mill_action *a, const struct mill_hook_call *c,
		    struct mill_progress *p, struct mill_hook_result *ret, struct mill_error *err)
{
	int r = mill_hook_run(n, c, ret, err);
	if (r < 0)
		return r;
	if (ret->code != MILL_HOOK_FAILED) {
		if (*ret->message)
			mill_progress_report(p, -1, "%s", ret->message);
		return 0;
	}
	mill_fail(err, EIO, "%s %s%s%s: %s", mill_action_verb(a->kind), a->component, a->name ? " " : "",
		  a->name ? a->name : "", ret->message);
	mill_error_detail(err, ret->log);
	_cleanup_free_ char *log = mill_native_component_path(n, a->component, "hooks.log");
	return mill_error_hint(err, "its output is in %s; run the same command again to retry", log);
}

int mill_action_task(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err)
{
	int r;
	if (mill_json_get_bool(a->data, "plain", false)) {
		r = run_plain(n, a, p, err);
	} else {
		_cleanup_json_ json_t *request = json_pack("{s:s}", "task", a->name);
		_cleanup_hook_ struct mill_hook_result result = {0};
		const struct mill_hook_call c = {.component = a->component, .hook = "task", .spec = a->data,
						 .request = request, .timeout_ms = TASK_TIMEOUT_MS,
						 .cancel_fd = mill_progress_cancel_fd(p)};
		r = run_hook(n, a, &c, p, &result, err);
	}
	return r < 0 ? r : record(n, a, err);
}

/* What the hook answered about the resource goes to the consumer's hooks. */
static int keep_answer(struct mill_native *n, const char *consumer, const char *capability, const json_t *answer,
		       struct mill_error *err)
{
	json_t *values = json_object_get(answer, "values");
	if (!json_is_object(values) || json_object_size(values) == 0)
		return 0;
	_cleanup_free_ char *dir = mill_native_component_path(n, consumer, NULL);
	_cleanup_free_ char *path = mill_path_join(dir, "provided.json");
	_cleanup_wipe_ json_t *all = NULL;
	int r = mill_native_passage(n, dir, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&n->lock); /* two providers may answer at once */
	if (mill_json_load(path, MILL_JSON_FILE_MAX, &all, NULL) < 0)
		all = json_object();
	json_object_set_new(all, capability, json_deep_copy(values));
	r = mill_native_save_json(path, all, err);
	pthread_mutex_unlock(&n->lock);
	return r;
}

int mill_action_provision(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			  struct mill_error *err)
{
	const char *consumer = mill_json_get_string(a->data, "consumer", "");
	const char *capability = mill_json_get_string(a->data, "capability", "");
	_cleanup_json_ json_t *request = json_pack("{s:s, s:s}", "capability", capability, "consumer", consumer);
	static const char *const parts[] = {"parameters", "credentials"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++) {
		json_t *part = json_object_get(a->data, parts[i]);
		json_object_set_new(request, parts[i], part ? json_incref(part) : json_object());
	}
	_cleanup_hook_ struct mill_hook_result result = {0};
	const struct mill_hook_call c = {.component = a->component, .hook = "provision",
					 .spec = json_object_get(a->data, "hook"), .request = request,
					 .cancel_fd = mill_progress_cancel_fd(p)};
	int r = run_hook(n, a, &c, p, &result, err);
	if (r == 0)
		r = keep_answer(n, consumer, capability, result.answer, err);
	return r < 0 ? r : record(n, a, err);
}

int mill_action_hook(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err)
{
	_cleanup_hook_ struct mill_hook_result result = {0};
	const struct mill_hook_call c = {.component = a->component, .hook = a->name ? a->name : "configure",
					 .spec = json_object_get(a->data, "hook"),
					 .cancel_fd = mill_progress_cancel_fd(p)};
	int r = run_hook(n, a, &c, p, &result, err);
	return r < 0 ? r : record(n, a, err);
}
