/* Typed reading of nodes, with errors at their place. */
#include "base/clock.h"
#include "base/parse.h"
#include "yaml/node.h"

/* "what: expected X, found Y" */
static struct mill_diag *mismatch(const struct mill_node *node, struct mill_diags *d,
				  const char *what, const char *expected)
{
	const char *before = what ? what : "", *colon = what ? ": " : "";
	if (!node->text)
		return mill_diag_error(d, node->mark, "%s%sexpected %s, found %s", before, colon,
				       expected, mill_node_type_name(node->type));
	if (node->type == MILL_NODE_NULL)
		return mill_diag_error(d, node->mark, "%s%sexpected %s, found nothing", before,
				       colon, expected);
	return mill_diag_error(d, node->mark, "%s%sexpected %s, found '%.60s%s'", before, colon,
			       expected, node->text, node->n > 60 ? "..." : "");
}

int mill_node_read_bool(const struct mill_node *node, struct mill_diags *d, const char *what,
			bool *ret)
{
	if (node->type == MILL_NODE_BOOL) {
		*ret = node->boolean;
		return 0;
	}
	struct mill_diag *e = mismatch(node, d, what, "true or false");
	if (node->type == MILL_NODE_STRING && node->style == MILL_STYLE_QUOTED &&
	    (mill_streq(node->text, "true") || mill_streq(node->text, "false")))
		mill_diag_hint(e, "without quotes");
	return -EINVAL;
}

int mill_node_read_int(const struct mill_node *node, struct mill_diags *d, const char *what,
		       int64_t min, int64_t max, int64_t *ret)
{
	if (node->type != MILL_NODE_INT) {
		int64_t v;
		struct mill_diag *e = mismatch(node, d, what, "an integer");
		if (node->type == MILL_NODE_STRING && mill_parse_i64(node->text, &v) == 0)
			mill_diag_hint(e, "without quotes");
		return -EINVAL;
	}
	if (node->integer < min || node->integer > max) {
		mill_diag_error(d, node->mark, "%s%s%lld is not between %lld and %lld",
				what ? what : "", what ? ": " : "", (long long)node->integer,
				(long long)min, (long long)max);
		return -EINVAL;
	}
	*ret = node->integer;
	return 0;
}

int mill_node_read_double(const struct mill_node *node, struct mill_diags *d, const char *what,
			  double min, double max, double *ret)
{
	double v;
	if (node->type == MILL_NODE_INT)
		v = (double)node->integer;
	else if (node->type == MILL_NODE_FLOAT)
		v = node->number;
	else {
		mismatch(node, d, what, "a number");
		return -EINVAL;
	}
	if (!(v >= min && v <= max)) {
		mill_diag_error(d, node->mark, "%s%s%s is not between %g and %g", what ? what : "",
				what ? ": " : "", node->text, min, max);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

int mill_node_read_text(const struct mill_node *node, struct mill_diags *d, const char *what,
			const char **ret)
{
	const char *text = mill_node_text(node);
	if (!text) {
		mismatch(node, d, what, "a string");
		return -EINVAL;
	}
	*ret = text;
	return 0;
}

static int read_quantity(const struct mill_node *node, struct mill_diags *d, const char *what,
			 int (*parse)(const char *, uint64_t *), const char *expected,
			 uint64_t *ret)
{
	const char *text = mill_node_text(node);
	int r = text ? parse(text, ret) : -EINVAL;
	if (r == -ERANGE)
		mill_diag_error(d, node->mark, "%s%s%.60s is too large", what ? what : "",
				what ? ": " : "", text);
	else if (r < 0)
		mismatch(node, d, what, expected);
	return r < 0 ? -EINVAL : 0;
}

int mill_node_read_size(const struct mill_node *node, struct mill_diags *d, const char *what,
			uint64_t *ret)
{
	return read_quantity(node, d, what, mill_parse_size, "a size such as 300Mi or 2G", ret);
}

int mill_node_read_duration(const struct mill_node *node, struct mill_diags *d, const char *what,
			    uint64_t *ret)
{
	return read_quantity(node, d, what, mill_parse_duration, "a duration such as 30s or 1m30s",
			     ret);
}

static void join_names(struct mill_strbuf *out, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mill_strbuf_printf(out, "%s%s", i ? ", " : "", names[i]);
}

int mill_node_read_choice(const struct mill_node *node, struct mill_diags *d, const char *what,
			  const char *const *names, size_t n, size_t *ret_index)
{
	const char *text = mill_node_text(node);
	for (size_t i = 0; text && i < n; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	_cleanup_strbuf_ struct mill_strbuf list = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&list, n > 1 ? "one of " : "");
	join_names(&list, names, n);
	struct mill_diag *e = mismatch(node, d, what, list.data);
	if (text)
		mill_diag_suggest(e, text, names, n);
	return -EINVAL;
}

bool mill_node_expect(const struct mill_node *node, struct mill_diags *d, const char *what,
		      enum mill_node_type type)
{
	if (node->type == type)
		return true;
	mismatch(node, d, what, mill_node_type_name(type));
	return false;
}

void mill_node_check_keys(const struct mill_node *map, struct mill_diags *d, const char *what,
			  const char *const *names, size_t n)
{
	MILL_MAP_EACH (pair, map) {
		bool known = false;
		for (size_t i = 0; !known && i < n; i++)
			known = strcmp(pair->key, names[i]) == 0;
		if (known)
			continue;
		struct mill_diag *e =
			mill_diag_error(d, pair->key_mark, "%s%sunknown key '%.60s'",
					what ? what : "", what ? ": " : "", pair->key);
		if (mill_diag_suggest(e, pair->key, names, n) || n == 0 || n > 16)
			continue;
		_cleanup_strbuf_ struct mill_strbuf list = MILL_STRBUF_INIT;
		join_names(&list, names, n);
		mill_diag_hint(e, "known here: %s", list.data);
	}
}
