/* --since: a moment, given as a duration before now or in RFC 3339. */
#ifndef MILL_CMD_SINCE_H
#define MILL_CMD_SINCE_H

#include "base/base.h"

/* NULL: 0, the beginning.  Milliseconds since the epoch. */
int mill_parse_since(const char *text, uint64_t *ret_wall_ms, struct mill_error *err);

#endif
