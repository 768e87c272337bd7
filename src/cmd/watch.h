/* Prints state changes while an operation of runtime/native/ops.h runs; Ctrl-C cancels it. */
#ifndef MILL_CMD_WATCH_H
#define MILL_CMD_WATCH_H

#include "cmd/ui.h"
#include "runtime/native/ops.h"

struct mill_watch {
	struct mill_ops_watch ops;
	const struct mill_ui *ui;
};
/* w must stay where it is while the operation runs. */
int mill_watch_init(struct mill_watch *w, const struct mill_ui *ui, struct mill_error *err);

#endif
