#include "model/read.h"

#include "base/parse.h"
#include "model/template.h"

void mill_sources_release(struct mill_sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		mill_source_unref(s->items[i]);
	free(s->items);
	*s = (struct mill_sources){0};
}

void mill_reader_keep(struct mill_reader *r, struct mill_source *source)
{
	MILL_GROW(r->sources->items, r->sources->n, r->sources->cap);
	r->sources->items[r->sources->n++] = source;
}

const char *mill_read_text(const struct mill_node *map, const char *key, const char *fallback)
{
	const char *text = mill_node_text(mill_node_get(map, key));
	return text ? text : fallback;
}

bool mill_read_bool(const struct mill_node *map, const char *key, bool fallback)
{
	const struct mill_node *n = mill_node_get(map, key);
	return mill_node_is(n, MILL_NODE_BOOL) ? n->boolean : fallback;
}

int64_t mill_read_int(const struct mill_node *map, const char *key, int64_t fallback)
{
	const struct mill_node *n = mill_node_get(map, key);
	return mill_node_is(n, MILL_NODE_INT) ? n->integer : fallback;
}

uint64_t mill_read_size(const struct mill_node *map, const char *key, uint64_t fallback)
{
	const char *text = mill_node_text(mill_node_get(map, key));
	uint64_t bytes;
	return text && mill_parse_size(text, &bytes) == 0 ? bytes : fallback;
}

uint64_t mill_read_duration(const struct mill_node *map, const char *key, uint64_t fallback)
{
	const char *text = mill_node_text(mill_node_get(map, key));
	uint64_t ns;
	return text && mill_parse_duration(text, &ns) == 0 ? ns : fallback;
}

double mill_read_fraction(const struct mill_node *map, const char *key, double fallback)
{
	const char *text = mill_node_text(mill_node_get(map, key));
	double share;
	return text && mill_parse_fraction(text, &share) == 0 ? share : fallback;
}

const struct mill_node *mill_read_map(const struct mill_node *map, const char *key)
{
	const struct mill_node *n = mill_node_get(map, key);
	return mill_node_is(n, MILL_NODE_MAP) ? n : NULL;
}

const struct mill_node *mill_read_list(const struct mill_node *map, const char *key)
{
	const struct mill_node *n = mill_node_get(map, key);
	return mill_node_is(n, MILL_NODE_SEQ) ? n : NULL;
}

const struct mill_node *mill_read_scalar(const struct mill_node *map, const char *key)
{
	const struct mill_node *n = mill_node_get(map, key);
	return mill_node_is_scalar(n) ? n : NULL;
}

void mill_read_texts(struct mill_reader *r, const struct mill_node *map, const char *key,
		     const char ***ret, size_t *ret_n)
{
	const struct mill_node *list = mill_read_list(map, key);
	const char **texts = MILL_ARENA_ARRAY(r->arena, list ? list->n + 1 : 1, const char *);
	size_t n = 0;
	MILL_SEQ_EACH (item, list)
		if (mill_node_is_scalar(item))
			texts[n++] = item->text;
	*ret = texts;
	*ret_n = n;
}

struct mill_template mill_read_template(struct mill_reader *r, const struct mill_node *map,
					const char *key, const char *fallback)
{
	const struct mill_node *n = mill_read_scalar(map, key);
	if (n)
		return mill_template_parse(r, n);
	struct mill_mark mark = map ? map->mark : MILL_MARK_NONE;
	if (fallback)
		return mill_template_literal(r->arena, fallback, mark);
	return (struct mill_template){.raw = "", .mark = mark};
}

void mill_read_templates(struct mill_reader *r, const struct mill_node *list,
			 struct mill_template **ret, size_t *ret_n)
{
	size_t n = 0;
	*ret = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_template);
	MILL_SEQ_EACH (item, list)
		if (mill_node_is_scalar(item))
			(*ret)[n++] = mill_template_parse(r, item);
	*ret_n = n;
}

struct mill_when mill_read_when(struct mill_reader *r, const struct mill_node *map)
{
	struct mill_when w = {0};
	const struct mill_node *n = mill_read_scalar(map, "when");
	if (!n)
		return w;
	const char *text = n->text;
	w.mark = n->mark;
	if (*text == '!') {
		w.negated = true;
		text++;
	}
	if (mill_starts_with(text, "setting."))
		w.setting = text + strlen("setting.");
	else if (mill_streq(text, "kubernetes"))
		w.kubernetes = true;
	else
		w.capability = text;
	return w;
}

void mill_read_conditional(struct mill_reader *r, const struct mill_node *node,
			   struct mill_template *ret, struct mill_when *ret_when)
{
	if (mill_node_is(node, MILL_NODE_MAP)) {
		*ret = mill_read_template(r, node, "value", NULL);
		*ret_when = mill_read_when(r, node);
	} else {
		*ret = mill_template_parse(r, node);
		*ret_when = (struct mill_when){0};
	}
}

void mill_read_entries(struct mill_reader *r, const struct mill_node *map, struct mill_entry **ret,
		       size_t *ret_n)
{
	if (!mill_node_is(map, MILL_NODE_MAP))
		map = NULL;
	size_t n = 0;
	*ret = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_entry);
	MILL_MAP_EACH (pair, map) {
		struct mill_entry *e = &(*ret)[n++];
		e->key = pair->key;
		e->mark = pair->key_mark;
		mill_read_conditional(r, pair->value, &e->value, &e->when);
	}
	*ret_n = n;
}
