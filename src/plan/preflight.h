/* Inside plan/ only: preflight while it looks. */
#ifndef MILL_PLAN_PREFLIGHT_H
#define MILL_PLAN_PREFLIGHT_H

#include "plan/plan.h"

struct mill_preflight_look {
	struct mill_preflight *f;
	const struct mill_model *m;
	const struct mill_platform *p;
	const struct mill_plan_host *host;
	const struct mill_plan *plan;
};
/* level "ok", "warning" or "error"; hint may be NULL. */
struct mill_check *mill_preflight_say(struct mill_preflight_look *l, const char *name, const char *level,
				      const char *hint, const char *fmt, ...) MILL_PRINTF(5, 6);
void mill_preflight_memory(struct mill_preflight_look *l);

#endif
