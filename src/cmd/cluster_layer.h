/* Subcommands of `cluster` that live in a file of their own. */
#ifndef MILL_CMD_CLUSTER_LAYER_H
#define MILL_CMD_CLUSTER_LAYER_H

#include "cmd/context.h"

/* `render --layer cluster`: what `cluster install` would apply for this command line. */
int mill_cluster_layer_render(struct mill_invocation *inv, struct mill_strbuf *out, struct mill_error *err);
/* Preflight of `up`: the operators and CRDs that the flavour's charts need are there, whoever installed them. */
int mill_cluster_layer_check(struct mill_context *ctx, struct mill_error *err);

extern const struct mill_command mill_cmd_cluster_install, mill_cmd_cluster_uninstall;

#endif
