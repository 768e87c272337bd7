/*
 * A finished plan: a graph of actions and what it says beside them.  The
 * engine, the executor and the commands need no more of the planner than this,
 * and nothing of the model.
 */
#ifndef MILL_PLAN_ACTION_H
#define MILL_PLAN_ACTION_H

#include <jansson.h>

#include "base/arena.h"

enum mill_action_kind {
	MILL_ACTION_INSTALL,   /* store entry of a component (or of a tool chain, of the hooks' tools) */
	MILL_ACTION_CONFIGURE, /* write spec.json, files, secrets: before start */
	MILL_ACTION_TASK,
	MILL_ACTION_START,     /* spawn and wait until ready */
	MILL_ACTION_RESTART,   /* stop, configure, start, ready: fingerprint changed */
	MILL_ACTION_RELOAD,
	MILL_ACTION_PROVISION, /* provider's hook for one consumer's requirement */
	MILL_ACTION_HOOK,      /* configure hook */
	MILL_ACTION_PUBLISH,   /* data/ into the lake, or into the volume that pods mount */
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

struct mill_plan_note { const char *kind, *text; }; /* "stands-in", "added", "kept", "port-moved", "frozen", "fit", "note" */

struct mill_plan {
	struct mill_arena arena;
	struct mill_action *actions;
	size_t n_actions;
	struct mill_plan_note *notes;
	size_t n_notes;
	uint64_t memory_needed, memory_min, memory_budget; /* bytes, of all services wanted up */
	uint64_t disk_needed, download_bytes;               /* disk: software to install and what services ask for */
	uint64_t install_bytes;                             /* of disk_needed: software to install */
	double install_seconds;                             /* estimate; < 0: unknown */
	json_t *specs;                                      /* id -> spec */
	json_t *records;                                    /* component -> record (docs/internals/engine.md) */
	json_t *desired;                                    /* desired.json as it is to be written before the first action:
							       what is kept stays in it, `tasks` are those done so far */
	json_t *data_volume;                                /* {"bytes", "access", "storage_class" (or none)} that the data folder
							       is to be mounted from; NULL: no such volume */
	json_t *environment;                                /* what users' code gets: name -> value */
	json_t *json;                                       /* arena of JSON values that actions borrow */
};

const char *mill_action_verb(enum mill_action_kind kind); /* "install", ... */

#endif
