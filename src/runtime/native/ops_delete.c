/* What deleting would take, destroy, uninstall, and what of the store is in use. */
#include "runtime/native/ops.h"

#include "base/io.h"
#include "base/json.h"
#include "net/net.h"
#include "runtime/native/edges.h"
#include "runtime/native/live.h"
#include "runtime/native/processes.h"
#include "runtime/native/remote.h"
#include "runtime/native/store.h"

#define OBJECTS_MAX 1000000 /* listed to know a bucket's size */

/* ---- inventory ---- */

static void add_data(const char *id, const char *path, json_t *list, uint64_t *total)
{
	uint64_t bytes = 0;
	if (!mill_is_dir(path) || mill_disk_usage(path, &bytes, NULL) < 0)
		return;
	json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "id", id, "path", path, "bytes", (json_int_t)bytes));
	*total += bytes;
}

static void add_folders(const struct mill_native *n, const char *component, json_t *list, uint64_t *total)
{
	_cleanup_free_ char *services = mill_path_join(n->p->dir, "services");
	_cleanup_strv_ struct mill_strv ids = {0};
	(void)mill_list_dir(services, &ids, NULL);
	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_free_ char *owner = mill_edges_component(ids.items[i]);
		_cleanup_free_ char *path = mill_native_service_path(n, ids.items[i], "data");
		if (!component || strcmp(owner, component) == 0)
			add_data(ids.items[i], path, list, total);
	}
	_cleanup_free_ char *components = mill_path_join(n->p->dir, "components");
	_cleanup_strv_ struct mill_strv names = {0};
	(void)mill_list_dir(components, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_native_component_path(n, names.items[i], "data");
		if (!component || strcmp(names.items[i], component) == 0)
			add_data(names.items[i], path, list, total);
	}
}

static int add_buckets_of(struct mill_native *n, const char *component, int cancel_fd, json_t *list)
{
	const struct mill_net_api *net;
	struct mill_lake *lake = NULL;
	_cleanup_wipe_ json_t *s3 = NULL;
	_cleanup_free_ char *endpoint = NULL;
	_cleanup_listing_ struct mill_lake_listing buckets = {0};
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	int r = mill_ops_provides(n, component, "s3", &s3, NULL);
	if (r == 0)
		r = mill_net_load(&net, NULL);
	if (r == 0)
		r = mill_ops_reach(n, mill_json_get_string(s3, "endpoint", ""), &endpoint, NULL);
	if (r < 0)
		return r;
	o.endpoint = endpoint;
	o.access_key = mill_json_get_string(s3, "access_key", "");
	o.secret_key = mill_json_get_string(s3, "secret_key", "");
	o.region = mill_json_get_string(s3, "region", NULL);
	o.attempts = 2;
	o.cancel_fd = cancel_fd;
	r = net->lake_open(&o, &lake, NULL);
	if (r == 0)
		r = net->buckets(lake, &buckets, NULL);
	for (size_t i = 0; i < buckets.n && r == 0; i++) {
		_cleanup_listing_ struct mill_lake_listing objects = {0};
		uint64_t bytes = 0;
		r = net->list(lake, buckets.items[i].key, "", NULL, OBJECTS_MAX, &objects, NULL);
		for (size_t k = 0; k < objects.n; k++)
			bytes += objects.items[k].size;
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "component", component, "name",
						      buckets.items[i].key, "objects", (json_int_t)objects.n, "bytes",
						      (json_int_t)bytes));
	}
	if (lake)
		net->lake_close(lake);
	return r;
}

static bool runs(struct mill_native *n, const char *component, json_t *ret_list)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	bool any = false;
	(void)mill_edges_all(n, &ids, NULL);
	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_free_ char *owner = mill_edges_component(ids.items[i]);
		const char *state = mill_json_get_string(mill_live_service(n, ids.items[i]), "state", "stopped");
		if ((component && strcmp(owner, component) != 0) || strcmp(state, "stopped") == 0 ||
		    strcmp(state, "failed") == 0)
			continue;
		any = true;
		if (ret_list)
			json_array_append_new(ret_list, json_string(ids.items[i]));
	}
	return any;
}

int mill_ops_inventory(struct mill_native *n, const char *component, int cancel_fd, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	json_t *services = json_array(), *data = json_array(), *buckets = json_array();
	uint64_t total = 0;
	size_t secrets = 0;
	bool unknown = false;
	_cleanup_json_ json_t *o = json_pack("{s:o, s:o, s:o}", "services", services, "data", data, "buckets", buckets);
	int r = mill_native_components(n, &names, err);
	if (r < 0)
		return r;
	runs(n, component, services);
	if (n->remote)
		(void)n->remote->volumes(n->remote_arg, component, data, &total, NULL);
	else
		add_folders(n, component, data, &total);
	if (component && json_array_size(data) == 0) { /* neither known nor left behind: a misspelt name */
		const json_t *record;
		if ((r = mill_native_record(n, component, &record, err)) < 0)
			return r;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (component && strcmp(component, names.items[i]) != 0)
			continue;
		const json_t *record = json_object_get(n->records, names.items[i]);
		secrets += json_array_size(json_object_get(record, "secrets"));
		if (!json_object_get(json_object_get(record, "provides"), "s3"))
			continue;
		if (!runs(n, names.items[i], NULL) || add_buckets_of(n, names.items[i], cancel_fd, buckets) < 0)
			unknown = true;
	}
	json_object_set_new(o, "secrets", json_integer((json_int_t)secrets));
	json_object_set_new(o, "bytes", json_integer((json_int_t)total));
	json_object_set_new(o, "buckets_unknown", json_boolean(unknown));
	*ret = MILL_TAKE(o);
	return 0;
}

/* ---- removing ---- */

static int remove_except(const char *dir, const char *const *kept, size_t n_kept, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(dir, &names, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		return 0;
	}
	for (size_t i = 0; i < names.n && r == 0; i++) {
		bool keep = false;
		for (size_t k = 0; k < n_kept; k++)
			keep |= strcmp(names.items[i], kept[k]) == 0;
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		if (!keep)
			r = mill_rm_rf(path, err);
	}
	return r;
}

/* A service's folder down to its data and who wrote it. */
static int strip_service(const struct mill_native *n, const char *id, bool purge, struct mill_error *err)
{
	static const char *const kept[] = {"data", "data.json"};
	_cleanup_free_ char *dir = mill_native_service_path(n, id, NULL);
	return purge ? mill_rm_rf(dir, err) : remove_except(dir, kept, MILL_ARRAY_LEN(kept), err);
}

static int strip_services(const struct mill_native *n, const char *component, bool purge, struct mill_error *err)
{
	_cleanup_free_ char *services = mill_path_join(n->p->dir, "services");
	_cleanup_strv_ struct mill_strv ids = {0};
	(void)mill_list_dir(services, &ids, NULL);
	int r = 0;
	for (size_t i = 0; i < ids.n && r == 0; i++) {
		_cleanup_free_ char *owner = mill_edges_component(ids.items[i]);
		if (!component || strcmp(owner, component) == 0)
			r = strip_service(n, ids.items[i], purge, err);
	}
	return r;
}

/* ---- destroy ---- */

/* The socket's folder, when its path was too long for the platform's own. */
static char *moved_socket_folder(const struct mill_native *n)
{
	_cleanup_free_ char *path = mill_path_join(n->p->dir, "run/daemon.json");
	_cleanup_json_ json_t *o = NULL;
	if (mill_json_load(path, 65536, &o, NULL) < 0)
		return NULL;
	const char *socket = mill_json_get_string(o, "socket", NULL);
	if (!socket || mill_starts_with(socket, n->p->dir))
		return NULL;
	char *dir = mill_path_dirname(socket);
	if (!strstr(dir, "data-mill-")) { /* never anything but a folder that we named */
		free(dir);
		return NULL;
	}
	return dir;
}

static int remove_all(struct mill_native *n, struct mill_error *err)
{
	/* The record goes last: a destroy that was killed is simply run again. */
	static const char *const last[] = {"platform.json", "lock"};
	_cleanup_free_ char *record = mill_path_join(n->p->dir, "platform.json");
	_cleanup_free_ char *current = mill_path_join(n->layout->config, "current");
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = remove_except(n->p->dir, last, MILL_ARRAY_LEN(last), err);
	if (r == 0 && unlink(record) < 0 && errno != ENOENT)
		r = mill_fail_errno(err, errno, "%s", record);
	if (r == 0)
		r = mill_rm_rf(n->p->dir, err);
	if (r == 0 && mill_read_file(current, 256, &text, &len, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (strcmp(text, mill_path_basename(n->p->dir)) == 0)
			(void)unlink(current);
	}
	return r;
}

/* What is needed to bring the data up again stays: secrets, numbers, the record, which tasks are done. */
static int remove_but_data(struct mill_native *n, struct mill_error *err)
{
	static const char *const gone[] = {"run", "memory.json"};
	int r = strip_services(n, NULL, false, err);
	for (size_t i = 0; i < MILL_ARRAY_LEN(gone) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(n->p->dir, gone[i]);
		r = mill_rm_rf(path, err);
	}
	if (r == 0) {
		json_object_set_new(n->p->desired, "services", json_array());
		r = mill_platform_save_desired(n->p, err);
	}
	return r;
}

/* Ports of services that run: of one that is stopped, another program may have the port by now. */
static json_t *ports_in_use(struct mill_native *n)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	json_t *ports = json_object();
	const char *key;
	json_t *value;
	mill_live_processes(n, &ids);
	json_object_foreach(n->p->ports, key, value) {
		const char *dot = strrchr(key, '.');
		_cleanup_free_ char *id = mill_xstrndup(key, dot ? (size_t)(dot - key) : 0);
		if (json_is_integer(value) && mill_strv_contains(&ids, id))
			json_object_set(ports, key, value);
	}
	return ports;
}

static int check_ports(const struct mill_native *n, const json_t *ports, struct mill_error *err)
{
	struct mill_strbuf held = MILL_STRBUF_INIT;
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)ports, key, value) {
		_cleanup_free_ char *holder = mill_port_holder((uint16_t)json_integer_value(value));
		if (holder)
			mill_strbuf_printf(&held, "%s%lld (%s) by %s", held.len ? ", " : "",
					   (long long)json_integer_value(value), key, holder);
	}
	int r = held.len ? mill_fail(err, EBUSY, "platform %s: ports still in use: %s", n->p->name, held.data) : 0;
	mill_strbuf_release(&held);
	return r;
}

static int end_leftovers(const struct mill_native *n, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv left = {0};
	mill_processes_leftover(n->p->dir, true, &left);
	if (left.n == 0)
		return 0;
	_cleanup_free_ char *list = mill_strv_join(&left, ", ");
	mill_fail(err, EBUSY, "platform %s: processes that do not end: %s", n->p->name, list);
	return mill_error_hint(err, "nothing was deleted; end them and run destroy again");
}

int mill_ops_destroy(struct mill_native *n, bool delete_data, const struct mill_ops_watch *w, struct mill_error *err)
{
	_cleanup_free_ char *socket_folder = moved_socket_folder(n);
	_cleanup_json_ json_t *ports = ports_in_use(n);
	int r = mill_ops_down(n, w, err);
	if (r == 0)
		r = n->remote ? n->remote->remove(n->remote_arg, NULL, delete_data, err) : end_leftovers(n, err);
	if (r < 0)
		return r;
	r = delete_data ? remove_all(n, err) : remove_but_data(n, err);
	if (r == 0 && socket_folder)
		r = mill_rm_rf(socket_folder, err);
	if (r == 0 && n->remote && !delete_data)
		r = n->remote->saved(n->remote_arg, err);
	mill_native_forget_records(n);
	mill_live_forget(n);
	if (r == 0 && delete_data && mill_exists(n->p->dir))
		r = mill_fail(err, ENOTEMPTY, "%s is still there", n->p->dir);
	return r < 0 ? r : check_ports(n, ports, err);
}

/* ---- uninstall ---- */

static int check_dependants(struct mill_native *n, const char *component, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0}, users = {0};
	int r = mill_native_components(n, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		const char *capability;
		json_t *entry;
		json_object_foreach(json_object_get(json_object_get(n->records, names.items[i]), "requires"), capability,
				    entry)
			if (mill_streq(mill_json_get_string(entry, "provider", ""), component) &&
			    runs(n, names.items[i], NULL) && !mill_strv_contains(&users, names.items[i]))
				mill_strv_add(&users, names.items[i]);
	}
	if (r < 0 || users.n == 0)
		return r;
	_cleanup_free_ char *list = mill_strv_join(&users, ", ");
	mill_fail(err, EBUSY, "%s is used by %s, which runs", component, list);
	return mill_error_hint(err, "stop them first: data-mill stop %s", component);
}

static bool belongs(const char *key, const char *component)
{
	size_t len = strlen(component);
	return strncmp(key, component, len) == 0 && key[len] == '.';
}

static void drop_keys(json_t *o, const char *component)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(o, next, key, value)
		if (belongs(key, component))
			json_object_del(o, key);
}

static int forget_component(struct mill_native *n, const char *component, bool purge, struct mill_error *err)
{
	json_t *services = json_object_get(n->p->desired, "services");
	for (size_t i = json_array_size(services); i-- > 0;)
		if (belongs(mill_json_get_string(json_array_get(services, i), "id", ""), component))
			json_array_remove(services, i);
	/* What a task made may have been in the folders that are gone; on data that it finds it does nothing. */
	drop_keys(json_object_get(n->p->desired, "tasks"), component);
	if (purge)
		drop_keys(n->p->ports, component);
	json_object_del(json_object_get(n->p->record, "components"), component);
	int r = mill_platform_save_desired(n->p, err);
	if (r == 0)
		r = mill_platform_save_ports(n->p, err);
	return r < 0 ? r : mill_platform_save_record(n->p, err);
}

/* Uninstalled before, its data kept: there is nothing to stop, only something to delete. */
static bool only_data(const struct mill_native *n, const char *component)
{
	_cleanup_json_ json_t *data = json_array();
	uint64_t total = 0;
	add_folders(n, component, data, &total);
	return json_array_size(data) > 0;
}

int mill_ops_uninstall(struct mill_native *n, const char *component, bool purge, const struct mill_ops_watch *w,
		       struct mill_error *err)
{
	static const char *const kept[] = {"data"};
	const json_t *record = NULL;
	int r = mill_native_record(n, component, &record, err);
	bool left_over = r == -ENOENT && purge && only_data(n, component);
	if (left_over) {
		mill_error_release(err);
		r = 0;
	}
	if (r == 0)
		r = check_dependants(n, component, err);
	if (r == 0 && !left_over)
		r = mill_ops_stop(n, &component, 1, w, err);
	if (r == 0 && n->remote && !left_over)
		r = n->remote->remove(n->remote_arg, component, purge, err);
	if (r == 0)
		r = strip_services(n, component, purge, err);
	if (r == 0)
		r = forget_component(n, component, purge, err);
	_cleanup_free_ char *dir = mill_native_component_path(n, component, NULL);
	_cleanup_free_ char *secrets = mill_xasprintf("%s/secrets/%s", n->p->dir, component);
	if (r == 0 && purge)
		r = mill_rm_rf(secrets, err);
	if (r == 0)
		r = purge ? mill_rm_rf(dir, err) : remove_except(dir, kept, MILL_ARRAY_LEN(kept), err);
	if (r == 0 && n->remote)
		r = n->remote->saved(n->remote_arg, err);
	mill_native_forget_records(n);
	mill_live_forget(n);
	return r;
}

/* ---- what of the store is in use ---- */

/* Any text that is a path below the store names an entry, wherever it stands in a record or a spec. */
static void add_keys(const json_t *tree, const char *store, struct mill_strv *ret)
{
	const char *key;
	size_t i, len = strlen(store);
	json_t *value;
	if (json_is_object(tree)) {
		json_object_foreach((json_t *)tree, key, value)
			add_keys(value, store, ret);
	} else if (json_is_array(tree)) {
		json_array_foreach(tree, i, value)
			add_keys(value, store, ret);
	} else if (json_is_string(tree)) {
		for (const char *at = json_string_value(tree); (at = strstr(at, store)); at += len) {
			if (at[len] != '/')
				continue;
			_cleanup_free_ char *entry = mill_xstrndup(at + len + 1, strcspn(at + len + 1, "/:"));
			if (mill_store_key_valid(entry) && !mill_strv_contains(ret, entry))
				mill_strv_add(ret, entry);
		}
	}
}

static void add_entries(const json_t *o, struct mill_strv *ret)
{
	size_t i;
	json_t *entry;
	json_array_foreach(json_object_get(o, "store_entries"), i, entry)
		if (json_is_string(entry) && !mill_strv_contains(ret, json_string_value(entry)))
			mill_strv_add(ret, json_string_value(entry));
}

static int add_files(const char *platform, const char *folder, const char *name, const char *store,
		     struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(platform, folder);
	_cleanup_strv_ struct mill_strv names = {0};
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s", dir, names.items[i], name);
		_cleanup_json_ json_t *o = NULL;
		int r = mill_json_load(path, MILL_JSON_FILE_MAX, &o, err);
		if (r == -ENOENT)
			mill_error_release(err);
		else if (r < 0)
			return r; /* better no gc than one that takes what a damaged file names */
		add_entries(o, ret);
		add_keys(o, store, ret);
	}
	return 0;
}

/* What was installed by hand or for us: <state>/<folder>/<name>/<key>, folder "environments" or "tools". */
static void add_marks(const struct mill_layout *l, const char *folder, struct mill_strv *ret)
{
	_cleanup_free_ char *dir = mill_path_join(l->state, folder);
	_cleanup_strv_ struct mill_strv names = {0};
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *below = mill_path_join(dir, names.items[i]);
		_cleanup_strv_ struct mill_strv keys = {0};
		(void)mill_list_dir(below, &keys, NULL);
		for (size_t k = 0; k < keys.n; k++)
			if (keys.items[k][0] != '.')
				mill_strv_add(ret, keys.items[k]);
	}
}

int mill_ops_store_live(const struct mill_layout *l, struct mill_strv *ret_keys, struct mill_error *err)
{
	add_marks(l, "environments", ret_keys);
	add_marks(l, "tools", ret_keys); /* kubectl, kind, ...: cluster/tool.c */
	_cleanup_strv_ struct mill_strv platforms = {0};
	int r = mill_list_dir(l->platforms, &platforms, err);
	if (r == -ENOENT) {
		mill_error_release(err);
		return 0;
	}
	for (size_t i = 0; i < platforms.n && r == 0; i++) {
		_cleanup_free_ char *dir = mill_path_join(l->platforms, platforms.items[i]);
		r = add_files(dir, "components", "manifest.json", l->store, ret_keys, err);
		if (r == 0)
			r = add_files(dir, "services", "spec.json", l->store, ret_keys, err);
	}
	return r;
}
