#include <sys/utsname.h>

#include "runtime/native/recipe.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/toolchain.h"

/* Raise it when an installer makes another entry from the same inputs. */
#define FORMAT_VERSION "data-mill store 1"
static const char *const installer_version[] = {
	[MILL_STEP_GO] = "1",	  [MILL_STEP_PIP] = "1",      [MILL_STEP_NPM] = "1",   [MILL_STEP_MAVEN] = "1",
	[MILL_STEP_DEBIAN] = "1", [MILL_STEP_DOWNLOAD] = "1", [MILL_STEP_FILES] = "1", [MILL_STEP_WHEEL] = "1",
};
static const char *const kind_names[] = {
	[MILL_STEP_GO] = "go",		  [MILL_STEP_PIP] = "pip",
	[MILL_STEP_NPM] = "npm",	  [MILL_STEP_MAVEN] = "maven",
	[MILL_STEP_DEBIAN] = "debian",	  [MILL_STEP_DOWNLOAD] = "download",
	[MILL_STEP_FILES] = "files",	  [MILL_STEP_WHEEL] = "wheel",
};
enum { FILES_DEPTH_MAX = 12, FILES_MAX = 2000 };
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_-"

const char *mill_step_kind_name(enum mill_step_kind kind)
{
	return kind_names[kind];
}

const char *mill_machine_arch(void)
{
	static char arch[65];
	struct utsname u;
	if (!arch[0] && uname(&u) == 0) {
		const char *name = u.machine;
		if (mill_streq(name, "x86_64"))
			name = "amd64";
		else if (mill_streq(name, "aarch64"))
			name = "arm64";
		snprintf(arch, sizeof(arch), "%s", name);
	}
	return arch;
}

const char *mill_step_string(const struct mill_step *s, const char *key, const char *fallback)
{
	return mill_json_get_string(s->json, key, fallback);
}

bool mill_step_bool(const struct mill_step *s, const char *key, bool fallback)
{
	return mill_json_get_bool(s->json, key, fallback);
}

void mill_step_list(const struct mill_step *s, const char *key, struct mill_strv *ret)
{
	const json_t *list = json_object_get(s->json, key);
	size_t i;
	const json_t *item;
	if (json_is_string(list))
		mill_strv_add(ret, json_string_value(list));
	json_array_foreach((json_t *)list, i, item)
		if (json_is_string(item))
			mill_strv_add(ret, json_string_value(item));
}

static bool plain_name(const char *s)
{
	return *s && strspn(s, NAME_CHARS) == strlen(s) && s[0] != '-' && s[0] != '.';
}

/* Everything below a folder of the component's, in the order of names. */
static void list_files(const char *dir, const char *below, unsigned depth, struct mill_strv *ret)
{
	_cleanup_free_ char *path = mill_path_join(dir, below);
	_cleanup_strv_ struct mill_strv names = {0};
	if (depth > FILES_DEPTH_MAX || ret->n > FILES_MAX || mill_list_dir(path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *name = mill_path_join(below, names.items[i]);
		_cleanup_free_ char *full = mill_path_join(dir, name);
		if (names.items[i][0] == '.' || mill_streq(names.items[i], "__pycache__"))
			continue;
		if (mill_is_dir(full))
			list_files(dir, name, depth + 1, ret);
		else
			mill_strv_add(ret, name);
	}
}

/* The n-th step of a kind has a lock of its own: locks/pip.txt, locks/pip-2.txt. */
static void name_locks(const struct mill_recipe *r, struct mill_step *s)
{
	char nth[16] = "";
	if (s->nth > 1)
		snprintf(nth, sizeof(nth), "-%u", s->nth);
	const char *kind = kind_names[s->kind];
	switch (s->kind) {
	case MILL_STEP_GO:
		s->lock = mill_xasprintf("locks/go/%s/", mill_step_string(s, "binary", ""));
		mill_strv_addf(&s->locks, "%sgo.mod", s->lock);
		mill_strv_addf(&s->locks, "%sgo.sum", s->lock);
		break;
	case MILL_STEP_NPM:
		s->lock = mill_xasprintf("locks/npm%s/", nth);
		mill_strv_addf(&s->locks, "%spackage.json", s->lock);
		mill_strv_addf(&s->locks, "%spackage-lock.json", s->lock);
		break;
	case MILL_STEP_PIP:
	case MILL_STEP_MAVEN:
	case MILL_STEP_DEBIAN:
		s->lock = mill_xasprintf("locks/%s%s.txt", kind, nth);
		mill_strv_add(&s->locks, s->lock);
		break;
	case MILL_STEP_FILES:
		list_files(r->dir, mill_step_string(s, "from", ""), 0, &s->locks);
		break;
	case MILL_STEP_DOWNLOAD:
	case MILL_STEP_WHEEL:
		break;
	}
}

/* The key that each kind cannot do without. */
static const char *required_key(enum mill_step_kind kind)
{
	switch (kind) {
	case MILL_STEP_GO:
		return "module";
	case MILL_STEP_PIP:
		return "requirements";
	case MILL_STEP_NPM:
	case MILL_STEP_DEBIAN:
		return "packages";
	case MILL_STEP_MAVEN:
		return "artifacts";
	case MILL_STEP_DOWNLOAD:
		return "url";
	case MILL_STEP_FILES:
		return "from";
	case MILL_STEP_WHEEL:
		return "package";
	}
	return NULL;
}

static int parse_step(struct mill_recipe *r, size_t i, const json_t *json, struct mill_error *err)
{
	struct mill_step *s = &r->steps[i];
	const char *kind = mill_json_get_string(json, "kind", "");
	size_t k = 0;
	while (k < MILL_ARRAY_LEN(kind_names) && !mill_streq(kind, kind_names[k]))
		k++;
	if (k == MILL_ARRAY_LEN(kind_names))
		return mill_fail_usage(err, "%s: step %zu: unknown kind '%s'", r->name, i + 1, kind);
	s->kind = (enum mill_step_kind)k;
	s->json = json;
	s->into = mill_json_get_string(json, "into", "");
	if (s->kind == MILL_STEP_MAVEN && !json_object_get(json, "into"))
		s->into = "lib";
	if (s->into[0] && !mill_path_is_inside(s->into))
		return mill_fail_usage(err, "%s: step %zu: into: '%s' leaves the entry", r->name, i + 1,
				       s->into);
	const char *key = required_key(s->kind);
	if (!json_object_get(json, key))
		return mill_fail_usage(err, "%s: step %zu (%s): '%s' is missing", r->name, i + 1, kind, key);
	if (s->kind == MILL_STEP_GO && !plain_name(mill_step_string(s, "binary", "")))
		return mill_fail_usage(err, "%s: step %zu (go): 'binary' must be a file name", r->name, i + 1);
	if (s->kind == MILL_STEP_FILES && !mill_path_is_inside(mill_step_string(s, "from", "")))
		return mill_fail_usage(err, "%s: step %zu: from: must be a folder of the component", r->name, i + 1);
	s->nth = 1;
	for (size_t j = 0; j < i; j++)
		s->nth += r->steps[j].kind == s->kind;
	name_locks(r, s);
	return 0;
}

int mill_recipe_from_json(const json_t *json, struct mill_recipe **ret, struct mill_error *err)
{
	struct mill_recipe *r = mill_xcalloc(1, sizeof(*r));
	r->json = json_deep_copy(json);
	r->name = mill_json_get_string(r->json, "name", "");
	r->version = mill_json_get_string(r->json, "version", "");
	r->dir = mill_json_get_string(r->json, "dir", "");
	const json_t *steps = json_object_get(r->json, "steps"), *item;
	size_t i;
	int result = 0;
	if (!plain_name(r->name) || strlen(r->name) > 60)
		result = mill_fail_usage(err, "a recipe's name must be a plain name, not '%s'", r->name);
	else if (strlen(r->version) > 80 || strspn(r->version, NAME_CHARS) != strlen(r->version))
		result = mill_fail_usage(err, "%s: '%s' cannot be a version", r->name, r->version);
	else if (json_array_size(steps) == 0 || json_array_size(steps) > MILL_RECIPE_STEPS_MAX)
		result = mill_fail_usage(err, "%s: an install has 1 to %d steps", r->name,
					 MILL_RECIPE_STEPS_MAX);
	if (result == 0) {
		r->n_steps = json_array_size(steps);
		r->steps = mill_xcalloc(r->n_steps, sizeof(*r->steps));
		json_array_foreach((json_t *)steps, i, item) if (result == 0)
			result = parse_step(r, i, item, err);
	}
	json_array_foreach(json_object_get(r->json, "toolchains"), i, item)
		mill_strv_add(&r->toolchains, json_is_string(item) ? json_string_value(item) : "");
	if (result < 0)
		return mill_recipe_free(r), result;
	*ret = r;
	return 0;
}

int mill_recipe_load(const char *dir, json_t **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(dir, "recipe.json");
	_cleanup_json_ json_t *j = NULL;
	int r = mill_json_load(path, 1 << 20, &j, err);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return mill_fail_usage(err, "%s: not an object", path);
	json_object_set_new(j, "dir", json_string(dir));
	*ret = MILL_TAKE(j);
	return 0;
}

struct mill_recipe *mill_recipe_free(struct mill_recipe *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n_steps; i++) {
		free(r->steps[i].lock);
		mill_strv_release(&r->steps[i].locks);
	}
	free(r->steps);
	mill_strv_release(&r->toolchains);
	json_decref(r->json);
	free(r);
	return NULL;
}

static int hash_locks(struct mill_hash *h, const struct mill_recipe *r, const struct mill_step *s,
		      struct mill_error *err)
{
	for (size_t i = 0; i < s->locks.n; i++) {
		_cleanup_free_ char *path = mill_path_join(r->dir, s->locks.items[i]);
		_cleanup_free_ char *data = NULL;
		size_t len = 0;
		int result = mill_read_file(path, MILL_LOCK_FILE_MAX, &data, &len, err);
		if (result == -ENOENT) {
			mill_fail(err, ENOENT, "the lock %s is missing", s->locks.items[i]);
			return mill_error_hint(err, "make it: data-mill component relock %s", r->name);
		}
		if (result < 0)
			return mill_error_wrap(err, "%s", r->name);
		char size[32];
		snprintf(size, sizeof(size), "%zu", len);
		mill_hash_field(h, s->locks.items[i]);
		mill_hash_field(h, size);
		mill_hash_update(h, data, len);
	}
	return 0;
}

static int hash_step(struct mill_hash *h, const struct mill_store *store, const struct mill_recipe *r,
		     const struct mill_step *s, struct mill_error *err)
{
	char *text = json_dumps(s->json, JSON_SORT_KEYS | JSON_COMPACT);
	if (!text)
		BUG("a recipe that cannot be written");
	mill_hash_field(h, text);
	free(text);
	mill_hash_field(h, installer_version[s->kind]);
	_cleanup_free_ char *identity = NULL;
	int result = mill_toolchain_identity(store, r, s, &identity, err);
	if (result < 0)
		return mill_error_wrap(err, "%s", r->name);
	mill_hash_field(h, identity);
	return hash_locks(h, r, s, err);
}

int mill_recipe_key(const struct mill_store *s, const struct mill_recipe *r, char **ret_key,
		    struct mill_error *err)
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	char hex[MILL_SHA256_HEX];
	int result = 0;
	mill_hash_field(h, FORMAT_VERSION);
	mill_hash_field(h, mill_machine_arch());
	for (size_t i = 0; i < r->n_steps && result == 0; i++)
		result = hash_step(h, s, r, &r->steps[i], err);
	mill_hash_finish(h, hex);
	if (result < 0)
		return result;
	*ret_key = r->version[0] ? mill_xasprintf("%.32s-%s-%s", hex, r->name, r->version)
				 : mill_xasprintf("%.32s-%s", hex, r->name);
	return 0;
}

void mill_recipe_estimate(const struct mill_recipe *r, struct mill_estimate *ret)
{
	*ret = (struct mill_estimate){0};
	_cleanup_json_ json_t *own = NULL;
	const json_t *meta = json_object_get(r->json, "meta"); /* a tool chain brings its own */
	if (!meta && r->dir[0]) {
		_cleanup_free_ char *path = mill_path_join(r->dir, "locks/meta.json");
		if (mill_json_load(path, 65536, &own, NULL) == 0)
			meta = own;
	}
	if (!json_is_object(meta))
		return;
	ret->known = true;
	ret->download_bytes = (uint64_t)mill_json_get_int(meta, "download_bytes", 0);
	ret->installed_bytes = (uint64_t)mill_json_get_int(meta, "installed_bytes", 0);
	ret->seconds = json_number_value(json_object_get(meta, "seconds"));
}

int mill_recipe_save_estimate(const struct mill_recipe *r, const struct mill_estimate *e,
			      struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, true);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "download_bytes", (int64_t)e->download_bytes);
	mill_json_kv_int(&w, "installed_bytes", (int64_t)e->installed_bytes);
	mill_json_kv_int(&w, "seconds", (int64_t)(e->seconds + 0.5));
	mill_json_kv_int(&w, "measured_ms", (int64_t)mill_wall_ms());
	mill_json_end_object(&w);
	mill_strbuf_addch(&b, '\n');
	_cleanup_free_ char *dir = mill_path_join(r->dir, "locks");
	_cleanup_free_ char *path = mill_path_join(dir, "meta.json");
	/* Downloads are locked in the manifest: there may be no folder yet. */
	int ret = mill_mkdir_p(dir, 0755, err);
	return ret < 0 ? ret : mill_write_file(path, b.data, b.len, 0644, 0, err);
}
