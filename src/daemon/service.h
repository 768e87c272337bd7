/*
 * One supervised service: the pure machine (machine.h) driven by its shim,
 * its probes and its timers.  Owned by the daemon's table.
 */
#ifndef MILL_DAEMON_SERVICE_H
#define MILL_DAEMON_SERVICE_H

#include "base/json.h"
#include "daemon/machine.h"
#include "daemon/prober.h"

struct mill_daemon;

/* How the last process ended, as far as its shim could say. */
struct mill_service_end {
	bool known;   /* an exit status is there */
	bool lost;    /* the shim was killed: no status */
	bool failed;  /* could not be started: failure says why */
	bool retry;   /* .. and another try may work */
	bool busy;    /* another process holds run/lock */
	int exit_code, signal;
	unsigned leftover;
	uint64_t lost_lines;
};

struct mill_service {
	struct mill_daemon *daemon;
	char *id, *dir;
	struct mill_strv after;
	bool wanted_up, in_desired;
	struct mill_spec spec; /* brief; id is NULL until it was loaded */
	struct mill_sm sm;
	char *reason;          /* of the current state; may be NULL */
	uint64_t since_ms, started_ms, retry_ms; /* wall clock */
	uint32_t delay_ms;
	/* the shim and its service */
	int pidfd, report_fd;
	pid_t shim_pid;
	struct event *shim_event, *report_event, *sweep_event;
	struct mill_strbuf report;
	pid_t main_pid;
	uint64_t main_start;
	char *fingerprint; /* of what runs */
	char *failure;
	bool notified, was_ready, adopted;
	struct mill_service_end end;
	unsigned sweeps;
	unsigned tried; /* spawns whose outcome is known: start jobs wait for it to move */
	struct event *backoff, *deadline, *stop_timeout;
	struct mill_prober startup, readiness, liveness;
};

struct mill_service *mill_service_new(struct mill_daemon *d, const char *id);
struct mill_service *mill_service_free(struct mill_service *s);
/* Feeds an event; reason (may be NULL) is shown with the new state. */
void mill_service_event(struct mill_service *s, enum mill_sm_event e, const char *fmt, ...) MILL_PRINTF(3, 4);
/* What the last failed try for readiness said, while it is running and not ready: "readiness probe: http 503"; owned, NULL: nothing. */
char *mill_service_waits_for(const struct mill_service *s);
int mill_service_load_spec(struct mill_service *s, struct mill_error *err);
/* Sends the reload signal to the main process. */
int mill_service_reload(struct mill_service *s, struct mill_error *err);
/* The object of the protocol's `status`. */
void mill_service_write_status(const struct mill_service *s, struct mill_json_writer *w);
/* The last lines of its log, as a JSON array. */
void mill_service_write_log(const struct mill_service *s, struct mill_json_writer *w, unsigned lines);
static inline const char *mill_service_state_name(const struct mill_service *s)
{
	return mill_sm_state_name(s->sm.state);
}

/* ---- shimctl.c ---- */
void mill_shimctl_spawn(struct mill_service *s);
/* Takes over a shim that runs.  False: none does. */
bool mill_shimctl_adopt(struct mill_service *s);
void mill_shimctl_signal(struct mill_service *s, int sig); /* to the shim */
void mill_shimctl_kill(struct mill_service *s);            /* main process and shim, by force */
void mill_shimctl_release(struct mill_service *s);
/* At the daemon's start: ends what an earlier, killed shim left.  Blocks, at most about two seconds. */
void mill_shimctl_clear_survivors(struct mill_service *s);
/* The process and all that came from it is gone, `end` says how: judges and feeds the event. (service.c) */
void mill_service_ended(struct mill_service *s);
/* Of a process that is a running one now. (service.c) */
void mill_service_running(struct mill_service *s, const char *how);
void mill_service_set_notified(struct mill_service *s);

#endif
