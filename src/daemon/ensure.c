/* Starting a daemon from the command line, and keeping copies of the binaries that a running platform needs. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/proc.h"
#include "daemon/client.h"
#include "daemon/paths.h"

enum {
	START_TIMEOUT_MS = 20000, /* adoption may first have to end survivors */
	BUSY_TRIES = 100,	  /* another caller's daemon is starting, 50 ms apart */
	START_TRIES = 3,
};

static const char *const kept_variables[] = {"HOME", "USER", "LOGNAME", "LANG", "XDG_RUNTIME_DIR", "TZ"};

/* The daemon inherits nothing else: it lives long, and its shims get this environment too. */
static void make_environment(struct mill_strv *env)
{
	mill_strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < MILL_ARRAY_LEN(kept_variables); i++) {
		const char *value = getenv(kept_variables[i]);
		if (value)
			mill_strv_setenv(env, kept_variables[i], value);
	}
}

/* After fork in a program that may have threads: only async-signal-safe calls. */
static MILL_NORETURN void exec_daemon(char *const *argv, char *const *env, int ready_fd, int null_fd)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	setsid();
	pid_t pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null_fd, 0);
	dup2(null_fd, 1);
	dup2(null_fd, 2);
	if (ready_fd != 3) {
		dup2(ready_fd, 3);
		ready_fd = 3;
	} else {
		fcntl(3, F_SETFD, 0);
	}
	close_range(4, ~0u, 0);
	execve(argv[0], argv, env);
	int e = errno;
	const char *text = e == ENOENT ? "the daemon's program is missing\n" : "the daemon's program cannot be executed\n";
	if (write(ready_fd, text, strlen(text)) < 0)
		_exit(126);
	_exit(127);
}

/* Reads what the daemon says once it listens, into text. */
static int read_ready(int fd, int cancel_fd, struct mill_strbuf *text)
{
	uint64_t end = mill_now_ns() + START_TIMEOUT_MS * MILL_MS;
	char buf[256];
	for (;;) {
		struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
		uint64_t now = mill_now_ns();
		int n = now >= end ? 0 : poll(p, 2, (int)((end - now) / MILL_MS) + 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ETIMEDOUT;
		if (cancel_fd >= 0 && p[1].revents)
			return -ECANCELED;
		ssize_t got = read(fd, buf, sizeof(buf));
		if (got <= 0)
			return 0;
		mill_strbuf_add(text, buf, (size_t)got);
	}
}

static int start_daemon(const char *platform_dir, const struct mill_daemon_start *how, int cancel_fd,
			struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv env = {0};
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(4096);
	char *argv[] = {(char *)how->daemon, (char *)"--shim", (char *)how->shim, (char *)"--adopt-only",
			(char *)"--ready-fd", (char *)"3", (char *)platform_dir, NULL};
	int ready[2], status;
	make_environment(&env);
	char *const *envp = mill_strv_argv(&env);
	_cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return mill_fail_errno(err, errno, "start the daemon");
	pid_t pid = fork();
	if (pid == 0)
		exec_daemon(argv, envp, ready[1], null_fd);
	int e = errno;
	close(ready[1]);
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	int rc = pid < 0 ? -e : read_ready(ready[0], cancel_fd, &text);
	close(ready[0]);
	if (rc < 0)
		return mill_fail_errno(err, -rc, "start the platform's daemon");
	if (mill_starts_with(text.data, "ok"))
		return 0;
	while (text.len && text.data[text.len - 1] == '\n')
		mill_strbuf_truncate(&text, text.len - 1);
	mill_fail(err, EIO, "start the platform's daemon: %s", text.len ? text.data : "it ended without a word");
	return mill_error_hint(err, "See %s/run/daemon.log.", platform_dir);
}

/* Connects once a daemon that somebody else may have started listens; -ENOENT: nobody is at it. */
static int await_other(const char *platform_dir, struct mill_client **ret, struct mill_error *err)
{
	_cleanup_free_ char *lock = mill_daemon_path(platform_dir, "daemon.lock");
	for (int i = 0; i < BUSY_TRIES; i++) {
		int fd = -1, rc = mill_client_connect(platform_dir, ret, err);
		if (rc == 0 || (rc != -ENOENT && rc != -ECONNREFUSED))
			return rc;
		mill_error_release(err);
		if (mill_lock_try(lock, false, &fd, NULL) == 0) {
			close(fd);
			return -ENOENT;
		}
		mill_sleep_ms(50);
	}
	return -ENOENT;
}

static int start_and_connect(const char *platform_dir, const struct mill_daemon_start *how, int cancel_fd,
			     struct mill_client **ret, struct mill_error *err)
{
	int rc;
	_cleanup_free_ char *run_dir = mill_path_join(platform_dir, "run");
	mill_error_release(err);
	rc = mill_mkdir_p(run_dir, 0700, err);
	/* Again: one that was on its way out may have stood in the way of ours. */
	for (int tries = 0; rc == 0 && tries < START_TRIES; tries++) {
		_cleanup_error_ struct mill_error start_err = {0};
		int started = start_daemon(platform_dir, how, cancel_fd, &start_err);
		mill_error_release(err);
		if (started == 0)
			return mill_client_connect(platform_dir, ret, err);
		if (started == -ECANCELED)
			return mill_fail(err, ECANCELED, "interrupted");
		/* Another caller or a shim may have been quicker; its daemon will do. */
		int other = await_other(platform_dir, ret, err);
		if (other != -ENOENT)
			return other;
		if (tries + 1 == START_TRIES) {
			rc = started;
			if (err) {
				*err = start_err;
				start_err = (struct mill_error){0};
			}
		}
	}
	return rc;
}

/* ---- replacing one of an older build ---- */

static bool is_older_build(const char *platform_dir, const struct mill_daemon_start *how, const struct mill_client *c)
{
	_cleanup_free_ char *link = mill_daemon_path(platform_dir, "daemon.exe");
	char exe[4096];
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	/* Of a newer version than ours: it stays, this program is the old one. */
	return strcmp(exe, how->daemon) != 0 &&
	       strverscmp(mill_json_get_string(mill_client_hello(c), "version", ""), MILL_VERSION) <= 0;
}

/* Services go on under their shims; the successor adopts them. */
static int replace(const char *platform_dir, const struct mill_daemon_start *how, int cancel_fd, struct mill_client **c,
		   struct mill_error *err)
{
	int rc = mill_client_call(*c, json_pack("{s:s}", "op", "quit"), START_TIMEOUT_MS, cancel_fd, NULL, err);
	json_t *event = NULL;
	while (rc == 0 && (rc = mill_client_next_event(*c, START_TIMEOUT_MS, cancel_fd, &event, err)) == 0)
		json_decref(event);
	*c = mill_client_close(*c);
	if (rc != -EPIPE) /* -EPIPE: it has closed all and is gone */
		return rc < 0 ? mill_error_wrap(err, "replace the platform's daemon") : -EIO;
	mill_error_release(err);
	return start_and_connect(platform_dir, how, cancel_fd, c, err);
}

int mill_daemon_ensure(const char *platform_dir, const struct mill_daemon_start *how, int cancel_fd,
		       struct mill_client **ret, struct mill_error *err)
{
	struct mill_client *c = NULL;
	int rc = mill_client_connect(platform_dir, &c, err);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		rc = start_and_connect(platform_dir, how, cancel_fd, &c, err);
	else if (rc == 0 && is_older_build(platform_dir, how, c))
		rc = replace(platform_dir, how, cancel_fd, &c, err);
	if (rc == 0)
		*ret = c;
	return rc;
}

/* ---- binaries ---- */

static const char *const binaries[] = {"data-mill-daemon", "data-mill-shim"};

static int hash_binaries(const char *from_dir, char ret[17], struct mill_error *err)
{
	char hex[MILL_SHA256_HEX];
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	int rc = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(binaries) && rc == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(from_dir, binaries[i]);
		rc = mill_hash_file(MILL_SHA256, path, hex, err);
		if (rc == 0)
			mill_hash_field(h, hex);
	}
	mill_hash_finish(h, hex);
	memcpy(ret, hex, 16);
	ret[16] = '\0';
	return rc;
}

int mill_daemon_install_binaries(const char *from_dir, const char *state_dir, char **ret_dir, struct mill_error *err)
{
	char hash[17];
	int rc = hash_binaries(from_dir, hash, err);
	if (rc < 0)
		return mill_error_wrap(err, "the daemon and the shim");
	_cleanup_free_ char *base = mill_path_join(state_dir, "libexec");
	_cleanup_free_ char *dir = mill_path_join(base, hash);
	if (mill_is_dir(dir)) {
		*ret_dir = MILL_TAKE(dir);
		return 0;
	}
	_cleanup_free_ char *beside = mill_xasprintf("%s/.%s.%d", base, hash, (int)getpid());
	rc = mill_mkdir_p(beside, 0755, err);
	for (size_t i = 0; i < MILL_ARRAY_LEN(binaries) && rc == 0; i++) {
		_cleanup_free_ char *from = mill_path_join(from_dir, binaries[i]);
		_cleanup_free_ char *to = mill_path_join(beside, binaries[i]);
		rc = mill_copy_file(from, to, 0755, err);
	}
	if (rc == 0 && rename(beside, dir) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		rc = mill_fail_errno(err, errno, "%s", dir);
	mill_rm_rf(beside, NULL); /* gone by the rename, unless another was quicker */
	if (rc == 0)
		*ret_dir = MILL_TAKE(dir);
	return rc;
}
