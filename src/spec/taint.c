#include "spec/taint.h"

#include "base/json.h"
#include "spec/filter.h"

void mill_value_text(struct mill_value *v, const char *s, size_t n)
{
	mill_strbuf_add(&v->text, s, n);
}

void mill_value_str(struct mill_value *v, const char *s)
{
	mill_strbuf_addstr(&v->text, s);
}

static void flush_text(struct mill_value *v)
{
	if (v->text.len)
		json_array_append_new(v->parts, json_stringn(v->text.data, v->text.len));
	mill_strbuf_reset(&v->text);
}

void mill_value_secret(struct mill_value *v, const char *secret, unsigned version, const char *filter)
{
	json_t *part = json_pack("{s:s, s:i}", "secret", secret, "version", (int)version);

	if (filter && *filter)
		json_object_set_new(part, "filter", json_string(filter));
	if (!v->parts)
		v->parts = json_array();
	flush_text(v);
	json_array_append_new(v->parts, part);
}

static int add_part(struct mill_value *v, const json_t *part, const char *filter, struct mill_error *err)
{
	const char *inner;

	if (json_is_string(part))
		return mill_filter_apply(filter, json_string_value(part), &v->text, err);
	inner = mill_json_get_string(part, "filter", "");
	if (*inner && filter && *filter)
		return mill_fail_usage(err, "a secret that is already written for %s cannot be written for %s as well",
				       inner, filter);
	mill_value_secret(v, mill_json_get_string(part, "secret", ""),
			  (unsigned)mill_json_get_int(part, "version", 1), *inner ? inner : filter);
	return 0;
}

int mill_value_add(struct mill_value *v, const json_t *value, const char *filter, struct mill_error *err)
{
	bool yaml = mill_streq(filter, "yaml");
	const json_t *part;
	size_t i;

	if (!mill_value_is_tainted(value))
		return mill_filter_apply(filter, json_string_value(value), &v->text, err);
	if (mill_streq(filter, "base64") && json_array_size(value) > 1)
		return mill_fail_usage(err, "base64 of a text with a secret in it cannot be made from its pieces");
	/* A YAML scalar in double quotes takes what a JSON string takes. */
	if (yaml) {
		mill_value_str(v, "\"");
		filter = "json";
	}
	json_array_foreach((json_t *)value, i, part) {
		int r = add_part(v, part, filter, err);

		if (r < 0)
			return r;
	}
	if (yaml)
		mill_value_str(v, "\"");
	return 0;
}

/* In a tree an array may also be a list of objects. */
static bool has_secret(const json_t *value)
{
	const json_t *part;
	size_t i;

	json_array_foreach((json_t *)value, i, part)
		if (json_is_string(json_object_get(part, "secret")) && json_is_integer(json_object_get(part, "version")))
			return true;
	return false;
}

static void put_line(struct mill_value *v, unsigned depth)
{
	mill_value_str(v, "\n");
	while (depth--)
		mill_value_str(v, " ");
}

static void put_leaf(struct mill_value *v, const json_t *leaf)
{
	char *dumped;

	if (has_secret(leaf)) {
		mill_value_str(v, "\"");
		mill_value_add(v, leaf, "json", NULL);
		mill_value_str(v, "\"");
		return;
	}
	dumped = json_dumps(leaf, JSON_ENCODE_ANY);
	mill_value_str(v, dumped);
	free(dumped);
}

void mill_value_json(struct mill_value *v, const json_t *tree, unsigned depth)
{
	bool first = true;
	const char *key;
	json_t *item;
	size_t i;

	if (has_secret(tree) || !(json_object_size(tree) || json_array_size(tree))) {
		put_leaf(v, tree);
		return;
	}
	mill_value_str(v, json_is_object(tree) ? "{" : "[");
	json_object_foreach((json_t *)tree, key, item) {
		mill_value_str(v, first ? "" : ",");
		put_line(v, depth + 1);
		mill_value_str(v, "\"");
		mill_json_escape(&v->text, key, strlen(key));
		mill_value_str(v, "\": ");
		mill_value_json(v, item, depth + 1);
		first = false;
	}
	json_array_foreach(tree, i, item) {
		mill_value_str(v, i ? "," : "");
		put_line(v, depth + 1);
		mill_value_json(v, item, depth + 1);
	}
	put_line(v, depth);
	mill_value_str(v, json_is_object(tree) ? "}" : "]");
}

json_t *mill_value_finish(struct mill_value *v)
{
	json_t *value;

	if (v->parts) {
		flush_text(v);
		value = v->parts;
		v->parts = NULL;
	} else {
		value = json_stringn(v->text.data, v->text.len);
		if (!value) /* not UTF-8: says so where it is read */
			value = json_string("");
	}
	mill_strbuf_reset(&v->text);
	return value;
}

void mill_value_release(struct mill_value *v)
{
	json_decref(v->parts);
	v->parts = NULL;
	mill_strbuf_release(&v->text);
}

const char *mill_value_first_secret(const json_t *value)
{
	const json_t *part;
	size_t i;

	if (!mill_value_is_tainted(value))
		return NULL;
	json_array_foreach((json_t *)value, i, part)
		if (json_is_object(part))
			return mill_json_get_string(part, "secret", "");
	return NULL;
}

json_t *mill_value_secret_alone(const char *secret, unsigned version)
{
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;

	mill_value_secret(&v, secret, version, NULL);
	return mill_value_finish(&v);
}

void mill_value_describe(const json_t *value, struct mill_strbuf *out)
{
	const json_t *part;
	size_t i;

	if (!mill_value_is_tainted(value)) {
		mill_strbuf_addstr(out, json_string_value(value) ? json_string_value(value) : "");
		return;
	}
	json_array_foreach((json_t *)value, i, part) {
		if (json_is_string(part))
			mill_strbuf_addstr(out, json_string_value(part));
		else
			mill_strbuf_printf(out, "<secret %s>", mill_json_get_string(part, "secret", "?"));
	}
}
