#include "platform/platform.h"

#include <ctype.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "platform/internal.h"

/* Names become folder names and DNS labels: the rule is Kubernetes' for a namespace. */
bool mill_platform_name_ok(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

static char *file_of(const struct mill_platform *p, const char *name)
{
	return mill_path_join(p->dir, name);
}

/* Nothing of ours writes half a file: a hand or a disk did this, and only a person can tell what it held. */
static int damaged(int r, struct mill_error *err)
{
	mill_error_hint(err, "the file is damaged and was left as it is: restore it from a backup, or move it away "
			     "and run `data-mill up -f FLAVOUR` to make it anew; data folders stay");
	return r;
}

static int check_version(const json_t *o, const char *path, struct mill_error *err)
{
	int64_t v = mill_json_get_int(o, "v", 0);
	if (v == 0) {
		mill_fail(err, EBADMSG, "%s: not a state file of data-mill (no \"v\")", path);
		return damaged(-EBADMSG, err);
	}
	if (v <= MILL_STATE_VERSION)
		return 0;
	mill_fail_usage(err, "%s was written by data-mill %s (state version %lld); this is data-mill %s, "
			     "which knows state version %d", path, mill_json_get_string(o, "version", "?"),
			(long long)v, MILL_VERSION, MILL_STATE_VERSION);
	if (err)
		err->code = EPROTO;
	mill_error_hint(err, "use that newer data-mill, or choose another DATA_MILL_HOME");
	return -EPROTO;
}

int mill_state_load(const char *path, json_t **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *o = NULL;
	int r = mill_json_load(path, MILL_JSON_FILE_MAX, &o, err);
	if (r == -EINVAL)
		return damaged(r, err);
	if (r < 0)
		return r;
	if (!json_is_object(o)) {
		mill_fail(err, EBADMSG, "%s: not a JSON object", path);
		return damaged(-EBADMSG, err);
	}
	r = check_version(o, path, err);
	if (r < 0)
		return r;
	*ret = MILL_TAKE(o);
	return 0;
}

int mill_state_save(const char *path, json_t *o, mode_t mode, struct mill_error *err)
{
	_cleanup_json_ json_t *out = json_object();
	json_object_set_new(out, "v", json_integer(MILL_STATE_VERSION));
	json_object_set_new(out, "version", json_string(MILL_VERSION));
	json_object_update_missing(out, o);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	mill_json_file_text(out, &text);
	return mill_write_file(path, text.data, text.len, mode, MILL_WRITE_DURABLE, err);
}

/* Replaces *slot by the file's object, or by an empty one when there is no file. */
static int load_part(const struct mill_platform *p, const char *name, bool bare, json_t **slot,
		     struct mill_error *err)
{
	_cleanup_free_ char *path = file_of(p, name);
	json_t *o = NULL;
	int r = mill_state_load(path, &o, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT) {
		mill_error_release(err);
		o = json_object();
	}
	if (bare) { /* a plain map: the version is the file's business, not its readers' */
		json_object_del(o, "v");
		json_object_del(o, "version");
	}
	if (*slot)
		json_decref(*slot);
	*slot = o;
	return r == -ENOENT ? 0 : 1;
}

static void ensure_member(json_t *o, const char *key, json_t *value)
{
	if (json_object_get(o, key))
		json_decref(value);
	else
		json_object_set_new(o, key, value);
}

static int load_all(struct mill_platform *p, struct mill_error *err)
{
	int r = load_part(p, "platform.json", false, &p->record, err);
	if (r < 0)
		return r;
	p->exists = r == 1;
	if ((r = load_part(p, "desired.json", false, &p->desired, err)) < 0 ||
	    (r = load_part(p, "ports.json", true, &p->ports, err)) < 0 ||
	    (r = load_part(p, "memory.json", true, &p->memory, err)) < 0)
		return r;
	ensure_member(p->record, "target", json_string(p->target));
	ensure_member(p->record, "name", json_string(p->name));
	ensure_member(p->record, "components", json_object());
	ensure_member(p->desired, "services", json_array());
	ensure_member(p->desired, "tasks", json_object());
	return 0;
}

int mill_platform_reload(struct mill_platform *p, struct mill_error *err)
{
	json_object_clear(p->secret_versions);
	return load_all(p, err);
}

int mill_platform_open(const struct mill_layout *l, const char *target, const char *name,
		       struct mill_platform **ret, struct mill_error *err)
{
	if (!mill_platform_name_ok(name) || !mill_platform_name_ok(target)) {
		mill_fail_usage(err, "\"%s.%s\" is not a platform's name", target, name);
		return mill_error_hint(err, "names are lower-case letters, digits and '-', at most 63");
	}
	struct mill_platform *p = mill_xcalloc(1, sizeof(*p));
	p->layout = l;
	p->target = mill_xstrdup(target);
	p->name = mill_xstrdup(name);
	p->dir = mill_layout_platform_dir(l, target, name);
	p->lock_fd = -1;
	p->secret_versions = json_object();
	int r = load_all(p, err);
	if (r < 0) {
		mill_platform_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct mill_platform *mill_platform_close(struct mill_platform *p)
{
	if (!p)
		return NULL;
	json_t *parts[] = {p->record, p->desired, p->ports, p->memory, p->secret_versions, p->foreign_ports};
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++)
		if (parts[i])
			json_decref(parts[i]);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	free(p->target);
	free(p->name);
	free(p->dir);
	free(p);
	return NULL;
}

/* As root the services' user passes through, so that it reaches its service folders. */
static int make_folder(struct mill_platform *p, struct mill_error *err)
{
	bool others = p->layout->root;
	int r = mill_mkdir_p(p->layout->platforms, others ? 0755 : 0700, err);
	if (r < 0)
		return r;
	mode_t mode = others ? 0711 : 0700;
	r = mill_mkdir_p(p->dir, mode, err);
	if (r < 0)
		return r;
	if (chmod(p->dir, mode) < 0)
		return mill_fail_errno(err, errno, "%s", p->dir);
	return 0;
}

/* destroy removes the folder with the lock in it: a lock on a file that is gone protects nothing. */
static bool is_current(int fd, const char *path)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int take_lock(struct mill_platform *p, int wait_ms, void (*on_wait)(void *, const char *), void *arg,
		     int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *path = file_of(p, "lock");
	int r = mill_lock_try(path, false, ret_fd, err);
	if (r != -EWOULDBLOCK && r != -EAGAIN)
		return r;
	_cleanup_free_ char *holder = mill_lock_holder(path);
	if (on_wait && wait_ms != 0)
		on_wait(arg, holder ? holder : "another data-mill");
	mill_error_release(err);
	if (wait_ms != 0)
		r = mill_lock_wait(path, false, wait_ms, ret_fd, err);
	if (r < 0 && (r == -ETIMEDOUT || wait_ms == 0)) {
		_cleanup_free_ char *now = mill_lock_holder(path);
		r = mill_fail(err, EBUSY, "platform %s is being changed by %s", p->name,
			      now ? now : holder ? holder : "another data-mill");
		mill_error_hint(err, "wait until it is done, or end it: what it has begun is taken up again");
	}
	return r;
}

int mill_platform_lock(struct mill_platform *p, int wait_ms, void (*on_wait)(void *arg, const char *holder),
		       void *arg, struct mill_error *err)
{
	if (p->lock_fd >= 0)
		return 0;
	_cleanup_free_ char *path = file_of(p, "lock");
	for (int tries = 0;; tries++) {
		int r = make_folder(p, err);
		if (r < 0)
			return mill_error_wrap(err, "platform %s", p->name);
		int fd = -1;
		r = take_lock(p, wait_ms, on_wait, arg, &fd, err);
		if (r < 0)
			return r;
		if (is_current(fd, path) || tries == 10) {
			p->lock_fd = fd;
			break;
		}
		close(fd);
	}
	int r = load_all(p, err);
	if (r < 0) {
		close(p->lock_fd);
		p->lock_fd = -1;
	}
	return r;
}

static int save_part(struct mill_platform *p, const char *name, json_t *o, struct mill_error *err)
{
	if (p->lock_fd < 0)
		BUG("%s saved without the platform's lock", name);
	_cleanup_free_ char *path = file_of(p, name);
	return mill_state_save(path, o, 0600, err);
}

int mill_platform_save_record(struct mill_platform *p, struct mill_error *err)
{
	json_object_set_new(p->record, "version", json_string(MILL_VERSION));
	int r = save_part(p, "platform.json", p->record, err);
	if (r == 0)
		p->exists = true;
	return r;
}

int mill_platform_save_desired(struct mill_platform *p, struct mill_error *err)
{
	return save_part(p, "desired.json", p->desired, err);
}

int mill_platform_save_memory(struct mill_platform *p, struct mill_error *err)
{
	return save_part(p, "memory.json", p->memory, err);
}

int mill_platform_save_ports(struct mill_platform *p, struct mill_error *err)
{
	/* Platforms have a lock each; numbers are shared by all of them. */
	_cleanup_free_ char *guard = mill_path_join(p->layout->platforms, ".ports.lock");
	_cleanup_close_ int fd = -1;
	int r = mill_lock_wait(guard, false, 10000, &fd, err);
	if (r < 0)
		return r;
	r = mill_ports_recheck(p, err);
	if (r < 0)
		return r;
	return save_part(p, "ports.json", p->ports, err);
}

char *mill_platform_service_dir(const struct mill_platform *p, const char *component, const char *service)
{
	return mill_xasprintf("%s/services/%s.%s", p->dir, component, service);
}
