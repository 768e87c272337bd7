/*
 * Diagnostics: all problems of all files, collected and shown in one go.
 *
 *	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
 *	mill_diag_error(&diags, pair->key_mark, "unknown key '%s'", pair->key);
 *	mill_diag_hint(mill_diag_error(&diags, mark, "..."), "run data-mill ...");
 *	if (mill_diags_fail(&diags, err) < 0) -> print mill_diags_render(), exit 2
 *
 * Rendered (and sorted by file in order of first mention, line, column):
 *
 *	flavours/x.yaml:3:5: error: unknown component 'minoi'
 *	  - minoi
 *	    ^~~~~
 *	hint: did you mean 'minio'?
 *
 * The same message at the same place counts once.  Past MILL_DIAGS_MAX entries
 * only the numbers go up, and the end says "and N more".
 */
#ifndef MILL_YAML_DIAG_H
#define MILL_YAML_DIAG_H

#include "base/json.h"
#include "base/strbuf.h"
#include "yaml/source.h"

#define MILL_DIAGS_MAX 200

enum mill_severity { MILL_SEVERITY_ERROR, MILL_SEVERITY_WARNING };

struct mill_diag {
	enum mill_severity severity;
	struct mill_mark mark;
	unsigned file;  /* rank of its source */
	unsigned order; /* of arrival; last word in sorting */
	char *message;
	char *hint; /* or NULL; one or more lines */
};

struct mill_diags {
	struct mill_diag **entries; /* in order of arrival; stable pointers */
	size_t n, cap;
	struct mill_source **sources; /* referenced, in order of first mention */
	size_t n_sources, cap_sources;
	size_t n_errors, n_warnings; /* all, also those past the ceiling */
};
#define MILL_DIAGS_INIT {0}

/*
 * Add an entry.  The entry comes back, for mill_diag_hint() and
 * mill_diag_suggest(); it is NULL past the ceiling, which these two accept.
 */
struct mill_diag *mill_diag_error(struct mill_diags *d, struct mill_mark mark, const char *fmt, ...)
	MILL_PRINTF(3, 4);
struct mill_diag *mill_diag_warning(struct mill_diags *d, struct mill_mark mark, const char *fmt,
				    ...) MILL_PRINTF(3, 4);
/* Sets the hint, or adds a line to it. */
void mill_diag_hint(struct mill_diag *entry, const char *fmt, ...) MILL_PRINTF(2, 3);
/* Hint "did you mean 'X'?" when one of names is near to word; true when so. */
bool mill_diag_suggest(struct mill_diag *entry, const char *word, const char *const *names,
		       size_t n);

/* Fixes the place of a file in the order; the loader does it for what it loads. */
void mill_diags_add_source(struct mill_diags *d, struct mill_source *source);

/* 0 when there is no error; else fills err ("3 errors in flavours/x.yaml", usage). */
int mill_diags_fail(const struct mill_diags *d, struct mill_error *err);
/* All entries as text for a terminal.  colour: ANSI sequences. */
void mill_diags_render(const struct mill_diags *d, struct mill_strbuf *out, bool colour);
/* An array of {severity, file, line, column, length, message, hint}; line.. absent where there are none. */
void mill_diags_write_json(const struct mill_diags *d, struct mill_json_writer *w);
void mill_diags_release(struct mill_diags *d);
#define _cleanup_diags_ __attribute__((cleanup(mill_diags_release)))

#endif
