#include "native_fixture.h"

#include "runtime/native/live.h"

#define ACTIONS_MAX 64

int fixture_setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	_cleanup_free_ char *libexec = mill_xasprintf("%s/src", getenv("MILL_TEST_BUILD") ? getenv("MILL_TEST_BUILD") : "build");
	f->dir = test_mkdir();
	if (geteuid() == 0)
		assert_int_equal(chmod(f->dir, 0755), 0); /* the services' user passes */
	setenv("DATA_MILL_HOME", test_path(f->dir, "h ö"), 1);
	setenv("DATA_MILL_LIBEXEC", libexec, 1);
	assert_int_equal(mill_layout_init(&f->layout, NULL), 0);
	assert_int_equal(mill_platform_open(&f->layout, "native", "unit", &f->p, NULL), 0);
	assert_int_equal(mill_platform_lock(f->p, 0, NULL, NULL, NULL), 0);
	assert_int_equal(mill_native_open(&f->layout, f->p, &f->n, NULL), 0);
	mill_strbuf_init(&f->failures, 0);
	f->plan.actions = mill_xcalloc(ACTIONS_MAX, sizeof(*f->plan.actions));
	fixture_clear_plan(f);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	const struct mill_ops_watch w = {.cancel_fd = -1};
	int r = mill_ops_down(f->n, &w, NULL);
	fixture_clear_plan(f);
	json_decref(f->plan.records);
	json_decref(f->plan.desired);
	json_decref(f->plan.json);
	free(f->plan.actions);
	mill_native_close(f->n);
	mill_platform_close(f->p);
	mill_layout_release(&f->layout);
	mill_strbuf_release(&f->failures);
	test_rmdir(f->dir);
	free(f);
	return r;
}

void fixture_clear_plan(struct fixture *f)
{
	for (size_t i = 0; i < f->plan.n_actions; i++)
		free((unsigned *)f->plan.actions[i].after);
	f->plan.n_actions = 0;
	json_t **parts[] = {&f->plan.records, &f->plan.desired, &f->plan.json};
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++)
		if (*parts[i])
			json_decref(*parts[i]);
	f->plan.records = json_object();
	f->plan.desired = json_pack("{s:[], s:{}}", "services", "tasks");
	f->plan.json = json_array();
}

json_t *fixture_spec(struct fixture *f, const char *id, const char *const *command)
{
	const char *dot = strchr(id, '.');
	_cleanup_free_ char *component = mill_xstrndup(id, (size_t)(dot - id));
	_cleanup_free_ char *dir = mill_xasprintf("%s/services/%s", f->p->dir, id);
	_cleanup_free_ char *cwd = mill_path_join(dir, "data");
	json_t *words = json_array();
	for (size_t i = 0; command[i]; i++)
		json_array_append_new(words, json_string(command[i]));
	json_t *spec = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "spec", 1, "id", id, "component",
				 component, "service", dot + 1, "platform", "native.unit", "platform_dir", f->p->dir, "dir",
				 dir, "fingerprint", "f1", "reload_fingerprint", "", "component_version", "1", "data_format", 1);
	json_object_set_new(spec, "store", json_string(f->layout.store));
	json_object_set_new(spec, "store_entries", json_array());
	json_object_set_new(spec, "command", words);
	json_object_set_new(spec, "environment", json_pack("{s:s}", "PATH", "/usr/bin:/bin"));
	json_object_set_new(spec, "cwd", json_string(cwd));
	if (f->layout.root)
		json_object_set_new(spec, "user", json_pack("{s:i, s:i}", "uid", (int)f->layout.uid, "gid",
							    (int)f->layout.gid));
	json_object_set_new(spec, "files", json_array());
	json_object_set_new(spec, "ports", json_object());
	json_object_set_new(spec, "probes", json_object());
	json_object_set_new(spec, "restart", json_pack("{s:s, s:i, s:i, s:i, s:i}", "policy", "always", "delay_ms", 10,
						       "max_delay_ms", 100, "limit", 2, "window_ms", 60000));
	json_object_set_new(spec, "stop", json_pack("{s:i, s:i}", "signal", 15, "grace_ms", 2000));
	json_object_set_new(spec, "limits", json_object());
	json_object_set_new(spec, "log", json_pack("{s:i, s:i, s:i}", "max_bytes", 1 << 20, "keep", 2, "line_max", 16384));
	json_object_set_new(spec, "after", json_array());
	return spec;
}

json_t *fixture_record(struct fixture *f, const char *component, const char *service)
{
	json_t *record = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "v", 1, "component", component, "title", component,
				   "category", "support", "version", "1", "release", component, "source", "");
	json_object_set_new(record, "services", json_pack("{s:{s:s, s:{}, s:{}}}", service, "host", "127.0.0.1", "ports",
							  "dirs"));
	json_object_set_new(record, "secrets", json_array());
	json_object_set_new(record, "store_entries", json_array());
	json_object_set_new(record, "hooks", json_object());
	json_object_set(f->plan.records, component, record);
	json_decref(record);
	return record;
}

struct mill_action *fixture_action(struct fixture *f, enum mill_action_kind kind, const char *component,
				   const char *name, json_t *data)
{
	assert_true(f->plan.n_actions < ACTIONS_MAX);
	struct mill_action *a = &f->plan.actions[f->plan.n_actions];
	*a = (struct mill_action){.id = (unsigned)f->plan.n_actions, .kind = kind, .component = component, .name = name,
				  .reason = "test", .data = data};
	if (data)
		json_array_append_new(f->plan.json, data);
	if (a->id > 0) { /* a chain */
		unsigned *after = mill_xcalloc(1, sizeof(*after));
		*after = a->id - 1;
		a->after = after;
		a->n_after = 1;
	}
	f->plan.n_actions++;
	return a;
}

void fixture_service(struct fixture *f, const char *component, const char *service, json_t *spec)
{
	const char *id = mill_json_get_string(spec, "id", "");
	if (!json_object_get(f->plan.records, component))
		fixture_record(f, component, service);
	json_array_append_new(json_object_get(f->plan.desired, "services"),
			      json_pack("{s:s, s:s, s:O}", "id", id, "wanted", "up", "after", json_object_get(spec, "after")));
	fixture_action(f, MILL_ACTION_CONFIGURE, component, service, json_pack("{s:s, s:O}", "id", id, "spec", spec));
	fixture_action(f, MILL_ACTION_START, component, service, json_pack("{s:s, s:o}", "id", id, "spec", spec));
}

static void on_event(void *arg, const struct mill_event *e)
{
	struct fixture *f = arg;
	if (e->kind == MILL_EVENT_FAILED)
		mill_strbuf_printf(&f->failures, "%s\n%s\n%s\n", e->error->message, e->error->detail ? e->error->detail : "",
				   e->error->hint ? e->error->hint : "");
}

void fixture_run(struct fixture *f)
{
	const struct mill_native_flavour flavour = {.name = "unit", .whole = true};
	_cleanup_error_ struct mill_error err = {0};
	mill_strbuf_reset(&f->failures);
	if (mill_native_begin(f->n, &f->plan, &flavour, &err) < 0)
		fail_msg("begin: %s", err.message);
	struct mill_executor x = mill_native_executor(f->n);
	const struct mill_engine_options o = {.jobs = 2, .cancel_fd = -1, .on_event = on_event, .arg = f};
	assert_int_equal(mill_engine_run(&f->plan, &x, &o, &f->result, &err), 0);
	mill_live_forget(f->n);
}

char *fixture_state(struct fixture *f, const char *id)
{
	mill_live_forget(f->n);
	return mill_xstrdup(mill_json_get_string(mill_live_service(f->n, id), "state", ""));
}

pid_t fixture_pid(struct fixture *f, const char *id)
{
	mill_live_forget(f->n);
	return (pid_t)mill_json_get_int(mill_live_service(f->n, id), "pid", 0);
}
