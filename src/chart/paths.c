/* Places in values, and merging. */
#include "chart/chart.h"

enum { INDEX_MAX = 63 };

/* The next key of a place, up to a dot or bracket that is not escaped; NULL at its end. */
static char *next_key(const char **at)
{
	struct mill_strbuf key = MILL_STRBUF_INIT;
	const char *s = *at;

	if (*s == '.')
		s++;
	if (!*s)
		return NULL;
	for (; *s && *s != '.' && *s != '['; s++) {
		if (*s == '\\' && s[1])
			s++;
		mill_strbuf_addch(&key, *s);
	}
	*at = s;
	return mill_strbuf_steal(&key);
}

/* [N] at *at: 1 and the number; 0: there is none; -1: not a number. */
static int next_index(const char **at, size_t *ret)
{
	const char *s = *at;
	size_t n = 0;

	if (*s != '[')
		return 0;
	for (s++; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (size_t)(*s - '0');
	if (*s != ']' || s == *at + 1 || n > INDEX_MAX)
		return -1;
	*at = s + 1;
	*ret = n;
	return 1;
}

/* The child that the rest of the place is in: an array where an index follows, else an object; made when absent. */
static json_t *child_of(json_t *child, bool array, json_t **ret_made)
{
	*ret_made = NULL;
	if (!child || json_is_null(child)) {
		*ret_made = array ? json_array() : json_object();
		return *ret_made;
	}
	return array == json_is_array(child) && array != json_is_object(child) ? child : NULL;
}

static int misplaced(json_t *value, const char *place, struct mill_error *err)
{
	json_decref(value);
	return mill_fail(err, EINVAL, "values: '%s' is no place in them", place);
}

int mill_chart_set(json_t *values, const char *place, json_t *value, struct mill_error *err)
{
	json_t *in = values, *made;
	const char *at = place;

	for (;;) {
		_cleanup_free_ char *key = next_key(&at);
		size_t index;
		int indexed;

		if (!key || !*key || !json_is_object(in))
			return misplaced(value, place, err);
		if (!*at) {
			json_object_set_new(in, key, value);
			return 0;
		}
		json_t *child = child_of(json_object_get(in, key), *at == '[', &made);
		if (made)
			json_object_set_new(in, key, made);
		if (!child)
			return misplaced(value, place, err);
		while ((indexed = next_index(&at, &index)) > 0) {
			while (json_array_size(child) <= index)
				json_array_append_new(child, json_null());
			if (!*at) {
				json_array_set_new(child, index, value);
				return 0;
			}
			json_t *item = child_of(json_array_get(child, index), *at == '[', &made);
			if (made)
				json_array_set_new(child, index, made);
			if (!item)
				return misplaced(value, place, err);
			child = item;
		}
		if (indexed < 0)
			return misplaced(value, place, err);
		in = child;
	}
}

void mill_chart_merge(json_t *into, const json_t *over)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)over, key, value) {
		json_t *old = json_object_get(into, key);

		if (json_is_object(old) && json_is_object(value))
			mill_chart_merge(old, value);
		else
			json_object_set_new(into, key, json_deep_copy(value));
	}
}
