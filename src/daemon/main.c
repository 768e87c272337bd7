/*
 * data-mill-daemon [--shim PATH] [--adopt-only] [--lock-fd N] [--ready-fd N] PLATFORM_DIR
 *
 * Started by the command line (mill_daemon_ensure), by a shim whose daemon died
 * (with the lock handed over as a file descriptor), or by the service manager after `enable`.
 * --ready-fd: one line, "ok" or what went wrong, once it listens.
 * TERM and INT stop the whole platform in order, as `down` does.
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/proc.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/jobs.h"
#include "daemon/paths.h"

#define DOWN_TEXT "down\n"   /* in the lock file, after a deliberate end: who waited for the lock gives up */
#define LOCK_WAIT_MS 3000 /* shims look at the lock for an instant */
#define LOG_MAX	     ((off_t)1 << 20)

struct options {
	const char *platform_dir, *shim;
	bool adopt_only;
	int lock_fd, ready_fd;
};

static int parse_fd(const char *text)
{
	int fd;
	return mill_parse_int(text, 3, 1 << 20, &fd) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"shim", required_argument, NULL, 's'},	    {"adopt-only", no_argument, NULL, 'a'},
		{"lock-fd", required_argument, NULL, 'l'},  {"ready-fd", required_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'V'},	    {NULL, 0, NULL, 0},
	};
	*o = (struct options){.lock_fd = -1, .ready_fd = -1};
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 's')
			o->shim = optarg;
		else if (c == 'a')
			o->adopt_only = true;
		else if (c == 'l')
			o->lock_fd = parse_fd(optarg);
		else if (c == 'r')
			o->ready_fd = parse_fd(optarg);
		else if (c == 'V') {
			puts("data-mill-daemon " MILL_VERSION);
			exit(0);
		} else
			return -EINVAL;
	}
	if (optind != argc - 1 || argv[optind][0] != '/')
		return -EINVAL;
	o->platform_dir = argv[optind];
	return 0;
}

static void say(const struct options *o, const char *text)
{
	char now[MILL_RFC3339_LEN];
	fprintf(stderr, "%s %s\n", mill_format_rfc3339(mill_wall_ms(), now), text);
	if (o->ready_fd >= 0 && (mill_write_all(o->ready_fd, text, strlen(text)) < 0 || mill_write_all(o->ready_fd, "\n", 1) < 0))
		return;
}

/* ---- our files in run/ ---- */

/* The shims read pid and start time here: no JSON for them. */
static void write_lock_text(int fd, pid_t pid, uint64_t start, const char *more)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "pid %d (data-mill-daemon)\nstart %llu\n%s", (int)pid, (unsigned long long)start, more);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
		perror("run/daemon.lock");
}

static bool says_down(int fd)
{
	char text[160];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "\n" DOWN_TEXT);
}

/* A lock on a file that destroy removed protects nothing. */
static bool is_current(int fd, const char *path)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int take_lock(const struct options *o, int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_daemon_path(o->platform_dir, "daemon.lock");
	if (o->lock_fd >= 0 && flock(o->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = o->lock_fd;
		return 0;
	}
	/* Not mill_lock_wait(): that writes its own text over the one we want to read. */
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return mill_fail_errno(err, errno, "%s", path);
	unsigned waited_ms = 0;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return mill_fail_errno(err, errno, "%s", path);
		if (waited_ms >= LOCK_WAIT_MS)
			return mill_fail(err, EBUSY, "%s is locked by another process", path);
		mill_sleep_ms(10);
		waited_ms += 10;
	}
	if (waited_ms && says_down(fd)) /* whoever started us meant it for before that */
		return mill_fail(err, ESTALE, "the platform was taken down meanwhile");
	if (!is_current(fd, path))
		return mill_fail(err, ESTALE, "the platform was destroyed meanwhile");
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int write_daemon_json(const struct mill_daemon *d, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	_cleanup_free_ char *path = mill_daemon_path(d->platform_dir, "daemon.json");
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, true);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "v", 1);
	mill_json_kv_int(&w, "pid", d->pid);
	mill_json_kv_int(&w, "start", (int64_t)d->start);
	mill_json_kv_string(&w, "boot_id", mill_boot_id());
	mill_json_kv_string(&w, "version", MILL_VERSION);
	mill_json_kv_string(&w, "socket", mill_control_path(d->control));
	mill_json_kv_string(&w, "exe", d->exe);
	mill_json_end_object(&w);
	mill_strbuf_addch(&b, '\n');
	return mill_write_file(path, b.data, b.len, 0600, 0, err);
}

/* What a shim starts when we die: the newest daemon that ran, not the one it was started by. */
static void write_exe_link(const struct mill_daemon *d)
{
	_cleanup_free_ char *path = mill_daemon_path(d->platform_dir, "daemon.exe");
	_cleanup_free_ char *temporary = mill_daemon_path(d->platform_dir, "daemon.exe.new");
	unlink(temporary);
	if (symlink(d->exe, temporary) < 0 || rename(temporary, path) < 0)
		perror("run/daemon.exe");
}

static void open_log(const char *platform_dir)
{
	_cleanup_free_ char *path = mill_daemon_path(platform_dir, "daemon.log");
	_cleanup_free_ char *old = mill_daemon_path(platform_dir, "daemon.1.log");
	struct stat st;
	if (stat(path, &st) == 0 && st.st_size > LOG_MAX)
		rename(path, old);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	if (fd >= 0)
		dup2(fd, 2);
}

/* ---- running ---- */

static void go_down(struct mill_daemon *d)
{
	_cleanup_strv_ struct mill_strv all = {0};
	if (d->going_down)
		return;
	for (size_t i = 0; i < d->n_services; i++)
		mill_strv_add(&all, d->services[i]->id);
	d->going_down = true;
	mill_job_add(d, MILL_JOB_DOWN, &all, 0, 0, 0);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	go_down(arg);
}

/* The platform's folder was removed by hand: what runs from it ends, or nobody could find it any more. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct mill_daemon *d = arg;
	(void)what;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	if (!mill_is_dir(d->platform_dir))
		go_down(d);
}

/*
 * The folder above is watched: what is still open below a removed folder keeps
 * it from being gone itself.  No wake-up until something there is removed.
 * NULL: no inotify to be had; then only this is missing.
 */
static struct event *watch_folder(struct mill_daemon *d)
{
	_cleanup_free_ char *above = mill_path_dirname(d->platform_dir);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct event *e = NULL;
	if (fd >= 0 && inotify_add_watch(fd, above, IN_DELETE | IN_ONLYDIR) >= 0)
		e = event_new(d->base, fd, EV_READ | EV_PERSIST, on_gone, d);
	if (e)
		event_add(e, NULL);
	else if (fd >= 0)
		close(fd);
	return e;
}

static void write_exiting(struct mill_json_writer *w, const void *arg)
{
	mill_json_kv_string(w, "what", "exiting");
	mill_json_kv_bool(w, "services_go_on", *(const bool *)arg);
}

static int run(const struct options *o, struct mill_daemon *d, int lock_fd)
{
	struct event *term = evsignal_new(d->base, SIGTERM, on_signal, d);
	struct event *interrupt = evsignal_new(d->base, SIGINT, on_signal, d);
	event_add(term, NULL);
	event_add(interrupt, NULL);
	struct event *gone = watch_folder(d);
	write_lock_text(lock_fd, d->pid, d->start, "");
	mill_daemon_adopt(d, o->adopt_only);
	say(o, "ok");
	if (o->ready_fd >= 0)
		close(o->ready_fd);
	event_base_dispatch(d->base);
	bool go_on = !d->going_down;
	mill_journal_write(&d->journal, "daemon", NULL, write_exiting, &go_on);
	/* A successor is on its way: the shims give it time. */
	write_lock_text(lock_fd, d->pid, d->start, go_on ? "leaving\n" : DOWN_TEXT);
	event_free(term);
	event_free(interrupt);
	if (gone) {
		close(event_get_fd(gone));
		event_free(gone);
	}
	return 0;
}

static void on_library_message(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		fprintf(stderr, "libevent: %s\n", text);
}

static void prepare(const char *platform_dir)
{
	_cleanup_free_ char *run_dir = mill_path_join(platform_dir, "run");
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* A small heap: what a spec needed while it was read goes back. */
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	mallopt(M_TRIM_THRESHOLD, 32 << 10);
	event_set_log_callback(on_library_message);
	(void)mkdir(run_dir, 0700); /* not -p: a platform that was destroyed meanwhile does not come back */
	open_log(platform_dir);
	if (chdir("/") < 0)
		perror("/");
}

static char *default_shim(void)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	_cleanup_free_ char *dir = mill_path_dirname(exe);
	return mill_path_join(dir, "data-mill-shim");
}

int main(int argc, char **argv)
{
	struct options o;
	struct mill_daemon d;
	_cleanup_error_ struct mill_error err = {0};
	int lock_fd = -1;
	if (parse_options(argc, argv, &o) < 0) {
		fputs("usage: data-mill-daemon [--shim PATH] [--adopt-only] PLATFORM_DIR (absolute)\n", stderr);
		return MILL_EXIT_USAGE;
	}
	prepare(o.platform_dir);
	_cleanup_free_ char *shim = o.shim ? mill_xstrdup(o.shim) : default_shim();
	int rc = take_lock(&o, &lock_fd, &err);
	if (rc < 0) {
		say(&o, err.message);
		return MILL_EXIT_FAILED;
	}
	rc = mill_daemon_init(&d, o.platform_dir, shim, &err);
	if (rc == 0)
		rc = write_daemon_json(&d, &err);
	if (rc < 0) {
		say(&o, err.message);
		mill_daemon_release(&d);
		return MILL_EXIT_FAILED;
	}
	write_exe_link(&d);
	rc = run(&o, &d, lock_fd);
	mill_daemon_release(&d);
	close(lock_fd);
	return rc < 0 ? MILL_EXIT_FAILED : MILL_EXIT_OK;
}
