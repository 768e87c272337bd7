/*
 * The platform's state in its namespace: one Secret a component and one for the
 * rest, each key a file of the platform's folder with `/` written as `..`.
 * The namespace is right; the folder on this machine is a copy.
 */
#include "runtime/kubernetes/internal.h"

#include <unistd.h>

#include "base/io.h"
#include "base/json.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define STATE_LABEL    "data-mill.io/state"

static const char *const top_files[] = {"platform.json", "desired.json", "ports.json", "memory.json"};
static const char *const component_files[] = {"manifest.json", "provided.json", "release.yaml", "chart.json"};
static const char *const service_files[] = {"spec.json", "applied.json", "data.json"};

/* ---- names ---- */

static char *key_of(const char *path)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;

	for (; *path; path++)
		mill_strbuf_addstr(&out, *path == '/' ? ".." : (char[]){*path, '\0'});
	return mill_strbuf_steal(&out);
}

static char *path_of(const char *key)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;

	for (; *key; key++) {
		if (key[0] == '.' && key[1] == '.') {
			mill_strbuf_addch(&out, '/');
			key++;
		} else {
			mill_strbuf_addch(&out, *key);
		}
	}
	return mill_strbuf_steal(&out);
}

/* components/minio/manifest.json -> data-mill-state-minio */
static char *secret_of(const char *path)
{
	const char *slash = strchr(path, '/'), *rest = slash ? slash + 1 : NULL;
	size_t n = rest ? strcspn(rest, "/.") : 0;

	if (!rest || !strchr(rest, '/'))
		return mill_xstrdup("data-mill-state");
	return mill_xasprintf("data-mill-state-%.*s", (int)n, rest);
}

/* ---- what is here ---- */

static void add_file(const struct mill_kube *k, json_t *all, const char *relative)
{
	_cleanup_free_ char *path = mill_path_join(k->p->dir, relative), *text = NULL;
	_cleanup_free_ char *secret = secret_of(relative), *key = key_of(relative);
	json_t *data;
	size_t len;

	if (mill_read_file(path, FILE_BYTES_MAX, &text, &len, NULL) < 0)
		return;
	data = json_object_get(all, secret);
	if (!data) {
		data = json_object();
		json_object_set_new(all, secret, data);
	}
	json_object_set_new(data, key, json_stringn_nocheck(text, len));
	explicit_bzero(text, len);
}

static void add_below(const struct mill_kube *k, json_t *all, const char *folder, const char *const *files, size_t n)
{
	_cleanup_free_ char *dir = mill_path_join(k->p->dir, folder);
	_cleanup_strv_ struct mill_strv names = {0};

	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		for (size_t f = 0; f < n; f++) {
			_cleanup_free_ char *relative = mill_xasprintf("%s/%s/%s", folder, names.items[i], files[f]);

			add_file(k, all, relative);
		}
}

static void add_secrets(const struct mill_kube *k, json_t *all)
{
	_cleanup_free_ char *dir = mill_path_join(k->p->dir, "secrets");
	_cleanup_strv_ struct mill_strv names = {0};

	add_file(k, all, "secrets/versions.json");
	(void)mill_list_dir(dir, &names, NULL);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *sub = mill_path_join(dir, names.items[i]);
		_cleanup_strv_ struct mill_strv files = {0};

		if (!mill_is_dir(sub))
			continue;
		(void)mill_list_dir(sub, &files, NULL);
		for (size_t f = 0; f < files.n; f++) {
			_cleanup_free_ char *relative = mill_xasprintf("secrets/%s/%s", names.items[i], files.items[f]);

			add_file(k, all, relative);
		}
	}
}

static json_t *collect(const struct mill_kube *k)
{
	json_t *all = json_object();

	for (size_t i = 0; i < MILL_ARRAY_LEN(top_files); i++)
		add_file(k, all, top_files[i]);
	add_below(k, all, "components", component_files, MILL_ARRAY_LEN(component_files));
	add_below(k, all, "services", service_files, MILL_ARRAY_LEN(service_files));
	add_secrets(k, all);
	return all;
}

/* ---- push ---- */

static json_t *state_secret(const struct mill_kube *k, const char *name, const json_t *data)
{
	json_t *o = mill_kube_secret(k, name, NULL, NULL, data);

	json_object_set_new(json_object_get(json_object_get(o, "metadata"), "labels"), STATE_LABEL, json_string("true"));
	return o;
}

static int remove_gone(struct mill_kube *k, const json_t *now, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	const char *name;
	json_t *data;

	mill_strv_add(&words, "delete");
	mill_strv_add(&words, "--ignore-not-found");
	json_object_foreach(k->pushed, name, data)
		if (!json_object_get(now, name))
			mill_strv_addf(&words, "secret/%s", name);
	return words.n > 2 ? mill_kube_kubectl_v(k, MILL_KUBE_CALL("forget old state"), &words, NULL, NULL, err) : 0;
}

/* One at a time: an older copy must not overtake a newer one. */
int mill_kube_push(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *changed = json_array();
	json_t *now, *data;
	const char *name;
	int r = 0;

	pthread_mutex_lock(&k->lock);
	if (k->lost)
		r = mill_fail(err, EPERM, "the platform's Lease was lost to somebody else: nothing more is changed");
	now = collect(k);
	json_object_foreach(now, name, data)
		if (!json_equal(json_object_get(k->pushed, name), data))
			json_array_append_new(changed, state_secret(k, name, data));
	if (r == 0)
		r = mill_kube_apply(k, "save the platform's state", changed, err);
	if (r == 0)
		r = remove_gone(k, now, err);
	if (r == 0) {
		mill_native_wipe(k->pushed);
		k->pushed = now;
	} else {
		mill_native_wipe(now);
	}
	pthread_mutex_unlock(&k->lock);
	return r;
}

/* ---- pull ---- */

static int write_file(const struct mill_kube *k, const char *relative, const char *text, size_t len, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(k->p->dir, relative);
	_cleanup_free_ char *dir = mill_path_dirname(path);
	int r;

	if (mill_file_is(path, text, len))
		return 0;
	r = mill_mkdir_p(dir, 0700, err);
	return r < 0 ? r : mill_write_file(path, text, len, 0600, 0, err);
}

static int take_key(struct mill_kube *k, json_t *into, const char *key, const char *base64, struct mill_error *err)
{
	_cleanup_free_ char *relative = path_of(key);
	char *text = NULL;
	size_t len = 0;
	int r = 0;

	if (!mill_path_is_inside(relative) || mill_kube_decode(base64, &text, &len) < 0)
		return mill_fail(err, EBADMSG, "state in namespace %s: \"%s\" is not ours", k->namespace, key);
	r = write_file(k, relative, text, len, err);
	if (r == 0)
		json_object_set_new(into, key, json_stringn_nocheck(text, len));
	explicit_bzero(text, len);
	free(text);
	return r;
}

static int take_secret(struct mill_kube *k, const json_t *object, struct mill_error *err)
{
	const char *name = mill_json_get_string(json_object_get(object, "metadata"), "name", ""), *key;
	json_t *into = json_object(), *value;
	int r = 0;

	json_object_set_new(k->pushed, name, into);
	json_object_foreach(json_object_get(object, "data"), key, value)
		if (r == 0)
			r = take_key(k, into, key, json_is_string(value) ? json_string_value(value) : "", err);
	return r;
}

/* What is here and not there any more was deleted by somebody else. */
static void drop_stale(const struct mill_kube *k)
{
	_cleanup_wipe_ json_t *here = collect(k);
	const char *name, *key;
	json_t *data, *value;

	json_object_foreach(here, name, data)
		json_object_foreach(data, key, value) {
			_cleanup_free_ char *relative = path_of(key);
			_cleanup_free_ char *path = mill_path_join(k->p->dir, relative);

			if (!json_object_get(json_object_get(k->pushed, name), key))
				(void)unlink(path);
		}
}

/* While another data-mill of this machine changes the platform, its files here are newer than the namespace's. */
int mill_kube_pull_if_free(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(k->p->dir, "lock");
	int fd = -1, r;

	if (k->p->lock_fd < 0 && mill_exists(path)) {
		r = mill_lock_try(path, true, &fd, err);
		if (r == -EWOULDBLOCK || r == -EAGAIN) {
			mill_error_release(err);
			return 0;
		}
		if (r < 0)
			return r;
	}
	r = mill_kube_pull(k, err);
	if (fd >= 0)
		close(fd);
	return r;
}

int mill_kube_pull(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_wipe_ json_t *found = NULL;
	const json_t *object;
	size_t i;
	int r = mill_kube_json(k, MILL_KUBE_CALL("read the platform's state"), &found, err, "get", "secrets",
			       "--selector=" STATE_LABEL "=true", NULL);

	if (r < 0)
		return r;
	mill_native_wipe(k->pushed);
	k->pushed = json_object();
	if (json_array_size(json_object_get(found, "items"))) {
		r = mill_mkdir_p(k->p->dir, 0700, err);
		if (r < 0)
			return r;
	}
	json_array_foreach(json_object_get(found, "items"), i, object) {
		r = take_secret(k, object, err);
		if (r < 0)
			return r;
	}
	drop_stale(k);
	r = mill_platform_reload(k->p, err);
	if (r == 0)
		json_object_set_new(k->p->record, "cluster_uid", json_string(k->uid));
	return r;
}
