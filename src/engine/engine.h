/*
 * Runs a graph of actions as a true DAG: an action starts as soon as those it
 * comes after are done, whatever else is slow or hung.  What depends on a
 * failed action is skipped, everything else goes on.  Each action runs in a
 * thread of its own; installs are limited to `jobs` at a time, waiting ones are not.
 *
 * The engine knows no runtime: the executor does the work.
 */
#ifndef MILL_ENGINE_ENGINE_H
#define MILL_ENGINE_ENGINE_H

#include "plan/action.h"

enum mill_event_kind { MILL_EVENT_QUEUED, MILL_EVENT_BEGIN, MILL_EVENT_PROGRESS, MILL_EVENT_DONE, MILL_EVENT_FAILED,
		       MILL_EVENT_SKIPPED, MILL_EVENT_CANCELLED };
struct mill_event {
	enum mill_event_kind kind;
	const struct mill_action *action;
	const char *text;    /* progress: what it does now; skipped: because of what */
	double fraction;     /* progress: 0..1 or < 0 unknown */
	uint64_t elapsed_ns;
	const struct mill_error *error; /* failed */
};

struct mill_progress; /* handed to the executor; reports from any thread */
void mill_progress_report(struct mill_progress *p, double fraction, const char *fmt, ...) MILL_PRINTF(3, 4);
int mill_progress_cancel_fd(const struct mill_progress *p); /* readable: stop soon */

struct mill_executor {
	void *arg;
	/* Does one action, blocking.  err explains: component, phase, cause, log lines (detail), next step (hint). */
	int (*run)(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err);
};

struct mill_engine_options {
	unsigned jobs;     /* INSTALL actions at a time; 0: number of processors */
	bool serial;       /* one action at a time, of any kind */
	int cancel_fd;     /* readable (eventfd, signalfd): cancel; -1: none */
	void (*on_event)(void *arg, const struct mill_event *e); /* called from one thread at a time */
	void *arg;
};
struct mill_engine_result { size_t done, failed, skipped, cancelled; };
int mill_engine_run(const struct mill_plan *plan, const struct mill_executor *x, const struct mill_engine_options *o,
		    struct mill_engine_result *ret, struct mill_error *err);

#endif
