/* Hooks, what they read and what all of them share (components/_hooks) are copied to components/<name>/hooks before they run. */
#ifndef MILL_NATIVE_STAGE_H
#define MILL_NATIVE_STAGE_H

#include "runtime/native/context.h"

/* Copies when a name, size or time differs from what was copied last.  source "": nothing to stage. */
int mill_stage_hooks(struct mill_native *n, const char *component, const char *source, struct mill_error *err);

#endif
