/* The processes of a platform's services: what they use, and which are left over. */
#ifndef MILL_NATIVE_PROCESSES_H
#define MILL_NATIVE_PROCESSES_H

#include "base/strbuf.h"

/* One look at /proc: pid -> parent. */
struct mill_processes {
	struct mill_process {
		pid_t pid, parent;
	} *items;
	size_t n, cap;
};
void mill_processes_read(struct mill_processes *ret);
void mill_processes_release(struct mill_processes *p);
struct mill_use {
	uint64_t rss, pss; /* bytes; pss is 0 where the kernel does not tell */
	uint64_t cpu_ms;   /* user and system, of children that have ended too */
};
/* Sums over the descendants of `ancestor`, it excluded. */
void mill_processes_use(const struct mill_processes *p, pid_t ancestor, struct mill_use *ret);

/*
 * Processes that carry DATA_MILL_SERVICE=<platform_dir>/... in the environment they were started with; each as
 * "pid 12 (minio) of minio.server".  With kill, they are ended by KILL first and only what resists is listed.
 */
void mill_processes_leftover(const char *platform_dir, bool kill, struct mill_strv *ret);

#endif
