#include <sys/stat.h>

#include "runtime/native/context.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "secret/secret.h"
#include "spec/spec.h"

int mill_native_open(struct mill_layout *l, struct mill_platform *p, struct mill_native **ret, struct mill_error *err)
{
	/* Specs name the services' user, so it is there before a plan that will be carried out is made. */
	bool here = strcmp(p->target, "native") == 0;
	int r = here && l->root && p->lock_fd >= 0 ? mill_layout_ensure_user(l, err) : 0;
	if (r < 0)
		return r;
	struct mill_native *n = mill_xcalloc(1, sizeof(*n));
	n->layout = l;
	n->p = p;
	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->daemon_lock, NULL);
	*ret = n;
	return 0;
}

struct mill_native *mill_native_close(struct mill_native *n)
{
	if (!n)
		return NULL;
	mill_native_forget_store(n);
	mill_native_forget_records(n);
	if (n->live)
		json_decref(n->live);
	free(n->daemon);
	free(n->shim);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->daemon_lock);
	free(n);
	return NULL;
}

struct mill_platform *mill_native_platform(struct mill_native *n)
{
	return n->p;
}

void mill_native_set_offline(struct mill_native *n, bool offline)
{
	n->offline = offline;
}

/* ---- the store and the daemon ---- */

int mill_native_store(struct mill_native *n, struct mill_store **ret, struct mill_error *err)
{
	int r = 0;
	pthread_mutex_lock(&n->lock);
	if (!n->store) {
		_cleanup_free_ char *toolchains = mill_path_join(n->layout->resources, "components/_toolchains");
		const struct mill_store_paths paths = {
			.store = n->layout->store,
			.cache = n->layout->cache,
			.state = n->layout->state,
			.toolchains = toolchains,
			.set_ids = n->layout->root && n->layout->uid != 0,
			.uid = n->layout->uid,
			.gid = n->layout->gid,
		};
		r = mill_store_open(&paths, &n->store, err);
	}
	*ret = n->store;
	pthread_mutex_unlock(&n->lock);
	return r;
}

void mill_native_forget_store(struct mill_native *n)
{
	if (n->store)
		n->store = mill_store_close(n->store);
}

static int find_programs(struct mill_native *n, struct mill_error *err)
{
	if (n->daemon)
		return 0;
	char exe[4096];
	const char *given = getenv("DATA_MILL_LIBEXEC"); /* where tests have built them */
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = '\0';
	_cleanup_free_ char *from = given && *given ? mill_path_absolute(given) : mill_path_dirname(exe);
	_cleanup_free_ char *dir = NULL;
	int r = mill_daemon_install_binaries(from, n->layout->state, &dir, err);
	if (r < 0)
		return r;
	n->daemon = mill_path_join(dir, "data-mill-daemon");
	n->shim = mill_path_join(dir, "data-mill-shim");
	return 0;
}

int mill_native_client(struct mill_native *n, bool start, int cancel_fd, struct mill_client **ret,
		       struct mill_error *err)
{
	if (!start)
		return mill_client_connect(n->p->dir, ret, err);
	/* One thread at a time: daemons that lose the race for the lock would queue behind the one that won it. */
	pthread_mutex_lock(&n->daemon_lock);
	int r = find_programs(n, err);
	if (r == 0) {
		const struct mill_daemon_start how = {.daemon = n->daemon, .shim = n->shim};
		r = mill_daemon_ensure(n->p->dir, &how, cancel_fd, ret, err);
	}
	pthread_mutex_unlock(&n->daemon_lock);
	return r;
}

/* ---- records ---- */

char *mill_native_component_path(const struct mill_native *n, const char *component, const char *below)
{
	return mill_xasprintf("%s/components/%s%s%s", n->p->dir, component, below ? "/" : "", below ? below : "");
}

char *mill_native_service_path(const struct mill_native *n, const char *id, const char *below)
{
	return mill_xasprintf("%s/services/%s%s%s", n->p->dir, id, below ? "/" : "", below ? below : "");
}

void mill_native_forget_records(struct mill_native *n)
{
	if (n->records)
		json_decref(n->records);
	n->records = NULL;
}

static int load_records(struct mill_native *n, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(n->p->dir, "components");
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_list_dir(dir, &names, err);
	if (r < 0 && r != -ENOENT)
		return r;
	mill_error_release(err);
	_cleanup_json_ json_t *all = json_object();
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_native_component_path(n, names.items[i], "manifest.json");
		json_t *record = NULL;
		r = mill_state_load(path, &record, err);
		if (r == -ENOENT) { /* killed before it was written, or not a component's folder */
			mill_error_release(err);
			continue;
		}
		if (r < 0)
			return r;
		json_object_set_new(all, names.items[i], record);
	}
	n->records = MILL_TAKE(all);
	return 0;
}

static int ensure_records(struct mill_native *n, struct mill_error *err)
{
	pthread_mutex_lock(&n->lock);
	int r = n->records ? 0 : load_records(n, err);
	pthread_mutex_unlock(&n->lock);
	return r;
}

int mill_native_components(struct mill_native *n, struct mill_strv *ret, struct mill_error *err)
{
	int r = ensure_records(n, err);
	if (r < 0)
		return r;
	const char *name;
	json_t *record;
	json_object_foreach(n->records, name, record)
		mill_strv_add(ret, name);
	mill_strv_sort(ret);
	return 0;
}

int mill_native_record(struct mill_native *n, const char *component, const json_t **ret, struct mill_error *err)
{
	int r = ensure_records(n, err);
	if (r < 0)
		return r;
	*ret = json_object_get(n->records, component);
	if (*ret)
		return 0;
	_cleanup_strv_ struct mill_strv names = {0};
	r = mill_native_components(n, &names, err);
	if (r < 0)
		return r;
	const char *near = mill_suggest(component, (const char *const *)names.items, names.n);
	mill_fail_usage(err, "platform %s has no component \"%s\"%s%s%s", n->p->name, component,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	if (err)
		err->code = ENOENT;
	_cleanup_free_ char *list = mill_strv_join(&names, ", ");
	if (names.n)
		mill_error_hint(err, "it has: %s", list);
	return -ENOENT;
}

/* ---- folders ---- */

int mill_native_passage(const struct mill_native *n, const char *path, struct mill_error *err)
{
	mode_t mode = n->layout->root ? 0711 : 0700;
	int r = mill_mkdir_p(path, mode, err);
	if (r == 0 && chmod(path, mode) < 0)
		r = mill_fail_errno(err, errno, "%s", path);
	return r;
}

static int give(const struct mill_native *n, const char *path, struct mill_error *err)
{
	if (n->layout->root && lchown(path, n->layout->uid, n->layout->gid) < 0)
		return mill_fail_errno(err, errno, "give %s to the services' user", path);
	return 0;
}

int mill_native_owned_dir(const struct mill_native *n, const char *path, struct mill_error *err)
{
	int r = mill_mkdir_p(path, 0700, err);
	return r < 0 ? r : give(n, path, err);
}

int mill_native_owned_file(const struct mill_native *n, const char *path, const void *data, size_t len, mode_t mode,
			   struct mill_error *err)
{
	int r = mill_write_file(path, data, len, mode, MILL_WRITE_DURABLE, err);
	return r < 0 ? r : give(n, path, err);
}

int mill_native_save_json(const char *path, const json_t *o, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	mill_json_file_text(o, &text);
	if (mill_file_is(path, text.data, text.len))
		return 0; /* spares the two syncs */
	return mill_write_file(path, text.data, text.len, 0600, MILL_WRITE_DURABLE, err);
}

bool mill_native_lacks_software(struct mill_native *n, const json_t *record)
{
	struct mill_store *store;
	size_t i;
	json_t *key;
	if (n->remote || mill_native_store(n, &store, NULL) < 0)
		return false;
	json_array_foreach(json_object_get(record, "store_entries"), i, key)
		if (json_is_string(key) && !mill_store_has(store, json_string_value(key)))
			return true;
	return false;
}
