#include <math.h>

#include "base/json.h"
#include "base/utf8.h"

void mill_json_writer_init(struct mill_json_writer *w, struct mill_strbuf *out, bool pretty)
{
	*w = (struct mill_json_writer){.out = out, .pretty = pretty};
}

static void newline(struct mill_json_writer *w)
{
	if (!w->pretty)
		return;
	char indent[1 + 2 * MILL_JSON_DEPTH_MAX];
	memset(indent, ' ', sizeof(indent));
	indent[0] = '\n';
	mill_strbuf_add(w->out, indent, 1 + 2 * (size_t)w->depth);
}

/* Comma and indentation before a key or an array's element. */
static void separate(struct mill_json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth == 0)
		return;
	if (!w->first[w->depth - 1])
		mill_strbuf_addch(w->out, ',');
	w->first[w->depth - 1] = false;
	newline(w);
}

static void begin(struct mill_json_writer *w, char c)
{
	if (w->depth >= MILL_JSON_DEPTH_MAX)
		BUG("JSON nested deeper than %d", MILL_JSON_DEPTH_MAX);
	separate(w);
	mill_strbuf_addch(w->out, c);
	w->first[w->depth++] = true;
}

static void end(struct mill_json_writer *w, char c)
{
	if (w->depth == 0 || w->after_key)
		BUG("JSON '%c' without its beginning or value", c);
	bool empty = w->first[--w->depth];
	if (!empty)
		newline(w);
	mill_strbuf_addch(w->out, c);
}

void mill_json_begin_object(struct mill_json_writer *w)
{
	begin(w, '{');
}

void mill_json_end_object(struct mill_json_writer *w)
{
	end(w, '}');
}

void mill_json_begin_array(struct mill_json_writer *w)
{
	begin(w, '[');
}

void mill_json_end_array(struct mill_json_writer *w)
{
	end(w, ']');
}

void mill_json_escape(struct mill_strbuf *out, const char *s, size_t n)
{
	size_t i = 0;
	while (i < n) {
		size_t plain = i;
		uint32_t c = 0;
		unsigned len = 0;
		/* Runs of bytes that stay as they are, at once. */
		while (plain < n) {
			unsigned char byte = (unsigned char)s[plain];
			if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
				plain++; /* nearly all of them */
				continue;
			}
			len = mill_utf8_decode(s + plain, n - plain, &c);
			if (!len || c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
				break;
			plain += len;
		}
		mill_strbuf_add(out, s + i, plain - i);
		i = plain;
		if (i >= n)
			break;
		if (!len) {
			mill_strbuf_addstr(out, "\xef\xbf\xbd");
			i++;
			continue;
		}
		if (c == '"' || c == '\\')
			mill_strbuf_printf(out, "\\%c", (int)c);
		else if (c == '\n')
			mill_strbuf_addstr(out, "\\n");
		else if (c == '\t')
			mill_strbuf_addstr(out, "\\t");
		else if (c == '\r')
			mill_strbuf_addstr(out, "\\r");
		else
			mill_strbuf_printf(out, "\\u%04x", (unsigned)c);
		i += len;
	}
}

static void add_quoted(struct mill_json_writer *w, const char *s, size_t n)
{
	mill_strbuf_addch(w->out, '"');
	mill_json_escape(w->out, s, n);
	mill_strbuf_addch(w->out, '"');
}

void mill_json_key(struct mill_json_writer *w, const char *key)
{
	if (w->after_key || w->depth == 0)
		BUG("JSON key '%s' where none can be", key);
	separate(w);
	add_quoted(w, key, strlen(key));
	mill_strbuf_addstr(w->out, w->pretty ? ": " : ":");
	w->after_key = true;
}

void mill_json_string(struct mill_json_writer *w, const char *s)
{
	if (!s) {
		mill_json_null(w);
		return;
	}
	separate(w);
	add_quoted(w, s, strlen(s));
}

void mill_json_int(struct mill_json_writer *w, int64_t v)
{
	separate(w);
	mill_strbuf_printf(w->out, "%lld", (long long)v);
}

void mill_json_uint(struct mill_json_writer *w, uint64_t v)
{
	separate(w);
	mill_strbuf_printf(w->out, "%llu", (unsigned long long)v);
}

void mill_json_double(struct mill_json_writer *w, double v)
{
	char text[40];
	if (!isfinite(v)) {
		mill_json_null(w); /* JSON has no other word for it */
		return;
	}
	separate(w);
	/* The shortest that reads back as the same number. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	char *comma = strchr(text, ','); /* a locale's decimal comma */
	if (comma)
		*comma = '.';
	mill_strbuf_addstr(w->out, text);
	if (!strpbrk(text, ".e"))
		mill_strbuf_addstr(w->out, ".0");
}

void mill_json_bool(struct mill_json_writer *w, bool v)
{
	separate(w);
	mill_strbuf_addstr(w->out, v ? "true" : "false");
}

void mill_json_null(struct mill_json_writer *w)
{
	separate(w);
	mill_strbuf_addstr(w->out, "null");
}

static void write_container(struct mill_json_writer *w, const json_t *v)
{
	if (json_is_array(v)) {
		mill_json_begin_array(w);
		for (size_t i = 0; i < json_array_size(v); i++)
			mill_json_value(w, json_array_get(v, i));
		mill_json_end_array(w);
		return;
	}
	const char *key;
	json_t *item;
	mill_json_begin_object(w);
	json_object_foreach((json_t *)v, key, item)
	{
		mill_json_key(w, key);
		mill_json_value(w, item);
	}
	mill_json_end_object(w);
}

void mill_json_file_text(const json_t *v, struct mill_strbuf *out)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, true);
	mill_json_value(&w, v);
	mill_strbuf_addch(out, '\n');
}

void mill_json_value(struct mill_json_writer *w, const json_t *v)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		if (w->depth < MILL_JSON_DEPTH_MAX) {
			write_container(w, v);
		} else {
			/* A foreign tree may be deeper than what we write ourselves. */
			_cleanup_free_ char *text = json_dumps(v, JSON_COMPACT);
			separate(w);
			mill_strbuf_addstr(w->out, text ? text : "null");
		}
		return;
	case JSON_STRING:
		separate(w);
		add_quoted(w, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		mill_json_int(w, json_integer_value(v));
		return;
	case JSON_REAL:
		mill_json_double(w, json_real_value(v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		mill_json_bool(w, json_is_true(v));
		return;
	case JSON_NULL:
		mill_json_null(w);
		return;
	}
	BUG("JSON type %d", (int)json_typeof(v));
}

void mill_json_kv_string(struct mill_json_writer *w, const char *key, const char *s)
{
	mill_json_key(w, key);
	mill_json_string(w, s);
}

void mill_json_kv_int(struct mill_json_writer *w, const char *key, int64_t v)
{
	mill_json_key(w, key);
	mill_json_int(w, v);
}

void mill_json_kv_bool(struct mill_json_writer *w, const char *key, bool v)
{
	mill_json_key(w, key);
	mill_json_bool(w, v);
}
