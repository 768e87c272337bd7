/*
 * Runs a function in a thread of its own with a working folder, umask and,
 * as root, a user of its own.  On Linux all three belong to the thread
 * (unshare(CLONE_FS), and the raw system calls behind setuid): the rest of the
 * program is not touched, and files come out owned by that user, so that a
 * folder which that user can swap for a link leads root nowhere.
 *
 * This keeps honest code from writing where it should not; it is no sandbox
 * against code that took over the process.
 */
#ifndef MILL_BASE_CONFINE_H
#define MILL_BASE_CONFINE_H

#include "base/base.h"

struct mill_confine {
	const char *cwd; /* NULL: as it is */
	bool set_ids;
	uid_t uid;
	gid_t gid;
};

/* Returns what fn returned, or why it could not be started. */
int mill_confined(const struct mill_confine *c, int (*fn)(void *arg, struct mill_error *err),
		      void *arg, struct mill_error *err);

#endif
