/*
 * Plan and carry out: what `up`, `plan` and `install` share.
 *
 * In order: flavour, target and manifests are loaded; the platform is named and
 * locked; the plan is made and shown; preflight; what a cold install needs is
 * said; destructive steps are confirmed; the engine runs; a table ends it.
 */
#ifndef MILL_CMD_APPLY_H
#define MILL_CMD_APPLY_H

#include "cmd/context.h"
#include "plan/plan.h"

struct mill_apply_options {
	struct mill_plan_options plan;
	bool dry_run;           /* show only; takes no lock */
	bool detailed_exitcode; /* dry run: exit code 3 for a plan that is not empty */
	bool one_by_one;        /* one action at a time */
	bool force;             /* preflight's errors are warnings */
};

int mill_apply(struct mill_invocation *inv, const struct mill_apply_options *o,
	       struct mill_error *err);

#endif
