/* What runs now, as one daemon `status`, or as the shims say where no daemon answers. */
#ifndef MILL_NATIVE_LIVE_H
#define MILL_NATIVE_LIVE_H

#include "runtime/native/context.h"

/*
 * {id, state, wanted, pid, since_ms, started_ms, restarts, fingerprint, reason, ..} as in the control protocol;
 * NULL: no such service is known.  Asked once, at the first call; borrowed.
 */
const json_t *mill_live_service(struct mill_native *n, const char *id);
/* {"pid", "version", ..} of the daemon, borrowed; NULL: none answers. */
const json_t *mill_live_daemon(struct mill_native *n);
void mill_live_forget(struct mill_native *n);
/* Ids of services whose shim or main process is alive, whatever the daemon says. */
void mill_live_processes(struct mill_native *n, struct mill_strv *ret_ids);

#endif
