/*
 * Filters for a target's syntax (`${secret.password | json}`): how text must
 * be written inside a file of that syntax so that it stays one value.  The
 * same function serves the renderer and the resolution of secrets.
 *
 *   json        the inside of a JSON string (the template writes the quotes)
 *   yaml        a whole double-quoted YAML scalar, with its quotes
 *   ini         as it is; line breaks and blanks at either end are an error (INI cannot carry them)
 *   properties  Java properties value: ISO-8859-1 with \u escapes
 *   url         percent-encoded, RFC 3986 unreserved characters stay
 *   base64      RFC 4648 with padding
 *   shell       a POSIX single-quoted word (for env files; nothing of ours is given to a shell)
 *   none        as it is
 */
#ifndef MILL_SPEC_FILTER_H
#define MILL_SPEC_FILTER_H

#include "base/strbuf.h"

/* Appends the filtered text.  NULL or "" means none.  -EINVAL: no such filter, or text that it cannot express. */
int mill_filter_apply(const char *filter, const char *text, struct mill_strbuf *out, struct mill_error *err);
bool mill_filter_exists(const char *filter);
/* NULL-terminated names, for "did you mean". */
const char *const *mill_filter_names(void);

#endif
