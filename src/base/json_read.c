#include "base/io.h"
#include "base/json.h"

int mill_json_parse(const char *name, const char *text, size_t len, json_t **ret_json,
		    struct mill_error *err)
{
	json_error_t problem;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
	if (!j)
		return mill_fail(err, EINVAL, "%s:%d:%d: %s", name,
				 problem.line > 0 ? problem.line : 1,
				 problem.column > 0 ? problem.column : 1, problem.text);
	*ret_json = j;
	return 0;
}

int mill_json_load(const char *path, size_t max, json_t **ret_json, struct mill_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = mill_read_file(path, max, &text, &len, err);
	if (r < 0)
		return r;
	return mill_json_parse(path, text, len, ret_json, err);
}

const char *mill_json_get_string(const json_t *o, const char *key, const char *fallback)
{
	const json_t *v = json_object_get(o, key);
	return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t mill_json_get_int(const json_t *o, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(o, key);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool mill_json_get_bool(const json_t *o, const char *key, bool fallback)
{
	const json_t *v = json_object_get(o, key);
	return json_is_boolean(v) ? json_is_true(v) : fallback;
}
