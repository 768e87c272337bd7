/*
 * A platform whose services run elsewhere (pods of a cluster) keeps its record
 * as one on this machine does; what differs is asked of a `struct mill_remote`.
 * mill_native.remote is NULL on this machine.
 */
#ifndef MILL_NATIVE_REMOTE_H
#define MILL_NATIVE_REMOTE_H

#include "runtime/native/hooks.h"
#include "runtime/native/logs.h"
#include "runtime/native/ops.h"

struct mill_remote {
	/* {"services": {id: {state, reason, fingerprint, ..}}} as live.h says; a new reference. */
	int (*live)(void *arg, json_t **ret, struct mill_error *err);
	/* After records, secrets and edges were written, before the first action. */
	int (*begin)(void *arg, const struct mill_plan *plan, struct mill_error *err);
	int (*action)(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err);
	/* Runs a hook's command where the services are; out and log are its two outputs. */
	int (*hook)(void *arg, const struct mill_hook_call *c, const struct mill_strbuf *input, struct mill_strbuf *out,
		    struct mill_strbuf *log, int *ret_status, struct mill_error *err);
	/* A file to and from where the component's hooks run. */
	int (*put)(void *arg, const char *component, const char *from, const char *to, struct mill_error *err);
	int (*get)(void *arg, const char *component, const char *from, const char *to, struct mill_error *err);
	/* Stops these, each once what comes after it is stopped. */
	int (*stop)(void *arg, const struct mill_strv *ids, const struct mill_ops_watch *w, struct mill_error *err);
	/* Waits until all are "ready" or "stopped". */
	int (*wait)(void *arg, const struct mill_strv *ids, const char *what, int timeout_ms, const struct mill_ops_watch *w,
		    struct mill_error *err);
	/* Removes what was made for one component, or (NULL) for the platform; data only with `data`. */
	int (*remove)(void *arg, const char *component, bool data, struct mill_error *err);
	/* Appends {"id", "path", "bytes"} for each volume of the component (NULL: of all). */
	int (*volumes)(void *arg, const char *component, json_t *list, uint64_t *total, struct mill_error *err);
	int (*logs)(void *arg, const struct mill_logs *l, struct mill_error *err);
	int (*events)(void *arg, bool follow, int cancel_fd, void (*on_event)(void *arg, const json_t *event), void *event_arg,
		      struct mill_error *err);
	/* The state files changed. */
	int (*saved)(void *arg, struct mill_error *err);
	/* An http address as it is reached from here; owned. */
	int (*reach)(void *arg, const char *url, char **ret, struct mill_error *err);
};

#endif
