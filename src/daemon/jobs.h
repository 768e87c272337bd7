/*
 * A job is one request that takes time: start, stop, restart, wait or down
 * over a set of services.  It looks at the services whenever a state changed and
 * answers when each has its result.
 *
 * Order comes from the recorded edges (desired.json `after`) and from nothing
 * else: a start waits until what it comes after, as far as that is in the same
 * job, is ready; a stop waits until what comes after it, as far as that is in the
 * same job, is down.  What is free runs in parallel.  A cycle (the planner
 * refuses them) is cut, never waited on.
 */
#ifndef MILL_DAEMON_JOBS_H
#define MILL_DAEMON_JOBS_H

#include "daemon/request.h"
#include "daemon/service.h"

struct mill_daemon;

enum mill_job_kind { MILL_JOB_START, MILL_JOB_STOP, MILL_JOB_RESTART, MILL_JOB_WAIT_READY, MILL_JOB_WAIT_STOPPED, MILL_JOB_DOWN };

/*
 * client 0: nobody waits for the answer (the daemon's own).  Unknown services
 * get their error in the results.  timeout_ms 0: none.
 */
void mill_job_add(struct mill_daemon *d, enum mill_job_kind kind, const struct mill_strv *ids, uint32_t timeout_ms,
		  uint64_t client, int64_t request);
/* Every job takes another look. */
void mill_jobs_look(struct mill_daemon *d);
/* Its client has gone: waits end, starts not yet begun are dropped, stops go on. */
void mill_jobs_client_gone(struct mill_daemon *d, uint64_t client);
void mill_jobs_release(struct mill_daemon *d);
/* True while some start job has this one still before it. */
bool mill_jobs_start_pending(const struct mill_daemon *d, const struct mill_service *s);

#endif
