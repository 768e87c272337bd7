/* What the executor does for each kind of action; each is safe to repeat. */
#ifndef MILL_NATIVE_ACTIONS_H
#define MILL_NATIVE_ACTIONS_H

#include "runtime/native/context.h"

int mill_action_install(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err);
/* services.c */
int mill_action_start(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		      struct mill_error *err);
int mill_action_restart(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err);
int mill_action_reload(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		       struct mill_error *err);
int mill_action_stop(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err);
/* steps.c */
int mill_action_task(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err);
int mill_action_provision(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			  struct mill_error *err);
int mill_action_hook(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
		     struct mill_error *err);
/* publish.c */
int mill_action_publish(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err);

/* Start deadline of a spec plus what the daemon may take to say so. */
int mill_service_deadline_ms(const json_t *spec);
/* One result of the daemon's start or wait ({id, ok, state, reason, log}) as an error with log lines and next step. */
int mill_service_failed(struct mill_native *n, const char *id, const char *phase, const json_t *result,
			struct mill_error *err);
/* The result of `id` in an answer; NULL: none. */
const json_t *mill_service_result(const json_t *answer, const char *id);

#endif
