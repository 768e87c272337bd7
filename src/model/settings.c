#include "model/settings.h"

#include <inttypes.h>
#include <regex.h>

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "model/manifest.h"

static const char *const type_names[] = {"string", "int",      "number", "bool",
					 "size",   "duration", "enum",   "list"};
static const char *const type_texts[] = {"text",
					 "an integer",
					 "a number",
					 "true or false",
					 "a size such as 300Mi",
					 "a duration such as 30s",
					 "one of its values",
					 "a list"};

static enum mill_setting_type type_of(const char *name, enum mill_setting_type fallback)
{
	for (size_t i = 0; name && i < MILL_ARRAY_LEN(type_names); i++)
		if (mill_streq(name, type_names[i]))
			return (enum mill_setting_type)i;
	return fallback;
}

static const char *wrong_type(struct mill_reader *r, const struct mill_setting *s,
			      const struct mill_node *value)
{
	if (mill_node_is_scalar(value))
		mill_diag_error(r->diags, value->mark, "setting '%s': expected %s, not '%s'",
				s->name, type_texts[s->type], value->text);
	else
		mill_diag_error(r->diags, value->mark, "setting '%s': expected %s, found %s", s->name,
				type_texts[s->type], mill_node_type_name(value->type));
	return NULL;
}

/* The number that min and max are compared with; false when the text is none. */
static bool measure(enum mill_setting_type type, const char *text, double *ret)
{
	uint64_t u;
	switch (type) {
	case MILL_SETTING_SIZE:
		if (mill_parse_size(text, &u) < 0)
			return false;
		break;
	case MILL_SETTING_DURATION:
		if (mill_parse_duration(text, &u) < 0)
			return false;
		break;
	case MILL_SETTING_INT:
	case MILL_SETTING_NUMBER:
		return mill_parse_double(text, ret) == 0;
	default: /* lengths */
		if (mill_parse_u64(text, &u) < 0)
			return false;
	}
	*ret = (double)u;
	return true;
}

static bool in_range(struct mill_reader *r, const struct mill_setting *s,
		     const struct mill_node *value, double is, const char *shown)
{
	double limit;
	bool length = s->type == MILL_SETTING_STRING || s->type == MILL_SETTING_LIST;
	if (s->min && measure(s->type, s->min, &limit) && is < limit) {
		mill_diag_error(r->diags, value->mark, "setting '%s': %s is below the minimum%s, %s",
				s->name, shown, length ? " length" : "", s->min);
		return false;
	}
	if (s->max && measure(s->type, s->max, &limit) && is > limit) {
		mill_diag_error(r->diags, value->mark, "setting '%s': %s is above the maximum%s, %s",
				s->name, shown, length ? " length" : "", s->max);
		return false;
	}
	return true;
}

/* The whole text has to match.  A compiled pattern costs 50 us, so defaults are only tried in a strict check. */
static bool matches(struct mill_reader *r, const struct mill_setting *s,
		    const struct mill_node *value, const char *text)
{
	if (!s->pattern || (value == s->default_node && !r->strict))
		return true;
	_cleanup_free_ char *anchored = mill_xasprintf("^(%s)$", s->pattern);
	regex_t re;
	if (regcomp(&re, anchored, REG_EXTENDED | REG_NOSUB) != 0)
		return true; /* component validate says so, where the pattern stands */
	bool ok = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	if (!ok)
		mill_diag_error(r->diags, value->mark, "setting '%s': '%s' does not match %s",
				s->name, text, s->pattern);
	return ok;
}

static bool is_choice(struct mill_reader *r, const struct mill_setting *s,
		      const struct mill_node *value, const char *text)
{
	for (size_t i = 0; i < s->n_values; i++)
		if (mill_streq(text, s->values[i]))
			return true;
	_cleanup_strbuf_ struct mill_strbuf list = MILL_STRBUF_INIT;
	for (size_t i = 0; i < s->n_values; i++)
		mill_strbuf_printf(&list, "%s%s", i ? ", " : "", s->values[i]);
	struct mill_diag *d = mill_diag_error(r->diags, value->mark, "setting '%s': '%s' is not one of %s",
					      s->name, text, list.data);
	mill_diag_suggest(d, text, s->values, s->n_values);
	return false;
}

static const char *canonical_list(struct mill_reader *r, const struct mill_setting *s,
				  const struct mill_node *value)
{
	if (!mill_node_is(value, MILL_NODE_SEQ))
		return wrong_type(r, s, value);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	bool ok = in_range(r, s, value, (double)value->n, "the list");
	mill_json_writer_init(&w, &out, false);
	mill_json_begin_array(&w);
	MILL_SEQ_EACH (item, value) {
		if (!mill_node_is_scalar(item)) {
			mill_diag_error(r->diags, item->mark, "setting '%s': an item is %s", s->name,
					mill_node_type_name(item->type));
			ok = false;
			continue;
		}
		int64_t i;
		double d;
		if (s->items == MILL_SETTING_INT && mill_parse_i64(item->text, &i) == 0) {
			mill_json_int(&w, i);
		} else if (s->items == MILL_SETTING_NUMBER && mill_parse_double(item->text, &d) == 0) {
			mill_json_double(&w, d);
		} else if (s->items == MILL_SETTING_STRING) {
			ok &= matches(r, s, item, item->text) &&
			      (!s->n_values || is_choice(r, s, item, item->text));
			mill_json_string(&w, item->text);
		} else {
			mill_diag_error(r->diags, item->mark, "setting '%s': '%s' is not %s", s->name,
					item->text, type_texts[s->items]);
			ok = false;
		}
	}
	mill_json_end_array(&w);
	return ok ? mill_arena_strdup(r->arena, out.data) : NULL;
}

static const char *canonical_number(struct mill_reader *r, const struct mill_setting *s,
				    const struct mill_node *value)
{
	const char *text = value->text;
	double is = 0;
	int64_t i;
	uint64_t u;
	if (!measure(s->type, text, &is) ||
	    (s->type == MILL_SETTING_INT && mill_parse_i64(text, &i) < 0))
		return wrong_type(r, s, value);
	if (!in_range(r, s, value, is, text))
		return NULL;
	if (s->type == MILL_SETTING_SIZE && mill_parse_size(text, &u) == 0)
		return mill_arena_printf(r->arena, "%" PRIu64, u);
	return s->type == MILL_SETTING_INT ? mill_arena_printf(r->arena, "%" PRId64, i) : text;
}

const char *mill_setting_canonical(struct mill_reader *r, const struct mill_setting *s,
				   const struct mill_node *value)
{
	if (s->type == MILL_SETTING_LIST)
		return canonical_list(r, s, value);
	if (!mill_node_is_scalar(value))
		return wrong_type(r, s, value);
	const char *text = value->text;
	switch (s->type) {
	case MILL_SETTING_BOOL:
		if (!mill_node_is(value, MILL_NODE_BOOL))
			return wrong_type(r, s, value);
		return value->boolean ? "true" : "false";
	case MILL_SETTING_ENUM:
		return is_choice(r, s, value, text) ? text : NULL;
	case MILL_SETTING_STRING:
		return matches(r, s, value, text) &&
				       in_range(r, s, value, (double)strlen(text), "the text")
			       ? text
			       : NULL;
	default:
		return canonical_number(r, s, value);
	}
}

/* ---- declarations ---- */
static const char *read_limit(struct mill_reader *r, const struct mill_node *map, const char *key,
			      const struct mill_setting *s)
{
	const struct mill_node *node = mill_read_scalar(map, key);
	double ignored;
	if (!node)
		return NULL;
	if (s->type == MILL_SETTING_BOOL || s->type == MILL_SETTING_ENUM)
		mill_diag_error(r->diags, node->mark, "setting '%s': %s has no meaning for %s", s->name,
				key, type_names[s->type]);
	else if (!measure(s->type, node->text, &ignored))
		mill_diag_error(r->diags, node->mark, "setting '%s': %s: '%s' is not %s", s->name, key,
				node->text,
				s->type == MILL_SETTING_STRING || s->type == MILL_SETTING_LIST
					? "a length"
					: type_texts[s->type]);
	else
		return node->text;
	return NULL;
}

static void read_pattern(struct mill_reader *r, const struct mill_node *map, struct mill_setting *s)
{
	const struct mill_node *node = mill_read_scalar(map, "pattern");
	if (!node)
		return;
	s->pattern = node->text;
	if (s->type != MILL_SETTING_STRING && s->type != MILL_SETTING_LIST) {
		mill_diag_error(r->diags, node->mark, "setting '%s': a pattern has no meaning for %s",
				s->name, type_names[s->type]);
		s->pattern = NULL;
	}
}

/* Compiled only here, in a check of the manifest, and where a value is set. */
static void check_pattern(struct mill_reader *r, const struct mill_node *map,
			  const struct mill_setting *s)
{
	if (!s->pattern || !r->strict)
		return;
	regex_t re;
	int rc = regcomp(&re, s->pattern, REG_EXTENDED | REG_NOSUB);
	char why[128];
	if (rc == 0) {
		regfree(&re);
		return;
	}
	regerror(rc, &re, why, sizeof(why));
	mill_diag_error(r->diags, mill_node_get(map, "pattern")->mark, "setting '%s': bad pattern: %s",
			s->name, why);
}

static void read_default(struct mill_reader *r, const struct mill_node *map, struct mill_setting *s)
{
	const struct mill_node *value = mill_node_get(map, "default");
	s->default_node = value;
	s->default_text = s->type == MILL_SETTING_LIST ? "[]" : "";
	if (value && s->secret)
		mill_diag_error(r->diags, value->mark, "setting '%s': a secret has no default", s->name);
	else if (value && !mill_node_is_null(value)) {
		const char *text = mill_setting_canonical(r, s, value);
		s->default_text = text ? text : s->default_text;
	} else if (!s->secret && (s->type == MILL_SETTING_BOOL)) {
		s->default_text = "false";
	} else if (!s->secret && s->type != MILL_SETTING_STRING && s->type != MILL_SETTING_LIST) {
		mill_diag_error(r->diags, s->mark, "setting '%s': a default is missing", s->name);
	}
	s->value = s->default_text;
	s->value_origin = "default";
}

void mill_manifest_read_settings(struct mill_reader *r, const struct mill_node *map,
				 struct mill_component *c)
{
	c->settings = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_setting);
	MILL_MAP_EACH (pair, map) {
		struct mill_setting *s = &c->settings[c->n_settings++];
		const struct mill_node *node = pair->value;
		s->name = pair->key;
		s->mark = pair->key_mark;
		s->help = mill_read_text(node, "help", "");
		s->type = type_of(mill_read_text(node, "type", NULL), MILL_SETTING_STRING);
		s->items = type_of(mill_read_text(node, "items", NULL), MILL_SETTING_STRING);
		s->secret = mill_read_bool(node, "secret", false);
		if (s->items > MILL_SETTING_NUMBER)
			mill_diag_error(r->diags, mill_node_get(node, "items")->mark,
					"setting '%s': items are string, int or number", s->name);
		s->min = read_limit(r, node, "min", s);
		s->max = read_limit(r, node, "max", s);
		read_pattern(r, node, s);
		mill_read_texts(r, node, "values", &s->values, &s->n_values);
		if (s->type == MILL_SETTING_ENUM && !s->n_values)
			mill_diag_error(r->diags, s->mark, "setting '%s': an enum needs values",
					s->name);
		if (s->secret && s->type != MILL_SETTING_STRING)
			mill_diag_error(r->diags, s->mark, "setting '%s': a secret is a string", s->name);
		check_pattern(r, node, s);
		read_default(r, node, s);
	}
}

/* ---- values that files set ---- */
static void assign_secret(struct mill_reader *r, struct mill_setting *s,
			  const struct mill_node *value, const char *folder)
{
	const char *file = mill_read_text(value, "file", NULL);
	const char *variable = mill_read_text(value, "variable", NULL);
	if (!mill_node_is(value, MILL_NODE_MAP) || value->n != 1 || !file == !variable) {
		mill_diag_hint(mill_diag_error(r->diags, value->mark,
					       "setting '%s' is a secret: its text must not stand here",
					       s->name),
			       "write {file: PATH} or {variable: NAME}");
		return;
	}
	s->from_variable = variable;
	s->from_file = NULL;
	if (file) {
		_cleanup_free_ char *joined = mill_path_join(folder, file);
		_cleanup_free_ char *absolute = mill_path_absolute(joined);
		s->from_file = mill_arena_strdup(r->arena, absolute);
	}
}

void mill_setting_assign(struct mill_reader *r, struct mill_setting *s,
			 const struct mill_node *value, const char *folder)
{
	const char *file = value->mark.source ? value->mark.source->path : "?";
	if (s->secret) {
		assign_secret(r, s, value, folder);
	} else {
		const char *text = mill_setting_canonical(r, s, value);
		if (!text)
			return;
		s->value = text;
	}
	s->value_origin = mill_arena_printf(r->arena, "%s:%u", file, value->mark.line);
}
