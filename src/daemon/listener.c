#include "daemon/listener.h"

#include "base/listeners.h"
#include "shim/sys.h"

struct search {
	struct mill_listeners sockets;
	pid_t shim; /* 0: any process */
	pid_t found;
	bool blind; /* files of one that matters may not be read */
};

static int visit(uint64_t number, void *arg)
{
	struct search *s = arg;
	const pid_t pid = (pid_t)number;
	if (s->shim && pid != s->shim && !mill_sys_is_descendant(pid, s->shim))
		return 0;
	int r = mill_listeners_held_by(&s->sockets, pid);
	s->blind = s->blind || r < 0;
	s->found = r > 0 ? pid : 0;
	return r > 0;
}

pid_t mill_listener_stranger(uint16_t port, pid_t shim)
{
	struct search s = {.shim = shim};
	mill_listeners_find(port, &s.sockets);
	if (s.sockets.n == 0 || s.sockets.n == MILL_LISTENERS_MAX || shim <= 0)
		return 0;
	mill_sys_each_number("/proc", visit, &s);
	if (s.found || s.blind)
		return 0;
	s.shim = 0;
	mill_sys_each_number("/proc", visit, &s);
	return s.found;
}
