/* What the subcommands of `component` share. */
#ifndef MILL_CMD_COMPONENT_H
#define MILL_CMD_COMPONENT_H

#include "cmd/context.h"

/* Every manifest of the project and of the shipped folder, no flavour.  Errors in them are held in
 * ctx->diags: a list shows what loads. */
int mill_component_load_all(struct mill_context *ctx, struct mill_error *err);
/* The known component, or a usage error with a suggestion. */
struct mill_component *mill_component_named(struct mill_context *ctx, const char *name,
					    struct mill_error *err);
/* components/<name> in the project or among the shipped ones, or a folder's path; owned, NULL with err. */
char *mill_component_folder(const struct mill_context *ctx, const char *name, struct mill_error *err);

/* Writes its locks anew; what it says goes to standard error. */
int mill_component_relock(struct mill_context *ctx, const struct mill_component *c, bool measure, struct mill_error *err);

extern const struct mill_command mill_cmd_component_new, mill_cmd_component_validate,
	mill_cmd_component_relock, mill_cmd_component_schema;

#endif
