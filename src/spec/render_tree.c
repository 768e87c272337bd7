/*
 * `value:` trees written as JSON, YAML, INI or properties.
 *
 * Scalars keep their YAML type; one that is nothing but a bare `${port.api}`
 * takes the type of what it names, so ports become numbers.  Depth is bounded
 * by the YAML reader (MILL_YAML_DEPTH_MAX).
 */
#include "spec/scope.h"

#include "base/json.h"
#include "spec/filter.h"

struct writer {
	struct mill_scope *s;
	struct mill_value v;
};

static void report(struct writer *w, const struct mill_node *n, const char *message)
{
	mill_diag_error(w->s->r->model->diags, n->mark, "%s", message);
	w->s->failed = true;
}

/* A decimal integer as JSON writes it; NULL, as of a secret's value, is none. */
static bool is_number(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return n && n < 16 && strspn(s, "0123456789") == n && (s[0] != '0' || n == 1);
}

static json_t *scalar(struct writer *w, const struct mill_node *n, enum mill_found_kind *kind)
{
	struct mill_template t;

	*kind = MILL_FOUND_SCALAR;
	if (n->type != MILL_NODE_STRING)
		return json_string(n->type == MILL_NODE_NULL ? "null" :
				   n->type == MILL_NODE_BOOL ? (n->boolean ? "true" : "false") : n->text);
	t = mill_template_of(&w->s->r->model->arena, n);
	*kind = MILL_FOUND_TEXT;
	if (n->style == MILL_STYLE_PLAIN && t.n == 1 && !t.parts[0].text &&
	    (t.parts[0].filter == MILL_FILTER_NONE || t.parts[0].filter == MILL_FILTER_JSON)) {
		json_t *found = mill_scope_lookup(w->s, &t.parts[0], kind);

		if (*kind == MILL_FOUND_TEXT && t.parts[0].filter == MILL_FILTER_JSON && is_number(json_string_value(found)))
			*kind = MILL_FOUND_SCALAR; /* what another component provides is text; `| json` asks for what it says */
		return found ? found : json_string("");
	}
	return mill_scope_render(w->s, &t);
}

static void add(struct writer *w, const struct mill_node *n, const json_t *value, const char *filter)
{
	_cleanup_error_ struct mill_error err = {0};

	if (mill_value_add(&w->v, value, filter, &err) < 0)
		report(w, n, err.message);
}

/* A JSON scalar; YAML reads it as the same one. */
static void put_scalar(struct writer *w, const struct mill_node *n)
{
	enum mill_found_kind kind;
	_cleanup_json_ json_t *value = scalar(w, n, &kind);

	if (kind != MILL_FOUND_TEXT) {
		add(w, n, value, NULL);
		return;
	}
	mill_value_str(&w->v, "\"");
	add(w, n, value, "json");
	mill_value_str(&w->v, "\"");
}

static void put_key(struct writer *w, const char *key)
{
	mill_value_str(&w->v, "\"");
	mill_json_escape(&w->v.text, key, strlen(key));
	mill_value_str(&w->v, "\": ");
}

static void newline(struct writer *w, unsigned depth)
{
	mill_value_str(&w->v, "\n");
	for (unsigned i = 0; i < depth; i++)
		mill_value_str(&w->v, "  ");
}

static void put_json(struct writer *w, const struct mill_node *n, unsigned depth)
{
	bool map = n->type == MILL_NODE_MAP;

	if (!map && n->type != MILL_NODE_SEQ) {
		put_scalar(w, n);
		return;
	}
	mill_value_str(&w->v, map ? "{" : "[");
	for (size_t i = 0; i < n->n; i++) {
		if (i)
			mill_value_str(&w->v, ",");
		newline(w, depth + 1);
		if (map)
			put_key(w, n->pairs[i].key);
		put_json(w, map ? n->pairs[i].value : n->items[i], depth + 1);
	}
	if (n->n)
		newline(w, depth);
	mill_value_str(&w->v, map ? "}" : "]");
}

static bool is_filled(const struct mill_node *n)
{
	return (n->type == MILL_NODE_MAP || n->type == MILL_NODE_SEQ) && n->n;
}

/* Block style; scalars as JSON writes them. */
static void put_yaml(struct writer *w, const struct mill_node *n, unsigned depth)
{
	bool map = n->type == MILL_NODE_MAP;

	if (!is_filled(n)) {
		put_json(w, n, depth);
		mill_value_str(&w->v, "\n");
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct mill_node *child = map ? n->pairs[i].value : n->items[i];

		for (unsigned k = 0; k < depth; k++)
			mill_value_str(&w->v, "  ");
		if (map)
			put_key(w, n->pairs[i].key);
		else
			mill_value_str(&w->v, "- ");
		if (is_filled(child))
			mill_value_str(&w->v, "\n");
		put_yaml(w, child, depth + 1);
	}
}

/* One line of text: scalars, or a list of them with commas. */
static void put_line(struct writer *w, const struct mill_node *n, const char *filter)
{
	enum mill_found_kind kind;

	if (n->type == MILL_NODE_SEQ) {
		for (size_t i = 0; i < n->n; i++) {
			if (i)
				mill_value_str(&w->v, ",");
			put_line(w, n->items[i], filter);
		}
		return;
	}
	if (n->type == MILL_NODE_MAP) {
		report(w, n, "this format has no map at such a depth");
		return;
	}
	if (n->type != MILL_NODE_NULL) {
		_cleanup_json_ json_t *value = scalar(w, n, &kind);

		add(w, n, value, filter);
	}
}

static void put_properties(struct writer *w, const struct mill_node *n, const char *prefix)
{
	if (n->type != MILL_NODE_MAP) {
		report(w, n, "properties are written from a map");
		return;
	}
	for (size_t i = 0; i < n->n; i++) {
		const struct mill_node *child = n->pairs[i].value;
		_cleanup_free_ char *key = mill_xasprintf("%s%s%s", prefix, *prefix ? "." : "", n->pairs[i].key);

		if (child->type == MILL_NODE_MAP) {
			put_properties(w, child, key);
			continue;
		}
		mill_value_str(&w->v, key);
		mill_value_str(&w->v, "=");
		put_line(w, child, "properties");
		mill_value_str(&w->v, "\n");
	}
}

static void put_ini(struct writer *w, const struct mill_node *n)
{
	if (n->type != MILL_NODE_MAP) {
		report(w, n, "an INI file is written from a map of sections");
		return;
	}
	for (int sections = 0; sections < 2; sections++)
		for (size_t i = 0; i < n->n; i++) {
			const struct mill_node *child = n->pairs[i].value;

			if ((child->type == MILL_NODE_MAP) != (sections == 1))
				continue;
			if (!sections) {
				mill_value_str(&w->v, n->pairs[i].key);
				mill_value_str(&w->v, " = ");
				put_line(w, child, "ini");
				mill_value_str(&w->v, "\n");
				continue;
			}
			mill_strbuf_printf(&w->v.text, "[%s]\n", n->pairs[i].key);
			for (size_t k = 0; k < child->n; k++) {
				mill_value_str(&w->v, child->pairs[k].key);
				mill_value_str(&w->v, " = ");
				put_line(w, child->pairs[k].value, "ini");
				mill_value_str(&w->v, "\n");
			}
		}
}

json_t *mill_scope_render_tree(struct mill_scope *s, const struct mill_node *n, enum mill_format format)
{
	struct writer w = {.s = s, .v = MILL_VALUE_INIT};
	json_t *value;

	switch (format) {
	case MILL_FORMAT_YAML:
		put_yaml(&w, n, 0);
		break;
	case MILL_FORMAT_INI:
		put_ini(&w, n);
		break;
	case MILL_FORMAT_PROPERTIES:
		put_properties(&w, n, "");
		break;
	case MILL_FORMAT_TEXT:
	case MILL_FORMAT_JSON:
		put_json(&w, n, 0);
		mill_value_str(&w.v, "\n");
		break;
	}
	value = mill_value_finish(&w.v);
	mill_value_release(&w.v);
	return value;
}
