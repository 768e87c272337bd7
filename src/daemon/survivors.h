/*
 * What a killed shim left behind: processes that carry the service's marker
 * (DATA_MILL_SERVICE=<platform_dir>/<id>) in the environment they were
 * started with, or that hold the service's run/lock open.  They are ended
 * before a new start.  A process is looked at again after its pidfd is open, so
 * a reused pid is never signalled.
 */
#ifndef MILL_DAEMON_SURVIVORS_H
#define MILL_DAEMON_SURVIVORS_H

#include "base/base.h"

/* Sends KILL to each; returns how many are still there (0: all gone). */
unsigned mill_survivors_kill(const char *platform_dir, const char *id, const char *lock_path);
/* True when somebody holds the flock on the file. */
bool mill_lock_is_held(const char *lock_path);

#endif
