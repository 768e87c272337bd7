#include "daemon/probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>

#include <event2/http.h>

#include "base/clock.h"
#include "base/proc.h"
#include "shim/sys.h"

#define BODY_MAX   (64 << 10)
#define HEADER_MAX (16 << 10)

struct mill_probe_try {
	struct event_base *base;
	const struct mill_spec_probe *probe;
	mill_probe_done *done;
	void *arg;
	struct event *timer; /* the timeout; made active at once to deliver a result */
	bool finished, ok;
	char text[200];
	/* tcp, exec */
	int fd;
	struct event *io;
	/* http */
	struct evhttp_connection *http;
	int http_code;
	/* exec */
	struct mill_proc proc;
	int out_fd;
};

static void release(struct mill_probe_try *t)
{
	if (t->timer)
		event_free(t->timer);
	if (t->io)
		event_free(t->io);
	if (t->fd >= 0)
		close(t->fd);
	if (t->http)
		evhttp_connection_free(t->http);
	if (t->out_fd >= 0)
		close(t->out_fd);
	if (t->proc.pid > 0) {
		/* Its own session and not reaped: group and pid are its own. */
		kill(-t->proc.pid, SIGKILL);
		mill_proc_signal(&t->proc, SIGKILL);
		waitpid(t->proc.pid, NULL, 0);
	}
	mill_proc_release(&t->proc);
	free(t);
}

/* Results are delivered from the timer's callback, outside of every library's own callbacks. */
static void MILL_PRINTF(3, 4) finish(struct mill_probe_try *t, bool ok, const char *fmt, ...)
{
	va_list ap;
	if (t->finished)
		return;
	t->finished = true;
	t->ok = ok;
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	event_active(t->timer, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mill_probe_try *t = arg;
	mill_probe_done *done = t->done;
	void *done_arg = t->arg;
	char text[sizeof(t->text)];
	bool ok = t->finished && t->ok;
	(void)fd;
	(void)what;
	if (t->finished)
		memcpy(text, t->text, sizeof(text));
	else
		snprintf(text, sizeof(text), "no answer within %u ms", t->probe->timeout_ms);
	release(t);
	done(done_arg, ok, text);
}

/* ---- http ---- */

static int on_http_header(struct evhttp_request *req, void *arg)
{
	struct mill_probe_try *t = arg;
	t->http_code = evhttp_request_get_response_code(req);
	return 0;
}

static void on_http_done(struct evhttp_request *req, void *arg)
{
	struct mill_probe_try *t = arg;
	unsigned code = (unsigned)t->http_code;
	if (!code && req)
		code = (unsigned)evhttp_request_get_response_code(req);
	if (!code)
		finish(t, false, "http %s:%u: no answer", t->probe->host, t->probe->port);
	else if (code >= t->probe->status_min && code <= t->probe->status_max)
		finish(t, true, "http %u", code);
	else
		finish(t, false, "http %s:%u%s: status %u", t->probe->host, t->probe->port,
		       t->probe->path ? t->probe->path : "/", code);
}

static void start_http(struct mill_probe_try *t)
{
	char host[320];
	t->http = evhttp_connection_base_new(t->base, NULL, t->probe->host, t->probe->port);
	struct evhttp_request *req = t->http ? evhttp_request_new(on_http_done, t) : NULL;
	if (!req) {
		finish(t, false, "http: no memory");
		return;
	}
	evhttp_connection_set_max_body_size(t->http, BODY_MAX);
	evhttp_connection_set_max_headers_size(t->http, HEADER_MAX);
	evhttp_request_set_header_cb(req, on_http_header);
	snprintf(host, sizeof(host), strchr(t->probe->host, ':') ? "[%s]:%u" : "%s:%u", t->probe->host, t->probe->port);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Host", host);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
	evhttp_add_header(evhttp_request_get_output_headers(req), "User-Agent", "data-mill-probe");
	if (evhttp_make_request(t->http, req, EVHTTP_REQ_GET, t->probe->path ? t->probe->path : "/") < 0)
		finish(t, false, "http %s:%u: cannot connect", t->probe->host, t->probe->port);
}

/* ---- tcp ---- */

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct mill_probe_try *t = arg;
	int e = 0;
	socklen_t len = sizeof(e);
	(void)what;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	finish(t, e == 0, "tcp %s:%u: %s", t->probe->host, t->probe->port, e ? strerror(e) : "open");
}

static void start_tcp(struct mill_probe_try *t)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	socklen_t len = sizeof(*v4);
	if (inet_pton(AF_INET, t->probe->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(t->probe->port);
	} else if (inet_pton(AF_INET6, t->probe->host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(t->probe->port);
		len = sizeof(*v6);
	} else {
		finish(t, false, "tcp: %s is not a numeric address", t->probe->host);
		return;
	}
	t->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd >= 0 && connect(t->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		finish(t, false, "tcp %s:%u: %s", t->probe->host, t->probe->port, strerror(errno));
		return;
	}
	t->io = t->fd < 0 ? NULL : event_new(t->base, t->fd, EV_WRITE, on_connected, t);
	if (!t->io || event_add(t->io, NULL) < 0)
		finish(t, false, "tcp: no socket");
}

/* ---- exec ---- */

static void on_exec_end(evutil_socket_t fd, short what, void *arg)
{
	struct mill_probe_try *t = arg;
	char output[121] = "", text[64];
	int status;
	(void)fd;
	(void)what;
	pid_t pid = t->proc.pid;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	kill(-pid, SIGKILL); /* what it left in its session's group */
	t->proc.pid = -1;
	event_del(t->io);
	ssize_t n = read(t->out_fd, output, sizeof(output) - 1);
	for (ssize_t i = 0; i < n; i++) {
		if ((unsigned char)output[i] < 0x20)
			output[i] = output[i] == '\n' && i == n - 1 ? '\0' : ' ';
	}
	finish(t, WIFEXITED(status) && WEXITSTATUS(status) == 0, "exec: %s%s%s",
	       mill_status_text(status, text, sizeof(text)), n > 0 ? ": " : "", n > 0 ? output : "");
}

static void start_exec(struct mill_probe_try *t, const struct mill_probe_target *target)
{
	char *argv[] = {(char *)target->shim, (char *)"probe", (char *)target->name, (char *)target->dir, NULL};
	struct mill_error err = {0};
	int out[2];
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0) {
		finish(t, false, "exec: no pipe");
		return;
	}
	struct mill_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = out[1], .new_session = true};
	int rc = mill_proc_spawn(&spawn, &t->proc, &err);
	close(out[1]);
	t->out_fd = out[0];
	if (rc < 0) {
		t->proc.pid = -1;
		finish(t, false, "%s", err.message);
		mill_error_release(&err);
		return;
	}
	t->io = event_new(t->base, t->proc.pidfd, EV_READ, on_exec_end, t);
	event_add(t->io, NULL);
}

/* ---- all ---- */

static void start_log(struct mill_probe_try *t, const struct mill_probe_target *target)
{
	struct mill_error err = {0};
	bool matches = false;
	if (mill_probe_log_matches(target->dir, t->probe->pattern, target->started_ms, &matches, &err) < 0)
		finish(t, false, "log: %s", err.message);
	else
		finish(t, matches, matches ? "log: seen" : "log: '%s' was not seen yet", t->probe->pattern);
	mill_error_release(&err);
}

struct mill_probe_try *mill_probe_try_start(const struct mill_probe_target *target, const struct mill_spec_probe *p,
					    mill_probe_done *done, void *arg)
{
	struct timeval tv = {.tv_sec = p->timeout_ms / 1000, .tv_usec = (suseconds_t)(p->timeout_ms % 1000) * 1000};
	struct mill_probe_try *t = mill_xcalloc(1, sizeof(*t));
	*t = (struct mill_probe_try){.base = target->base, .probe = p, .done = done, .arg = arg, .fd = -1, .out_fd = -1};
	t->proc = (struct mill_proc)MILL_PROC_INIT;
	t->timer = evtimer_new(target->base, on_timer, t);
	if (!t->timer)
		BUG("no memory for an event");
	evtimer_add(t->timer, &tv);
	switch (p->type) {
	case MILL_PROBE_HTTP:
		start_http(t);
		break;
	case MILL_PROBE_TCP:
		start_tcp(t);
		break;
	case MILL_PROBE_EXEC:
		start_exec(t, target);
		break;
	case MILL_PROBE_LOG:
		start_log(t, target);
		break;
	case MILL_PROBE_NOTIFY:
		finish(t, target->notified, target->notified ? "notified" : "READY=1 was not sent yet");
		break;
	case MILL_PROBE_NONE:
		finish(t, true, "alive");
		break;
	}
	return t;
}

void mill_probe_try_cancel(struct mill_probe_try *t)
{
	if (t)
		release(t);
}
