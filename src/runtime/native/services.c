/* START, RESTART, RELOAD, STOP: desired state first, then the daemon is asked. */
#include "runtime/native/actions.h"
#include "runtime/native/configure.h"
#include "runtime/native/logs.h"

#include "base/json.h"

#define ASK_MS 60000        /* the daemon answers once each spawn was tried */
#define DEADLINE_MS 60000   /* of a spec that says none */
#define DEADLINE_SLACK_MS 15000
#define LOG_LINES 20

int mill_service_deadline_ms(const json_t *spec)
{
	const json_t *startup = json_object_get(json_object_get(spec, "probes"), "startup");
	int64_t deadline = mill_json_get_int(startup, "deadline_ms", DEADLINE_MS);
	if (deadline <= 0 || deadline > 24 * 3600 * 1000)
		deadline = DEADLINE_MS;
	return (int)deadline + DEADLINE_SLACK_MS;
}

const json_t *mill_service_result(const json_t *answer, const char *id)
{
	size_t i;
	json_t *result;
	json_array_foreach(json_object_get(answer, "results"), i, result)
		if (mill_streq(mill_json_get_string(result, "id", ""), id))
			return result;
	return NULL;
}

static void add_log(struct mill_native *n, const char *id, const json_t *result, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	size_t i;
	json_t *line;
	json_array_foreach(json_object_get(result, "log"), i, line)
		if (json_is_string(line))
			mill_strbuf_printf(&text, "%s%s", text.len ? "\n" : "", json_string_value(line));
	if (text.len == 0) {
		_cleanup_free_ char *last = mill_logs_last(n->p, id, LOG_LINES);
		mill_strbuf_addstr(&text, last);
	}
	if (text.len)
		mill_error_detail(err, text.data);
}

int mill_service_failed(struct mill_native *n, const char *id, const char *phase, const json_t *result,
			struct mill_error *err)
{
	const char *state = mill_json_get_string(result, "state", "");
	const char *reason = mill_json_get_string(result, "reason", NULL);
	if (!reason || !*reason)
		reason = mill_json_get_string(result, "error", NULL);
	if (!reason || !*reason)
		reason = "no reason given";
	mill_fail(err, EIO, "%s: %s: %s%s%s%s", id, phase, reason, *state ? " (" : "", state, *state ? ")" : "");
	add_log(n, id, result, err);
	return mill_error_hint(err, "its whole log: data-mill logs %s; then run the same command again", id);
}

/* A request about one service whose result is looked at. */
static int ask(struct mill_native *n, struct mill_client *c, const char *op, const char *id, const char *phase,
	       int timeout_ms, int cancel_fd, struct mill_error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *const ids[] = {id};
	int r = mill_client_services(c, op, ids, 1, timeout_ms, cancel_fd, &answer, err);
	if (r < 0) {
		mill_error_wrap(err, "%s: %s", id, phase);
		return r;
	}
	const json_t *result = mill_service_result(answer, id);
	if (result && !mill_json_get_bool(result, "ok", true))
		return mill_service_failed(n, id, phase, result, err);
	return 0;
}

static int wait_ready(struct mill_native *n, struct mill_client *c, const json_t *spec, int cancel_fd,
		      struct mill_error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *id = mill_json_get_string(spec, "id", "");
	const char *const ids[] = {id};
	int deadline = mill_service_deadline_ms(spec);
	int r = mill_client_wait(c, ids, 1, "ready", deadline, cancel_fd, &answer, err);
	if (r < 0) {
		mill_error_wrap(err, "%s: wait until it is ready", id);
		if (r != -ECANCELED)
			add_log(n, id, NULL, err);
		return r;
	}
	const json_t *result = mill_service_result(answer, id);
	if (!result || mill_json_get_bool(result, "ok", false))
		return 0;
	char phase[64];
	snprintf(phase, sizeof(phase), "not ready (deadline %d s)", (deadline - DEADLINE_SLACK_MS) / 1000);
	return mill_service_failed(n, id, phase, result, err);
}

/* What an action must carry; a plan without it is a mistake of ours that should not take the others down. */
static int need_spec(const struct mill_action *a, const json_t **ret_spec, const char **ret_id, struct mill_error *err)
{
	*ret_spec = json_object_get(a->data, "spec");
	*ret_id = mill_json_get_string(*ret_spec, "id", NULL);
	if (!*ret_id)
		return mill_fail(err, EINVAL, "%s %s.%s: the plan has no spec for it", mill_action_verb(a->kind),
				 a->component, a->name ? a->name : "");
	return 0;
}

static int bring_up(struct mill_native *n, const json_t *spec, const char *id, const char *op, struct mill_progress *p,
		    struct mill_error *err)
{
	int cancel_fd = mill_progress_cancel_fd(p);
	struct mill_client *c = NULL;
	int r = mill_native_want(n, id, true, json_object_get(spec, "after"), err);
	if (r == 0)
		r = mill_configure_data(n, spec, err);
	if (r == 0)
		r = mill_native_client(n, true, cancel_fd, &c, err);
	if (r < 0) {
		mill_error_wrap(err, "%s: %s", id, op);
		return r;
	}
	r = ask(n, c, op, id, op, ASK_MS, cancel_fd, err);
	if (r == 0) {
		mill_progress_report(p, -1, "started, waiting until it is ready");
		r = wait_ready(n, c, spec, cancel_fd, err);
	}
	mill_client_close(c);
	return r < 0 ? r : mill_configure_applied(n, spec, err);
}

int mill_action_start(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		      struct mill_error *err)
{
	const json_t *spec;
	const char *id;
	int r = need_spec(a, &spec, &id, err);
	return r < 0 ? r : bring_up(n, spec, id, "start", p, err);
}

int mill_action_restart(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err)
{
	const json_t *spec;
	const char *id;
	int r = need_spec(a, &spec, &id, err);
	if (r == 0)
		r = mill_configure_service(n, spec, err);
	return r < 0 ? r : bring_up(n, spec, id, "restart", p, err);
}

int mill_action_reload(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		       struct mill_error *err)
{
	const json_t *spec;
	const char *id;
	struct mill_client *c = NULL;
	int r = need_spec(a, &spec, &id, err);
	if (r == 0)
		r = mill_configure_service(n, spec, err);
	if (r == 0)
		r = mill_native_client(n, true, mill_progress_cancel_fd(p), &c, err);
	if (r == 0)
		r = ask(n, c, "reload", id, "reload", ASK_MS, mill_progress_cancel_fd(p), err);
	mill_client_close(c);
	return r < 0 ? r : mill_configure_applied(n, spec, err);
}

int mill_action_stop(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err)
{
	const char *id = mill_json_get_string(a->data, "id", NULL);
	if (!id)
		return mill_fail(err, EINVAL, "stop: the plan names no service");
	int r = mill_native_want(n, id, false, NULL, err);
	if (r < 0)
		return r;
	struct mill_client *c = NULL;
	r = mill_native_client(n, true, mill_progress_cancel_fd(p), &c, err);
	if (r == 0)
		r = ask(n, c, "stop", id, "stop", -1, mill_progress_cancel_fd(p), err);
	mill_client_close(c);
	return r;
}
