/* Subcommands of `charts` that live in files of their own. */
#ifndef MILL_CMD_CHARTS_H
#define MILL_CMD_CHARTS_H

#include "cmd/cmd.h"

extern const struct mill_command mill_cmd_charts_lint, mill_cmd_charts_package, mill_cmd_charts_index, mill_cmd_charts_serve,
	mill_cmd_charts_pull;

#endif
