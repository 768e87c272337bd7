/*
 * Templates: scalars and files with ${group.name | filter} in them, cut into
 * parts once (struct mill_template in model.h).  Here is only what they look
 * like; names.c decides what they may name.
 */
#ifndef MILL_MODEL_TEMPLATE_H
#define MILL_MODEL_TEMPLATE_H

#include "model/read.h"

/* Of a scalar.  Mistakes go to r->diags (NULL: nowhere) and the text is then taken literally. */
struct mill_template mill_template_parse(struct mill_reader *r, const struct mill_node *scalar);
/* Of a file's text.  `shown` is its name in messages. */
struct mill_template mill_template_parse_file(struct mill_reader *r, const char *shown,
					      const char *text);
/* ${group} + text, for what a manifest leaves unsaid ("${tools}" "/bin/python"). */
struct mill_template mill_template_make(struct mill_arena *arena, const char *group,
					const char *text, struct mill_mark mark);
/* A text without ${...}. */
struct mill_template mill_template_literal(struct mill_arena *arena, const char *text,
					   struct mill_mark mark);
/* Where text[at, at + len) of a literal part stands in its file, as well as can be told. */
struct mill_mark mill_template_mark_of(const struct mill_template *t, const char *text, size_t len);

#endif
