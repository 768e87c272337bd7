/* Tables of `kubernetes:` in a manifest, in a component's block and below `project`. */
#ifndef MILL_MODEL_SCHEMA_KUBERNETES_H
#define MILL_MODEL_SCHEMA_KUBERNETES_H

#include "model/schema.h"

extern const struct mill_schema mill_schema_kubernetes, mill_schema_pods_block, mill_schema_pods_project;

#endif
