#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/native/store.h"

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/seal.h"

static char *lock_path(const struct mill_store *s, const char *key)
{
	return mill_xasprintf("%s/.locks/%s", s->at, key);
}

int mill_store_open(const struct mill_store_paths *p, struct mill_store **ret, struct mill_error *err)
{
	struct mill_store *s = mill_xcalloc(1, sizeof(*s));
	s->dir = mill_path_absolute(p->store);
	s->at = mill_path_absolute(p->at ? p->at : p->store);
	s->image = p->image;
	s->cache = mill_path_absolute(p->cache);
	s->state = mill_path_absolute(p->state);
	s->toolchains = p->toolchains ? mill_path_absolute(p->toolchains) : NULL;
	s->set_ids = p->set_ids;
	s->uid = p->uid;
	s->gid = p->gid;
	_cleanup_free_ char *locks = mill_path_join(s->at, ".locks");
	_cleanup_error_ struct mill_error why = {0};
	int r = mill_mkdir_p(locks, 0755, &why);
	if (r == 0 && access(s->at, W_OK) < 0)
		r = -errno;
	if (r == -EACCES || r == -EROFS || r == -EPERM) {
		s->read_only = true;
	} else if (r < 0) {
		mill_store_close(s);
		if (why.message)
			mill_fail(err, why.code, "%s", why.message);
		else
			mill_fail_errno(err, -r, "%s", s->at);
		return mill_error_wrap(err, "the store");
	}
	*ret = s;
	return 0;
}

struct mill_store *mill_store_close(struct mill_store *s)
{
	if (!s)
		return NULL;
	free(s->dir);
	free(s->at);
	free(s->cache);
	free(s->state);
	free(s->toolchains);
	free(s);
	return NULL;
}

char *mill_store_path(const struct mill_store *s, const char *key)
{
	return mill_path_join(s->dir, key);
}

char *mill_store_entry_at(const struct mill_store *s, const char *key)
{
	return mill_path_join(s->at, key);
}

bool mill_store_has(const struct mill_store *s, const char *key)
{
	if (!mill_store_key_valid(key))
		return false;
	_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s", s->at, key, MILL_STORE_COMPLETE);
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool mill_store_key_valid(const char *key)
{
	size_t n = strlen(key);
	if (n < 34 || n >= MILL_STORE_KEY_MAX || strspn(key, "0123456789abcdef") < 32 || key[32] != '-')
		return false;
	return strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_-") == n;
}

int mill_store_lock(const struct mill_store *s, const char *key, bool shared, int timeout_ms,
		    int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *path = lock_path(s, key);
	int r = mill_lock_wait(path, shared, timeout_ms, ret_fd, err);
	if (r < 0)
		mill_error_wrap(err, "lock the store entry %s", key);
	return r; /* callers without err tell a held lock by it */
}

/* True while a shim, or an install, holds the key's lock. */
static bool held(const struct mill_store *s, const char *key)
{
	_cleanup_free_ char *path = lock_path(s, key);
	if (!mill_exists(path))
		return false;
	_cleanup_close_ int fd = -1;
	return mill_lock_try(path, false, &fd, NULL) == -EWOULDBLOCK;
}

static void load_entry(const struct mill_store *s, const char *key, struct mill_store_entry *e)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s", s->at, key, MILL_STORE_COMPLETE);
	_cleanup_json_ json_t *j = NULL;
	e->key = mill_xstrdup(key);
	e->complete = mill_json_load(path, MILL_JSON_FILE_MAX, &j, NULL) == 0;
	e->name = mill_xstrdup(mill_json_get_string(j, "name", ""));
	e->version = mill_xstrdup(mill_json_get_string(j, "version", ""));
	e->bytes = (uint64_t)mill_json_get_int(j, "bytes", 0);
	e->files = (uint64_t)mill_json_get_int(j, "files", 0);
	e->when_ms = (uint64_t)mill_json_get_int(j, "when_ms", 0);
	e->in_use = held(s, key);
	if (!e->complete) {
		_cleanup_free_ char *dir = mill_store_entry_at(s, key);
		(void)mill_disk_usage(dir, &e->bytes, NULL);
	}
}

int mill_store_list(const struct mill_store *s, struct mill_store_list *ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	*ret = (struct mill_store_list){0};
	if (!mill_is_dir(s->at))
		return 0;
	int r = mill_list_dir(s->at, &names, err);
	if (r < 0)
		return mill_error_wrap(err, "list the store");
	for (size_t i = 0; i < names.n; i++) {
		if (!mill_store_key_valid(names.items[i]))
			continue;
		MILL_GROW(ret->items, ret->n, ret->cap);
		ret->items[ret->n] = (struct mill_store_entry){0};
		load_entry(s, names.items[i], &ret->items[ret->n++]);
	}
	return 0;
}

void mill_store_list_release(struct mill_store_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].key);
		free(l->items[i].name);
		free(l->items[i].version);
	}
	free(l->items);
	*l = (struct mill_store_list){0};
}

static int refuse_read_only(const struct mill_store *s, struct mill_error *err)
{
	mill_fail(err, EROFS, "the store %s is read-only for this user", s->at);
	return mill_error_hint(err, "set DATA_MILL_STORE to a folder of your own, or ask its owner");
}

int mill_store_remove(const struct mill_store *s, const char *key, struct mill_error *err)
{
	if (!mill_store_key_valid(key))
		return mill_fail_usage(err, "'%s' is not a key of the store", key);
	if (s->read_only)
		return refuse_read_only(s, err);
	_cleanup_free_ char *lock = lock_path(s, key);
	_cleanup_close_ int fd = -1;
	int r = mill_lock_try(lock, false, &fd, err);
	if (r == -EWOULDBLOCK)
		return mill_fail(err, EBUSY, "store entry %s is in use", key);
	if (r < 0)
		return r;
	_cleanup_free_ char *path = mill_store_entry_at(s, key);
	_cleanup_free_ char *complete = mill_path_join(path, MILL_STORE_COMPLETE);
	/* First it stops being valid, then it goes: a crash in between leaves an absent entry. */
	if (mill_exists(complete)) {
		if (chmod(path, 0755) < 0 || unlink(complete) < 0)
			return mill_fail_errno(err, errno, "remove %s", complete);
	}
	r = mill_rm_rf(path, err);
	return r < 0 ? mill_error_wrap(err, "remove the store entry %s", key) : 0;
}

int mill_store_verify(const struct mill_store *s, const char *key, struct mill_strv *problems,
		      struct mill_error *err)
{
	if (!mill_store_has(s, key))
		return mill_fail(err, ENOENT, "no complete entry %s in the store", key);
	_cleanup_free_ char *path = mill_store_entry_at(s, key);
	int r = mill_seal_verify(path, problems, err);
	if (r < 0) {
		mill_error_wrap(err, "store entry %s", key);
		return mill_error_hint(err, "remove the folder %s and run data-mill install",
				       path);
	}
	return 0;
}

int mill_store_gc(const struct mill_store *s, const struct mill_strv *live, bool dry_run,
		  struct mill_strv *removed, uint64_t *ret_bytes, struct mill_error *err)
{
	struct mill_store_list list;
	uint64_t bytes = 0;
	if (s->read_only && !dry_run)
		return refuse_read_only(s, err);
	int r = mill_store_list(s, &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		const struct mill_store_entry *e = &list.items[i];
		if (e->in_use || (e->complete && mill_strv_contains(live, e->key)))
			continue;
		if (!dry_run) {
			int removal = mill_store_remove(s, e->key, err);
			if (removal == -EBUSY) /* taken since it was listed */
				continue;
			r = removal;
		}
		if (r == 0) {
			bytes += e->bytes;
			mill_strv_add(removed, e->key);
		}
	}
	mill_store_list_release(&list);
	if (r == 0 && ret_bytes)
		*ret_bytes = bytes;
	return r;
}
