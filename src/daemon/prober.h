/*
 * Keeps one probe of one running service going: when to try, how many
 * failures or successes in a row turn it.  Until it is good for the first time
 * it tries often (from 25 ms on, growing to the period), so that being ready is
 * seen soon; afterwards once a period.
 */
#ifndef MILL_DAEMON_PROBER_H
#define MILL_DAEMON_PROBER_H

#include "daemon/probe.h"

enum mill_prober_news { MILL_PROBER_GOOD, MILL_PROBER_BAD, MILL_PROBER_FIRST_FAILURE, MILL_PROBER_RECOVERED };

struct mill_prober {
	const struct mill_spec_probe *probe; /* NULL: off */
	struct mill_probe_target target;
	struct event *timer;
	struct mill_probe_try *running;
	unsigned failures, successes; /* in a row */
	bool good, was_good, bad;
	bool counts_from_start;       /* liveness: failures turn it although it never was good */
	uint32_t next_ms;
	char failure[120];            /* why the last attempt failed; "" when none did */
	void (*news)(void *arg, struct mill_prober *p, enum mill_prober_news news, const char *text);
	void *arg;
};

/* target's strings are borrowed for as long as it runs. */
void mill_prober_start(struct mill_prober *p, const struct mill_probe_target *target, const struct mill_spec_probe *probe,
		       void (*news)(void *, struct mill_prober *, enum mill_prober_news, const char *), void *arg);
void mill_prober_stop(struct mill_prober *p);
/* Tries at once (READY=1 has come). */
void mill_prober_kick(struct mill_prober *p);

#endif
