/* Files, folders, and what entry.json says. */
#include "entry/entry.h"

#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"

int mill_entry_load(struct mill_entry_pod *p, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(p->root, "in/config/entry.json");

	return mill_json_load(path, MILL_ENTRY_FILE_MAX, &p->spec, err);
}

int mill_entry_input(const struct mill_entry_pod *p, const char *from, char **ret, struct mill_error *err)
{
	if (!from || !mill_path_is_inside(from))
		return mill_fail(err, EINVAL, "entry.json: \"%s\" is no input", from ? from : "");
	*ret = mill_xasprintf("%s/in/%s", p->root, from);
	return 0;
}

static mode_t mode_of(const json_t *file)
{
	const char *text = mill_json_get_string(file, "mode", "0600");
	mode_t mode = 0;

	for (; *text >= '0' && *text <= '7'; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	return mode && mode <= 0777 ? mode : 0600;
}

static int content_of(const struct mill_entry_pod *p, const json_t *file, char **ret, size_t *ret_len, struct mill_error *err)
{
	const char *content = mill_json_get_string(file, "content", NULL);
	_cleanup_free_ char *path = NULL;
	int r;

	if (content) {
		*ret = mill_xstrdup(content);
		*ret_len = strlen(content);
		return 0;
	}
	r = mill_entry_input(p, mill_json_get_string(file, "from", NULL), &path, err);
	return r < 0 ? r : mill_read_file(path, MILL_ENTRY_FILE_MAX, ret, ret_len, err);
}

static int write_file(const struct mill_entry_pod *p, const json_t *file, struct mill_error *err)
{
	const char *relative = mill_json_get_string(file, "path", "");
	_cleanup_free_ char *path = NULL, *dir = NULL, *text = NULL;
	size_t len = 0;
	int r;

	if (!mill_path_is_inside(relative) || !mill_starts_with(relative, "config/"))
		return mill_fail(err, EINVAL, "entry.json: file \"%s\" is not below config/", relative);
	path = mill_path_join(p->root, relative);
	dir = mill_path_dirname(path);
	r = mill_mkdir_p(dir, 0700, err);
	if (r == 0)
		r = content_of(p, file, &text, &len, err);
	if (r == 0)
		r = mill_write_file(path, text, len, mode_of(file), 0, err);
	if (text)
		explicit_bzero(text, len);
	return r;
}

int mill_entry_write_files(const struct mill_entry_pod *p, const json_t *files, struct mill_error *err)
{
	size_t i;
	json_t *file;

	json_array_foreach((json_t *)files, i, file) {
		int r = write_file(p, file, err);

		if (r < 0)
			return mill_error_wrap(err, "%s", mill_json_get_string(file, "path", "file")), r;
	}
	return 0;
}

int mill_entry_prepare(const struct mill_entry_pod *p, struct mill_error *err)
{
	static const char *const parts[] = {"config", "data", "log", "run", "run/tmp"};
	size_t i;
	json_t *folder;
	int r = 0;

	for (i = 0; i < MILL_ARRAY_LEN(parts) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(p->root, parts[i]);

		r = mill_mkdir_p(path, 0700, err);
	}
	json_array_foreach(json_object_get(p->spec, "folders"), i, folder) {
		const char *relative = json_string_value(folder);
		_cleanup_free_ char *path = NULL;

		if (r < 0)
			return r;
		if (!relative || !mill_path_is_inside(relative))
			return mill_fail(err, EINVAL, "entry.json: folder \"%s\" leaves the pod's folder", relative ? relative : "");
		path = mill_path_join(p->root, relative);
		r = mill_mkdir_p(path, 0700, err);
	}
	return r < 0 ? r : mill_entry_write_files(p, json_object_get(p->spec, "files"), err);
}
