/*
 * The state machine of one service: a pure table (state, event) -> (state,
 * actions).  No system call, no clock, no allocation: time comes with the
 * event, and what is to be done is returned as a set of actions.
 *
 *	enum mill_sm_event e = mill_sm_judge_exit(&machine, policy, now, clean, &delay_ms);
 *	unsigned actions = mill_sm_step(&machine, e, now);
 */
#ifndef MILL_DAEMON_MACHINE_H
#define MILL_DAEMON_MACHINE_H

#include "spec/spec.h"

/* Four kinds of "stopping" differ in what comes after the end; all are shown as one. */
enum mill_sm_state {
	MILL_SM_STOPPED,
	MILL_SM_STARTING,   /* a shim was asked for; the service is not executed yet */
	MILL_SM_RUNNING,    /* alive, not ready yet */
	MILL_SM_READY,
	MILL_SM_UNHEALTHY,  /* was ready; the readiness probe fails */
	MILL_SM_BACKOFF,    /* ended by itself; starts again when the delay is over */
	MILL_SM_FAILED,     /* given up; stays until asked */
	MILL_SM_STOPPING,   /* then stopped */
	MILL_SM_RESTARTING, /* then started at once: somebody asked */
	MILL_SM_RECOVERING, /* then as after an exit: liveness failed */
	MILL_SM_FAILING,    /* then failed: not ready within the deadline */
	MILL_SM_N_STATES,
};

enum mill_sm_event {
	MILL_EV_START,        /* asked */
	MILL_EV_STOP,
	MILL_EV_RESTART,
	MILL_EV_SPAWNED,      /* the shim says: executed; also for an adopted one */
	MILL_EV_BROKEN,       /* could not be started, and another try would not help */
	MILL_EV_EXIT_RETRY,   /* ended; the policy starts it again after the delay */
	MILL_EV_EXIT_LIMIT,   /* ended once too often within the window */
	MILL_EV_EXIT_DONE,    /* ended; the policy leaves it */
	MILL_EV_READY,        /* the probe turned good (or there is none) */
	MILL_EV_UNREADY,      /* the probe turned bad */
	MILL_EV_DEADLINE,     /* not ready in time */
	MILL_EV_DEAD,         /* the liveness probe turned bad */
	MILL_EV_TIMER,        /* the backoff is over */
	MILL_EV_STOP_TIMEOUT, /* still there although the shim should have ended it */
	MILL_SM_N_EVENTS,
};

enum mill_sm_action {
	MILL_DO_SPAWN = 1 << 0,
	MILL_DO_TERM = 1 << 1,        /* ask the shim to stop the service; arms the stop timeout */
	MILL_DO_KILL = 1 << 2,        /* end shim, service and survivors by force */
	MILL_DO_BACKOFF = 1 << 3,     /* arm the backoff timer */
	MILL_DO_CANCEL = 1 << 4,      /* disarm backoff, deadline and stop timers */
	MILL_DO_PROBE = 1 << 5,       /* start probing, arm the deadline */
	MILL_DO_STOP_PROBE = 1 << 6,
	MILL_DO_FORGET = 1 << 7,      /* asked by a person: the history of exits starts anew (done by the step) */
	MILL_DO_COUNT = 1 << 8,       /* one more restart (done by the step) */
	MILL_DO_DISARM = 1 << 9,      /* reached readiness: the deadline is met */
};

#define MILL_SM_HISTORY 32

struct mill_sm {
	enum mill_sm_state state;
	uint64_t since_ns;
	unsigned restarts;                 /* since it was last asked for */
	uint64_t exits[MILL_SM_HISTORY];   /* times of the last exits, a ring */
	unsigned n_exits;                  /* ever written; index is modulo */
};

struct mill_sm_policy {
	enum mill_restart_policy policy;
	uint32_t delay_ms, max_delay_ms, window_ms;
	unsigned limit; /* exits within the window that are one too many; 0: no limit */
};

/* Applies the table; returns the actions. */
unsigned mill_sm_step(struct mill_sm *m, enum mill_sm_event e, uint64_t now_ns);
/* What the table says, without applying it (for tests and documentation). */
enum mill_sm_state mill_sm_next(enum mill_sm_state s, enum mill_sm_event e, unsigned *ret_actions);
/*
 * Records an exit and decides which of the three exit events it is.  clean:
 * exit code 0.  *ret_delay_ms: delay doubles with each exit inside the window.
 */
enum mill_sm_event mill_sm_judge_exit(struct mill_sm *m, const struct mill_sm_policy *p, uint64_t now_ns,
				      bool clean, uint32_t *ret_delay_ms);
/* Exits within the window that ends now. */
unsigned mill_sm_exits_within(const struct mill_sm *m, uint32_t window_ms, uint64_t now_ns);
/* "stopped", "starting", .. as the control protocol shows them. */
const char *mill_sm_state_name(enum mill_sm_state s);
/* A process may exist in this state. */
bool mill_sm_is_up(enum mill_sm_state s);
/* Neither running nor going to: stopped or failed. */
bool mill_sm_is_down(enum mill_sm_state s);

#endif
