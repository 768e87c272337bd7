/* Resolving values: the only places where secrets are in clear, and their wiping. */
#include "runtime/native/context.h"

#include "base/json.h"
#include "secret/secret.h"
#include "spec/spec.h"

/* A value with secrets is an array of parts, one of which is an object that names a secret; lists have none. */
static bool is_tainted(const json_t *v)
{
	size_t i;
	json_t *part;
	if (!json_is_array(v))
		return false;
	json_array_foreach(v, i, part)
		if (json_is_object(part) && json_is_string(json_object_get(part, "secret")))
			return true;
	return false;
}

int mill_native_resolve_text(const struct mill_native *n, const json_t *value, char **ret, struct mill_error *err)
{
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(MILL_SPEC_VALUE_MAX);
	int r = mill_spec_resolve_value(value, n->p->dir, &text, err);
	if (r < 0) {
		explicit_bzero(text.data, text.len);
		mill_strbuf_release(&text);
		return r;
	}
	*ret = mill_strbuf_steal(&text);
	return 0;
}

static int resolve_object(const struct mill_native *n, const json_t *tree, json_t **ret, struct mill_error *err)
{
	json_t *o = json_object();
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)tree, key, value) {
		json_t *resolved = NULL;
		int r = mill_native_resolve(n, value, &resolved, err);
		if (r < 0) {
			mill_native_wipe(o);
			return r;
		}
		json_object_set_new(o, key, resolved);
	}
	*ret = o;
	return 0;
}

static int resolve_list(const struct mill_native *n, const json_t *tree, json_t **ret, struct mill_error *err)
{
	json_t *list = json_array();
	size_t i;
	json_t *value;
	json_array_foreach(tree, i, value) {
		json_t *resolved = NULL;
		int r = mill_native_resolve(n, value, &resolved, err);
		if (r < 0) {
			mill_native_wipe(list);
			return r;
		}
		json_array_append_new(list, resolved);
	}
	*ret = list;
	return 0;
}

int mill_native_resolve(const struct mill_native *n, const json_t *tree, json_t **ret, struct mill_error *err)
{
	if (is_tainted(tree)) {
		char *text = NULL;
		int r = mill_native_resolve_text(n, tree, &text, err);
		if (r < 0)
			return r;
		*ret = json_string_nocheck(text);
		mill_secret_free(text);
		return 0;
	}
	if (json_is_object(tree))
		return resolve_object(n, tree, ret, err);
	if (json_is_array(tree))
		return resolve_list(n, tree, ret, err);
	*ret = tree ? json_deep_copy(tree) : json_null(); /* a copy: wiping must not reach the record */
	return 0;
}

void mill_native_wipe(json_t *tree)
{
	if (!tree)
		return;
	const char *key;
	size_t i;
	json_t *value;
	if (json_is_object(tree)) {
		json_object_foreach(tree, key, value)
			mill_native_wipe(json_incref(value));
	} else if (json_is_array(tree)) {
		json_array_foreach(tree, i, value)
			mill_native_wipe(json_incref(value));
	} else if (json_is_string(tree)) {
		explicit_bzero((char *)json_string_value(tree), json_string_length(tree));
	}
	json_decref(tree);
}
