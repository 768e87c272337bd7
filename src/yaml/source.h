/*
 * A text file as the user knows it, and places in it.
 *
 * A source is counted: every document and every collector of diagnostics that
 * mentions it holds a reference, so that an error can be shown with its line
 * long after the tree was thrown away.  Marks borrow their source.
 */
#ifndef MILL_YAML_SOURCE_H
#define MILL_YAML_SOURCE_H

#include "base/base.h"

struct mill_source {
	char *path; /* as shown to the user */
	char *text; /* all of it, NUL-terminated; NULL: only a name (no such file, command line) */
	size_t len;
	size_t *lines; /* offset of the first byte of each line */
	size_t n_lines;
	unsigned refs;
};

/*
 * 1-based.  Columns and lengths count characters (code points), as editors do.
 * line 0: the file as a whole.  The mark never reaches past its line's end.
 */
struct mill_mark {
	struct mill_source *source; /* borrowed; NULL: no place at all */
	unsigned line, column, length;
};
#define MILL_MARK_NONE ((struct mill_mark){0})

/* Copies what it is given; text may be NULL. */
struct mill_source *mill_source_new(const char *path, const char *text, size_t len);
struct mill_source *mill_source_ref(struct mill_source *s);
struct mill_source *mill_source_unref(struct mill_source *s); /* returns NULL */
/* The line without its end; NULL when there is no such line. */
const char *mill_source_line(const struct mill_source *s, unsigned line, size_t *ret_len);
/* The place of a byte. */
struct mill_mark mill_source_mark(struct mill_source *s, size_t offset, unsigned length);
static inline struct mill_mark mill_source_whole(struct mill_source *s)
{
	return (struct mill_mark){.source = s};
}
static inline void mill_cleanup_source(struct mill_source **s)
{
	mill_source_unref(*s);
}
#define _cleanup_source_ __attribute__((cleanup(mill_cleanup_source)))

#endif
