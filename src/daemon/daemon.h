/*
 * The daemon of one platform: one event loop, one thread, a small heap.
 *
 *	main.c      options, the lock, starting and leaving
 *	daemon.c    the table of services, desired.json, adoption at the start
 *	service.c   one service: drives the machine, timers
 *	shimctl.c   its shim: spawn, report pipe, end, survivors
 *	jobs.c      start, stop, restart, wait, down over many services, along edges
 *	control.c   the socket;  ops.c  what each op does
 *
 * Everything happens in callbacks of the loop; a change of a service's state
 * makes the jobs look again, once, after the callback has returned.
 */
#ifndef MILL_DAEMON_DAEMON_H
#define MILL_DAEMON_DAEMON_H

#include <event2/event.h>

#include "daemon/journal.h"
#include "daemon/service.h"

struct mill_control;
struct mill_job;

struct mill_daemon {
	struct event_base *base;
	char *platform_dir, *shim, *exe;
	pid_t pid;
	uint64_t start; /* our start time, for the shims */
	uint64_t started_ms;
	struct mill_service **services;
	size_t n_services, cap_services;
	struct mill_journal journal;
	struct mill_control *control;
	struct mill_job *jobs;
	struct event *look; /* made active when some state changed */
	bool leaving;       /* exit as soon as the answers are out */
	bool going_down;    /* .. and everything was stopped */
};

int mill_daemon_init(struct mill_daemon *d, const char *platform_dir, const char *shim, struct mill_error *err);
void mill_daemon_release(struct mill_daemon *d);
/* Adopts what runs.  Then, unless adopt_only, starts along edges what is wanted and ran before, and stops what is not wanted. */
void mill_daemon_adopt(struct mill_daemon *d, bool adopt_only);
/* Reads desired.json again; a file that cannot be read leaves everything as it was. */
int mill_daemon_read_desired(struct mill_daemon *d, struct mill_error *err);
struct mill_service *mill_daemon_find(struct mill_daemon *d, const char *id); /* NULL: unknown */
/* Finds or makes the entry of a service that has a spec.json; NULL: there is none. */
struct mill_service *mill_daemon_know(struct mill_daemon *d, const char *id);
/* Some state changed: jobs look again soon. */
void mill_daemon_touch(struct mill_daemon *d);
/* Leaves the loop once pending answers are written. */
void mill_daemon_leave(struct mill_daemon *d);

#endif
