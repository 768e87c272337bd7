/*
 * Reading checked nodes into the model's structs.  The schema has already
 * reported what is of the wrong type, so each of these quietly gives its
 * fallback for a node that is absent or wrong, and reports only what no table
 * knows: a template that does not parse.
 */
#ifndef MILL_MODEL_READ_H
#define MILL_MODEL_READ_H

#include "model/model.h"

/* Sources of template files: marks borrow them, so they live as long as the model. */
struct mill_sources {
	struct mill_source **items;
	size_t n, cap;
};
void mill_sources_release(struct mill_sources *s);

struct mill_reader {
	struct mill_arena *arena;
	struct mill_diags *diags; /* NULL: report nothing */
	struct mill_sources *sources;
	const char *shared_hooks; /* folder of files that every hook has beside it; NULL: none */
	bool strict; /* also what costs time and only matters to who writes a manifest */
};
/* Takes the reference. */
void mill_reader_keep(struct mill_reader *r, struct mill_source *source);

static inline bool mill_node_is_scalar(const struct mill_node *n)
{
	return n && n->text;
}

/* All accept map == NULL and a map that is none. */
const char *mill_read_text(const struct mill_node *map, const char *key, const char *fallback);
bool mill_read_bool(const struct mill_node *map, const char *key, bool fallback);
int64_t mill_read_int(const struct mill_node *map, const char *key, int64_t fallback);
uint64_t mill_read_size(const struct mill_node *map, const char *key, uint64_t fallback);
uint64_t mill_read_duration(const struct mill_node *map, const char *key, uint64_t fallback);
double mill_read_fraction(const struct mill_node *map, const char *key, double fallback);
/* The child when it is of that kind, NULL otherwise. */
const struct mill_node *mill_read_map(const struct mill_node *map, const char *key);
const struct mill_node *mill_read_list(const struct mill_node *map, const char *key);
const struct mill_node *mill_read_scalar(const struct mill_node *map, const char *key);
/* The texts of a list's scalars. */
void mill_read_texts(struct mill_reader *r, const struct mill_node *map, const char *key,
		     const char ***ret, size_t *ret_n);

/* A missing key gives an empty template, with `fallback` a literal one. */
struct mill_template mill_read_template(struct mill_reader *r, const struct mill_node *map,
					const char *key, const char *fallback);
void mill_read_templates(struct mill_reader *r, const struct mill_node *list,
			 struct mill_template **ret, size_t *ret_n);
/* Text or {value, when}. */
void mill_read_conditional(struct mill_reader *r, const struct mill_node *node,
			   struct mill_template *ret, struct mill_when *ret_when);
/* `when:` of a map; always when absent. */
struct mill_when mill_read_when(struct mill_reader *r, const struct mill_node *map);
/* {KEY: text or {value, when}} */
void mill_read_entries(struct mill_reader *r, const struct mill_node *map, struct mill_entry **ret,
		       size_t *ret_n);

#endif
