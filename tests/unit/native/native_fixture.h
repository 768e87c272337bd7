/*
 * A platform in a temporary home whose components are made of /bin/sh and
 * /bin/sleep, run by the real daemon and shim of the build folder.
 */
#ifndef TESTS_NATIVE_FIXTURE_H
#define TESTS_NATIVE_FIXTURE_H

#include "../cmocka_all.h"

#include "base/json.h"
#include "plan/action.h"
#include "runtime/native/native.h"
#include "runtime/native/ops.h"

struct fixture {
	char *dir;
	struct mill_layout layout;
	struct mill_platform *p;
	struct mill_native *n;
	struct mill_plan plan;
	struct mill_engine_result result;
	struct mill_strbuf failures; /* messages, details, hints of failed actions */
};

int fixture_setup(void **state);
int fixture_teardown(void **state); /* downs what runs, removes the folder */

/* A spec as the planner renders it: no probes, ready at once. */
json_t *fixture_spec(struct fixture *f, const char *id, const char *const *command);
/* A component's record with one service. */
json_t *fixture_record(struct fixture *f, const char *component, const char *service);
/* The next action; data is stolen. */
struct mill_action *fixture_action(struct fixture *f, enum mill_action_kind kind, const char *component,
				   const char *name, json_t *data);
/* Record, CONFIGURE and START of component.service, one after the other. */
void fixture_service(struct fixture *f, const char *component, const char *service, json_t *spec);
/* begin and run; the failures' texts are in f->failures. */
void fixture_run(struct fixture *f);
void fixture_clear_plan(struct fixture *f);
/* "ready", "stopped", ... of a service now. */
char *fixture_state(struct fixture *f, const char *id);
pid_t fixture_pid(struct fixture *f, const char *id);

#endif
