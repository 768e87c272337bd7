/* The JSON that a hook reads. */
#ifndef MILL_NATIVE_HOOK_INPUT_H
#define MILL_NATIVE_HOOK_INPUT_H

#include "runtime/native/hooks.h"

/* Holds secrets in clear: explicit_bzero() it.  request is resolved already, or NULL. */
int mill_hook_input(struct mill_native *n, const struct mill_hook_call *c, const json_t *request,
		    struct mill_strbuf *out, struct mill_error *err);

#endif
