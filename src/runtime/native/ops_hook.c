/* Hooks that people ask for (smoke, repo, backup), and the event stream. */
#include "runtime/native/ops.h"

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/hooks.h"
#include "runtime/native/remote.h"
#include "runtime/native/stage.h"

#define SMOKE_TIMEOUT_MS 120000
#define EVENT_LINE_MAX ((size_t)64 << 10)
#define EVENTS_MAX ((size_t)16 << 20)

static const char *result_name(int code)
{
	return code == MILL_HOOK_OK ? "ok" : code == MILL_HOOK_SKIPPED ? "skipped" : "failed";
}

static json_t *result_json(const struct mill_hook_call *c, const struct mill_hook_result *result)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "component", c->component, "hook", c->hook, "result",
			      result_name(result->code), "message", result->message, "elapsed_ms",
			      (json_int_t)result->elapsed_ms, "log", result->log);
	if (!o) /* a log that is not UTF-8 */
		o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "component", c->component, "hook", c->hook, "result",
			      result_name(result->code), "message", "", "log", "");
	static const char *const parts[] = {"checks", "values"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++) {
		json_t *value = json_object_get(result->answer, parts[i]);
		if (value)
			json_object_set_new(o, parts[i], json_deep_copy(value));
	}
	return o;
}

static const json_t *hook_of(const json_t *record, const char *hook)
{
	const json_t *spec = json_object_get(json_object_get(record, "hooks"), hook);
	return json_array_size(json_object_get(spec, "command")) ? spec : NULL;
}

static int run(struct mill_native *n, struct mill_hook_call *c, json_t **ret, struct mill_error *err)
{
	const json_t *record = NULL;
	_cleanup_hook_ struct mill_hook_result result = {0};
	int r = mill_native_record(n, c->component, &record, err);
	if (r < 0)
		return r;
	c->spec = hook_of(record, c->hook);
	if (!c->spec)
		return mill_fail(err, ENOENT, "%s has no %s hook", c->component, c->hook);
	/* Restaged only where the shipped folder is there and differs: it may be gone by now. */
	const char *source = mill_json_get_string(record, "source", "");
	if (!n->remote && mill_is_dir(source))
		r = mill_stage_hooks(n, c->component, source, err);
	if (r == 0)
		r = mill_hook_run(n, c, &result, err);
	if (r == 0)
		*ret = result_json(c, &result);
	return r;
}

bool mill_ops_has_hook(struct mill_native *n, const char *component, const char *hook)
{
	const json_t *record = NULL;
	return mill_native_record(n, component, &record, NULL) == 0 && hook_of(record, hook);
}

int mill_ops_hook(struct mill_native *n, const char *component, const char *hook, json_t *request, int cancel_fd,
		  json_t **ret, struct mill_error *err)
{
	struct mill_hook_call c = {.component = component, .hook = hook, .request = request, .cancel_fd = cancel_fd,
				   .timeout_ms = strcmp(hook, "smoke") == 0 ? SMOKE_TIMEOUT_MS : 0};
	return run(n, &c, ret, err);
}

int mill_ops_repo(struct mill_native *n, const char *component, json_t *request, const char *input, const char *output,
		  int cancel_fd, json_t **ret, struct mill_error *err)
{
	struct mill_hook_call c = {.component = component, .hook = "repo", .request = request, .input = input,
				   .output = output, .cancel_fd = cancel_fd};
	return run(n, &c, ret, err);
}

/* ---- events ---- */

struct listener {
	int64_t since;
	void (*on_event)(void *arg, const json_t *event);
	void *arg;
};

static void tell_line(const struct listener *l, const char *line, size_t len)
{
	_cleanup_json_ json_t *event = NULL;
	if (len == 0 || len > EVENT_LINE_MAX || mill_json_parse("event", line, len, &event, NULL) < 0)
		return; /* cut short by a crash */
	if (mill_json_get_int(event, "seq", 0) > l->since)
		l->on_event(l->arg, event);
}

static void tell_file(const struct mill_native *n, const char *name, const struct listener *l)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/run/%s", n->p->dir, name);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	if (mill_read_file(path, EVENTS_MAX, &text, &len, NULL) < 0)
		return;
	for (char *line = text; line < text + len;) {
		char *end = memchr(line, '\n', (size_t)(text + len - line));
		if (!end)
			return;
		tell_line(l, line, (size_t)(end - line));
		line = end + 1;
	}
}

static int stream(struct mill_native *n, int64_t since, int cancel_fd, const struct listener *l, struct mill_error *err)
{
	struct mill_client *c = NULL;
	int r = mill_native_client(n, false, cancel_fd, &c, err);
	if (r < 0)
		return r;
	r = mill_client_events(c, since, cancel_fd, err);
	while (r == 0) {
		_cleanup_json_ json_t *event = NULL;
		r = mill_client_next_event(c, -1, cancel_fd, &event, err);
		if (r == 0)
			l->on_event(l->arg, event);
	}
	mill_client_close(c);
	if (r == -ECANCELED || r == -EPIPE) { /* asked to end, or the platform went down */
		mill_error_release(err);
		r = 0;
	}
	return r;
}

int mill_ops_events(struct mill_native *n, int64_t since, bool follow, int cancel_fd,
		    void (*on_event)(void *arg, const json_t *event), void *arg, struct mill_error *err)
{
	const struct listener l = {.since = since, .on_event = on_event, .arg = arg};
	if (n->remote)
		return n->remote->events(n->remote_arg, follow, cancel_fd, on_event, arg, err);
	if (follow)
		return stream(n, since, cancel_fd, &l, err);
	if (since < 0)
		return 0;
	tell_file(n, "events.1.jsonl", &l);
	tell_file(n, "events.jsonl", &l);
	return 0;
}
