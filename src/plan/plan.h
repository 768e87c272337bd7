/*
 * The plan: desired state (a resolved model, rendered to service specs) minus
 * observed state (what shims and the store say now) = a graph of actions.
 * Making a plan changes nothing, runs nothing and is pure given its inputs.
 *
 *	resolve -> fit -> render -> diff
 */
#ifndef MILL_PLAN_PLAN_H
#define MILL_PLAN_PLAN_H

#include <jansson.h>

#include "model/model.h"
#include "plan/action.h"
#include "plan/host.h"
#include "platform/platform.h"

struct mill_plan_options {
	bool prune;
	bool install_only, start_only; /* install; -s */
	bool no_data;
	bool move_ports;
	const char *const *only; /* components, NULL-terminated, or NULL: all selected */
};

/*
 * Selection and binding: stand-ins, groups, -c, `all`, providers of every
 * requirement (project.use, then default_for), components added because they
 * are needed, cycles (reported as their path).  Problems go to model->diags with marks.
 */
int mill_resolve(struct mill_model *m, const struct mill_platform *p_or_null);
/*
 * Assigns ports, fits memory, renders specs, compares.  Secrets are only versioned (a missing one counts as version 1).
 * Fills p->ports and p->memory, which the caller saves (mill_platform_save_ports, _memory) before it runs the plan;
 * writes nothing itself.  Mistakes of the user's that only show here go to model->diags, and the call fails with -EINVAL.
 */
int mill_plan_make(struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		   const struct mill_plan_options *o, struct mill_plan **ret, struct mill_error *err);
struct mill_plan *mill_plan_free(struct mill_plan *plan);
bool mill_plan_is_empty(const struct mill_plan *plan);
/* For people (no colours) and for machines. */
void mill_plan_print(const struct mill_plan *plan, struct mill_strbuf *out);
void mill_plan_to_json(const struct mill_plan *plan, struct mill_strbuf *out);

/* ---- preflight ---- */
struct mill_check {
	const char *name, *level /* ok warning error */, *text, *hint;
	bool forceable; /* --force goes on past it: memory and disk */
};
struct mill_preflight {
	struct mill_arena arena;
	struct mill_check *checks;
	size_t n, cap;
	size_t n_errors, n_warnings;
	size_t n_hard; /* errors that --force does not pass */
};
/* Memory, disk, ports (names the process that holds one), tools, kernel limits, permissions, paths with spaces. */
int mill_preflight(const struct mill_model *m, const struct mill_platform *p, const struct mill_plan_host *host,
		   const struct mill_plan *plan, struct mill_preflight **ret, struct mill_error *err);
struct mill_preflight *mill_preflight_free(struct mill_preflight *f);

#endif
