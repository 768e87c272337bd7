#include "runtime/native/hook_input.h"

#include "base/io.h"
#include "base/json.h"
#include "secret/secret.h"

/* The component's own secrets, by name. */
static int add_secrets(struct mill_native *n, const char *component, const json_t *record, json_t *input,
		       struct mill_error *err)
{
	json_t *secrets = json_object();
	json_object_set_new(input, "secrets", secrets);
	size_t i;
	json_t *secret;
	json_array_foreach(json_object_get(record, "secrets"), i, secret) {
		const char *name = mill_json_get_string(secret, "name", "");
		char *value = NULL;
		int r = mill_secret_read(n->p, component, name, &value, err);
		if (r < 0)
			return r;
		json_object_set_new(secrets, name, json_string_nocheck(value));
		mill_secret_free(value);
	}
	return 0;
}

static int add_resolved(const struct mill_native *n, json_t *input, const char *key, const json_t *tree,
			struct mill_error *err)
{
	json_t *resolved = NULL;
	int r = mill_native_resolve(n, tree, &resolved, err);
	if (r < 0)
		return r;
	if (json_is_null(resolved)) {
		json_decref(resolved);
		resolved = json_object();
	}
	json_object_set_new(input, key, resolved);
	return 0;
}

/* What its providers give it, with what their provision hooks answered on top. */
static int add_requires(struct mill_native *n, const char *component, const json_t *record, json_t *input,
			struct mill_error *err)
{
	_cleanup_free_ char *path = mill_native_component_path(n, component, "provided.json");
	_cleanup_wipe_ json_t *provided = NULL;
	json_t *requires = json_object();
	json_object_set_new(input, "requires", requires);
	(void)mill_json_load(path, MILL_JSON_FILE_MAX, &provided, NULL); /* absent unless a hook answered */
	const char *capability;
	json_t *entry;
	json_object_foreach(json_object_get(record, "requires"), capability, entry) {
		json_t *values = NULL;
		int r = mill_native_resolve(n, json_object_get(entry, "values"), &values, err);
		if (r < 0)
			return r;
		json_object_set_new(requires, capability, values);
		json_t *answered = json_object_get(provided, capability);
		if (answered && json_is_object(values)) {
			json_t *copy = json_deep_copy(answered);
			json_object_update(values, copy);
			json_decref(copy);
		}
	}
	return 0;
}

/* Components of the platform whose software could not be had: a collector does not miss them. */
static int add_absent(struct mill_native *n, json_t *input, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	json_t *absent = json_array();
	json_object_set_new(input, "absent", absent);
	int r = mill_native_components(n, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		if (mill_native_lacks_software(n, json_object_get(n->records, names.items[i])))
			json_array_append_new(absent, json_string(names.items[i]));
	return r;
}

int mill_hook_input(struct mill_native *n, const struct mill_hook_call *c, const json_t *request,
		    struct mill_strbuf *out, struct mill_error *err)
{
	const json_t *record = NULL;
	int r = mill_native_record(n, c->component, &record, err);
	if (r < 0)
		return r;
	_cleanup_wipe_ json_t *input = json_pack("{s:i, s:s, s:s, s:s}", "v", 1, "hook", c->hook, "component",
						 c->component, "platform", n->p->name);
	static const char *const plain[] = {"release", "version", "settings", "services", "store"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(plain); i++) {
		json_t *value = json_object_get(record, plain[i]);
		json_object_set_new(input, plain[i], value ? json_deep_copy(value) : json_null());
	}
	if (json_object_get(record, "endpoints")) /* a chart is one unit; where its services are found is what hooks ask */
		json_object_set_new(input, "services", json_deep_copy(json_object_get(record, "endpoints")));
	r = add_secrets(n, c->component, record, input, err);
	if (r == 0)
		r = add_resolved(n, input, "provides", json_object_get(record, "provides"), err);
	if (r == 0)
		r = add_requires(n, c->component, record, input, err);
	if (r == 0)
		r = add_resolved(n, input, "collected", json_object_get(record, "collected"), err);
	if (r == 0)
		r = add_absent(n, input, err);
	if (r < 0)
		return r;
	if (request)
		json_object_set_new(input, "request", json_deep_copy(request));
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, false);
	mill_json_value(&w, input);
	mill_strbuf_addch(out, '\n');
	return 0;
}
