/* How npm is called with a Node tool chain; shared by install and relock. */
#ifndef MILL_NATIVE_NPM_H
#define MILL_NATIVE_NPM_H

#include "base/strbuf.h"
#include "runtime/native/toolchain.h"

void mill_npm_command(const struct mill_toolchain *node, struct mill_strv *argv);

#endif
