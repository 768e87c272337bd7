/*
 * Before the first action: all that down, status, logs, credentials and
 * destroy will need is written, so that they work however the run ends.
 */
#include "runtime/native/configure.h"
#include "runtime/native/context.h"
#include "runtime/native/remote.h"
#include "runtime/native/stage.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "secret/secret.h"

#define SECRET_FILE_MAX 4096

/* ---- secrets ---- */

/* A secret setting that the user keeps in a file or a variable of his is taken over; the value is his. */
static int take_over(struct mill_native *n, const char *component, const char *name, const json_t *secret,
		     struct mill_error *err)
{
	const char *path = mill_json_get_string(secret, "from_file", NULL);
	const char *variable = mill_json_get_string(secret, "from_variable", NULL);
	char *value = NULL;
	size_t len = 0;
	if (path) {
		int r = mill_read_file(path, SECRET_FILE_MAX, &value, &len, err);
		if (r < 0) {
			mill_error_wrap(err, "secret %s/%s", component, name);
			return r;
		}
		value[strcspn(value, "\r\n")] = '\0';
	} else {
		const char *v = getenv(variable);
		if (!v || !*v) {
			if (mill_secret_version(n->p, component, name) > 0)
				return 0; /* taken over earlier */
			mill_fail_usage(err, "secret %s/%s: the environment has no %s", component, name, variable);
			return mill_error_hint(err, "export %s and run the command again", variable);
		}
		value = mill_xstrdup(v);
	}
	int r = mill_secret_set(n->p, component, name, value, NULL, err);
	mill_secret_free(value);
	return r;
}

static int ensure_secrets(struct mill_native *n, const char *component, const json_t *record, struct mill_error *err)
{
	size_t i;
	json_t *secret;
	json_array_foreach(json_object_get(record, "secrets"), i, secret) {
		const char *name = mill_json_get_string(secret, "name", "");
		bool given = json_is_string(json_object_get(secret, "from_file")) ||
			     json_is_string(json_object_get(secret, "from_variable"));
		int r = given ? take_over(n, component, name, secret, err) :
				mill_secret_ensure(n->p, component, name,
						   (unsigned)mill_json_get_int(secret, "length", 32),
						   mill_json_get_string(secret, "alphabet", "alnum"), NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- components ---- */

static int record_component(struct mill_native *n, const char *component, const json_t *record, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_native_component_path(n, component, NULL);
	_cleanup_free_ char *path = mill_path_join(dir, "manifest.json");
	int r = mill_native_passage(n, dir, err);
	if (r == 0 && !n->remote)
		r = mill_stage_hooks(n, component, mill_json_get_string(record, "source", ""), err);
	/* A tool's files come before its record: the planner takes them as written once the record says so. */
	if (r == 0 && !n->remote && json_object_get(json_object_get(record, "services"), ""))
		r = mill_configure_tool(n, component, err);
	if (r == 0)
		r = mill_native_save_json(path, record, err);
	return r;
}

static int record_components(struct mill_native *n, struct mill_error *err)
{
	const char *component;
	json_t *record;
	int r = 0;
	json_object_foreach(n->records, component, record) {
		r = ensure_secrets(n, component, record, err);
		if (r < 0)
			return r;
	}
	json_object_foreach(n->records, component, record) {
		r = record_component(n, component, record, err);
		if (r < 0) {
			mill_error_wrap(err, "record of %s", component);
			return r;
		}
	}
	return 0;
}

/* The plan's records over those of components that it leaves alone. */
static int join_records(struct mill_native *n, const struct mill_plan *plan, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv ignored = {0};
	mill_native_forget_records(n);
	int r = mill_native_components(n, &ignored, err); /* loads them */
	if (r < 0)
		return r;
	_cleanup_json_ json_t *old = n->records;
	n->records = json_object();
	const char *component;
	json_t *record;
	json_object_foreach(old, component, record)
		json_object_set(n->records, component, record);
	json_object_foreach(plan->records, component, record)
		json_object_set(n->records, component, record);
	return 0;
}

/* ---- platform.json ---- */

static json_t *summary(const json_t *record)
{
	static const char *const keys[] = {"version", "why", "stands_for", "category", "store_entries"};
	json_t *o = json_object();
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++)
		if (json_object_get(record, keys[i]))
			json_object_set(o, keys[i], json_object_get(record, keys[i]));
	return o;
}

static int save_record(struct mill_native *n, const struct mill_plan *plan, const struct mill_native_flavour *f,
		       struct mill_error *err)
{
	json_t *record = n->p->record;
	_cleanup_json_ json_t *before = json_deep_copy(record);
	if (json_object_size(plan->records) || !n->p->exists) { /* `install` alone changes no flavour */
		json_object_set_new(record, "flavour", f->name ? json_string(f->name) : json_null());
		json_object_set_new(record, "flavour_path", f->path ? json_string(f->path) : json_null());
	}
	if (!json_object_get(record, "created_ms"))
		json_object_set_new(record, "created_ms", json_integer((json_int_t)mill_wall_ms()));
	json_t *components = json_object_get(record, "components"), *entry;
	const char *component;
	json_object_foreach(n->records, component, entry)
		json_object_set_new(components, component, summary(entry));
	json_t *environment = json_object_get(record, "environment");
	if (!environment || f->whole) {
		environment = json_object();
		json_object_set_new(record, "environment", environment);
	}
	if (plan->environment)
		json_object_update(environment, plan->environment);
	if (n->p->exists && json_equal(before, record))
		return 0;
	return mill_platform_save_record(n->p, err);
}

/* ---- desired.json ---- */

static bool will_start(const struct mill_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->n_actions; i++) {
		const struct mill_action *a = &plan->actions[i];
		if ((a->kind == MILL_ACTION_START || a->kind == MILL_ACTION_RESTART) &&
		    mill_streq(mill_json_get_string(a->data, "id", ""), id))
			return true;
	}
	return false;
}

/*
 * Edges and names now; "up" only when an action comes to it: a daemon that is
 * started meanwhile must not start what is not installed yet.
 */
static int save_desired(struct mill_native *n, const struct mill_plan *plan, struct mill_error *err)
{
	_cleanup_json_ json_t *before = json_deep_copy(n->p->desired);
	json_t *services = json_object_get(n->p->desired, "services"), *planned;
	size_t i;
	json_array_foreach(json_object_get(plan->desired, "services"), i, planned) {
		const char *id = mill_json_get_string(planned, "id", "");
		json_t *now = mill_native_wanted(n, id);
		if (!now) {
			bool up = mill_streq(mill_json_get_string(planned, "wanted", ""), "up") &&
				  !will_start(plan, id);
			now = json_pack("{s:s, s:s}", "id", id, "wanted", up ? "up" : "down");
			json_array_append_new(services, now);
		}
		json_t *after = json_object_get(planned, "after");
		json_object_set_new(now, "after", after ? json_deep_copy(after) : json_array());
	}
	_cleanup_free_ char *path = mill_path_join(n->p->dir, "desired.json");
	if (mill_is_file(path) && json_equal(before, n->p->desired))
		return 0;
	return mill_platform_save_desired(n->p, err);
}

/* ---- the way in ---- */

static int make_user(struct mill_native *n, struct mill_error *err)
{
	if (!n->layout->root || n->remote)
		return 0;
	int r = mill_layout_ensure_user(n->layout, err);
	if (r == 0)
		mill_native_forget_store(n);
	return r;
}

/* One that runs is replaced by ours where it is older; none is started for nothing. */
static int renew_daemon(struct mill_native *n, struct mill_error *err)
{
	struct mill_client *c = NULL;
	if (mill_native_client(n, false, -1, &c, NULL) < 0)
		return 0;
	mill_client_close(c);
	int r = mill_native_client(n, true, -1, &c, err);
	if (r == 0)
		mill_client_close(c);
	return r;
}

int mill_native_begin(struct mill_native *n, const struct mill_plan *plan, const struct mill_native_flavour *f,
		      struct mill_error *err)
{
	static const char *const folders[] = {"components", "services"};
	if (n->p->lock_fd < 0)
		BUG("a run begins without the platform's lock");
	int r = make_user(n, err);
	for (size_t i = 0; r == 0 && i < MILL_ARRAY_LEN(folders); i++) {
		_cleanup_free_ char *path = mill_path_join(n->p->dir, folders[i]);
		r = mill_native_passage(n, path, err);
	}
	/* Numbers are recorded before anything may use them. */
	if (r == 0)
		r = mill_platform_save_ports(n->p, err);
	if (r == 0)
		r = mill_platform_save_memory(n->p, err);
	if (r == 0)
		r = join_records(n, plan, err);
	if (r == 0)
		r = save_record(n, plan, f, err);
	if (r == 0)
		r = record_components(n, err);
	if (r == 0)
		r = save_desired(n, plan, err);
	if (r == 0)
		r = n->remote ? n->remote->begin(n->remote_arg, plan, err) : renew_daemon(n, err);
	n->plan = plan;
	return r;
}
