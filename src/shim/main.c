/* data-mill-shim: see shim.h and docs/internals/supervision.md. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "shim/child.h"
#include "shim/shim.h"

enum {
	LOCK_TRIES = 100, /* 5 ms apart: a dying predecessor lets go within that */
	KILL_AGAIN_MS = 20,
	LINGER_MS = 60000, /* an ended shim stays this long to see the daemon started again */
};

static struct mill_shim shim; /* one a process; static: no heap */

static void sleep_ms(unsigned ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&ts, NULL);
}

/* ---- the end ---- */

/* Never started: says why to whoever may ask, and leaves. */
static MILL_NORETURN void give_up(struct mill_shim *s, char kind, const char *text)
{
	char line[768];
	struct mill_text t = MILL_TEXT(line);
	mill_text_addn(&t, &kind, 1);
	mill_text_add(&t, " ");
	mill_text_add(&t, text);
	s->error = text;
	if (s->lock_fd >= 0 && kind != 'B') {
		char note[768];
		struct mill_text n = MILL_TEXT(note);
		mill_text_add(&n, "could not start: ");
		mill_text_add(&n, text);
		mill_shim_status_write(s, "failed");
		if (s->log_fd >= 0)
			mill_shim_log_note(&s->log, note);
	}
	mill_text_add(&t, "\n");
	mill_shim_report(s, line);
	_exit(1);
}

static void note_end(struct mill_shim *s)
{
	char buf[128];
	struct mill_text t = MILL_TEXT(buf);
	if (WIFSIGNALED(s->wait_status)) {
		mill_text_add(&t, "ended: signal ");
		mill_text_num(&t, (uint64_t)WTERMSIG(s->wait_status));
	} else {
		mill_text_add(&t, "ended: exit code ");
		mill_text_num(&t, (uint64_t)WEXITSTATUS(s->wait_status));
	}
	if (s->leftover) {
		mill_text_add(&t, ", ");
		mill_text_num(&t, s->leftover);
		mill_text_add(&t, " processes left over were ended");
	}
	mill_shim_log_note(&s->log, buf);
}

static void report_end(struct mill_shim *s)
{
	char line[128];
	struct mill_text t = MILL_TEXT(line);
	bool killed = WIFSIGNALED(s->wait_status);
	mill_text_add(&t, "X ");
	mill_text_num(&t, killed ? 0 : (uint64_t)WEXITSTATUS(s->wait_status));
	mill_text_add(&t, " ");
	mill_text_num(&t, killed ? (uint64_t)WTERMSIG(s->wait_status) : 0);
	mill_text_add(&t, " ");
	mill_text_num(&t, s->leftover);
	mill_text_add(&t, " ");
	mill_text_num(&t, s->log.lost_lines);
	mill_text_add(&t, "\n");
	mill_shim_report(s, line);
}

/* ---- starting ---- */

static int open_folder(int at, const char *name, mode_t mode)
{
	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void open_folders(struct mill_shim *s)
{
	/* run/ may belong to the service's user, for its sockets: we follow no link there, and readers look at the owner. */
	mode_t pass = s->args.set_ids ? 0711 : 0700;
	s->dir_fd = open(s->args.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		give_up(s, 'F', "the service folder cannot be opened");
	s->run_fd = open_folder(s->dir_fd, "run", pass);
	if (s->run_fd < 0)
		give_up(s, 'F', "run/ cannot be made in the service folder");
	fchmod(s->run_fd, pass);
	int tmp = open_folder(s->run_fd, "tmp", 0700);
	if (tmp >= 0) {
		if (s->args.set_ids && fchown(tmp, s->args.uid, s->args.gid) < 0)
			give_up(s, 'F', "run/tmp cannot be given to the service's user");
		close(tmp);
	}
}

static void take_lock(struct mill_shim *s)
{
	char text[256];
	struct mill_text t = MILL_TEXT(text);
	int fd = openat(s->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		give_up(s, 'F', "run/lock cannot be opened");
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_TRIES)
			give_up(s, 'B', "another process holds run/lock");
		sleep_ms(5);
	}
	s->lock_fd = fd;
	mill_text_add(&t, "pid ");
	mill_text_num(&t, (uint64_t)s->pid);
	mill_text_add(&t, " (data-mill-shim ");
	mill_text_add(&t, s->args.id);
	mill_text_add(&t, ")\n");
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, t.len, 0) < 0)
		return; /* only for people who look */
}

/* Shared locks keep `store gc` away from what the service runs from; held until we end. */
static void take_store_locks(struct mill_shim *s)
{
	for (size_t i = 0; i < s->args.n_locks; i++) {
		int fd = open(s->args.locks[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			fd = open(s->args.locks[i], O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			continue; /* a store that is not ours to write: nobody collects it either */
		if (flock(fd, LOCK_SH | LOCK_NB) < 0)
			give_up(s, 'T', "its software in the store is being installed or removed");
	}
}

static void block_signals(struct mill_shim *s)
{
	static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < MILL_ARRAY_LEN(handled); i++)
		sigaddset(&set, handled[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* the log's write says EFBIG instead */
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static MILL_NORETURN void run_child(struct mill_shim *s, const int *out, const int *err_pipe, int error_fd)
{
	struct mill_child c = {.dir = s->args.dir, .notify = s->args.notify, .parent = s->pid,
			       .keep_fd = s->lock_fd, .out_fd = out[1], .err_fd = err_pipe[1]};
	struct mill_error err = {0};
	bool retry = false;
	mill_child_exec(&c, &retry, &err);
	const char *text = err.message ? err.message : "unknown error";
	size_t n = strlen(text);
	if (write(error_fd, retry ? "T" : "F", 1) == 1 && write(error_fd, text, n > 500 ? 500 : n) < 0)
		_exit(126);
	_exit(127);
}

/* To the end of the pipe, which comes with exec or with the child's end: what it says may arrive in parts. */
static size_t read_all(int fd, char *buf, size_t size)
{
	size_t n = 0;
	while (n < size) {
		ssize_t got = read(fd, buf + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static void start_service(struct mill_shim *s)
{
	static char failure[512];
	int out[2], err_pipe[2], error[2];
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err_pipe, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0)
		give_up(s, 'T', "no pipe could be made");
	/* So that it may open /dev/stdout again. */
	if (s->args.set_ids &&
	    (fchown(out[1], s->args.uid, s->args.gid) < 0 || fchown(err_pipe[1], s->args.uid, s->args.gid) < 0))
		give_up(s, 'F', "the log pipe cannot be given to the service's user");
	pid_t pid = fork();
	if (pid < 0)
		give_up(s, 'T', "no process could be made");
	if (pid == 0)
		run_child(s, out, err_pipe, error[1]);
	close(out[1]);
	close(err_pipe[1]);
	close(error[1]);
	struct mill_sys_stat st;
	s->main_start = mill_sys_stat(pid, &st) == 0 ? st.start : 0;
	size_t n = read_all(error[0], failure, sizeof(failure) - 1);
	close(error[0]);
	if (n > 0) {
		failure[n] = '\0';
		waitpid(pid, NULL, 0);
		give_up(s, failure[0], failure + 1);
	}
	s->main_pid = pid;
	s->log.in[MILL_LOG_OUT] = out[0];
	s->log.in[MILL_LOG_ERR] = err_pipe[0];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err_pipe[0], F_SETFL, O_NONBLOCK);
}

static void say_started(struct mill_shim *s)
{
	char line[128];
	struct mill_text t = MILL_TEXT(line);
	s->started_ms = mill_shim_wall_ms();
	mill_shim_status_write(s, "running");
	mill_text_add(&t, "R ");
	mill_text_num(&t, (uint64_t)s->main_pid);
	mill_text_add(&t, " ");
	mill_text_num(&t, s->main_start);
	mill_text_add(&t, "\n");
	mill_shim_report(s, line);
	t.len = 0;
	mill_text_add(&t, "started, pid ");
	mill_text_num(&t, (uint64_t)s->main_pid);
	mill_shim_log_note(&s->log, line);
}

/* ---- running ---- */

static void stop_service(struct mill_shim *s)
{
	if (s->stopping || s->ended)
		return;
	s->stopping = true;
	s->kill_ns = mill_shim_now_ns() + (uint64_t)s->args.grace_ms * 1000000;
	kill(s->main_pid, s->args.stop_signal); /* our child, not reaped yet: the pid is its own */
}

static void kill_all(struct mill_shim *s)
{
	s->killing = true;
	if (!s->ended)
		kill(s->main_pid, SIGKILL);
	mill_shim_signal_descendants(s, SIGKILL);
	/* What was forked meanwhile, or is reparented to us by these deaths, is met again. */
	s->kill_ns = mill_shim_now_ns() + (uint64_t)KILL_AGAIN_MS * 1000000;
}

/* The main process has ended: what it left behind must go before another start. */
static void end_leftovers(struct mill_shim *s)
{
	if (s->none_left || s->killing)
		return;
	s->leftover = mill_shim_signal_descendants(s, SIGTERM);
	if (!s->stopping)
		s->kill_ns = mill_shim_now_ns() + (uint64_t)s->args.grace_ms * 1000000;
}

static void handle_signals(struct mill_shim *s)
{
	struct signalfd_siginfo info;
	bool was_ended = s->ended;
	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop_service(s);
		else if (info.ssi_signo == SIGQUIT)
			kill_all(s);
	}
	mill_shim_reap(s);
	if (s->ended && !was_ended)
		end_leftovers(s);
}

static int next_timeout_ms(const struct mill_shim *s)
{
	uint64_t at = s->kill_ns, now = mill_shim_now_ns();
	if (s->watch.next_ns && (!at || s->watch.next_ns < at))
		at = s->watch.next_ns;
	if (!at)
		return -1;
	return at <= now ? 0 : (int)((at - now) / 1000000) + 1;
}

static void handle_timers(struct mill_shim *s)
{
	uint64_t now = mill_shim_now_ns();
	if (s->kill_ns && now >= s->kill_ns)
		kill_all(s);
	if (s->watch.next_ns && now >= s->watch.next_ns) {
		s->watch.next_ns = 0;
		mill_shim_watch_tick(s);
	}
}

static void handle_stream(struct mill_shim *s, int stream)
{
	if (mill_shim_log_read(&s->log, stream))
		return;
	close(s->log.in[stream]);
	s->log.in[stream] = -1;
}

static void run(struct mill_shim *s)
{
	while (!s->ended || !s->none_left) {
		struct pollfd p[] = {
			{.fd = s->signal_fd, .events = POLLIN},	    {.fd = s->log.in[0], .events = POLLIN},
			{.fd = s->log.in[1], .events = POLLIN},	    {.fd = s->watch.pidfd, .events = POLLIN},
			{.fd = s->notify_fd, .events = POLLIN},
		};
		if (poll(p, MILL_ARRAY_LEN(p), next_timeout_ms(s)) < 0 && errno != EINTR)
			continue;
		if (p[1].revents)
			handle_stream(s, MILL_LOG_OUT);
		if (p[2].revents)
			handle_stream(s, MILL_LOG_ERR);
		if (p[4].revents && mill_shim_notify_read(s) && !s->notified) {
			s->notified = true;
			mill_shim_status_write(s, "running");
			mill_shim_report(s, "N\n");
		}
		if (p[3].revents)
			mill_shim_watch_tick(s);
		if (p[0].revents)
			handle_signals(s);
		handle_timers(s);
	}
}

/* The daemon may have died with the service: then it is started before we go, or nobody is left to do it. */
static void leave_a_daemon(struct mill_shim *s)
{
	uint64_t end = mill_shim_now_ns() + (uint64_t)LINGER_MS * 1000000;
	if (s->watch.pidfd >= 0 && mill_sys_is_dying(s->watch.pid)) {
		struct pollfd p = {.fd = s->watch.pidfd, .events = POLLIN};
		poll(&p, 1, LINGER_MS);
	}
	if (s->watch.pidfd >= 0 && mill_sys_pidfd_ended(s->watch.pidfd))
		mill_shim_watch_tick(s);
	while (s->watch.pidfd < 0 && mill_shim_now_ns() < end) {
		uint64_t now = mill_shim_now_ns();
		if (s->watch.next_ns > now)
			sleep_ms((unsigned)((s->watch.next_ns - now) / 1000000) + 1);
		s->watch.next_ns = 0;
		mill_shim_watch_tick(s);
	}
}

static void supervise(struct mill_shim *s)
{
	struct mill_sys_stat st;
	s->pid = getpid();
	s->start = mill_sys_stat(s->pid, &st) == 0 ? st.start : 0;
	block_signals(s);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	open_folders(s);
	take_lock(s);
	mill_shim_status_write(s, "starting");
	s->log_fd = open_folder(s->dir_fd, "log", 0700);
	mill_shim_log_init(&s->log, s->log_fd, s->args.log_max_bytes, s->args.log_keep, s->args.line_max);
	take_store_locks(s);
	if (s->args.notify)
		s->notify_fd = mill_shim_notify_open(s);
	if (s->args.notify && s->notify_fd < 0)
		give_up(s, 'F', "the notify socket cannot be made");
	start_service(s);
	say_started(s);
	mill_shim_watch_init(s);
	run(s);
	mill_shim_log_drain(&s->log);
	note_end(s);
	mill_shim_status_write(s, "exited");
	report_end(s);
	leave_a_daemon(s);
}

static int run_probe(char **argv)
{
	struct mill_child c = {.dir = argv[3], .probe = argv[2], .parent = getppid(), .keep_fd = -1, .out_fd = 1, .err_fd = 2};
	struct mill_error err = {0};
	bool retry;
	mill_child_exec(&c, &retry, &err);
	dprintf(STDERR_FILENO, "%s\n", err.message ? err.message : "unknown error");
	return 126;
}

int main(int argc, char **argv)
{
	struct mill_shim *s = &shim;
	const char *bad;
	umask(077);
	if (argc == 4 && mill_streq(argv[1], "probe"))
		return run_probe(argv);
	s->lock_fd = s->log_fd = s->notify_fd = -1;
	if (mill_shim_args_parse(argc, argv, &s->args, &bad) < 0) {
		static const char text[] = "data-mill-shim is started by data-mill-daemon (see data-mill help)\n";
		s->args.report_fd = -1;
		return write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? 2 : 2;
	}
	if (s->args.report_fd >= 0)
		fcntl(s->args.report_fd, F_SETFD, FD_CLOEXEC);
	supervise(s);
	return 0;
}
