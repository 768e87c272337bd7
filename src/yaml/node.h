/*
 * YAML documents as trees with places.  libyaml reads the events; resolution,
 * limits and the tree are ours.
 *
 * Scalars: plain ones are resolved by the YAML 1.2 core schema (yes, no, on,
 * 1.10.2 and 2026-11-24 are strings; 012 is the integer 12); quoted and block
 * ones are strings.  `text` always keeps what was written, so 1.10 read as a
 * version stays "1.10".
 *
 * Maps keep their order.  Keys are strings whatever they look like, unique,
 * each with a mark.
 *
 * Refused, with a place: more than 1 MiB, 32 levels, 100,000 nodes (aliases
 * counted as often as they are used) or 1,000 aliases; duplicate keys; merge keys; tags
 * outside the core schema; several documents; tabs as indentation; NUL bytes,
 * control characters and what is not UTF-8.
 *
 * Ownership: the document owns everything; nodes are read-only and live until
 * mill_document_free().  An aliased node is shared below its top.
 *
 *	_cleanup_document_ struct mill_document *doc = NULL;
 *	if (mill_document_load(path, shown, diags, &doc) < 0) ...
 *	MILL_MAP_EACH (pair, mill_node_get(doc->root, "services"))
 *		use(pair->key, pair->value);
 */
#ifndef MILL_YAML_NODE_H
#define MILL_YAML_NODE_H

#include <jansson.h>

#include "base/arena.h"
#include "yaml/diag.h"
#include "yaml/source.h"

enum mill_node_type {
	MILL_NODE_NULL,
	MILL_NODE_BOOL,
	MILL_NODE_INT, /* fits int64_t; a larger one is a FLOAT */
	MILL_NODE_FLOAT,
	MILL_NODE_STRING,
	MILL_NODE_SEQ,
	MILL_NODE_MAP,
};

enum mill_node_style { MILL_STYLE_PLAIN, MILL_STYLE_QUOTED, MILL_STYLE_BLOCK, MILL_STYLE_FLOW };

struct mill_node;
struct mill_pair {
	const char *key;
	struct mill_mark key_mark;
	struct mill_node *value; /* never NULL; `key:` alone has a NULL-type node */
};

struct mill_node {
	enum mill_node_type type;
	enum mill_node_style style;
	struct mill_mark mark; /* the value (of a scalar: with its quotes) */
	const char *text;      /* scalars: as written (unquoted, unescaped); else NULL */
	size_t n;	       /* items or pairs; of a scalar: strlen(text) */
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct mill_node **items;
		struct mill_pair *pairs;
	};
};

struct mill_document {
	struct mill_arena arena;
	struct mill_source *source;
	struct mill_node *root; /* NULL: the file holds nothing (or comments only) */
};

#define MILL_YAML_BYTES_MAX ((size_t)1 << 20)
#define MILL_YAML_DEPTH_MAX 32
#define MILL_YAML_NODES_MAX 100000
#define MILL_YAML_ALIASES_MAX 1000

/*
 * 0: *ret_doc is a tree; diags may have got errors all the same (duplicate
 * keys, merge keys, tags), with the tree good enough to go on looking for more.
 * Else diags has the reason: -ENOENT no such file, -EINVAL not YAML, -EFBIG..
 * `shown` is the name in messages; NULL: path.
 */
int mill_document_load(const char *path, const char *shown, struct mill_diags *diags,
		       struct mill_document **ret_doc);
int mill_document_parse(const char *shown, const char *text, size_t len, struct mill_diags *diags,
			struct mill_document **ret_doc);
struct mill_document *mill_document_free(struct mill_document *doc); /* returns NULL */
static inline void mill_cleanup_document(struct mill_document **doc)
{
	mill_document_free(*doc);
}
#define _cleanup_document_ __attribute__((cleanup(mill_cleanup_document)))

/* ---- looking; all accept node == NULL and any type ---- */
/* The value of a key, or NULL (absent, or not a map). */
struct mill_node *mill_node_get(const struct mill_node *map, const char *key);
struct mill_pair *mill_node_pair(const struct mill_node *map, const char *key);
/* What a scalar says, as written; NULL for null, sequences and maps. */
const char *mill_node_text(const struct mill_node *node);
bool mill_node_is_null(const struct mill_node *node); /* absent or null */
static inline bool mill_node_is(const struct mill_node *node, enum mill_node_type type)
{
	return node && node->type == type;
}
/* Follows keys from a map: mill_node_path(root, "project", "memory", NULL). */
struct mill_node *mill_node_path(const struct mill_node *map, ...) __attribute__((sentinel));
/* "a map", "an integer": for messages. */
const char *mill_node_type_name(enum mill_node_type type);
/*
 * The place of text[offset, offset + length) of a scalar: exact for what
 * stands on one line as it is, else the whole scalar.
 */
struct mill_mark mill_node_mark_within(const struct mill_node *node, size_t offset, size_t length);

/* Neither does anything when the node is NULL or of another type. */
#define MILL_MAP_EACH(pair, map)                                                                   \
	for (struct mill_pair *pair = mill_node_first_pair(map),                                   \
			      *mill_end_##pair = mill_node_end_pair(map);                          \
	     pair != mill_end_##pair; pair++)
/* item: struct mill_node * */
#define MILL_SEQ_EACH(item, seq)                                                                   \
	for (struct mill_node **mill_at_##item = mill_node_first_item(seq),                        \
			      **mill_end_##item = mill_node_end_item(seq), *item;                  \
	     mill_at_##item != mill_end_##item && (item = *mill_at_##item, true);                  \
	     mill_at_##item++)
struct mill_pair *mill_node_first_pair(const struct mill_node *map);
struct mill_pair *mill_node_end_pair(const struct mill_node *map);
struct mill_node **mill_node_first_item(const struct mill_node *seq);
struct mill_node **mill_node_end_item(const struct mill_node *seq);

/* A new reference.  Floats that JSON cannot say (.inf, .nan) become strings. */
json_t *mill_node_to_json(const struct mill_node *node);

/*
 * ---- typed reading ----
 * 0 and the value, or -EINVAL with an error at the node ("memory: expected a
 * size such as 300Mi, found a map").  `what` names it, usually the key.  The node
 * must not be NULL.  Strings are borrowed from the document.
 */
int mill_node_read_bool(const struct mill_node *node, struct mill_diags *d, const char *what,
			bool *ret);
int mill_node_read_int(const struct mill_node *node, struct mill_diags *d, const char *what,
		       int64_t min, int64_t max, int64_t *ret);
int mill_node_read_double(const struct mill_node *node, struct mill_diags *d, const char *what,
			  double min, double max, double *ret);
/* Any scalar but null, as written: `version: 1.10` is "1.10". */
int mill_node_read_text(const struct mill_node *node, struct mill_diags *d, const char *what,
			const char **ret);
int mill_node_read_size(const struct mill_node *node, struct mill_diags *d, const char *what,
			uint64_t *ret_bytes);
int mill_node_read_duration(const struct mill_node *node, struct mill_diags *d, const char *what,
			    uint64_t *ret_ns);
/* One of `names`; *ret_index says which.  Else an error with "did you mean". */
int mill_node_read_choice(const struct mill_node *node, struct mill_diags *d, const char *what,
			  const char *const *names, size_t n, size_t *ret_index);
/* True when the node has the type, else an error ("services: expected a map, found ..."). */
bool mill_node_expect(const struct mill_node *node, struct mill_diags *d, const char *what,
		      enum mill_node_type type);
/* An error with "did you mean" for each key of the map that is not in `names`. */
void mill_node_check_keys(const struct mill_node *map, struct mill_diags *d, const char *what,
			  const char *const *names, size_t n);

#endif
