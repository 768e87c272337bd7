/*
 * Makes the lock files of a recipe anew, with the package clients as they are
 * set up here: name, version and hash of everything, no registry's address.
 * The same manifest, registry state and machine give the same bytes.
 *
 * New files are written beside the old ones and replace them only when all
 * steps worked, so that a failed relock leaves the locks as they were.
 */
#ifndef MILL_NATIVE_RELOCK_H
#define MILL_NATIVE_RELOCK_H

#include "runtime/native/install.h"

/*
 * With `measure` the result is installed into an empty store with empty caches
 * beside the real ones, and locks/meta.json gets what that took.
 */
int mill_relock(struct mill_store *s, const struct mill_recipe *r, const struct mill_install_options *o,
		bool measure, struct mill_error *err);

#endif
