/*
 * What shim and daemon both ask of /proc, without stdio and without the heap
 * (a shim's private memory is counted in kilobytes), and text built in a
 * fixed buffer.
 */
#ifndef MILL_SHIM_SYS_H
#define MILL_SHIM_SYS_H

#include "base/base.h"

/* ---- processes ---- */
struct mill_sys_stat {
	char state; /* R S D Z ... */
	pid_t ppid, session;
	uint64_t start; /* clock ticks since boot: with pid and boot id, the identity */
};
/* /proc/PID/stat.  0, or -ESRCH. */
int mill_sys_stat(pid_t pid, struct mill_sys_stat *ret);
/*
 * A pidfd (CLOEXEC) of the process that has this pid and start time and is
 * alive (no zombie): anything else is -ESRCH, so that a reused pid is never taken.
 */
int mill_sys_pidfd(pid_t pid, uint64_t start);
int mill_sys_pidfd_kill(int pidfd, int sig);
/*
 * True when a KILL is on its way to the process or it is taking itself down:
 * its pidfd tells only once all of its memory is gone, milliseconds later.
 */
bool mill_sys_is_dying(pid_t pid);
/* True once the process behind the pidfd has ended. */
bool mill_sys_pidfd_ended(int pidfd);
/* Calls fn for every numeric name in `path` ("/proc", "/proc/7/fd") until it returns non-zero. */
int mill_sys_each_number(const char *path, int (*fn)(uint64_t number, void *arg), void *arg);
/* True when pid descends from `ancestor` (its parent chain; not itself). */
bool mill_sys_is_descendant(pid_t pid, pid_t ancestor);
/* The boot id without newline: 36 characters and NUL. */
#define MILL_BOOT_ID_LEN 37
void mill_sys_boot_id(char buf[MILL_BOOT_ID_LEN]);

/* ---- text in a fixed buffer; what does not fit is cut ---- */
struct mill_text {
	char *data;
	size_t len, cap; /* data[len] is always NUL */
};
#define MILL_TEXT(buffer) {.data = (buffer), .cap = sizeof(buffer)}
void mill_text_addn(struct mill_text *t, const char *s, size_t n);
void mill_text_add(struct mill_text *t, const char *s);
void mill_text_num(struct mill_text *t, uint64_t v);
/* As a JSON string with its quotes; anything outside printable ASCII becomes '?'. */
void mill_text_json(struct mill_text *t, const char *s);
/* "2026-11-24T04:05:06.789Z" of wall-clock milliseconds, without locale or time zone data. */
void mill_text_time(struct mill_text *t, uint64_t wall_ms);

#endif
