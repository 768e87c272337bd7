/* Subcommands of `cluster` that live in a file of their own. */
#ifndef MILL_CMD_CLUSTER_LAYER_H
#define MILL_CMD_CLUSTER_LAYER_H

#include "cmd/cmd.h"

extern const struct mill_command mill_cmd_cluster_install, mill_cmd_cluster_uninstall;

#endif
