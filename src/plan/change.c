/* Says exactly what differs between two service specs. */
#include "plan/build.h"

#include "base/json.h"
#include "base/parse.h"
#include "spec/taint.h"

#define SHOWN_MAX 4
#define WORD_MAX  60

struct changes {
	struct mill_strbuf text;
	size_t n;
};

/* Both absent is the same, too. */
static bool same(const json_t *a, const json_t *b)
{
	return a == b || (a && b && json_equal(a, b));
}

static void say(struct changes *c, const char *fmt, ...) MILL_PRINTF(2, 3);
static void say(struct changes *c, const char *fmt, ...)
{
	va_list ap;

	if (++c->n > SHOWN_MAX)
		return;
	if (c->text.len)
		mill_strbuf_addstr(&c->text, ", ");
	va_start(ap, fmt);
	mill_strbuf_vprintf(&c->text, fmt, ap);
	va_end(ap);
}

static char *said(struct changes *c)
{
	if (c->n > SHOWN_MAX)
		mill_strbuf_printf(&c->text, " and %zu more", c->n - SHOWN_MAX);
	return mill_strbuf_steal(&c->text);
}

/* The secret whose version alone differs, or NULL. */
static const char *rotated(const json_t *a, const json_t *b)
{
	const json_t *x;
	const char *found = NULL;
	size_t i;

	if (!json_is_array(a) || !json_is_array(b) || json_array_size(a) != json_array_size(b))
		return NULL;
	json_array_foreach((json_t *)a, i, x) {
		const json_t *y = json_array_get(b, i);

		if (same(x, y))
			continue;
		if (!json_is_object(x) || !json_is_object(y) ||
		    !mill_streq(mill_json_get_string(x, "secret", ""), mill_json_get_string(y, "secret", "-")))
			return NULL;
		found = mill_json_get_string(x, "secret", "");
	}
	return found;
}

static void compare_maps(struct changes *c, const char *what, const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)b, key, v) {
		const json_t *old = json_object_get(a, key);
		const char *secret;

		if (old && json_equal(old, v))
			continue;
		secret = rotated(old, v);
		if (secret)
			say(c, "secret %s rotated", secret);
		else
			say(c, "%s %s %s", what, key, old ? "changed" : "added");
	}
	json_object_foreach((json_t *)a, key, v)
		if (!json_object_get(b, key))
			say(c, "%s %s removed", what, key);
}

static void compare_ports(struct changes *c, const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)b, key, v) {
		const json_t *old = json_object_get(a, key);

		if (!old)
			say(c, "port %s %lld added", key, (long long)json_integer_value(v));
		else if (!same(old, v))
			say(c, "port %s %lld -> %lld", key, (long long)json_integer_value(old),
			    (long long)json_integer_value(v));
	}
	json_object_foreach((json_t *)a, key, v)
		if (!json_object_get(b, key))
			say(c, "port %s removed", key);
}

static const json_t *find_file(const json_t *files, const char *path)
{
	const json_t *f;
	size_t i;

	json_array_foreach((json_t *)files, i, f)
		if (mill_streq(mill_json_get_string(f, "path", ""), path))
			return f;
	return NULL;
}

static void compare_files(struct changes *c, const json_t *a, const json_t *b, bool reload)
{
	const json_t *f;
	size_t i;

	json_array_foreach((json_t *)b, i, f) {
		const char *path = mill_json_get_string(f, "path", "");
		const json_t *old = find_file(a, path);
		const char *secret;

		if (mill_json_get_bool(f, "reload", false) != reload || (old && json_equal(old, f)))
			continue;
		secret = rotated(json_object_get(old, "content"), json_object_get(f, "content"));
		if (secret)
			say(c, "secret %s rotated", secret);
		else
			say(c, "file %s %s", path, old ? "changed" : "added");
	}
	json_array_foreach((json_t *)a, i, f)
		if (mill_json_get_bool(f, "reload", false) == reload && !find_file(b, mill_json_get_string(f, "path", "")))
			say(c, "file %s removed", mill_json_get_string(f, "path", ""));
}

static void compare_memory(struct changes *c, const json_t *a, const json_t *b)
{
	int64_t was = mill_json_get_int(json_object_get(a, "resources"), "memory_bytes", 0);
	int64_t is = mill_json_get_int(json_object_get(b, "resources"), "memory_bytes", 0);
	char from[32], to[32];

	if (was != is)
		say(c, "memory %s -> %s", mill_format_size((uint64_t)was, from, sizeof(from)),
		    mill_format_size((uint64_t)is, to, sizeof(to)));
}

static void compare_limits(struct changes *c, const json_t *a, const json_t *b)
{
	int64_t was = mill_json_get_int(a, "nofile", 0), is = mill_json_get_int(b, "nofile", 0);

	if (was != is)
		say(c, "nofile %lld -> %lld", (long long)was, (long long)is);
}

/* Shows the first word that differs; with other changes named before it, it is mostly their consequence. */
static void compare_commands(struct changes *c, const json_t *a, const json_t *b)
{
	size_t n = json_array_size(a), k = json_array_size(b);

	if (same(a, b))
		return;
	if (c->n) {
		say(c, "command changed");
		return;
	}
	for (size_t i = 0; i < (n > k ? n : k); i++) {
		const char *was = json_string_value(json_array_get(a, i)), *is = json_string_value(json_array_get(b, i));

		if (mill_streq(was, is))
			continue;
		if (!was)
			say(c, "command: '%.*s' added", WORD_MAX, is ? is : "");
		else if (!is)
			say(c, "command: '%.*s' removed", WORD_MAX, was);
		else
			say(c, "command: '%.*s' -> '%.*s'", WORD_MAX, was, WORD_MAX, is);
		return;
	}
}

static void compare_software(struct changes *c, const json_t *a, const json_t *b)
{
	const char *was = mill_json_get_string(a, "component_version", ""), *is = mill_json_get_string(b, "component_version", "");

	if (same(json_object_get(a, "store_entries"), json_object_get(b, "store_entries")))
		return;
	if (!mill_streq(was, is))
		say(c, "version %s -> %s", was, is);
	else
		say(c, "software built anew");
}

char *mill_change_describe(const json_t *a, const json_t *b)
{
	struct changes c = {.text = MILL_STRBUF_INIT};

	if (json_object_get(b, "charts"))
		return mill_change_describe_charts(a, b);
	compare_software(&c, a, b);
	compare_ports(&c, json_object_get(a, "ports"), json_object_get(b, "ports"));
	compare_memory(&c, a, b);
	compare_limits(&c, json_object_get(a, "limits"), json_object_get(b, "limits"));
	compare_maps(&c, "environment", json_object_get(a, "environment"), json_object_get(b, "environment"));
	compare_files(&c, json_object_get(a, "files"), json_object_get(b, "files"), false);
	compare_maps(&c, "source", json_object_get(a, "sources"), json_object_get(b, "sources"));
	if (!same(json_object_get(a, "user"), json_object_get(b, "user")))
		say(&c, "user changed");
	if (!mill_streq(mill_json_get_string(a, "cwd", ""), mill_json_get_string(b, "cwd", "")))
		say(&c, "working folder changed");
	compare_commands(&c, json_object_get(a, "command"), json_object_get(b, "command"));
	return said(&c);
}

char *mill_change_describe_reload(const json_t *a, const json_t *b)
{
	struct changes c = {.text = MILL_STRBUF_INIT};

	compare_files(&c, json_object_get(a, "files"), json_object_get(b, "files"), true);
	return said(&c);
}

char *mill_change_describe_rest(const json_t *a, const json_t *b)
{
	static const struct {
		const char *key, *said;
	} keys[] = {{"restart", "restart policy"}, {"stop", "way to stop"}, {"reload", "way to reload"},
		    {"landlock", "confinement"}, {"log", "log"}, {"after", "start order"}, {"folders", "folders"},
		    {"component_version", "version"}, {"data_format", "data format"}, {"dir", "folder"},
		    {"store", "store"}};
	static const char *const probes[] = {"readiness", "liveness", "startup"};
	struct changes c = {.text = MILL_STRBUF_INIT};

	compare_memory(&c, a, b);
	for (size_t i = 0; i < MILL_ARRAY_LEN(probes); i++)
		if (!same(json_object_get(json_object_get(a, "probes"), probes[i]),
				json_object_get(json_object_get(b, "probes"), probes[i])))
			say(&c, "%s changed", probes[i]);
	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++) {
		const json_t *x = json_object_get(a, keys[i].key), *y = json_object_get(b, keys[i].key);

		if (!same(x, y))
			say(&c, "%s changed", keys[i].said);
	}
	return said(&c);
}
