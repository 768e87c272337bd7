/*
 * The native runtime of one platform: supervised processes on this machine.
 * A `struct mill_native` ties a platform to its store and its daemon's
 * programs; planner, executor, hooks and operations all take it.  Opening
 * changes nothing, save that root's service user is made when the platform is
 * locked (so lock first when a plan is to be carried out).  Used by many threads at once during a run of the engine.
 *
 *	struct mill_native *n;
 *	mill_native_open(&layout, platform, &n, err);
 *	mill_plan_host_init(&host, platform);
 *	mill_native_host(n, &host);                    (host.c; live state and store for the planner)
 *	mill_plan_make(model, platform, &host, &options, &plan, err);
 *	...ask, then with the platform's lock held:
 *	mill_native_begin(n, plan, flavour, err);      (records, secrets, hooks: before the first action)
 *	struct mill_executor x = mill_native_executor(n);
 *	mill_engine_run(plan, &x, &engine_options, &result, err);
 *	n = mill_native_close(n);
 */
#ifndef MILL_NATIVE_NATIVE_H
#define MILL_NATIVE_NATIVE_H

#include "engine/engine.h"
#include "plan/host.h"
#include "platform/platform.h"

struct mill_native;

/* layout and platform are borrowed and must outlive it. */
int mill_native_open(struct mill_layout *l, struct mill_platform *p, struct mill_native **ret, struct mill_error *err);
struct mill_native *mill_native_close(struct mill_native *n);
struct mill_platform *mill_native_platform(struct mill_native *n);

/* Fills in the store, the tool chains and the live state.  Live state is asked once, at the first need. */
void mill_native_host(struct mill_native *n, struct mill_plan_host *h);

/*
 * With the platform locked, before the first action: makes root's service user,
 * saves ports and the memory fit, platform.json, the edges, every component's
 * manifest.json, its secrets and its staged hooks.  Cheap when nothing changed;
 * called for an empty plan too, so that links and names follow the flavour.
 */
struct mill_native_flavour {
	const char *name, *path; /* path absolute or NULL */
	bool whole;              /* not narrowed by -c: what it does not name is "kept" */
};
int mill_native_begin(struct mill_native *n, const struct mill_plan *plan, const struct mill_native_flavour *f,
		      struct mill_error *err);
struct mill_executor mill_native_executor(struct mill_native *n);
/* Options of INSTALL actions. */
void mill_native_set_offline(struct mill_native *n, bool offline);

#endif
