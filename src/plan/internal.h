/* Shared inside plan/ only. */
#ifndef MILL_PLAN_INTERNAL_H
#define MILL_PLAN_INTERNAL_H

#include "plan/plan.h"

static inline bool mill_plan_is_native(const struct mill_model *m)
{
	return mill_streq(m->project.provider, "native");
}
static inline bool mill_plan_runs_here(const struct mill_model *m, const struct mill_component *c)
{
	return mill_plan_is_native(m) ? c->native : c->kubernetes;
}
/* The capability's provides entry, or NULL. */
struct mill_capability *mill_component_provides(const struct mill_component *c, const char *capability);

#endif
