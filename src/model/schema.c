/* Checks a tree against a table.  See schema.h. */
#include "model/schema.h"

#include <regex.h>

#include "base/io.h"
#include "base/parse.h"

enum { KEYS_MAX = 64 };

const struct mill_schema_key *mill_schema_find(const struct mill_schema *s, const char *key)
{
	for (const struct mill_schema_key *k = s->keys; k && k->name; k++)
		if (mill_streq(k->name, key))
			return k;
	return NULL;
}

static size_t key_names(const struct mill_schema *s, const char *names[KEYS_MAX])
{
	size_t n = 0;
	for (const struct mill_schema_key *k = s->keys; k && k->name && n < KEYS_MAX; k++)
		if (!(k->flags & MILL_S_RETIRED))
			names[n++] = k->name;
	return n;
}

const char *mill_schema_suggest(const struct mill_schema *s, const char *key)
{
	const char *names[KEYS_MAX];
	return mill_suggest(key, names, key_names(s, names));
}

static const char *type_text(const struct mill_schema *s)
{
	if (s->what)
		return s->what;
	switch (s->type) {
	case MILL_T_TEXT:
	case MILL_T_TEMPLATE:
		return "text";
	case MILL_T_INT:
		return "an integer";
	case MILL_T_NUMBER:
		return "a number";
	case MILL_T_BOOL:
		return "true or false";
	case MILL_T_SIZE:
		return "a size such as 300Mi";
	case MILL_T_DURATION:
		return "a duration such as 30s";
	case MILL_T_FRACTION:
		return "a share such as 50%";
	case MILL_T_MEMORY:
		return "a size such as 8Gi or a share such as 75%";
	case MILL_T_PATH:
		return "a relative path";
	case MILL_T_ENUM:
		return "one of a few words";
	case MILL_T_LIST:
		return "a list";
	case MILL_T_MAP:
	case MILL_T_OBJECT:
		return "a map";
	case MILL_T_UNION:
	case MILL_T_ANY:
		break;
	}
	return "something else";
}

static size_t wrong(const struct mill_schema *s, const struct mill_node *node, const char *what,
		    struct mill_diags *diags)
{
	mill_diag_error(diags, node->mark, "%s: expected %s, found %s", what, type_text(s),
			mill_node_type_name(node->type));
	return 1;
}

/* Only tables whose pattern has no matcher of its own come here: rare keys. */
static bool pattern_holds(const char *pattern, const char *text)
{
	regex_t re;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		BUG("pattern %s of a table does not compile", pattern);
	bool ok = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static size_t check_text(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags)
{
	const char *text = mill_node_text(node);
	if (!text)
		return wrong(s, node, what, diags);
	bool ok = s->match ? s->match(text) : !s->pattern || pattern_holds(s->pattern, text);
	if (s->type == MILL_T_PATH)
		ok = mill_path_is_inside(text);
	if (ok)
		return 0;
	mill_diag_error(diags, node->mark, "%s: '%s' is not %s", what, text, type_text(s));
	return 1;
}

static size_t check_enum(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags)
{
	size_t n = 0, ignored;
	while (s->values[n])
		n++;
	return mill_node_read_choice(node, diags, what, s->values, n, &ignored) < 0;
}

static size_t check_number(const struct mill_schema *s, const struct mill_node *node,
			   const char *what, struct mill_diags *diags)
{
	uint64_t u;
	int64_t i;
	double d;
	bool b;
	switch (s->type) {
	case MILL_T_INT:
		if (s->min == s->max)
			return mill_node_read_int(node, diags, what, s->max ? s->min : INT64_MIN,
						  s->max ? s->max : INT64_MAX, &i) < 0;
		return mill_node_read_int(node, diags, what, s->min, s->max, &i) < 0;
	case MILL_T_NUMBER:
		return mill_node_read_double(node, diags, what, s->min < s->max ? (double)s->min : -1e300,
					     s->min < s->max ? (double)s->max : 1e300, &d) < 0;
	case MILL_T_BOOL:
		return mill_node_read_bool(node, diags, what, &b) < 0;
	case MILL_T_SIZE:
		return mill_node_read_size(node, diags, what, &u) < 0;
	case MILL_T_DURATION:
		return mill_node_read_duration(node, diags, what, &u) < 0;
	default:
		break;
	}
	const char *text = mill_node_text(node);
	if (!text)
		return wrong(s, node, what, diags);
	/* "75%" or 0.75; a bare number of a budget is a share only up to 1 */
	if (mill_parse_fraction(text, &d) == 0)
		return 0;
	if (s->type == MILL_T_MEMORY && mill_parse_size(text, &u) == 0)
		return 0;
	mill_diag_error(diags, node->mark, "%s: '%s' is not %s", what, text, type_text(s));
	return 1;
}

static size_t check_node(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags);

static size_t check_count(const struct mill_schema *s, const struct mill_node *node,
			  const char *what, struct mill_diags *diags)
{
	if (s->max && node->n > (size_t)s->max)
		mill_diag_error(diags, node->mark, "%s: %zu entries, the limit is %lld", what,
				node->n, (long long)s->max);
	else if (node->n < (size_t)s->min)
		mill_diag_error(diags, node->mark, "%s: must not be empty", what);
	else if (s->flags & MILL_S_ONE_KEY && node->n != 1)
		mill_diag_error(diags, node->mark, "%s: expected exactly one key, found %zu", what,
				node->n);
	else
		return 0;
	return 1;
}

static size_t check_list(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags)
{
	if (node->type != MILL_NODE_SEQ)
		return wrong(s, node, what, diags);
	size_t bad = check_count(s, node, what, diags);
	MILL_SEQ_EACH (item, node)
		bad += check_node(s->item, item, what, diags);
	return bad;
}

static size_t check_map(const struct mill_schema *s, const struct mill_node *node,
			const char *what, struct mill_diags *diags)
{
	if (node->type != MILL_NODE_MAP)
		return wrong(s, node, what, diags);
	size_t bad = check_count(s, node, what, diags);
	MILL_MAP_EACH (pair, node) {
		const struct mill_schema *key = s->key;
		bool fits = !key || (key->type == MILL_T_PATH ? mill_path_is_inside(pair->key)
				     : key->match             ? key->match(pair->key)
							      : true);
		if (!fits) {
			mill_diag_error(diags, pair->key_mark, "%s: '%s' is not %s", what,
					pair->key, type_text(key));
			bad++;
		}
		bad += check_node(s->item, pair->value, pair->key, diags);
	}
	return bad;
}

static size_t unknown_key(const struct mill_schema *s, const struct mill_pair *pair,
			  const char *what, struct mill_diags *diags)
{
	const char *names[KEYS_MAX];
	size_t n = key_names(s, names);
	struct mill_diag *d = mill_diag_error(diags, pair->key_mark, "unknown key '%s' in %s",
					      pair->key, what);
	if (!mill_diag_suggest(d, pair->key, names, n) && n <= 16) {
		_cleanup_strbuf_ struct mill_strbuf list = MILL_STRBUF_INIT;
		for (size_t i = 0; i < n; i++)
			mill_strbuf_printf(&list, "%s%s", i ? ", " : "", names[i]);
		mill_diag_hint(d, "known here: %s", list.data);
	}
	return 1;
}

static size_t check_object(const struct mill_schema *s, const struct mill_node *node,
			   const char *what, struct mill_diags *diags)
{
	if (node->type != MILL_NODE_MAP)
		return wrong(s, node, what, diags);
	size_t bad = check_count(s, node, what, diags);
	MILL_MAP_EACH (pair, node) {
		const struct mill_schema_key *k = mill_schema_find(s, pair->key);
		if (!k) {
			if (!(s->flags & MILL_S_OPEN))
				bad += unknown_key(s, pair, what, diags);
			continue;
		}
		if (k->flags & MILL_S_RETIRED) {
			mill_diag_hint(mill_diag_warning(diags, pair->key_mark,
							 "'%s' no longer means anything",
							 pair->key),
				       "%s", k->help);
			continue;
		}
		/* `key:` with nothing after it is a key that was not given */
		if (mill_node_is_null(pair->value) && !(k->flags & MILL_S_REQUIRED) &&
		    k->schema->type != MILL_T_ANY)
			continue;
		bad += check_node(k->schema, pair->value, k->name, diags);
	}
	for (const struct mill_schema_key *k = s->keys; k && k->name; k++)
		if (k->flags & MILL_S_REQUIRED && !mill_node_pair(node, k->name)) {
			mill_diag_hint(mill_diag_error(diags, node->mark, "%s: '%s' is missing",
						       what, k->name),
				       "%s: %s", k->name, k->help);
			bad++;
		}
	return bad;
}

static size_t check_union(const struct mill_schema *s, const struct mill_node *node,
			  const char *what, struct mill_diags *diags)
{
	const struct mill_schema *chosen = node->type == MILL_NODE_SEQ	 ? s->list
					   : node->type == MILL_NODE_MAP ? s->map
					   : node->type == MILL_NODE_NULL ? NULL
									  : s->scalar;
	if (!chosen)
		return wrong(s, node, what, diags);
	return check_node(chosen, node, what, diags);
}

static size_t check_node(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags)
{
	switch (s->type) {
	case MILL_T_TEXT:
	case MILL_T_TEMPLATE:
	case MILL_T_PATH:
		return check_text(s, node, what, diags);
	case MILL_T_ENUM:
		return check_enum(s, node, what, diags);
	case MILL_T_LIST:
		return check_list(s, node, what, diags);
	case MILL_T_MAP:
		return check_map(s, node, what, diags);
	case MILL_T_OBJECT:
		return check_object(s, node, what, diags);
	case MILL_T_UNION:
		return check_union(s, node, what, diags);
	case MILL_T_ANY:
		return 0;
	default:
		return check_number(s, node, what, diags);
	}
}

size_t mill_schema_check(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags)
{
	if (!node)
		return 0;
	return check_node(s, node, what, diags);
}
