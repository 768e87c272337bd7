/* What the files of the loader share; not for others. */
#ifndef MILL_YAML_LOADER_H
#define MILL_YAML_LOADER_H

#include <yaml.h>

#include "yaml/node.h"

/* Refuses bytes that are no text.  0 or -EINVAL with a diagnostic. */
int mill_yaml_check_text(struct mill_source *source, struct mill_diags *diags);
/* Says in our words what libyaml did not like. */
void mill_yaml_syntax_error(const yaml_parser_t *parser, struct mill_source *source,
			    struct mill_diags *diags);
/* libyaml's 0-based marks (in characters) as ours. */
struct mill_mark mill_yaml_mark(struct mill_source *source, yaml_mark_t start, yaml_mark_t end);

#endif
