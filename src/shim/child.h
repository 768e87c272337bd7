/*
 * The forked child's way from spec.json to exec: environment with secrets,
 * limits, ids, Landlock, exec.  Here the heap and JSON are allowed: exec throws
 * them away.  Also used for exec probes ("data-mill-shim probe KIND DIR"), so
 * that no secret ever enters the daemon.
 */
#ifndef MILL_SHIM_CHILD_H
#define MILL_SHIM_CHILD_H

#include "base/base.h"

struct mill_child {
	const char *dir;    /* the service folder */
	const char *probe;  /* NULL: the service; else startup, readiness or liveness */
	const char *notify; /* path for NOTIFY_SOCKET, or NULL */
	pid_t parent;       /* who must be alive: its death is our KILL */
	int keep_fd;        /* inherited in spite of CLOEXEC (run/lock), or -1 */
	int out_fd, err_fd; /* become standard output and error; -1: /dev/null */
};

/* Does not return when it succeeds. Failing: *ret_retry tells that another try may work. */
int mill_child_exec(const struct mill_child *c, bool *ret_retry, struct mill_error *err);

#endif
