/*
 * The shim: one tiny static process a service, its parent and subreaper.  It
 * holds the log pipes and the exit status, outlives the daemon, and starts
 * it again when it dies (docs/internals/supervision.md).
 *
 * Memory: 30 shims and the daemon share a budget of 6 MiB, so the parent
 * process uses no heap, no stdio and no JSON; the forked child does the rest
 * and is gone with exec.
 */
#ifndef MILL_SHIM_SHIM_H
#define MILL_SHIM_SHIM_H

#include "shim/args.h"
#include "shim/log.h"
#include "shim/sys.h"

struct mill_shim_watch {
	int pidfd;         /* of the daemon; -1: none alive that we know */
	pid_t pid;         /* of the daemon, as long as pidfd is open */
	uint64_t next_ns;  /* when to look again; 0: not looking */
	uint32_t delay_ms; /* between looks */
	uint64_t lost_ns;  /* since when there is none */
};

struct mill_shim {
	struct mill_shim_args args;
	pid_t pid;
	uint64_t start;
	int dir_fd, run_fd, log_fd, lock_fd, signal_fd, notify_fd;
	pid_t main_pid; /* 0: not started */
	uint64_t main_start;
	bool ended, none_left; /* the main process; all of its descendants too */
	int wait_status;
	bool stopping, killing, notified;
	uint64_t kill_ns; /* when to kill all that is left; 0: never */
	unsigned leftover;
	uint64_t started_ms, ended_ms;
	const char *error;
	struct mill_shim_log log;
	struct mill_shim_watch watch;
};

uint64_t mill_shim_now_ns(void);
uint64_t mill_shim_wall_ms(void);

/* ---- status.c ---- */
/* Writes run/status.json beside and renames it: state is starting, running, exited or failed. */
int mill_shim_status_write(const struct mill_shim *s, const char *state);
/* One line to the daemon that started us; nobody listening is fine. */
void mill_shim_report(const struct mill_shim *s, const char *line);

/* ---- reap.c ---- */
/* Collects what has ended; notes the main process's status.  Sets none_left when no child is left. */
void mill_shim_reap(struct mill_shim *s);
/* Sends a signal to every descendant; returns how many. */
unsigned mill_shim_signal_descendants(const struct mill_shim *s, int sig);

/* ---- notify.c ---- */
int mill_shim_notify_open(const struct mill_shim *s);
/* Reads what came; true once a descendant has said READY=1. */
bool mill_shim_notify_read(const struct mill_shim *s);

/* ---- watch.c ---- */
void mill_shim_watch_init(struct mill_shim *s);
/* The pidfd became readable, or next_ns has come: looks for a daemon, starts one if nobody else does. */
void mill_shim_watch_tick(struct mill_shim *s);

#endif
