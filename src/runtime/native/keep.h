/*
 * What an environment was made of, kept beside the store: `<state>/environments/<name>/<key>` has its manifest, its
 * locks and the recipe with all that it extends.  From there NAME@HASH is built again after its lock has changed, and
 * `store gc` leaves what is named there alone.
 */
#ifndef MILL_NATIVE_KEEP_H
#define MILL_NATIVE_KEEP_H

#include "runtime/native/recipe.h"

/* Does nothing for a recipe that is no environment's, or when it is kept already. */
int mill_keep_environment(const struct mill_store *s, const struct mill_recipe *r, const char *key, struct mill_error *err);

#endif
