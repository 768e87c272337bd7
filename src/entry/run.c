/* The service itself: siblings first, then its process, whose signals, orphans and words pass through us. */
#include "entry/entry.h"

#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"

#define LINE_MAX_BYTES 16384
#define SIBLING_TRY_MS 1000

struct held {
	const struct mill_entry_pod *p;
	struct mill_proc proc;
	int out;            /* the service's standard output, -1: it has ours */
	int notify;         /* -1: none */
	regex_t pattern;
	bool has_pattern, ready;
	char line[LINE_MAX_BYTES];
	size_t len;
	int stop_signal;
};

/* ---- before ---- */

static void wait_for_siblings(const struct mill_entry_pod *p)
{
	size_t i;
	json_t *w;

	json_array_foreach(json_object_get(p->spec, "wait"), i, w) {
		const char *host = mill_json_get_string(w, "host", "");
		unsigned port = (unsigned)mill_json_get_int(w, "port", 0);
		bool told = false;
		int fd;

		while ((fd = mill_entry_connect(host, port, SIBLING_TRY_MS)) < 0) {
			if (!told)
				printf("data-mill: waiting for %s:%u\n", host, port);
			fflush(stdout);
			told = true;
			mill_sleep_ms(250);
		}
		close(fd);
	}
}

static char *ready_file(const struct mill_entry_pod *p)
{
	return mill_path_join(p->root, "run/ready");
}

static void now_ready(struct held *h)
{
	_cleanup_free_ char *path = ready_file(h->p);

	if (!h->ready)
		h->ready = mill_write_file(path, "ready\n", 6, 0600, 0, NULL) == 0;
}

static int open_notify(struct held *h, struct mill_strv *env, struct mill_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_free_ char *path = mill_path_join(h->p->root, "run/notify.sock");

	if (strlen(path) >= sizeof(addr.sun_path))
		return mill_fail(err, ENAMETOOLONG, "%s", path);
	memcpy(addr.sun_path, path, strlen(path));
	unlink(path);
	h->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->notify < 0 || bind(h->notify, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return mill_fail_errno(err, errno, "%s", path);
	mill_strv_setenv(env, "NOTIFY_SOCKET", path);
	return 0;
}

static int watch_readiness(struct held *h, struct mill_strv *env, struct mill_error *err)
{
	const json_t *ready = json_object_get(h->p->spec, "ready");
	const char *type = mill_json_get_string(ready, "type", "");
	const char *pattern = mill_json_get_string(ready, "pattern", "");
	_cleanup_free_ char *file = ready_file(h->p);

	unlink(file); /* of an earlier container of this pod */
	if (mill_streq(type, "notify"))
		return open_notify(h, env, err);
	if (!mill_streq(type, "log"))
		return 0;
	if (regcomp(&h->pattern, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return mill_fail(err, EINVAL, "readiness: \"%s\" is no regular expression", pattern);
	h->has_pattern = true;
	return 0;
}

/* ---- the process ---- */

extern char **environ;

static int spawn(struct held *h, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0}, env = {0};
	int pipe_fds[2] = {-1, -1}, r;
	size_t i;
	json_t *word;

	for (char **e = environ; *e; e++)
		mill_strv_add(&env, *e);
	json_array_foreach(json_object_get(h->p->spec, "command"), i, word)
		mill_strv_add(&argv, json_is_string(word) ? json_string_value(word) : "");
	if (!argv.n)
		return mill_fail(err, EINVAL, "entry.json: no command");
	r = watch_readiness(h, &env, err);
	if (r < 0)
		return r;
	if (h->has_pattern && pipe2(pipe_fds, O_CLOEXEC) < 0)
		return mill_fail_errno(err, errno, "pipe");
	struct mill_spawn s = {.argv = mill_strv_argv(&argv), .env = mill_strv_argv(&env),
			       .cwd = mill_json_get_string(h->p->spec, "cwd", h->p->root), .stdin_fd = -1,
			       .stdout_fd = h->has_pattern ? pipe_fds[1] : 1, .stderr_fd = h->has_pattern ? pipe_fds[1] : 2,
			       .new_session = true, .umask = 077};
	r = mill_proc_spawn(&s, &h->proc, err);
	if (h->has_pattern) {
		close(pipe_fds[1]);
		h->out = pipe_fds[0];
	}
	return r;
}

static void look_at_line(struct held *h)
{
	h->line[h->len] = '\0';
	if (!h->ready && regexec(&h->pattern, h->line, 0, NULL, 0) == 0)
		now_ready(h);
	h->len = 0;
}

/* 0 at the end of the service's output. */
static ssize_t pass_output(struct held *h)
{
	char buf[8192];
	ssize_t n = mill_read_retry(h->out, buf, sizeof(buf));

	if (n <= 0)
		return n;
	(void)mill_write_all(1, buf, (size_t)n);
	for (ssize_t i = 0; i < n && !h->ready; i++) {
		if (buf[i] == '\n')
			look_at_line(h);
		else if (h->len < sizeof(h->line) - 1)
			h->line[h->len++] = buf[i];
	}
	return n;
}

static void hear(struct held *h)
{
	char text[4096];
	ssize_t n = recv(h->notify, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return;
	text[n] = '\0';
	if (mill_starts_with(text, "READY=1") || strstr(text, "\nREADY=1"))
		now_ready(h);
}

/* Reaps all; true with *ret_status once the service itself has ended. */
static bool reap(struct held *h, int *ret_status)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == h->proc.pid) {
			*ret_status = status;
			ended = true;
		}
	return ended;
}

static void on_signal(struct held *h, unsigned number)
{
	int sig = number == SIGTERM || number == SIGINT ? h->stop_signal : (int)number;

	(void)mill_proc_signal(&h->proc, sig);
}

static int loop(struct held *h, int signals)
{
	int status = 0;

	for (;;) {
		struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = h->out, .events = POLLIN}, {.fd = h->notify, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(fds, MILL_ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents && pass_output(h) <= 0) {
			close(h->out);
			h->out = -1;
		}
		if (fds[2].revents)
			hear(h);
		if (!(fds[0].revents & POLLIN) || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			on_signal(h, info.ssi_signo);
		else if (reap(h, &status))
			break;
	}
	while (h->out >= 0 && pass_output(h) > 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int note_pid(const struct held *h, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(h->p->root, "run/service.pid");
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)h->proc.pid);
	return mill_write_file(path, text, strlen(text), 0600, 0, err);
}

int mill_entry_run(const struct mill_entry_pod *p, struct mill_error *err)
{
	static const int passed[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};
	struct held *h = mill_xcalloc(1, sizeof(*h));
	sigset_t set;
	int signals, r;

	*h = (struct held){.p = p, .proc = MILL_PROC_INIT, .out = -1, .notify = -1};
	h->stop_signal = (int)mill_json_get_int(json_object_get(p->spec, "stop"), "signal", SIGTERM);
	wait_for_siblings(p);
	sigemptyset(&set);
	for (size_t i = 0; i < MILL_ARRAY_LEN(passed); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* process 1 anyway in a container; not so in tests */
	r = signals < 0 ? mill_fail_errno(err, errno, "signalfd") : spawn(h, err);
	if (r == 0)
		r = note_pid(h, err);
	if (r == 0)
		r = loop(h, signals);
	if (h->has_pattern)
		regfree(&h->pattern);
	free(h);
	return r;
}
