#include "runtime/native/configure.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "spec/spec.h"

static mode_t file_mode(const json_t *file)
{
	const char *text = mill_json_get_string(file, "mode", "0600");
	mode_t mode = 0;
	for (; *text >= '0' && *text <= '7'; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	return mode && mode <= 0777 ? mode : 0600;
}

/* Each folder between `base` and the file belongs to the services' user. */
static int make_parents(const struct mill_native *n, const char *base, const char *relative, struct mill_error *err)
{
	for (const char *slash = strchr(relative, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *part = mill_xstrndup(relative, (size_t)(slash - relative));
		_cleanup_free_ char *path = mill_path_join(base, part);
		int r = mill_native_owned_dir(n, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_file(const struct mill_native *n, const char *base, const json_t *file, struct mill_error *err)
{
	const char *relative = mill_json_get_string(file, "path", "");
	if (!mill_path_is_inside(relative) || !mill_starts_with(relative, "config/"))
		return mill_fail(err, EINVAL, "file \"%s\" is not below config/", relative);
	int r = make_parents(n, base, relative, err);
	if (r < 0)
		return r;
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_SPEC_VALUE_MAX);
	r = mill_spec_resolve_value(json_object_get(file, "content"), n->p->dir, &text, err);
	if (r == 0) {
		_cleanup_free_ char *path = mill_path_join(base, relative);
		r = mill_native_owned_file(n, path, text.data, text.len, file_mode(file), err);
	}
	explicit_bzero(text.data, text.len);
	mill_strbuf_release(&text);
	return r;
}

static bool has_file(const json_t *files, const char *path)
{
	size_t i;
	json_t *file;
	json_array_foreach(files, i, file)
		if (mill_streq(mill_json_get_string(file, "path", ""), path))
			return true;
	return false;
}

/* What an older spec wrote and this one does not name would still be read by a server that includes a folder. */
static void remove_stale(const char *base, const json_t *old_files, const json_t *files)
{
	size_t i;
	json_t *file;
	json_array_foreach(old_files, i, file) {
		const char *relative = mill_json_get_string(file, "path", "");
		if (!mill_path_is_inside(relative) || !mill_starts_with(relative, "config/") ||
		    has_file(files, relative))
			continue;
		_cleanup_free_ char *path = mill_path_join(base, relative);
		(void)unlink(path);
	}
}

static int write_files(const struct mill_native *n, const char *base, const json_t *files, struct mill_error *err)
{
	size_t i;
	json_t *file;
	json_array_foreach(files, i, file) {
		int r = write_file(n, base, file, err);
		if (r < 0) {
			mill_error_wrap(err, "%s", mill_json_get_string(file, "path", "file"));
			return r;
		}
	}
	return 0;
}

static int make_service_folders(struct mill_native *n, const char *dir, const json_t *spec, struct mill_error *err)
{
	static const char *const parts[] = {"config", "data", "log", "run", "run/tmp"};
	_cleanup_free_ char *services = mill_path_join(n->p->dir, "services");
	int r = mill_native_passage(n, services, err);
	if (r == 0)
		r = mill_native_passage(n, dir, err);
	for (size_t i = 0; r == 0 && i < MILL_ARRAY_LEN(parts); i++) {
		_cleanup_free_ char *path = mill_path_join(dir, parts[i]);
		r = mill_native_owned_dir(n, path, err);
	}
	size_t i;
	json_t *folder;
	json_array_foreach(json_object_get(spec, "folders"), i, folder) {
		const char *relative = json_string_value(folder);
		if (r < 0)
			break;
		if (!relative || !mill_path_is_inside(relative))
			return mill_fail(err, EINVAL, "folder \"%s\" leaves the service's folder", relative ? relative : "");
		r = make_parents(n, dir, relative, err);
		if (r < 0)
			break;
		_cleanup_free_ char *path = mill_path_join(dir, relative);
		r = mill_native_owned_dir(n, path, err);
	}
	return r;
}

int mill_configure_service(struct mill_native *n, const json_t *spec, struct mill_error *err)
{
	const char *id = mill_json_get_string(spec, "id", NULL);
	if (!id || !mill_spec_id_is_valid(id))
		return mill_fail(err, EINVAL, "a service spec without a valid id");
	_cleanup_free_ char *dir = mill_native_service_path(n, id, NULL);
	_cleanup_free_ char *path = mill_path_join(dir, "spec.json");
	_cleanup_json_ json_t *old = NULL;
	(void)mill_json_load(path, MILL_SPEC_FILE_MAX, &old, NULL); /* absent or damaged: as if nothing was there */
	int r = make_service_folders(n, dir, spec, err);
	if (r == 0)
		r = write_files(n, dir, json_object_get(spec, "files"), err);
	if (r == 0)
		r = mill_native_save_json(path, spec, err);
	if (r == 0)
		remove_stale(dir, json_object_get(old, "files"), json_object_get(spec, "files"));
	else
		mill_error_wrap(err, "configure %s", id);
	return r;
}

int mill_configure_tool(struct mill_native *n, const char *component, struct mill_error *err)
{
	static const char *const parts[] = {"data", "config"};
	const json_t *record = NULL;
	int r = mill_native_record(n, component, &record, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *dir = mill_native_component_path(n, component, NULL);
	r = mill_native_passage(n, dir, err);
	for (size_t i = 0; r == 0 && i < MILL_ARRAY_LEN(parts); i++) {
		_cleanup_free_ char *path = mill_path_join(dir, parts[i]);
		r = mill_native_owned_dir(n, path, err);
	}
	if (r == 0)
		r = write_files(n, dir, json_object_get(record, "files"), err);
	if (r < 0)
		mill_error_wrap(err, "configure %s", component);
	return r;
}

int mill_configure_applied(struct mill_native *n, const json_t *spec, struct mill_error *err)
{
	_cleanup_free_ char *path =
		mill_native_service_path(n, mill_json_get_string(spec, "id", ""), "applied.json");
	_cleanup_json_ json_t *o = json_pack("{s:s}", "reload_fingerprint",
					     mill_json_get_string(spec, "reload_fingerprint", ""));
	return mill_state_save(path, o, 0600, err);
}

int mill_configure_data(struct mill_native *n, const json_t *spec, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_native_service_path(n, mill_json_get_string(spec, "id", ""), "data.json");
	const char *version = mill_json_get_string(spec, "component_version", "");
	int64_t format = mill_json_get_int(spec, "data_format", 0);
	_cleanup_json_ json_t *old = NULL;
	if (mill_state_load(path, &old, NULL) == 0 && mill_json_get_int(old, "data_format", -1) == format &&
	    mill_streq(mill_json_get_string(old, "component_version", ""), version))
		return 0;
	_cleanup_json_ json_t *o = json_pack("{s:s, s:I, s:I}", "component_version", version, "data_format",
					     (json_int_t)format, "written_ms", (json_int_t)mill_wall_ms());
	return mill_state_save(path, o, 0600, err);
}
