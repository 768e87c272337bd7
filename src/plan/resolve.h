/*
 * Selection and binding (docs/internals/plan.md): which components a flavour
 * means, who provides what each of them needs, and in which order they come.
 *
 * mill_resolve() (plan/plan.h) is the way in; this is what the rest of the
 * planner asks afterwards.
 */
#ifndef MILL_PLAN_RESOLVE_H
#define MILL_PLAN_RESOLVE_H

#include "plan/plan.h"

/*
 * Who provides `capability` among the selected components, as a requirement
 * would be bound: project.use, the default one, the only one.  NULL: nobody,
 * or nothing decides.
 */
struct mill_component *mill_resolve_provider(const struct mill_model *m, const char *capability);

#endif
