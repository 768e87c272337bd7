/* The table of `status`, and the shorter one that ends `up`. */
#ifndef MILL_CMD_STATUS_TABLE_H
#define MILL_CMD_STATUS_TABLE_H

#include <jansson.h>

#include "cmd/ui.h"

/* status: what mill_ops_status() gave.  To standard output. */
void mill_status_show(const json_t *status, const struct mill_ui *ui, bool memory);
/* Component, state, where to open it, how to get at its credentials. */
void mill_status_show_short(const json_t *status, const struct mill_ui *ui);

#endif
