/*
 * The daemon is watched by pidfd.  When it dies, the shim that gets
 * run/daemon.lock starts it again and hands the locked fd over, so that at no
 * time two could run; the others look until the lock file names a live
 * process.  run/daemon.starts holds "count milliseconds" of the last starts, so
 * that a daemon that dies at once is not started in a spin (up to 5 s apart,
 * whichever shim does it).
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim/shim.h"

enum {
	LOOK_FIRST_MS = 5,
	LOOK_MAX_MS = 500,
	START_MAX_MS = 5000,  /* longest pause between two starts */
	CALM_MS = 30000,      /* a start this long ago no longer counts */
	LEAVING_MS = 10000,   /* a daemon that left to be replaced: time for its successor */
};

extern char **environ;

static void path_of(const struct mill_shim *s, struct mill_text *t, const char *name)
{
	mill_text_add(t, s->args.platform_dir);
	mill_text_add(t, "/run/");
	mill_text_add(t, name);
}

static ssize_t read_text(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

/* The number after `key` in a text of ours, or 0. */
static uint64_t number_after(const char *text, const char *key)
{
	const char *p = strstr(text, key);
	uint64_t v = 0;
	for (p = p ? p + strlen(key) : ""; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

static uint64_t boot_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void look_again(struct mill_shim *s, uint64_t ms)
{
	s->watch.next_ns = mill_shim_now_ns() + ms * 1000000;
}

static void look_later(struct mill_shim *s)
{
	look_again(s, s->watch.delay_ms);
	s->watch.delay_ms = s->watch.delay_ms * 2 > LOOK_MAX_MS ? LOOK_MAX_MS : s->watch.delay_ms * 2;
}

static void found(struct mill_shim *s, int pidfd, pid_t pid)
{
	s->watch = (struct mill_shim_watch){.pidfd = pidfd, .pid = pid, .delay_ms = LOOK_FIRST_MS};
}

/* Milliseconds that the next start must still wait; 0: record it and go. */
static uint64_t start_pause_ms(const struct mill_shim *s)
{
	char path[4096], buf[64];
	struct mill_text t = MILL_TEXT(path), out = MILL_TEXT(buf);
	uint64_t now = boot_ms(), pause = 0;
	path_of(s, &t, "daemon.starts");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return 0;
	read_text(fd, buf, sizeof(buf));
	uint64_t count = number_after(buf, "count "), last = number_after(buf, "at ");
	if (last > now || now - last > CALM_MS)
		count = 0;
	if (count) {
		pause = count > 7 ? START_MAX_MS : UINT64_C(50) << (count - 1);
		pause = now - last >= pause ? 0 : pause - (now - last);
	}
	if (!pause) {
		buf[0] = '\0';
		mill_text_add(&out, "count ");
		mill_text_num(&out, count + 1);
		mill_text_add(&out, " at ");
		mill_text_num(&out, now);
		mill_text_add(&out, "\n");
		if (ftruncate(fd, 0) < 0 || pwrite(fd, buf, out.len, 0) < 0)
			pause = 0; /* a full disk must not keep the daemon away */
	}
	close(fd);
	return pause;
}

static void exec_daemon(const struct mill_shim *s, int lock_fd)
{
	char link[4096], exe[4096], number[24];
	struct mill_text t = MILL_TEXT(link), num = MILL_TEXT(number);
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(lock_fd, F_SETFD, 0);
	mill_text_num(&num, (uint64_t)lock_fd);
	char *argv[] = {(char *)"data-mill-daemon", (char *)"--lock-fd", number, (char *)s->args.platform_dir, NULL};
	/* The one that ran last: a newer daemon took over, and its successor must not be older. */
	path_of(s, &t, "daemon.exe");
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		execve(exe, argv, environ);
	}
	execve(s->args.daemon, argv, environ);
	_exit(127);
}

static void start_daemon(struct mill_shim *s, int lock_fd)
{
	/*
	 * CLONE_PARENT makes the daemon our sibling: a child, or a double fork
	 * below a subreaper, would make it a descendant of this service.
	 */
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		exec_daemon(s, lock_fd);
}

static void try_to_start(struct mill_shim *s, int lock_fd, const char *text)
{
	uint64_t pause;
	uint64_t lost_ms = (mill_shim_now_ns() - s->watch.lost_ns) / 1000000;
	if (strstr(text, "leaving") && lost_ms < LEAVING_MS) {
		look_again(s, 200);
	} else if ((pause = start_pause_ms(s)) > 0) {
		look_again(s, pause);
	} else {
		start_daemon(s, lock_fd);
		look_later(s);
	}
}

void mill_shim_watch_tick(struct mill_shim *s)
{
	char path[4096], text[256];
	struct mill_text t = MILL_TEXT(path);
	if (s->watch.pidfd >= 0) {
		close(s->watch.pidfd);
		s->watch.pidfd = -1;
	}
	if (!s->watch.lost_ns)
		s->watch.lost_ns = mill_shim_now_ns();
	path_of(s, &t, "daemon.lock");
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		look_again(s, START_MAX_MS); /* the platform's folder is gone */
		return;
	}
	bool held = flock(fd, LOCK_EX | LOCK_NB) < 0;
	read_text(fd, text, sizeof(text));
	if (held) {
		pid_t pid = (pid_t)number_after(text, "pid ");
		int pidfd = mill_sys_pidfd(pid, number_after(text, "start "));
		if (pidfd >= 0)
			found(s, pidfd, pid);
		else
			look_later(s); /* somebody is about to write there */
	} else {
		try_to_start(s, fd, text);
	}
	close(fd); /* the lock lives on in the daemon if one was started */
}

void mill_shim_watch_init(struct mill_shim *s)
{
	s->watch = (struct mill_shim_watch){.pidfd = -1, .pid = s->args.daemon_pid, .delay_ms = LOOK_FIRST_MS};
	s->watch.pidfd = mill_sys_pidfd(s->args.daemon_pid, s->args.daemon_start);
	if (s->watch.pidfd < 0)
		mill_shim_watch_tick(s);
}
