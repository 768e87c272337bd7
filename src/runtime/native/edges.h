/* Start order from the recorded edges of desired.json. */
#ifndef MILL_NATIVE_EDGES_H
#define MILL_NATIVE_EDGES_H

#include "runtime/native/context.h"

/* Every service that desired.json or a record names, in start order. */
int mill_edges_all(struct mill_native *n, struct mill_strv *ret_ids, struct mill_error *err);
/* What comes after any of `ids`, directly or not, without them; in start order. */
void mill_edges_dependents(struct mill_native *n, const struct mill_strv *ids, struct mill_strv *ret_ids);
/* What one of `ids` comes after, directly or not, and `ids` themselves; in start order. */
void mill_edges_with_providers(struct mill_native *n, const struct mill_strv *ids, struct mill_strv *ret_ids);
/* "component" of "component.service"; owned. */
char *mill_edges_component(const char *id);

#endif
