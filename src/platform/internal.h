/* What the files of platform/ share among themselves. */
#ifndef MILL_PLATFORM_INTERNAL_H
#define MILL_PLATFORM_INTERNAL_H

#include "platform/platform.h"

bool mill_platform_name_ok(const char *s);
/* Refuses to save numbers that another platform recorded since they were assigned. */
int mill_ports_recheck(struct mill_platform *p, struct mill_error *err);

#endif
