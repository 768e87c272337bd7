/*
 * Template files.  What is put into one is written so that it stays one value
 * of the file's format.  JSON and YAML need to know where it lands: inside a
 * string it is escaped, in place of one it gets quotes unless it is a number, a
 * bool or JSON.  A secret's value is not known here, so it always gets quotes.
 */
#include "spec/scope.h"

#include <ctype.h>

#include "base/json.h"

/* Where in its line a template stands, after all literal text so far. */
struct place {
	char quote;      /* '"' or '\'' inside such a string, else 0 */
	bool escaped;    /* after a backslash in a double-quoted one */
	char before;     /* last character of the text; '\n' at a line's start */
	char solid;      /* last one that is not blank; '\n' when the line has none yet */
	unsigned flow;   /* open brackets and braces */
	bool comment;
};

static void advance(struct place *p, const char *s, bool yaml)
{
	for (; *s; s++) {
		char c = *s;

		if (c == '\n') {
			p->quote = 0; /* neither format has strings over lines that we would cut into */
			p->comment = p->escaped = false;
			p->before = p->solid = '\n';
			continue;
		}
		if (p->comment) {
		} else if (p->quote == '"') {
			if (p->escaped)
				p->escaped = false;
			else if (c == '\\')
				p->escaped = true;
			else if (c == '"')
				p->quote = 0;
		} else if (p->quote == '\'') {
			if (c == '\'')
				p->quote = 0;
		} else if (c == '"' || (yaml && c == '\'' && !isalnum((unsigned char)p->before))) {
			p->quote = c;
		} else if (c == '[' || c == '{') {
			p->flow++;
		} else if ((c == ']' || c == '}') && p->flow) {
			p->flow--;
		} else if (yaml && c == '#' && (p->before == '\n' || isblank((unsigned char)p->before))) {
			p->comment = true;
		}
		p->before = c;
		if (!isblank((unsigned char)c))
			p->solid = c;
	}
}

/* Does the value stand where a whole scalar does, with nothing of it before or after? */
static bool is_whole(const struct place *p, const char *next, bool yaml)
{
	bool starts = p->solid == '\n' || (strchr(":,[{-?", p->solid) && (p->before == p->solid ? p->solid != ':' && p->solid != '-' :
										  isblank((unsigned char)p->before)));

	if (!yaml)
		return true;
	if (!starts)
		return false;
	while (isblank((unsigned char)*next))
		next++;
	return *next == '\0' || *next == '\n' || *next == '\r' || *next == '#' || (p->flow && strchr(",]}", *next));
}

/* A text that YAML 1.1 and 1.2 both read as this very string when it stands bare. */
static bool is_plain_safe(const char *s)
{
	static const char *const special[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	if (!isalpha((unsigned char)*s) && *s != '/' && *s != '_')
		return false;
	for (size_t i = 0; i < MILL_ARRAY_LEN(special); i++)
		if (!strcasecmp(s, special[i]))
			return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_-./@+=", *s) && !(*s == ':' && s[1] && !isblank((unsigned char)s[1])))
			return false;
	return true;
}

/* Inside a longer plain scalar nothing can be escaped: it either is harmless or must be quoted by the author. */
static bool is_harmless_within(const char *s, bool flow)
{
	return !strpbrk(s, flow ? "\n\r\"'#,[]{}" : "\n\r") && !strstr(s, ": ") && !strstr(s, " #");
}

static void quote_single(struct mill_value *v, const char *s)
{
	for (; *s; s++) {
		mill_strbuf_addch(&v->text, *s);
		if (*s == '\'')
			mill_strbuf_addch(&v->text, '\'');
	}
}

static int put_yaml(struct mill_value *v, const json_t *value, enum mill_found_kind kind, const struct place *p,
		    const char *next, struct mill_error *err)
{
	const char *s = json_string_value(value);

	if (p->quote == '"')
		return mill_value_add(v, value, "json", err);
	if (p->quote == '\'') {
		if (!s)
			return mill_value_add(v, value, NULL, err); /* generated: no quote in any alphabet of ours */
		if (strpbrk(s, "\n\r"))
			return mill_fail_usage(err, "a line break cannot stand in single quotes");
		quote_single(v, s);
		return 0;
	}
	if (p->comment)
		return s && !strpbrk(s, "\n\r") ? mill_value_add(v, value, NULL, err) : 0;
	if (is_whole(p, next, true)) {
		if (s && (kind != MILL_FOUND_TEXT || is_plain_safe(s)))
			return mill_value_add(v, value, NULL, err);
		return mill_value_add(v, value, "yaml", err);
	}
	if (s && !is_harmless_within(s, p->flow > 0))
		return mill_fail_usage(err, "'%s' would end the text it stands in: put the text in double quotes", s);
	return mill_value_add(v, value, NULL, err);
}

static int put_json(struct mill_value *v, const json_t *value, enum mill_found_kind kind, const struct place *p,
		    struct mill_error *err)
{
	bool bare = p->quote != '"';
	int r;

	if (bare && kind != MILL_FOUND_TEXT)
		return mill_value_add(v, value, NULL, err);
	if (bare)
		mill_value_str(v, "\"");
	r = mill_value_add(v, value, "json", err);
	if (bare)
		mill_value_str(v, "\"");
	return r;
}

static int put(struct mill_value *v, const json_t *value, enum mill_found_kind kind, enum mill_format format,
	       const struct place *p, const char *next, struct mill_error *err)
{
	switch (format) {
	case MILL_FORMAT_YAML:
		return put_yaml(v, value, kind, p, next, err);
	case MILL_FORMAT_JSON:
		return put_json(v, value, kind, p, err);
	case MILL_FORMAT_INI:
		return mill_value_add(v, value, "ini", err);
	case MILL_FORMAT_PROPERTIES:
		return mill_value_add(v, value, "properties", err);
	case MILL_FORMAT_TEXT:
		break;
	}
	return mill_value_add(v, value, NULL, err);
}

json_t *mill_scope_render_file(struct mill_scope *s, const struct mill_template *t, enum mill_format format)
{
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;
	struct place at = {.before = '\n', .solid = '\n'};
	bool yaml = format == MILL_FORMAT_YAML;

	for (size_t i = 0; i < t->n; i++) {
		const struct mill_template_part *part = &t->parts[i];
		const char *next = i + 1 < t->n ? (t->parts[i + 1].text ? t->parts[i + 1].text : "$") : "";
		_cleanup_error_ struct mill_error err = {0};
		enum mill_found_kind kind;
		_cleanup_json_ json_t *found = NULL;
		int r;

		if (part->text) {
			mill_value_str(&v, part->text);
			if (yaml || format == MILL_FORMAT_JSON)
				advance(&at, part->text, yaml);
			continue;
		}
		found = mill_scope_lookup(s, part, &kind);
		if (!found)
			continue;
		if (part->filter == MILL_FILTER_NONE || (kind == MILL_FOUND_JSON && part->filter == MILL_FILTER_JSON))
			r = put(&v, found, kind, part->filter ? MILL_FORMAT_TEXT : format, &at, next, &err);
		else
			r = mill_value_add(&v, found, mill_filter_name(part->filter), &err);
		if (r < 0) {
			mill_diag_error(s->r->model->diags, part->mark, "%s", err.message);
			s->failed = true;
		}
		at.before = at.solid = 'x'; /* something stands here now */
	}
	return mill_value_finish(&v);
}
