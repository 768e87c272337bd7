/* Resolution of scalars by the YAML 1.2 core schema (YAML 1.2.2, section 10.3.2). */
#ifndef MILL_YAML_SCALAR_H
#define MILL_YAML_SCALAR_H

#include "yaml/node.h"

/* Sets type and value from node->text, as for a plain scalar. */
void mill_scalar_resolve(struct mill_node *node);

#endif
