/*
 * The CLI's side of the control protocol (docs/internals/state.md): connect to
 * a platform's daemon, ask, read events; start a daemon when none answers.
 *
 * A connection belongs to one thread; threads open one each (the daemon takes
 * MILL_CLIENTS_MAX).  No call blocks past its timeout, and each gives up at
 * once when cancel_fd becomes readable (-ECANCELED).
 *
 *	struct mill_daemon_start how = {.daemon = d, .shim = s};
 *	struct mill_client *c;
 *	if (mill_daemon_ensure(dir, &how, cancel_fd, &c, err) < 0) return -err->code;
 *	const char *ids[] = {"minio.server"};
 *	json_t *answer;
 *	mill_client_services(c, "start", ids, 1, 30000, cancel_fd, &answer, err);
 *	mill_client_wait(c, ids, 1, "ready", 60000, cancel_fd, &answer, err);
 *	c = mill_client_close(c);
 */
#ifndef MILL_DAEMON_CLIENT_H
#define MILL_DAEMON_CLIENT_H

#include "base/json.h"

struct mill_client;

/* -ENOENT or -ECONNREFUSED: no daemon runs (a wanted outcome for `status`: err is filled, show it or not). */
int mill_client_connect(const char *platform_dir, struct mill_client **ret, struct mill_error *err);
struct mill_client *mill_client_close(struct mill_client *c); /* NULL is fine; returns NULL */

/*
 * Sends `request` (an object with "op"; v and id are added; the reference is
 * stolen) and waits for its answer.  *ret_answer is a new reference, or
 * nothing is stored.  An answer with "ok": false is an error: -EREMOTEIO, or
 * the errno that its "code" stands for (busy: -EBUSY, unknown: -ENOENT,
 * invalid: -EINVAL, timeout: -ETIMEDOUT), with the daemon's message.
 * ret_answer may be NULL.  timeout_ms -1: for ever.
 */
int mill_client_call(struct mill_client *c, json_t *request, int timeout_ms, int cancel_fd,
		     json_t **ret_answer, struct mill_error *err);
/* {"op": op, "services": ids}; n == 0 leaves services away (status: all). */
int mill_client_services(struct mill_client *c, const char *op, const char *const *ids, size_t n,
			 int timeout_ms, int cancel_fd, json_t **ret_answer, struct mill_error *err);
/*
 * Waits until all are "ready" or "stopped".  0 also when some failed: look at
 * the answer's results [{id, ok, state, reason, log}].  The daemon keeps the time.
 */
int mill_client_wait(struct mill_client *c, const char *const *ids, size_t n, const char *what,
		     int timeout_ms, int cancel_fd, json_t **ret_answer, struct mill_error *err);

/* Turns this connection into an event stream.  since < 0: only what is new. */
int mill_client_events(struct mill_client *c, int64_t since, int cancel_fd, struct mill_error *err);
/* The next event, a new reference.  -ETIMEDOUT, -ECANCELED, -EPIPE (the daemon ended or dropped us). */
int mill_client_next_event(struct mill_client *c, int timeout_ms, int cancel_fd, json_t **ret_event,
			   struct mill_error *err);
/* For poll(2) beside other fds.  Events may already be buffered: see _next_event with timeout 0. */
int mill_client_fd(const struct mill_client *c);
/* What hello answered: {protocol, version, pid, boot_id, started_ms}; borrowed. */
const json_t *mill_client_hello(const struct mill_client *c);

/* ---- starting one ---- */
struct mill_daemon_start {
	const char *daemon; /* path of data-mill-daemon */
	const char *shim;   /* path of data-mill-shim */
};
/*
 * Connects; when nothing answers, starts a daemon (double fork, own session,
 * never a child of ours) and waits until it listens.  A daemon started so adopts
 * what runs but starts nothing by itself: the caller's plan does.  Two callers
 * at once end up with one daemon.  A running daemon of another build makes room
 * for how->daemon, unless its version is newer; services go on meanwhile.
 */
int mill_daemon_ensure(const char *platform_dir, const struct mill_daemon_start *how, int cancel_fd,
		       struct mill_client **ret, struct mill_error *err);
/*
 * Copies data-mill-daemon and data-mill-shim from from_dir to
 * <state_dir>/libexec/<first 16 hex of their SHA-256>/, once, atomically, so
 * that rebuilding a checkout never breaks a running platform.  *ret_dir is owned.
 */
int mill_daemon_install_binaries(const char *from_dir, const char *state_dir, char **ret_dir,
				 struct mill_error *err);

#endif
