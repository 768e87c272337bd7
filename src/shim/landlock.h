/*
 * Landlock write confinement (landlock(7)): after it, the process and its
 * children may change files only beneath the given paths, the devices and
 * /proc; reading and running stay as they were.  Needs no_new_privs.
 */
#ifndef MILL_SHIM_LANDLOCK_H
#define MILL_SHIM_LANDLOCK_H

#include "base/base.h"

/* 0 done, 1 when the kernel does not offer it; a path that is absent is left out. */
int mill_landlock_confine_writes(const char *const *paths, size_t n, struct mill_error *err);

#endif
