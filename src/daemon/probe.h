/*
 * One attempt of one probe, asynchronous on the event loop: http (evhttp),
 * tcp, exec (through the shim binary, so that secrets stay out of the daemon),
 * log (a pattern in the lines written since the start).  The callback comes
 * exactly once, never from inside _start, never after _cancel.
 */
#ifndef MILL_DAEMON_PROBE_H
#define MILL_DAEMON_PROBE_H

#include <event2/event.h>

#include "spec/spec.h"

struct mill_probe_target {
	struct event_base *base;
	const char *dir;        /* service folder */
	const char *shim;       /* path of data-mill-shim */
	const char *name;       /* startup, readiness, liveness: exec probes are found by it */
	pid_t shim_pid;         /* of the service: whose port it must be */
	uint64_t started_ms;    /* wall clock: older log lines do not count */
	bool notified;          /* READY=1 has come */
};

struct mill_probe_try;
/* text says why it failed; valid during the call. */
typedef void mill_probe_done(void *arg, bool ok, const char *text);

struct mill_probe_try *mill_probe_try_start(const struct mill_probe_target *t, const struct mill_spec_probe *p,
					    mill_probe_done *done, void *arg);
void mill_probe_try_cancel(struct mill_probe_try *t); /* NULL is fine */

/* The log probe by itself: true when a line since `since_ms` in log/current or log/1 matches. -EINVAL: bad pattern. */
int mill_probe_log_matches(const char *dir, const char *pattern, uint64_t since_ms, bool *ret, struct mill_error *err);

#endif
