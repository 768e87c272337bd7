/*
 * Whose socket answers on a port.  Another program may have taken it between the
 * plan and the start; its answer must not make a service ready.
 */
#ifndef MILL_DAEMON_LISTENER_H
#define MILL_DAEMON_LISTENER_H

#include "base/base.h"

/*
 * The pid of a process that listens on the TCP port (of any address) while nothing that descends from `shim`
 * does.  0: ours does, or it cannot be told (nobody listens, or files of processes may not be read).
 */
pid_t mill_listener_stranger(uint16_t port, pid_t shim);

#endif
