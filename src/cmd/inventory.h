/* What a deletion would take, shown before it is asked for. */
#ifndef MILL_CMD_INVENTORY_H
#define MILL_CMD_INVENTORY_H

#include "cmd/context.h"

/* component NULL: the platform.  Prints to standard error, even with --quiet when data is deleted. */
int mill_inventory_show(struct mill_context *ctx, const char *component, bool data,
			struct mill_error *err);

#endif
