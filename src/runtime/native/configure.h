/* CONFIGURE: a service's folders, files and spec.json; a tool's files. */
#ifndef MILL_NATIVE_CONFIGURE_H
#define MILL_NATIVE_CONFIGURE_H

#include "runtime/native/context.h"

/* Writes all that the spec says; spec.json last: what it names is there when a shim reads it. */
int mill_configure_service(struct mill_native *n, const json_t *spec, struct mill_error *err);
/* The files of a component without services, below components/<name>/config. */
int mill_configure_tool(struct mill_native *n, const char *component, struct mill_error *err);
/* applied.json: the reloadable files that the running process has seen. */
int mill_configure_applied(struct mill_native *n, const json_t *spec, struct mill_error *err);
/* data.json: who writes data/ from now on. */
int mill_configure_data(struct mill_native *n, const json_t *spec, struct mill_error *err);

#endif
