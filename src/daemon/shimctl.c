/* The daemon's end of one shim: spawn it, listen to its report, see it end, clear what a killed one left. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "daemon/daemon.h"
#include "daemon/paths.h"
#include "daemon/status.h"
#include "daemon/survivors.h"
#include "shim/args.h"
#include "shim/sys.h"

enum {
	SWEEP_EVERY_MS = 3,
	SWEEPS_MAX = 3000,  /* about 10 s; then the start itself says what holds the lock */
	CLEAR_TRIES = 400,  /* at the daemon's start, 5 ms apart */
	SETTLE_TRIES = 40, /* a shim that has not yet written its status, 5 ms apart */
};

extern char **environ;

/* ---- the report ---- */

static void set_failure(struct mill_service *s, const char *text)
{
	free(s->failure);
	s->failure = mill_xstrdup(text);
}

static void on_running(struct mill_service *s, const char *line)
{
	unsigned long long start;
	int pid;
	if (sscanf(line, "R %d %llu", &pid, &start) != 2)
		return;
	s->main_pid = pid;
	s->main_start = start;
	mill_service_running(s, "started");
}

static void on_end_line(struct mill_service *s, const char *line)
{
	unsigned long long lost;
	struct mill_service_end e = {.known = true};
	if (sscanf(line, "X %d %d %u %llu", &e.exit_code, &e.signal, &e.leftover, &lost) != 4)
		return;
	e.lost_lines = lost;
	s->end = e;
}

static void on_line(struct mill_service *s, const char *line)
{
	switch (line[0]) {
	case 'R':
		on_running(s, line);
		break;
	case 'N':
		mill_service_set_notified(s);
		break;
	case 'X':
		on_end_line(s, line);
		break;
	case 'F':
	case 'T':
		s->end = (struct mill_service_end){.failed = true, .retry = line[0] == 'T'};
		set_failure(s, strlen(line) > 2 ? line + 2 : "could not be started");
		break;
	case 'B':
		s->end = (struct mill_service_end){.busy = true};
		set_failure(s, "another process holds run/lock");
		break;
	default:
		break;
	}
}

static void read_report(struct mill_service *s)
{
	char buf[1024];
	ssize_t n;
	while (s->report_fd >= 0 && (n = read(s->report_fd, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return;
		mill_strbuf_add(&s->report, buf, (size_t)n);
		for (char *end; (end = memchr(s->report.data, '\n', s->report.len));) {
			*end = '\0';
			_cleanup_free_ char *line = mill_xstrdup(s->report.data);
			mill_strbuf_consume(&s->report, (size_t)(end - s->report.data) + 1);
			on_line(s, line);
		}
	}
	if (s->report_event)
		event_del(s->report_event); /* the shim is ending: its pidfd tells the rest */
}

static void on_report(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_report(arg);
}

/* ---- the end ---- */

static char *lock_path(const struct mill_service *s)
{
	return mill_path_join(s->dir, "run/lock");
}

void mill_shimctl_release(struct mill_service *s)
{
	struct event **events[] = {&s->shim_event, &s->report_event, &s->sweep_event};
	for (size_t i = 0; i < MILL_ARRAY_LEN(events); i++) {
		if (*events[i])
			event_free(*events[i]);
		*events[i] = NULL;
	}
	if (s->pidfd >= 0)
		close(s->pidfd);
	if (s->report_fd >= 0)
		close(s->report_fd);
	s->pidfd = s->report_fd = -1;
	s->shim_pid = 0;
	mill_strbuf_release(&s->report);
	mill_strbuf_init(&s->report, 8192);
}

static bool survivors_left(struct mill_service *s)
{
	_cleanup_free_ char *lock = lock_path(s);
	return mill_survivors_kill(s->daemon->platform_dir, s->id, lock) > 0 || mill_lock_is_held(lock);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct mill_service *s = arg;
	struct timeval tv = {.tv_usec = SWEEP_EVERY_MS * 1000};
	(void)fd;
	(void)what;
	if (survivors_left(s) && s->sweeps++ < SWEEPS_MAX) {
		evtimer_add(s->sweep_event, &tv);
		return;
	}
	mill_shimctl_release(s);
	mill_service_ended(s);
}

/* What the report did not say (an adopted shim has no pipe to us) stands in its status. */
static void learn_end(struct mill_service *s)
{
	struct mill_status st;
	if (s->end.known || s->end.failed || s->end.busy)
		return;
	s->end = (struct mill_service_end){.lost = true};
	if (mill_status_read(s->dir, &st, NULL) < 0)
		return;
	if (st.this_boot && st.shim_pid == s->shim_pid && st.state == MILL_STATUS_EXITED) {
		s->end = (struct mill_service_end){.known = true, .exit_code = st.exit_code, .signal = st.signal,
						   .leftover = st.leftover, .lost_lines = st.lost_lines};
	} else if (st.this_boot && st.shim_pid == s->shim_pid && st.state == MILL_STATUS_FAILED) {
		s->end = (struct mill_service_end){.failed = true};
		set_failure(s, st.error ? st.error : "could not be started");
	}
	mill_status_release(&st);
}

static void on_shim_end(evutil_socket_t fd, short what, void *arg)
{
	struct mill_service *s = arg;
	(void)fd;
	(void)what;
	read_report(s);
	event_del(s->shim_event);
	learn_end(s);
	if (s->end.busy && s->sm.state == MILL_SM_STARTING) {
		/* Another shim got there first (a daemon died between spawn and status): it is ours as well. */
		mill_shimctl_release(s);
		if (mill_shimctl_adopt(s))
			return;
		s->end.lost = true;
	}
	if (!s->end.lost) {
		mill_shimctl_release(s);
		mill_service_ended(s);
		return;
	}
	s->sweeps = 0;
	s->sweep_event = evtimer_new(s->daemon->base, on_sweep, s);
	on_sweep(-1, 0, s);
}

void mill_shimctl_clear_survivors(struct mill_service *s)
{
	for (int i = 0; i < CLEAR_TRIES && survivors_left(s); i++)
		mill_sleep_ms(5);
}

/* ---- the start ---- */

static void watch_shim(struct mill_service *s)
{
	s->shim_event = event_new(s->daemon->base, s->pidfd, EV_READ | EV_PERSIST, on_shim_end, s);
	if (!s->shim_event || event_add(s->shim_event, NULL) < 0)
		BUG("no memory for an event");
	if (s->report_fd < 0)
		return;
	s->report_event = event_new(s->daemon->base, s->report_fd, EV_READ | EV_PERSIST, on_report, s);
	if (!s->report_event || event_add(s->report_event, NULL) < 0)
		BUG("no memory for an event");
}

static MILL_NORETURN void exec_shim(const char *path, char *const *argv, int report_fd)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(report_fd, F_SETFD, 0);
	execve(path, argv, environ);
	static const char text[] = "F the shim cannot be executed\n";
	if (write(report_fd, text, sizeof(text) - 1) < 0)
		_exit(126);
	_exit(127);
}

/*
 * CLONE_PARENT: the shim is the child of our parent (init, or the service
 * manager that started us), never ours, without a second fork; CLONE_PIDFD pins
 * it from its first instant.
 */
static int clone_shim(struct mill_service *s, char *const *argv, int report_fd)
{
	int pidfd = -1;
	long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0);
	if (pid == 0)
		exec_shim(s->daemon->shim, argv, report_fd);
	if (pid < 0)
		return -errno;
	s->pidfd = pidfd;
	s->shim_pid = (pid_t)pid;
	return 0;
}

static int make_args(struct mill_service *s, int report_fd, struct mill_strv *argv, struct mill_error *err)
{
	const struct mill_spec *spec = &s->spec;
	_cleanup_strv_ struct mill_strv locks = {0};
	_cleanup_free_ char *notify = NULL;
	_cleanup_free_ char *wanted = mill_path_join(s->dir, "run/notify.sock");
	_cleanup_free_ char *name = mill_socket_name(s->id, "notify");
	bool moved;
	int rc = spec->notify ? mill_socket_path(s->daemon->platform_dir, wanted, name, &notify, &moved, err) : 0;
	if (rc < 0)
		return rc;
	struct mill_shim_args a = {
		.id = s->id, .dir = s->dir, .platform_dir = s->daemon->platform_dir, .fingerprint = spec->fingerprint,
		.daemon = s->daemon->exe, .daemon_pid = s->daemon->pid, .daemon_start = s->daemon->start,
		.log_max_bytes = spec->log_max_bytes, .log_keep = spec->log_keep, .line_max = spec->log_line_max,
		.stop_signal = spec->stop_signal, .grace_ms = spec->grace_ms, .set_ids = spec->set_ids,
		.uid = spec->uid, .gid = spec->gid, .notify = notify, .report_fd = report_fd,
	};
	for (size_t i = 0; spec->store && i < spec->store_entries.n && i < MILL_SHIM_LOCKS_MAX; i++)
		mill_strv_addf(&locks, "%s/.locks/%s", spec->store, spec->store_entries.items[i]);
	for (size_t i = 0; i < locks.n; i++)
		a.locks[a.n_locks++] = locks.items[i];
	mill_shim_args_build(&a, "data-mill-shim", argv);
	return 0;
}

static void forget_last(struct mill_service *s)
{
	mill_shimctl_release(s);
	s->end = (struct mill_service_end){0};
	s->notified = s->was_ready = false;
	s->main_pid = 0;
	s->started_ms = mill_wall_ms();
	free(s->failure);
	s->failure = NULL;
}

void mill_shimctl_spawn(struct mill_service *s)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_strv_ struct mill_strv argv = {0};
	int report[2] = {-1, -1};
	forget_last(s);
	int rc = mill_service_load_spec(s, &err);
	if (rc == 0 && pipe2(report, O_CLOEXEC) < 0)
		rc = mill_fail_errno(&err, errno, "report pipe");
	if (rc == 0)
		rc = make_args(s, report[1], &argv, &err);
	if (rc == 0 && (rc = clone_shim(s, mill_strv_argv(&argv), report[1])) < 0)
		mill_fail_errno(&err, -rc, "no process could be made");
	if (report[1] >= 0)
		close(report[1]);
	if (rc < 0) {
		if (report[0] >= 0)
			close(report[0]);
		set_failure(s, err.message);
		s->end = (struct mill_service_end){.failed = true, .retry = rc == -EAGAIN || rc == -ENOMEM || rc == -EMFILE};
		mill_service_ended(s);
		return;
	}
	free(s->fingerprint);
	s->fingerprint = mill_xstrdup(s->spec.fingerprint);
	s->report_fd = report[0];
	fcntl(report[0], F_SETFL, O_NONBLOCK);
	watch_shim(s);
}

/* ---- adoption ---- */

/* Its identity is pid, start time and boot id; and it must hold the lock. */
static bool open_running(struct mill_service *s, struct mill_status *st)
{
	_cleanup_free_ char *lock = lock_path(s);
	for (int i = 0; i < SETTLE_TRIES; i++) {
		if (!mill_lock_is_held(lock))
			return false;
		if (mill_status_read(s->dir, st, NULL) == 0) {
			int pidfd = st->this_boot ? mill_sys_pidfd(st->shim_pid, st->shim_start) : -1;
			if (pidfd >= 0 && st->state != MILL_STATUS_STARTING) {
				s->pidfd = pidfd;
				return true;
			}
			if (pidfd >= 0)
				close(pidfd);
			mill_status_release(st);
		}
		mill_sleep_ms(5); /* it holds the lock and has not written yet; or its survivors do */
	}
	return false;
}

bool mill_shimctl_adopt(struct mill_service *s)
{
	struct mill_status st;
	forget_last(s);
	if (!open_running(s, &st))
		return false;
	s->shim_pid = st.shim_pid;
	s->main_pid = st.main_pid;
	s->main_start = st.main_start;
	s->started_ms = st.started_ms;
	s->notified = st.notified;
	s->adopted = true;
	free(s->fingerprint);
	s->fingerprint = mill_xstrdup(st.fingerprint);
	mill_status_release(&st);
	if (mill_service_load_spec(s, NULL) < 0)
		s->spec.grace_ms = 10000; /* it runs without a spec: it can still be stopped */
	watch_shim(s);
	mill_service_running(s, "adopted");
	return true;
}

/* ---- signals ---- */

void mill_shimctl_signal(struct mill_service *s, int sig)
{
	if (s->pidfd >= 0)
		mill_sys_pidfd_kill(s->pidfd, sig);
}

void mill_shimctl_kill(struct mill_service *s)
{
	int fd = s->main_pid ? mill_sys_pidfd(s->main_pid, s->main_start) : -1;
	if (fd >= 0) {
		mill_sys_pidfd_kill(fd, SIGKILL);
		close(fd);
	}
	mill_shimctl_signal(s, SIGKILL);
}
