/* Subcommands of `charts` that live in files of their own. */
#ifndef MILL_CMD_CHARTS_H
#define MILL_CMD_CHARTS_H

#include "cmd/context.h"

/*
 * `component relock`: fetches the pinned package of each of the component's charts anew and writes its digest into the manifest.
 * One that differs from what the manifest says is refused: the same version was published twice.
 */
int mill_charts_relock(struct mill_context *ctx, const struct mill_component *c, struct mill_error *err);

extern const struct mill_command mill_cmd_charts_lint, mill_cmd_charts_package, mill_cmd_charts_index, mill_cmd_charts_serve,
	mill_cmd_charts_pull;

#endif
