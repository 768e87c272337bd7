/*
 * From libyaml's events to the tree, without recursion: open collections are a
 * stack of frames.  All limits are checked while events come in, before
 * anything grows.
 */
#include "base/io.h"
#include "base/map.h"
#include "yaml/loader.h"
#include "yaml/scalar.h"

#define ANCHORS_MAX 1000

/* What an anchor names. */
struct anchor {
	struct mill_node *node;
	size_t count;	 /* nodes in it, aliases expanded */
	unsigned height; /* levels of collections; a scalar has 0 */
	bool done;	 /* false while we are inside it */
};

/* An open collection. */
struct frame {
	struct mill_node *node;
	struct mill_node **items;
	struct mill_pair *pairs;
	size_t n, cap;
	struct mill_map lines; /* of a map: key -> line where it was first */
	const char *key;       /* of the value that comes next */
	struct mill_mark key_mark;
	bool have_key;	    /* a map: a key was read, its value comes next */
	bool is_key;	    /* this collection stands where a key should */
	struct anchor *anchor;
	size_t count_before; /* loader.count at its begin */
	unsigned height;     /* of the highest in it */
};

struct loader {
	yaml_parser_t parser;
	struct mill_document *doc;
	struct mill_diags *diags;
	struct frame frames[MILL_YAML_DEPTH_MAX];
	unsigned depth;
	size_t count;
	size_t n_aliases;
	struct mill_map anchors;
	unsigned n_documents;
	bool have_root;
};

static struct mill_mark mark_of(struct loader *l, const yaml_event_t *e)
{
	return mill_yaml_mark(l->doc->source, e->start_mark, e->end_mark);
}

/* A limit: nothing after it is read. */
static int over_limit(struct loader *l, struct mill_mark mark, const char *what, size_t limit)
{
	mill_diag_error(l->diags, mark, "%s (the limit is %zu)", what, limit);
	return -E2BIG;
}

static int count_nodes(struct loader *l, size_t n, struct mill_mark mark)
{
	if (n > MILL_YAML_NODES_MAX - l->count)
		return over_limit(l, mark, "too many values", MILL_YAML_NODES_MAX);
	l->count += n;
	return 0;
}

static struct frame *top(struct loader *l)
{
	return l->depth ? &l->frames[l->depth - 1] : NULL;
}

/* Does a key come next? */
static bool at_key(struct loader *l)
{
	struct frame *f = top(l);
	return f && f->node->type == MILL_NODE_MAP && !f->have_key;
}

static void note_height(struct loader *l, unsigned height)
{
	struct frame *f = top(l);
	if (f && height > f->height)
		f->height = height;
}

/* ---- keys and values find their place ---- */

/* key NULL: an error was told, the value that follows is dropped. */
static void set_key(struct loader *l, const char *key, struct mill_mark mark)
{
	struct frame *f = top(l);
	f->have_key = true;
	f->key = key;
	f->key_mark = mark;
	struct mill_mark *map = &f->node->mark;
	if (f->node->style != MILL_STYLE_FLOW && map->line == mark.line &&
	    map->column == mark.column)
		map->length = mark.length; /* a block map is shown by its first key */
	if (!key)
		return;
	uintptr_t first = (uintptr_t)mill_map_get(&f->lines, key);
	if (!first) {
		mill_map_set(&f->lines, key, (void *)(uintptr_t)mark.line);
		return;
	}
	mill_diag_error(l->diags, mark, "duplicate key '%.60s', first at line %zu", key,
			(size_t)first);
	f->key = NULL;
}

static void set_value(struct loader *l, struct mill_node *node)
{
	struct frame *f = top(l);
	if (!f) {
		l->doc->root = node;
		l->have_root = true;
	} else if (f->node->type == MILL_NODE_SEQ) {
		MILL_GROW(f->items, f->n, f->cap);
		f->items[f->n++] = node;
	} else {
		f->have_key = false;
		if (!f->key)
			return;
		MILL_GROW(f->pairs, f->n, f->cap);
		f->pairs[f->n++] = (struct mill_pair){f->key, f->key_mark, node};
	}
}

static void scalar_key(struct loader *l, const struct mill_node *node)
{
	const char *key = node->text;
	if (node->style == MILL_STYLE_PLAIN && mill_streq(key, "<<")) {
		mill_diag_hint(mill_diag_error(l->diags, node->mark,
					       "merge keys ('<<') are not supported"),
			       "write the entries out, or alias the whole map: `key: *name`");
		key = NULL;
	} else if (node->style == MILL_STYLE_PLAIN && !*key) {
		mill_diag_error(l->diags, node->mark, "the key before ':' is missing");
		key = NULL;
	}
	set_key(l, key, node->mark);
}

/* ---- anchors and aliases ---- */

static int add_anchor(struct loader *l, const char *name, struct mill_node *node, size_t count,
		      bool done, struct anchor **ret)
{
	if (ret)
		*ret = NULL;
	if (!name)
		return 0;
	if (l->anchors.n >= ANCHORS_MAX && !mill_map_has(&l->anchors, name))
		return over_limit(l, node->mark, "too many anchors", ANCHORS_MAX);
	struct anchor *a = MILL_ARENA_NEW(&l->doc->arena, struct anchor);
	*a = (struct anchor){.node = node, .count = count, .done = done};
	mill_map_set(&l->anchors, name, a);
	if (ret)
		*ret = a;
	return 0;
}

static struct mill_diag *unknown_alias(struct loader *l, struct mill_mark mark, const char *name)
{
	struct mill_diag *e = mill_diag_error(l->diags, mark, "unknown alias '*%.60s'", name);
	_cleanup_free_ const char **names = mill_xcalloc(l->anchors.n, sizeof(*names));
	for (size_t i = 0; i < l->anchors.n; i++)
		names[i] = l->anchors.entries[i].key;
	if (!mill_diag_suggest(e, name, names, l->anchors.n))
		mill_diag_hint(e, "quote a text that begins with '*'");
	return e;
}

static int on_alias(struct loader *l, const yaml_event_t *e)
{
	struct mill_mark mark = mark_of(l, e);
	const char *name = (const char *)e->data.alias.anchor;
	const struct anchor *a = mill_map_get(&l->anchors, name);
	if (++l->n_aliases > MILL_YAML_ALIASES_MAX)
		return over_limit(l, mark, "too many aliases", MILL_YAML_ALIASES_MAX);
	if (at_key(l)) {
		mill_diag_error(l->diags, mark, "an alias cannot be a key");
		set_key(l, NULL, mark);
		return count_nodes(l, 1, mark);
	}
	struct mill_node *node = MILL_ARENA_NEW(&l->doc->arena, struct mill_node);
	size_t count = 1;
	unsigned height = 0;
	if (a && a->done) {
		*node = *a->node;
		count = a->count;
		height = a->height;
	} else {
		node->text = "";
		if (a)
			mill_diag_error(l->diags, mark, "alias '*%.60s' stands inside what it names",
					name);
		else
			unknown_alias(l, mark, name);
	}
	node->mark = mark;
	int r = count_nodes(l, count, mark);
	if (r == 0 && l->depth + height > MILL_YAML_DEPTH_MAX)
		r = over_limit(l, mark, "nested too deeply", MILL_YAML_DEPTH_MAX);
	note_height(l, height);
	set_value(l, node);
	return r;
}

/* ---- tags ---- */

#define CORE "tag:yaml.org,2002:"

/* The type that a core tag asks for; -1: no core tag. */
static int core_type(const char *tag)
{
	static const char *const names[] = {"null", "bool", "int", "float", "str", "seq", "map"};
	if (!mill_starts_with(tag, CORE))
		return -1;
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++)
		if (mill_streq(tag + strlen(CORE), names[i]))
			return (int)i;
	return -1;
}

/* Types are in the order of the names above. */
static void apply_tag(struct loader *l, struct mill_node *node, const char *tag)
{
	if (!tag || !*tag)
		return;
	bool scalar = node->type < MILL_NODE_SEQ;
	int type = mill_streq(tag, "!") ? (scalar ? (int)MILL_NODE_STRING : (int)node->type)
					: core_type(tag);
	if (type < 0) {
		bool core = mill_starts_with(tag, CORE);
		mill_diag_hint(mill_diag_error(l->diags, node->mark, "unknown tag '%s%.60s'",
					       core ? "!!" : "", core ? tag + strlen(CORE) : tag),
			       "quote a text that begins with '!'");
		return;
	}
	if (scalar && type < MILL_NODE_STRING)
		mill_scalar_resolve(node);
	if (scalar && type == MILL_NODE_STRING)
		node->type = MILL_NODE_STRING;
	if (type == MILL_NODE_FLOAT && node->type == MILL_NODE_INT) {
		node->type = MILL_NODE_FLOAT;
		node->number = (double)node->integer;
	}
	if ((int)node->type != type)
		mill_diag_error(l->diags, node->mark, "the tag asks for %s, this is %s",
				mill_node_type_name((enum mill_node_type)type),
				mill_node_type_name(node->type));
}

/* ---- events ---- */

static int on_scalar(struct loader *l, const yaml_event_t *e)
{
	struct mill_node *node = MILL_ARENA_NEW(&l->doc->arena, struct mill_node);
	const char *value = (const char *)e->data.scalar.value;
	yaml_scalar_style_t style = e->data.scalar.style;
	node->mark = mark_of(l, e);
	int r = count_nodes(l, 1, node->mark);
	if (r < 0)
		return r;
	node->text = mill_arena_strndup(&l->doc->arena, value, e->data.scalar.length);
	node->n = strlen(node->text);
	node->style = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE
			      ? MILL_STYLE_BLOCK
		      : style == YAML_PLAIN_SCALAR_STYLE ? MILL_STYLE_PLAIN
							 : MILL_STYLE_QUOTED;
	if (node->n != e->data.scalar.length)
		mill_diag_error(l->diags, node->mark, "a text may not contain NUL");
	if (node->style == MILL_STYLE_PLAIN)
		mill_scalar_resolve(node);
	else
		node->type = MILL_NODE_STRING;
	apply_tag(l, node, (const char *)e->data.scalar.tag);
	r = add_anchor(l, (const char *)e->data.scalar.anchor, node, 1, true, NULL);
	if (at_key(l))
		scalar_key(l, node);
	else
		set_value(l, node);
	return r;
}

static int on_start(struct loader *l, const yaml_event_t *e, enum mill_node_type type)
{
	bool map = type == MILL_NODE_MAP;
	const yaml_char_t *tag = map ? e->data.mapping_start.tag : e->data.sequence_start.tag;
	const yaml_char_t *anchor =
		map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	bool flow = map ? e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
			: e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	struct mill_node *node = MILL_ARENA_NEW(&l->doc->arena, struct mill_node);
	node->type = type;
	node->style = flow ? MILL_STYLE_FLOW : MILL_STYLE_PLAIN;
	node->mark = mark_of(l, e);
	if (!node->mark.length)
		node->mark.length = 1;
	if (l->depth >= MILL_YAML_DEPTH_MAX)
		return over_limit(l, node->mark, "nested too deeply", MILL_YAML_DEPTH_MAX);
	size_t before = l->count;
	int r = count_nodes(l, 1, node->mark);
	if (r < 0)
		return r;
	bool is_key = at_key(l);
	if (is_key)
		mill_diag_error(l->diags, node->mark, "a key must be a text, not %s",
				mill_node_type_name(type));
	apply_tag(l, node, (const char *)tag);
	struct frame *f = &l->frames[l->depth];
	*f = (struct frame){.node = node, .is_key = is_key, .count_before = before};
	l->depth++;
	return add_anchor(l, (const char *)anchor, node, 0, false, &f->anchor);
}

static void release_frame(struct frame *f)
{
	free(f->items);
	free(f->pairs);
	mill_map_release(&f->lines);
}

static void *to_arena(struct loader *l, const void *items, size_t n, size_t size)
{
	if (!n)
		return NULL;
	void *copy = mill_arena_calloc(&l->doc->arena, n, size);
	memcpy(copy, items, n * size);
	return copy;
}

static void on_end(struct loader *l, const yaml_event_t *e)
{
	struct frame *f = top(l);
	struct mill_node *node = f->node;
	struct mill_mark end = mark_of(l, e);
	node->n = f->n;
	if (node->type == MILL_NODE_MAP)
		node->pairs = to_arena(l, f->pairs, f->n, sizeof(*f->pairs));
	else
		node->items = to_arena(l, f->items, f->n, sizeof(*f->items));
	if (node->style == MILL_STYLE_FLOW && end.line == node->mark.line)
		node->mark.length = end.column + end.length - node->mark.column;
	if (f->anchor) {
		f->anchor->count = l->count - f->count_before;
		f->anchor->height = f->height + 1;
		f->anchor->done = true;
	}
	bool is_key = f->is_key;
	unsigned height = f->height + 1;
	release_frame(f);
	l->depth--;
	note_height(l, height);
	if (is_key)
		set_key(l, NULL, node->mark);
	else
		set_value(l, node);
}

/* 0: go on; 1: the end; negative: give up. */
static int on_event(struct loader *l, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_DOCUMENT_START_EVENT:
		if (l->n_documents++ == 0)
			return 0;
		mill_diag_hint(mill_diag_error(l->diags, mark_of(l, e), "a second document"),
			       "one file holds one document");
		return -EINVAL;
	case YAML_SCALAR_EVENT:
		return on_scalar(l, e);
	case YAML_ALIAS_EVENT:
		return on_alias(l, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(l, e, MILL_NODE_SEQ);
	case YAML_MAPPING_START_EVENT:
		return on_start(l, e, MILL_NODE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(l, e);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int read_events(struct loader *l)
{
	int r = 0;
	while (r == 0) {
		yaml_event_t e;
		if (!yaml_parser_parse(&l->parser, &e)) {
			mill_yaml_syntax_error(&l->parser, l->doc->source, l->diags);
			return -EINVAL;
		}
		r = on_event(l, &e);
		yaml_event_delete(&e);
	}
	return r < 0 ? r : 0;
}

static int load(struct mill_document *doc, struct mill_diags *diags)
{
	int r = mill_yaml_check_text(doc->source, diags);
	if (r < 0)
		return r;
	struct loader *l = mill_xcalloc(1, sizeof(*l));
	l->doc = doc;
	l->diags = diags;
	if (!yaml_parser_initialize(&l->parser))
		BUG("libyaml does not start");
	yaml_parser_set_input_string(&l->parser, (const unsigned char *)doc->source->text,
				     doc->source->len);
	yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
	r = read_events(l);
	yaml_parser_delete(&l->parser);
	while (l->depth)
		release_frame(&l->frames[--l->depth]);
	mill_map_release(&l->anchors);
	free(l);
	/* `---` alone, and nothing but comments behind it. */
	struct mill_node *root = doc->root;
	if (root && root->type == MILL_NODE_NULL && !root->n)
		doc->root = NULL;
	return r;
}

static int parse_source(struct mill_source *source, struct mill_diags *diags,
			struct mill_document **ret_doc)
{
	struct mill_document *doc = mill_xcalloc(1, sizeof(*doc));
	doc->source = mill_source_ref(source);
	mill_diags_add_source(diags, source);
	int r = load(doc, diags);
	if (r < 0)
		mill_document_free(doc);
	else
		*ret_doc = doc;
	return r;
}

static int too_large(const char *shown, struct mill_diags *diags)
{
	_cleanup_source_ struct mill_source *source = mill_source_new(shown, NULL, 0);
	mill_diag_error(diags, mill_source_whole(source), "larger than 1 MiB");
	return -EFBIG;
}

int mill_document_parse(const char *shown, const char *text, size_t len, struct mill_diags *diags,
			struct mill_document **ret_doc)
{
	if (len > MILL_YAML_BYTES_MAX)
		return too_large(shown, diags);
	/* A byte order mark is no part of the text. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	_cleanup_source_ struct mill_source *source = mill_source_new(shown, text, len);
	return parse_source(source, diags, ret_doc);
}

int mill_document_load(const char *path, const char *shown, struct mill_diags *diags,
		       struct mill_document **ret_doc)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct mill_error err = {0};
	size_t len;
	int r = mill_read_file(path, MILL_YAML_BYTES_MAX, &text, &len, &err);
	if (!shown)
		shown = path;
	if (r == -EFBIG)
		return too_large(shown, diags);
	if (r < 0) {
		_cleanup_source_ struct mill_source *source = mill_source_new(shown, NULL, 0);
		mill_diag_error(diags, mill_source_whole(source), "%s", strerror(-r));
		return r;
	}
	return mill_document_parse(shown, text, len, diags, ret_doc);
}

struct mill_document *mill_document_free(struct mill_document *doc)
{
	if (!doc)
		return NULL;
	mill_arena_release(&doc->arena);
	mill_source_unref(doc->source);
	free(doc);
	return NULL;
}
