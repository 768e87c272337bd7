/* Who listens on a TCP port of this machine: /proc/net/tcp{,6} give the sockets, /proc/PID/fd whose they are (proc(5)). */
#ifndef MILL_BASE_LISTENERS_H
#define MILL_BASE_LISTENERS_H

#include "base/base.h"

#define MILL_LISTENERS_MAX 16 /* on one port: an address each, or SO_REUSEPORT */
struct mill_listeners {
	unsigned long inodes[MILL_LISTENERS_MAX];
	size_t n;
	unsigned uid; /* of the first one */
};
/* Those of any address, IPv4 first; n == 0: nobody listens. */
void mill_listeners_find(uint16_t port, struct mill_listeners *ret);
/* 1: the process holds one of them open.  0: it does not, or is gone.  -EACCES, -EPERM: its files may not be read. */
int mill_listeners_held_by(const struct mill_listeners *l, pid_t pid);

#endif
