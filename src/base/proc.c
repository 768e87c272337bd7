#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;

/* What the child did when it failed; sent through the error pipe. */
enum step { STEP_FDS, STEP_SESSION, STEP_IDS, STEP_CWD, STEP_PRIVS, STEP_PARENT, STEP_EXEC };
struct report {
	int code;
	int step;
};

static MILL_NORETURN void child_fail(int fd, enum step step, int code)
{
	struct report r = {.code = code, .step = (int)step};
	ssize_t n = write(fd, &r, sizeof(r));
	(void)n;
	_exit(127);
}

/* Only async-signal-safe calls from here to child(). */
static int mark_all_cloexec(void)
{
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	/* Kernels before 5.11. */
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	int top = limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur;
	for (int fd = 3; fd < top; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int child_fds(const struct mill_spawn *s)
{
	const int wanted[3] = {s->stdin_fd, s->stdout_fd, s->stderr_fd};
	int high[3];
	/* First all above 2, so that no dup2 overwrites one that is still needed. */
	for (int i = 0; i < 3; i++) {
		int fd = wanted[i];
		if (fd < 0)
			fd = open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		high[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], i) < 0)
			return -errno;
	int r = mark_all_cloexec();
	for (size_t i = 0; r == 0 && i < s->n_keep_fds; i++)
		if (fcntl(s->keep_fds[i], F_SETFD, 0) < 0)
			r = -errno;
	return r;
}

static int child_ids(const struct mill_spawn *s)
{
	if (geteuid() != 0 && getuid() == s->uid && getgid() == s->gid)
		return 0; /* we are that user already, and may not call setgroups */
	if (setgroups(1, &s->gid) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0)
		return -errno;
	return 0;
}

static void child_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &plain, NULL); /* KILL, STOP and glibc's own refuse: fine */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static MILL_NORETURN void child(const struct mill_spawn *s, const char *program, pid_t parent,
				int report_fd)
{
	child_signals();
	int r = child_fds(s);
	if (r < 0)
		child_fail(report_fd, STEP_FDS, -r);
	if ((s->new_session && setsid() < 0) ||
	    (s->new_group && !s->new_session && setpgid(0, 0) < 0))
		child_fail(report_fd, STEP_SESSION, errno);
	if (s->set_ids && (r = child_ids(s)) < 0)
		child_fail(report_fd, STEP_IDS, -r);
	if (s->umask)
		umask(s->umask);
	if (s->cwd && chdir(s->cwd) < 0)
		child_fail(report_fd, STEP_CWD, errno);
	if (s->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fail(report_fd, STEP_PRIVS, errno);
	/* After the ids: a change of them clears it.  The parent may have died before. */
	if (s->parent_death_signal) {
		if (prctl(PR_SET_PDEATHSIG, s->parent_death_signal, 0, 0, 0) < 0)
			child_fail(report_fd, STEP_PRIVS, errno);
		if (getppid() != parent)
			child_fail(report_fd, STEP_PARENT, ESRCH);
	}
	execve(program, s->argv, s->env ? s->env : environ);
	child_fail(report_fd, STEP_EXEC, errno);
}

static const char *path_of(const struct mill_spawn *s)
{
	char *const *env = s->env ? s->env : environ;
	for (; env && *env; env++)
		if (mill_starts_with(*env, "PATH="))
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* A CLOEXEC pipe whose ends are above 2, whatever of 0-2 is closed here. */
static int high_pipe(int fds[2])
{
	int raw[2];
	if (pipe2(raw, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		fds[i] = raw[i];
		if (raw[i] > 2)
			continue;
		fds[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 3);
		int code = errno;
		close(raw[i]);
		if (fds[i] < 0) {
			close(i ? fds[0] : raw[1]);
			return -code;
		}
	}
	return 0;
}

static int explain(const struct mill_spawn *s, const char *program, const struct report *r,
		   struct mill_error *err)
{
	switch ((enum step)r->step) {
	case STEP_EXEC:
		return mill_fail_errno(err, r->code, "exec %s", program);
	case STEP_CWD:
		return mill_fail_errno(err, r->code, "exec %s: folder %s", program, s->cwd);
	case STEP_IDS:
		return mill_fail_errno(err, r->code, "exec %s: become user %u, group %u", program,
				       (unsigned)s->uid, (unsigned)s->gid);
	case STEP_SESSION:
		return mill_fail_errno(err, r->code, "exec %s: new session", program);
	case STEP_PRIVS:
		return mill_fail_errno(err, r->code, "exec %s: process settings", program);
	case STEP_PARENT:
		return mill_fail(err, r->code, "exec %s: the parent has ended", program);
	case STEP_FDS:
		break;
	}
	return mill_fail_errno(err, r->code, "exec %s: file descriptors", program);
}

static void reap(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* The child's report, or none when the exec went well. */
static bool read_report(int fd, struct report *r)
{
	return mill_read_retry(fd, r, sizeof(*r)) == (ssize_t)sizeof(*r);
}

int mill_proc_spawn(const struct mill_spawn *s, struct mill_proc *ret, struct mill_error *err)
{
	_cleanup_free_ char *program = NULL;
	if (!s->argv || !s->argv[0])
		return mill_fail(err, EINVAL, "no program to run");
	/* With a slash exec itself says best what is wrong. */
	if (strchr(s->argv[0], '/'))
		program = mill_xstrdup(s->argv[0]);
	else
		program = mill_path_find_program(s->argv[0], path_of(s));
	if (!program)
		return mill_fail(err, ENOENT, "%s: not found in PATH", s->argv[0]);
	int pipe_fds[2];
	int r = high_pipe(pipe_fds);
	if (r < 0)
		return mill_fail_errno(err, -r, "run %s: pipe", s->argv[0]);
	/* No handler of ours may run in the child. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t parent = getpid();
	pid_t pid = fork();
	int fork_errno = errno;
	if (pid == 0)
		child(s, program, parent, pipe_fds[1]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return mill_fail_errno(err, fork_errno, "run %s: fork", s->argv[0]);
	}
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int pidfd_errno = errno;
	struct report report;
	bool failed = read_report(pipe_fds[0], &report);
	close(pipe_fds[0]);
	if (failed || pidfd < 0) {
		if (!failed)
			kill(pid, SIGKILL); /* ours and not yet reaped: it is that process */
		reap(pid);
		if (pidfd >= 0)
			close(pidfd);
		return failed ? explain(s, program, &report, err)
			      : mill_fail_errno(err, pidfd_errno, "run %s: pidfd_open", s->argv[0]);
	}
	*ret = (struct mill_proc){.pid = pid, .pidfd = pidfd};
	(void)mill_proc_start_time(pid, &ret->start_time);
	return 0;
}

static int to_status(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return (info->si_status & 0xff) << 8;
	return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

int mill_proc_wait(struct mill_proc *p, int timeout_ms, int cancel_fd, int *ret_status)
{
	uint64_t deadline = timeout_ms < 0 ? 0 : mill_now_ns() + (uint64_t)timeout_ms * MILL_MS;
	if (p->pidfd < 0)
		return -ECHILD;
	for (;;) {
		/* poll ignores entries with a negative fd. */
		struct pollfd fds[2] = {{.fd = p->pidfd, .events = POLLIN},
					{.fd = cancel_fd, .events = POLLIN}};
		int left = -1;
		if (timeout_ms >= 0) {
			uint64_t now = mill_now_ns();
			left = now >= deadline ? 0 : (int)((deadline - now + MILL_MS - 1) / MILL_MS);
		}
		int n = poll(fds, 2, left);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			return -ECANCELED;
		if (timeout_ms >= 0 && mill_now_ns() >= deadline)
			return -ETIMEDOUT;
	}
	siginfo_t info = {0};
	while (waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	if (ret_status)
		*ret_status = to_status(&info);
	return 0;
}

int mill_proc_signal(const struct mill_proc *p, int sig)
{
	if (p->pidfd < 0)
		return -ESRCH;
	if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) < 0)
		return -errno;
	return 0;
}

void mill_proc_release(struct mill_proc *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	*p = (struct mill_proc)MILL_PROC_INIT;
}

int mill_proc_open(pid_t pid, uint64_t start_time, struct mill_proc *ret)
{
	if (pid <= 0)
		return -ESRCH;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno; /* EINVAL: a thread's id */
	/* The pidfd first: if the start time is right now, it was right then. */
	uint64_t now;
	if (mill_proc_start_time(pid, &now) < 0 || now != start_time) {
		close(fd);
		return -ESRCH;
	}
	*ret = (struct mill_proc){.pid = pid, .pidfd = fd, .start_time = start_time};
	return 0;
}

bool mill_proc_alive(const struct mill_proc *p)
{
	struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
	if (p->pidfd < 0)
		return false;
	int n;
	do
		n = poll(&fd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

unsigned mill_processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}
