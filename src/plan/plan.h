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
#include "plan/host.h"
#include "platform/platform.h"

enum mill_action_kind {
	MILL_ACTION_INSTALL,   /* store entry of a component (or of a tool chain, of the hooks' tools) */
	MILL_ACTION_CONFIGURE, /* write spec.json, files, secrets: before start */
	MILL_ACTION_TASK,
	MILL_ACTION_START,     /* spawn and wait until ready */
	MILL_ACTION_RESTART,   /* stop, configure, start, ready: fingerprint changed */
	MILL_ACTION_RELOAD,
	MILL_ACTION_PROVISION, /* provider's hook for one consumer's requirement */
	MILL_ACTION_HOOK,      /* configure hook */
	MILL_ACTION_PUBLISH,   /* data/ into the lake */
	MILL_ACTION_STOP,      /* --prune */
};

struct mill_action {
	unsigned id; /* index into the plan */
	enum mill_action_kind kind;
	const char *component; /* never NULL except PUBLISH */
	const char *name;      /* service, task, or "capability for consumer"; may be NULL */
	const char *reason;    /* one line: "not installed", "environment MINIO_X changed", ... */
	const unsigned *after; /* ids that must be done first */
	size_t n_after;
	bool destructive;      /* destroys data: asks */
	json_t *data;          /* what the executor needs (spec, recipe, request); borrowed from the plan */
};

struct mill_plan_note { const char *kind, *text; }; /* "stands-in", "added", "kept", "port-moved", "frozen", "note" */

struct mill_plan {
	struct mill_arena arena;
	struct mill_action *actions;
	size_t n_actions;
	struct mill_plan_note *notes;
	size_t n_notes;
	uint64_t memory_needed, memory_min, memory_budget; /* bytes, of all services wanted up */
	uint64_t disk_needed, download_bytes;
	double install_seconds;                             /* estimate; < 0: unknown */
	json_t *specs;                                      /* id -> spec */
	json_t *records;                                    /* component -> record (docs/internals/engine.md) */
	json_t *desired;                                    /* desired.json as it is to be written before the first action:
							       what is kept stays in it, `tasks` are those done so far */
	json_t *json;                                       /* arena of JSON values that actions borrow */
};

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
const char *mill_action_verb(enum mill_action_kind kind); /* "install", ... */
/* For people (no colours) and for machines. */
void mill_plan_print(const struct mill_plan *plan, struct mill_strbuf *out);
void mill_plan_to_json(const struct mill_plan *plan, struct mill_strbuf *out);

/* ---- preflight ---- */
struct mill_check { const char *name, *level /* ok warning error */, *text, *hint; };
struct mill_preflight { struct mill_arena arena; struct mill_check *checks; size_t n; size_t n_errors, n_warnings; };
/* Memory, disk, ports (names the process that holds one), tools, kernel limits, permissions, paths with spaces. */
int mill_preflight(const struct mill_model *m, const struct mill_platform *p, const struct mill_plan_host *host,
		   const struct mill_plan *plan, struct mill_preflight **ret, struct mill_error *err);
struct mill_preflight *mill_preflight_free(struct mill_preflight *f);

#endif
