/* Versions of the machine's tools, asked once and remembered (see toolchain.h). */
#ifndef MILL_NATIVE_TOOLS_H
#define MILL_NATIVE_TOOLS_H

#include "runtime/native/store.h"

/* The version of the program at this real path, "1.26.8"; owned, NULL when it does not say. */
char *mill_tool_version(const struct mill_store *s, const char *tool, const char *path);
/* The first version in what a program says of itself, "1.26.8" of "go version go1.26.8 linux/amd64"; owned or NULL. */
char *mill_version_in(const char *text);

#endif
