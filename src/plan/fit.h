/*
 * The fit: how much memory each service gets, and how much disk those with a retention.
 *
 * A pure function of the flavour (memory_min and memory of every service that
 * runs) and of project.memory, never of what happens to be free now.  It is
 * recorded (memory.json) and computed again only when one of these changed, so
 * that services do not restart because the machine was rebooted with a little
 * more or less memory.  Services of the platform that this flavour does not
 * name but that are kept running keep what they have.
 */
#ifndef MILL_PLAN_FIT_H
#define MILL_PLAN_FIT_H

#include "plan/plan.h"

struct mill_fit_item {
	const char *id;     /* component.service */
	uint64_t min, max;  /* bytes */
	uint64_t memory;    /* out */
};
/*
 * All get `max` when that fits the budget, all get `min` when even that does
 * not; in between each gets its min and the same share of its (max - min),
 * rounded down to MiB but never below min.
 */
void mill_fit_share(struct mill_fit_item *items, size_t n, uint64_t budget);

struct mill_fit {
	uint64_t needed, min, budget; /* bytes: sum of what was fitted, of memory_min, and what may be used */
	uint64_t asked;               /* sum of `memory` */
	uint64_t kept;                /* of that budget, held by services outside the flavour */
};
/*
 * Fits the services of the selected components into p->memory (not saved).
 * `kept`: ids of services that go on running although the flavour does not name them.
 */
void mill_fit_platform(const struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		       const struct mill_strv *kept, struct mill_fit *ret);
/* What p->memory records for a service; 0: nothing said. */
uint64_t mill_fit_of(const struct mill_platform *p, const char *id);
/* The same of its share of the disk budget. */
uint64_t mill_fit_disk_of(const struct mill_platform *p, const char *id);
/* memory and memory_min of a service in bytes, the flavour's override applied. */
void mill_fit_limits(const struct mill_service *s, uint64_t *ret_min, uint64_t *ret_max);

#endif
