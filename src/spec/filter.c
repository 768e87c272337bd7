#include "spec/filter.h"

#include "base/json.h"

static const char hex_lower[] = "0123456789abcdef";

static int filter_none(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	(void)err;
	mill_strbuf_addstr(out, text);
	return 0;
}

static int filter_json(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	(void)err;
	mill_json_escape(out, text, strlen(text));
	return 0;
}

/* A double-quoted YAML scalar takes every JSON escape (YAML 1.2, 5.7). */
static int filter_yaml(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	(void)err;
	mill_strbuf_addch(out, '"');
	mill_json_escape(out, text, strlen(text));
	mill_strbuf_addch(out, '"');
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int filter_ini(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	size_t n = strlen(text);
	if (strpbrk(text, "\r\n"))
		return mill_fail(err, EINVAL, "filter ini: a line break cannot be written in an INI value");
	if (n && (is_blank(text[0]) || is_blank(text[n - 1])))
		return mill_fail(err, EINVAL, "filter ini: a blank at either end would be lost in an INI value");
	mill_strbuf_addstr(out, text);
	return 0;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

static int filter_url(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	(void)err;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (is_unreserved(*p)) {
			mill_strbuf_addch(out, (char)*p);
		} else {
			/* RFC 3986 2.1: upper-case hexadecimal */
			mill_strbuf_addch(out, '%');
			mill_strbuf_addch(out, "0123456789ABCDEF"[*p >> 4]);
			mill_strbuf_addch(out, "0123456789ABCDEF"[*p & 15]);
		}
	}
	return 0;
}

static int filter_base64(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)text;
	(void)err;
	for (size_t n = strlen(text); n > 0;) {
		size_t take = n < 3 ? n : 3;
		uint32_t v = (uint32_t)p[0] << 16;
		v |= take > 1 ? (uint32_t)p[1] << 8 : 0;
		v |= take > 2 ? p[2] : 0;
		mill_strbuf_addch(out, alphabet[v >> 18]);
		mill_strbuf_addch(out, alphabet[(v >> 12) & 63]);
		mill_strbuf_addch(out, take > 1 ? alphabet[(v >> 6) & 63] : '=');
		mill_strbuf_addch(out, take > 2 ? alphabet[v & 63] : '=');
		p += take;
		n -= take;
	}
	return 0;
}

static int filter_shell(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	(void)err;
	mill_strbuf_addch(out, '\'');
	for (const char *p = text; *p; p++) {
		if (*p == '\'')
			mill_strbuf_addstr(out, "'\\''");
		else
			mill_strbuf_addch(out, *p);
	}
	mill_strbuf_addch(out, '\'');
	return 0;
}

/* One code point of UTF-8, advancing *p; 0xFFFD for what is not UTF-8. */
static uint32_t next_code_point(const unsigned char **p)
{
	unsigned char c = *(*p)++;
	unsigned more = c >= 0xF0 && c < 0xF5 ? 3 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xC2 && c < 0xE0 ? 1 : 0;
	uint32_t v;
	if (c < 0x80)
		return c;
	if (!more)
		return 0xFFFD;
	v = c & (0x3Fu >> more);
	while (more--) {
		if ((**p & 0xC0) != 0x80)
			return 0xFFFD;
		v = v << 6 | (*(*p)++ & 0x3F);
	}
	return v;
}

static void add_unicode_escape(struct mill_strbuf *out, uint32_t unit)
{
	mill_strbuf_addstr(out, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		mill_strbuf_addch(out, hex_lower[(unit >> shift) & 15]);
}

/* java.util.Properties.load: backslash escapes, \uXXXX in UTF-16 units, a leading blank must be escaped. */
static int filter_properties(const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	const unsigned char *p = (const unsigned char *)text;
	(void)err;
	while (*p) {
		bool first = p == (const unsigned char *)text;
		uint32_t c = next_code_point(&p);
		if (c == '\\')
			mill_strbuf_addstr(out, "\\\\");
		else if (c == '\n')
			mill_strbuf_addstr(out, "\\n");
		else if (c == '\r')
			mill_strbuf_addstr(out, "\\r");
		else if (c == '\t')
			mill_strbuf_addstr(out, "\\t");
		else if (c == ' ' && first)
			mill_strbuf_addstr(out, "\\ ");
		else if (c >= 0x20 && c < 0x7F)
			mill_strbuf_addch(out, (char)c);
		else if (c <= 0xFFFF)
			add_unicode_escape(out, c);
		else {
			add_unicode_escape(out, 0xD800 + ((c - 0x10000) >> 10));
			add_unicode_escape(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
		}
	}
	return 0;
}

static const struct filter {
	const char *name;
	int (*apply)(const char *text, struct mill_strbuf *out, struct mill_error *err);
} filters[] = {
	{"none", filter_none}, {"json", filter_json},	    {"yaml", filter_yaml},	 {"ini", filter_ini},
	{"url", filter_url},   {"properties", filter_properties}, {"base64", filter_base64}, {"shell", filter_shell},
};

static const struct filter *filter_find(const char *name)
{
	if (!name || !*name)
		name = "none";
	for (size_t i = 0; i < MILL_ARRAY_LEN(filters); i++) {
		if (mill_streq(filters[i].name, name))
			return &filters[i];
	}
	return NULL;
}

int mill_filter_apply(const char *filter, const char *text, struct mill_strbuf *out, struct mill_error *err)
{
	const struct filter *f = filter_find(filter);
	if (!f)
		return mill_fail(err, EINVAL, "no filter is called '%s'", filter);
	return f->apply(text, out, err);
}

bool mill_filter_exists(const char *filter)
{
	return filter_find(filter) != NULL;
}

const char *const *mill_filter_names(void)
{
	static const char *names[MILL_ARRAY_LEN(filters) + 1];
	for (size_t i = 0; i < MILL_ARRAY_LEN(filters); i++)
		names[i] = filters[i].name;
	return names;
}
