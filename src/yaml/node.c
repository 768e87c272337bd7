#include <math.h>

#include "base/utf8.h"
#include "yaml/node.h"

struct mill_pair *mill_node_first_pair(const struct mill_node *map)
{
	return mill_node_is(map, MILL_NODE_MAP) ? map->pairs : NULL;
}

struct mill_pair *mill_node_end_pair(const struct mill_node *map)
{
	return mill_node_is(map, MILL_NODE_MAP) && map->n ? map->pairs + map->n
							  : mill_node_first_pair(map);
}

struct mill_node **mill_node_first_item(const struct mill_node *seq)
{
	return mill_node_is(seq, MILL_NODE_SEQ) ? seq->items : NULL;
}

struct mill_node **mill_node_end_item(const struct mill_node *seq)
{
	return mill_node_is(seq, MILL_NODE_SEQ) && seq->n ? seq->items + seq->n
							  : mill_node_first_item(seq);
}

struct mill_pair *mill_node_pair(const struct mill_node *map, const char *key)
{
	MILL_MAP_EACH (pair, map)
		if (strcmp(pair->key, key) == 0)
			return pair;
	return NULL;
}

struct mill_node *mill_node_get(const struct mill_node *map, const char *key)
{
	struct mill_pair *pair = mill_node_pair(map, key);
	return pair ? pair->value : NULL;
}

struct mill_node *mill_node_path(const struct mill_node *map, ...)
{
	struct mill_node *at = (struct mill_node *)map;
	const char *key;
	va_list ap;
	va_start(ap, map);
	while (at && (key = va_arg(ap, const char *)))
		at = mill_node_get(at, key);
	va_end(ap);
	return at;
}

bool mill_node_is_null(const struct mill_node *node)
{
	return !node || node->type == MILL_NODE_NULL;
}

const char *mill_node_text(const struct mill_node *node)
{
	return mill_node_is_null(node) ? NULL : node->text;
}

const char *mill_node_type_name(enum mill_node_type type)
{
	switch (type) {
	case MILL_NODE_NULL:
		return "nothing";
	case MILL_NODE_BOOL:
		return "true or false";
	case MILL_NODE_INT:
		return "an integer";
	case MILL_NODE_FLOAT:
		return "a number";
	case MILL_NODE_STRING:
		return "a string";
	case MILL_NODE_SEQ:
		return "a list";
	case MILL_NODE_MAP:
		return "a map";
	}
	BUG("node type %d", (int)type);
}

static unsigned count_characters(const char *s, size_t n)
{
	unsigned count = 0;
	for (size_t i = 0; i < n; count++) {
		uint32_t c;
		unsigned len = mill_utf8_decode(s + i, n - i, &c);
		i += len ? len : 1;
	}
	return count;
}

/* Bytes that the first `characters` of a line take. */
static size_t skip_characters(const char *s, size_t n, unsigned characters)
{
	size_t i = 0;
	while (characters-- && i < n) {
		uint32_t c;
		unsigned len = mill_utf8_decode(s + i, n - i, &c);
		i += len ? len : 1;
	}
	return i;
}

/* A literal block: line k of the text is line k of the source behind its header. */
static bool mark_in_block(const struct mill_node *node, size_t offset, size_t length,
			  struct mill_mark *mark)
{
	unsigned line = node->mark.line + 1;
	const char *text = node->text;
	const char *newline;
	while ((newline = memchr(text, '\n', (size_t)(node->text + offset - text)))) {
		text = newline + 1;
		line++;
	}
	size_t text_len = strcspn(text, "\n"), source_len;
	size_t in_line = (size_t)(node->text + offset - text);
	const char *source = mill_source_line(node->mark.source, line, &source_len);
	/* What differs was folded: no exact place. */
	if (!source || source_len < text_len ||
	    memcmp(source + source_len - text_len, text, text_len) != 0)
		return false;
	if (length > text_len - in_line)
		length = text_len - in_line;
	mark->line = line;
	mark->column = count_characters(source, source_len - text_len + in_line) + 1;
	mark->length = count_characters(text + in_line, length);
	return true;
}

struct mill_mark mill_node_mark_within(const struct mill_node *node, size_t offset, size_t length)
{
	struct mill_mark mark = node->mark;
	size_t source_len;
	if (!node->text || !mark.source || offset > node->n)
		return mark;
	if (length > node->n - offset)
		length = node->n - offset;
	if (node->style == MILL_STYLE_BLOCK) {
		mark_in_block(node, offset, length, &mark);
		return mark;
	}
	const char *source = mill_source_line(mark.source, mark.line, &source_len);
	if (!source)
		return mark;
	unsigned quote = node->style == MILL_STYLE_QUOTED;
	size_t at = skip_characters(source, source_len, mark.column - 1 + quote);
	/* Escapes and line folding make the text differ from what stands there. */
	if (source_len - at < node->n || memcmp(source + at, node->text, node->n) != 0)
		return mark;
	mark.column += quote + count_characters(node->text, offset);
	mark.length = count_characters(node->text + offset, length);
	return mark;
}

json_t *mill_node_to_json(const struct mill_node *node)
{
	json_t *j;
	switch (node ? node->type : MILL_NODE_NULL) {
	case MILL_NODE_NULL:
		return json_null();
	case MILL_NODE_BOOL:
		return json_boolean(node->boolean);
	case MILL_NODE_INT:
		return json_integer(node->integer);
	case MILL_NODE_FLOAT:
		return isfinite(node->number) ? json_real(node->number) : json_string(node->text);
	case MILL_NODE_STRING:
		return json_string(node->text);
	case MILL_NODE_SEQ:
		j = json_array();
		MILL_SEQ_EACH (item, node)
			json_array_append_new(j, mill_node_to_json(item));
		return j;
	case MILL_NODE_MAP:
		j = json_object();
		MILL_MAP_EACH (pair, node)
			json_object_set_new(j, pair->key, mill_node_to_json(pair->value));
		return j;
	}
	BUG("node type %d", (int)node->type);
}
