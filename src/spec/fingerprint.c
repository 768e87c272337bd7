#include "spec/fingerprint.h"

#include "base/json.h"

static int feed(const char *buffer, size_t size, void *hash)
{
	mill_hash_update(hash, buffer, size);
	return 0;
}

void mill_fingerprint_json(const json_t *value, char out[MILL_SHA256_HEX])
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);

	json_dump_callback(value, feed, h, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	mill_hash_finish(h, out);
}

static json_t *files(const json_t *spec, bool reload)
{
	json_t *out = json_array();
	const json_t *file;
	size_t i;

	json_array_foreach(json_object_get(spec, "files"), i, file)
		if (mill_json_get_bool(file, "reload", false) == reload)
			json_array_append(out, (json_t *)file);
	return out;
}

void mill_fingerprint_spec(const json_t *spec, char out[MILL_SHA256_HEX])
{
	static const char *const keys[] = {"command", "environment", "ports", "store_entries", "sources",
					   "limits", "user", "cwd"};
	_cleanup_json_ json_t *o = json_object();

	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++) {
		json_t *v = json_object_get(spec, keys[i]);

		if (v)
			json_object_set(o, keys[i], v);
	}
	json_object_set_new(o, "files", files(spec, false));
	mill_fingerprint_json(o, out);
}

void mill_fingerprint_reload(const json_t *spec, char out[MILL_SHA256_HEX])
{
	_cleanup_json_ json_t *covered = files(spec, true);

	out[0] = '\0';
	if (json_array_size(covered))
		mill_fingerprint_json(covered, out);
}
