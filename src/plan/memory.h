/* How much memory there is for us: the machine's, or less where a cgroup says so. */
#ifndef MILL_PLAN_MEMORY_H
#define MILL_PLAN_MEMORY_H

#include "base/base.h"

struct mill_memory {
	uint64_t total;     /* bytes: MemTotal, or the lowest limit of our cgroup and those above it (v1 and v2) */
	uint64_t available; /* bytes: MemAvailable, or what the cgroup leaves */
};
/* `root` stands before /proc and /sys: "" but in tests.  Zeroes where nothing can be read. */
void mill_memory_read(const char *root, struct mill_memory *ret);

#endif
