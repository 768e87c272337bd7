/* What an API server serves, by discovery. */
#include "base/json.h"
#include "chart/layer_call.h"

/* "deployments  deploy  apps/v1  true  Deployment": short names may be absent, so that it is read from its end. */
static void add_line(struct mill_layer_kinds *k, const char *line)
{
	_cleanup_strv_ struct mill_strv words = {0};
	const char *slash;

	mill_strv_split(&words, line, " ");
	if (words.n < 4)
		return;
	slash = strchr(words.items[words.n - 3], '/');
	_cleanup_free_ char *group = slash ? mill_xstrndup(words.items[words.n - 3], (size_t)(slash - words.items[words.n - 3])) : mill_xstrdup("");
	_cleanup_free_ char *kind = mill_xasprintf("%s/%s", group, words.items[words.n - 1]);
	_cleanup_free_ char *resource = mill_xasprintf("%s%s%s", words.items[0], *group ? "." : "", group);

	json_object_set_new(k->namespaced, kind, json_boolean(mill_streq(words.items[words.n - 2], "true")));
	json_object_set_new(k->resources, resource, json_true());
}

int mill_layer_kinds_load(const struct mill_layer *l, struct mill_layer_kinds *ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)4 << 20);
	_cleanup_strv_ struct mill_strv lines = {0};
	int r = mill_layer_call(l, MILL_LAYER_WORDS("api-resources", "--no-headers"), NULL, true, &text, err);

	*ret = (struct mill_layer_kinds){.namespaced = json_object(), .resources = json_object(), .complete = r == 0 && text.len};
	mill_strv_split(&lines, text.data, "\n");
	for (size_t i = 0; i < lines.n; i++)
		add_line(ret, lines.items[i]);
	return r == -EIO ? 0 : r; /* it prints what does answer, and then fails */
}

int mill_layer_kind_scope(const struct mill_layer_kinds *k, const json_t *object)
{
	const char *version = mill_json_get_string(object, "apiVersion", ""), *slash = strchr(version, '/');
	_cleanup_free_ char *kind = mill_xasprintf("%.*s/%s", slash ? (int)(slash - version) : 0, version, mill_json_get_string(object, "kind", ""));
	const json_t *found = json_object_get(k->namespaced, kind);

	return found ? json_is_true(found) : k->complete ? -ENOENT : -EAGAIN;
}

void mill_layer_kinds_release(struct mill_layer_kinds *k)
{
	json_decref(k->namespaced);
	json_decref(k->resources);
	*k = (struct mill_layer_kinds){0};
}
