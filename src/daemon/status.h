/* Reading run/status.json, which a shim writes (docs/internals/state.md). */
#ifndef MILL_DAEMON_STATUS_H
#define MILL_DAEMON_STATUS_H

#include "base/base.h"

enum mill_status_state { MILL_STATUS_STARTING, MILL_STATUS_RUNNING, MILL_STATUS_EXITED, MILL_STATUS_FAILED };

struct mill_status {
	enum mill_status_state state;
	bool this_boot; /* its pids mean something */
	pid_t shim_pid, main_pid;
	uint64_t shim_start, main_start;
	char *fingerprint, *error; /* owned; error may be NULL */
	uint64_t started_ms, ended_ms;
	int exit_code, signal; /* signal 0: none */
	bool notified;
	unsigned leftover;
	uint64_t lost_lines;
};

/* -ENOENT: never started. -EINVAL: not a status file, or one of another version. -EPERM: the service's user wrote it. */
int mill_status_read(const char *service_dir, struct mill_status *ret, struct mill_error *err);
void mill_status_release(struct mill_status *s);

#endif
