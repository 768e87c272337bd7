/* status: the record, desired state, and what runs, side by side. */
#include "runtime/native/ops.h"

#include "base/json.h"
#include "daemon/status.h"
#include "runtime/native/edges.h"
#include "runtime/native/live.h"
#include "runtime/native/processes.h"

static void add_use(struct mill_native *n, const struct mill_processes *all, const char *id, json_t *o)
{
	_cleanup_free_ char *dir = mill_native_service_path(n, id, NULL);
	struct mill_status s;
	struct mill_use use;
	if (mill_status_read(dir, &s, NULL) < 0)
		return;
	if (s.this_boot && s.shim_pid > 0) {
		mill_processes_use(all, s.shim_pid, &use);
		json_object_set_new(o, "rss", json_integer((json_int_t)use.rss));
		json_object_set_new(o, "pss", json_integer((json_int_t)use.pss));
		json_object_set_new(o, "cpu_ms", json_integer((json_int_t)use.cpu_ms));
	}
	mill_status_release(&s);
}

static json_t *service_status(struct mill_native *n, const char *component, const char *service, const json_t *recorded,
			      const struct mill_processes *processes)
{
	static const char *const copied[] = {"pid", "since_ms", "started_ms", "restarts", "reason",
					     "exit_code", "signal", "retry_ms", "fingerprint"};
	_cleanup_free_ char *id = mill_xasprintf("%s.%s", component, service);
	const json_t *live = mill_live_service(n, id);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "id", id, "service", service, "state",
			      mill_json_get_string(live, "state", "stopped"), "wanted",
			      mill_json_get_string(mill_native_wanted(n, id), "wanted", "down"));
	for (size_t i = 0; i < MILL_ARRAY_LEN(copied); i++)
		if (json_object_get(live, copied[i]))
			json_object_set(o, copied[i], json_object_get(live, copied[i]));
	json_t *ports = json_object_get(recorded, "ports");
	json_object_set_new(o, "ports", ports ? json_incref(ports) : json_object());
	json_object_set_new(o, "host", json_string(mill_json_get_string(recorded, "host", "127.0.0.1")));
	if (processes && json_object_get(live, "pid"))
		add_use(n, processes, id, o);
	return o;
}

static const char *joint_state(const json_t *services)
{
	const char *state = NULL;
	size_t i;
	json_t *service;
	json_array_foreach(services, i, service) {
		const char *s = mill_json_get_string(service, "state", "stopped");
		if (state && strcmp(state, s) != 0)
			return "partly";
		state = s;
	}
	return state ? state : "installed";
}

static json_t *component_status(struct mill_native *n, const char *name, const json_t *record,
				const struct mill_processes *processes, size_t *ready, size_t *total)
{
	static const char *const copied[] = {"title", "stands_for", "category", "version", "links", "why"};
	json_t *o = json_pack("{s:s}", "name", name), *services = json_array();
	const char *service;
	json_t *recorded;
	for (size_t i = 0; i < MILL_ARRAY_LEN(copied); i++) {
		json_t *value = json_object_get(record, copied[i]);
		json_object_set_new(o, copied[i], value ? json_incref(value) : json_null());
	}
	json_object_foreach(json_object_get(record, "services"), service, recorded) {
		if (!*service)
			continue;
		json_t *s = service_status(n, name, service, recorded, processes);
		*ready += mill_streq(mill_json_get_string(s, "state", ""), "ready");
		(*total)++;
		json_array_append_new(services, s);
	}
	const char *state = joint_state(services);
	if ((mill_streq(state, "installed") || mill_streq(state, "stopped")) && mill_native_lacks_software(n, record))
		state = "not installed";
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "services", services);
	return o;
}

int mill_ops_status(struct mill_native *n, bool use, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	struct mill_processes processes = {0};
	size_t ready = 0, total = 0;
	int r = mill_native_components(n, &names, err);
	if (r < 0)
		return r;
	mill_live_forget(n); /* what a plan saw before its actions ran is old */
	if (use)
		mill_processes_read(&processes);
	json_t *components = json_array();
	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(components,
				      component_status(n, names.items[i], json_object_get(n->records, names.items[i]),
						       use ? &processes : NULL, &ready, &total));
	mill_processes_release(&processes);
	const json_t *daemon = mill_live_daemon(n);
	json_t *o = json_pack("{s:o, s:s, s:s, s:s, s:o, s:I, s:I}", "platform",
			      json_sprintf("%s.%s", n->p->target, n->p->name), "name", n->p->name, "target", n->p->target,
			      "dir", n->p->dir, "components", components, "ready", (json_int_t)ready, "services",
			      (json_int_t)total);
	const char *flavour = mill_json_get_string(n->p->record, "flavour", NULL);
	json_object_set_new(o, "flavour", flavour ? json_string(flavour) : json_null());
	json_object_set_new(o, "daemon", daemon ? json_deep_copy(daemon) : json_null());
	*ret = o;
	return 0;
}
