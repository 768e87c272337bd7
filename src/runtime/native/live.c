#include "runtime/native/live.h"

#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "daemon/status.h"
#include "runtime/native/remote.h"

#define STATUS_MS 5000

static bool is_alive(pid_t pid, uint64_t start)
{
	uint64_t now;
	return pid > 0 && mill_proc_start_time(pid, &now) == 0 && now == start;
}

/* Without a daemon nobody probes: a living process is "running", whether it is ready is not known. */
static json_t *from_shim(const struct mill_native *n, const char *id)
{
	_cleanup_free_ char *dir = mill_native_service_path(n, id, NULL);
	struct mill_status s;
	if (mill_status_read(dir, &s, NULL) < 0)
		return NULL;
	bool main_alive = s.this_boot && is_alive(s.main_pid, s.main_start);
	bool shim_alive = s.this_boot && is_alive(s.shim_pid, s.shim_start);
	const char *state = main_alive ? "running" : shim_alive && s.state == MILL_STATUS_STARTING ? "starting" : "stopped";
	json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "id", id, "state", state, "fingerprint",
			      s.fingerprint ? s.fingerprint : "", "started_ms", (json_int_t)s.started_ms);
	if (main_alive)
		json_object_set_new(o, "pid", json_integer(s.main_pid));
	else if (s.error)
		json_object_set_new(o, "reason", json_string(s.error));
	mill_status_release(&s);
	return o;
}

static int each_service(const struct mill_native *n, struct mill_strv *ret)
{
	_cleanup_free_ char *dir = mill_path_join(n->p->dir, "services");
	return mill_list_dir(dir, ret, NULL);
}

static json_t *ask_shims(const struct mill_native *n)
{
	json_t *all = json_object();
	_cleanup_strv_ struct mill_strv ids = {0};
	if (each_service(n, &ids) < 0)
		return all;
	for (size_t i = 0; i < ids.n; i++) {
		json_t *o = from_shim(n, ids.items[i]);
		if (o)
			json_object_set_new(all, ids.items[i], o);
	}
	return all;
}

static json_t *ask_daemon(struct mill_native *n, json_t **ret_hello)
{
	struct mill_client *c = NULL;
	_cleanup_json_ json_t *answer = NULL;
	if (mill_client_connect(n->p->dir, &c, NULL) < 0)
		return NULL;
	json_t *all = NULL;
	if (mill_client_services(c, "status", NULL, 0, STATUS_MS, -1, &answer, NULL) == 0) {
		size_t i;
		json_t *service;
		all = json_object();
		json_array_foreach(json_object_get(answer, "services"), i, service)
			json_object_set(all, mill_json_get_string(service, "id", ""), service);
		*ret_hello = json_deep_copy(mill_client_hello(c));
	}
	mill_client_close(c);
	return all;
}

static void ask(struct mill_native *n)
{
	if (n->live)
		return;
	json_t *hello = NULL;
	if (n->remote) {
		if (n->remote->live(n->remote_arg, &n->live, NULL) < 0)
			n->live = json_object();
		return;
	}
	json_t *services = ask_daemon(n, &hello);
	if (!services)
		services = ask_shims(n);
	n->live = json_pack("{s:o, s:o*}", "services", services, "daemon", hello);
}

const json_t *mill_live_service(struct mill_native *n, const char *id)
{
	ask(n);
	return json_object_get(json_object_get(n->live, "services"), id);
}

const json_t *mill_live_daemon(struct mill_native *n)
{
	ask(n);
	return json_object_get(n->live, "daemon");
}

void mill_live_forget(struct mill_native *n)
{
	if (n->live)
		json_decref(n->live);
	n->live = NULL;
}

void mill_live_processes(struct mill_native *n, struct mill_strv *ret_ids)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	if (n->remote || each_service(n, &ids) < 0)
		return;
	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_free_ char *dir = mill_native_service_path(n, ids.items[i], NULL);
		struct mill_status s;
		if (mill_status_read(dir, &s, NULL) < 0)
			continue;
		if (s.this_boot && (is_alive(s.main_pid, s.main_start) || is_alive(s.shim_pid, s.shim_start)))
			mill_strv_add(ret_ids, ids.items[i]);
		mill_status_release(&s);
	}
}
