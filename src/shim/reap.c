#include <signal.h>
#include <sys/wait.h>

#include "shim/shim.h"

void mill_shim_reap(struct mill_shim *s)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
		if (pid < 0) {
			s->none_left = errno == ECHILD;
			return;
		}
		if (pid == 0) {
			s->none_left = false;
			return;
		}
		if (pid == s->main_pid && !s->ended) {
			s->ended = true;
			s->wait_status = status;
			s->ended_ms = mill_shim_wall_ms();
		}
	}
}

struct signal_walk {
	pid_t self;
	int sig;
	unsigned n;
};

static int signal_one(uint64_t number, void *arg)
{
	struct signal_walk *w = arg;
	struct mill_sys_stat st;
	pid_t pid = (pid_t)number;
	if (mill_sys_stat(pid, &st) < 0 || st.state == 'Z' || st.state == 'X')
		return 0;
	if (st.ppid != w->self && !mill_sys_is_descendant(pid, w->self))
		return 0;
	/* A child of ours keeps its pid until we reap it; a grandchild is pinned
	 * by the pidfd before it is looked at a second time. */
	int fd = mill_sys_pidfd(pid, st.start);
	if (fd < 0)
		return 0;
	if (mill_sys_is_descendant(pid, w->self) && mill_sys_pidfd_kill(fd, w->sig) == 0)
		w->n++;
	close(fd);
	return 0;
}

unsigned mill_shim_signal_descendants(const struct mill_shim *s, int sig)
{
	struct signal_walk w = {.self = s->pid, .sig = sig};
	mill_sys_each_number("/proc", signal_one, &w);
	return w.n;
}
