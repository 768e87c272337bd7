/*
 * Paths of a platform's daemon, and short enough socket paths: one that the
 * kernel cannot take (107 bytes) moves to $XDG_RUNTIME_DIR/data-mill-<hash>/, or
 * to /tmp/data-mill-<uid>/<hash>/ (0700, ours, or refused).
 */
#ifndef MILL_DAEMON_PATHS_H
#define MILL_DAEMON_PATHS_H

#include "base/base.h"

#define MILL_SOCKET_PATH_MAX 107

/* <platform_dir>/run/<name>; owned. */
char *mill_daemon_path(const char *platform_dir, const char *name);
/* "<id>.<ending>", short and another one for every id; owned. */
char *mill_socket_name(const char *id, const char *ending);
/*
 * `path` itself when short enough, else <fallback folder of the platform>/<name>; owned.
 * The fallback folder is made.  *ret_moved tells which.
 */
int mill_socket_path(const char *platform_dir, const char *path, const char *name, char **ret, bool *ret_moved,
		     struct mill_error *err);

#endif
