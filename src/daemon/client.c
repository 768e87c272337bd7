#include "daemon/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/paths.h"
#include "daemon/request.h"

#define LINE_MAX_BYTES	 ((size_t)8 << 20) /* an answer: status of many services, with log lines */
#define HELLO_TIMEOUT_MS 5000

struct mill_client {
	int fd;
	int64_t last_id;
	struct mill_strbuf in;
	size_t searched; /* of `in`: holds no newline */
	json_t *hello;
};

/* ---- bytes ---- */

/* 0: ready, or -ETIMEDOUT, -ECANCELED. */
static int wait_for(int fd, short events, uint64_t deadline_ns, int cancel_fd)
{
	for (;;) {
		struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = cancel_fd, .events = POLLIN}};
		uint64_t now = mill_now_ns();
		int ms = -1;
		if (deadline_ns)
			ms = deadline_ns <= now ? 0 : (int)((deadline_ns - now + MILL_MS - 1) / MILL_MS);
		int n = poll(p, 2, ms);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (cancel_fd >= 0 && p[1].revents)
			return -ECANCELED;
		if (p[0].revents)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

static uint64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? 0 : mill_now_ns() + (uint64_t)timeout_ms * MILL_MS + 1;
}

static int fail_io(struct mill_error *err, int code)
{
	switch (code) {
	case -ECANCELED:
		return mill_fail(err, ECANCELED, "interrupted");
	case -ETIMEDOUT:
		return mill_fail(err, ETIMEDOUT, "the daemon did not answer in time");
	default:
		mill_fail(err, EPIPE, "the daemon closed the connection");
		return mill_error_hint(err, "It may have been stopped; see run/daemon.log in the platform's folder.");
	}
}

static int send_all(struct mill_client *c, const char *data, size_t len, uint64_t deadline, int cancel_fd)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -EPIPE;
		int rc = wait_for(c->fd, POLLOUT, deadline, cancel_fd);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The next line as JSON, a new reference. */
static int read_line(struct mill_client *c, uint64_t deadline, int cancel_fd, json_t **ret, struct mill_error *err)
{
	for (;;) {
		char *end = memchr(c->in.data + c->searched, '\n', c->in.len - c->searched);
		if (end) {
			size_t len = (size_t)(end - c->in.data);
			int rc = mill_json_parse("answer of the daemon", c->in.data, len, ret, err);
			mill_strbuf_consume(&c->in, len + 1);
			c->searched = 0;
			return rc;
		}
		c->searched = c->in.len;
		if (c->in.len > LINE_MAX_BYTES)
			return mill_fail(err, EPROTO, "the daemon sent a line of more than %zu bytes", LINE_MAX_BYTES);
		char *room = mill_strbuf_reserve(&c->in, 16384);
		ssize_t n = room ? recv(c->fd, room, 16384, MSG_DONTWAIT) : -1;
		if (n > 0) {
			mill_strbuf_advance(&c->in, (size_t)n);
			continue;
		}
		int rc = -EPIPE;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			rc = wait_for(c->fd, POLLIN, deadline, cancel_fd);
		if (rc < 0)
			return fail_io(err, rc);
	}
}

/* ---- connecting ---- */

/* The socket that run/daemon.json names, else the usual one. */
static int socket_of(const char *platform_dir, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *record = mill_daemon_path(platform_dir, "daemon.json");
	_cleanup_free_ char *usual = mill_daemon_path(platform_dir, "daemon.sock");
	_cleanup_json_ json_t *root = NULL;
	const char *path = NULL;
	bool moved;
	if (mill_json_load(record, 64 << 10, &root, NULL) == 0)
		path = mill_json_get_string(root, "socket", NULL);
	if (path && strlen(path) <= MILL_SOCKET_PATH_MAX) {
		*ret = mill_xstrdup(path);
		return 0;
	}
	return mill_socket_path(platform_dir, usual, "daemon.sock", ret, &moved, err);
}

static int say_hello(struct mill_client *c, struct mill_error *err)
{
	json_t *request = json_pack("{s:s}", "op", "hello");
	int rc = mill_client_call(c, request, HELLO_TIMEOUT_MS, -1, &c->hello, err);
	if (rc < 0)
		return mill_error_wrap(err, "the platform's daemon");
	int64_t protocol = mill_json_get_int(c->hello, "protocol", 0);
	if (protocol == MILL_CONTROL_PROTOCOL)
		return 0;
	mill_fail(err, EPROTO, "the platform's daemon (data-mill %s) speaks protocol %lld, this program %d",
		  mill_json_get_string(c->hello, "version", "?"), (long long)protocol, MILL_CONTROL_PROTOCOL);
	return mill_error_hint(err, "Use the newer of the two programs for this platform.");
}

int mill_client_connect(const char *platform_dir, struct mill_client **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int rc = socket_of(platform_dir, &path, err);
	if (rc < 0)
		return rc;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return mill_fail_errno(err, errno, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int e = errno;
		close(fd);
		return mill_fail(err, e, "no daemon runs for this platform (%s: %s)", path, strerror(e));
	}
	struct mill_client *c = mill_xcalloc(1, sizeof(*c));
	c->fd = fd;
	mill_strbuf_init(&c->in, LINE_MAX_BYTES + (64 << 10));
	rc = say_hello(c, err);
	if (rc < 0) {
		mill_client_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct mill_client *mill_client_close(struct mill_client *c)
{
	if (!c)
		return NULL;
	close(c->fd);
	mill_strbuf_release(&c->in);
	json_decref(c->hello);
	free(c);
	return NULL;
}

/* ---- calls ---- */

static int refusal(const json_t *answer, struct mill_error *err)
{
	static const struct {
		const char *code;
		int number;
	} codes[] = {{"busy", EBUSY}, {"unknown", ENOENT}, {"invalid", EINVAL}, {"timeout", ETIMEDOUT}};
	const char *code = mill_json_get_string(answer, "code", "");
	int number = EREMOTEIO;
	for (size_t i = 0; i < MILL_ARRAY_LEN(codes); i++) {
		if (mill_streq(codes[i].code, code))
			number = codes[i].number;
	}
	return mill_fail(err, number, "%s", mill_json_get_string(answer, "error", "the daemon refused"));
}

int mill_client_call(struct mill_client *c, json_t *request, int timeout_ms, int cancel_fd, json_t **ret_answer,
		     struct mill_error *err)
{
	_cleanup_json_ json_t *owned = request;
	uint64_t deadline = deadline_of(timeout_ms);
	int64_t id = ++c->last_id;
	json_object_set_new(owned, "v", json_integer(MILL_CONTROL_PROTOCOL));
	json_object_set_new(owned, "id", json_integer(id));
	char *text = json_dumps(owned, JSON_COMPACT);
	if (!text)
		return mill_fail(err, EINVAL, "a request that is not valid UTF-8");
	_cleanup_free_ char *line = mill_xasprintf("%s\n", text);
	free(text);
	int rc = send_all(c, line, strlen(line), deadline, cancel_fd);
	if (rc < 0)
		return fail_io(err, rc);
	for (;;) {
		json_t *answer = NULL;
		rc = read_line(c, deadline, cancel_fd, &answer, err);
		if (rc < 0)
			return rc;
		if (json_object_get(answer, "event") || mill_json_get_int(answer, "id", -1) != id) {
			json_decref(answer); /* the answer to a call that was given up */
			continue;
		}
		if (!json_is_true(json_object_get(answer, "ok")))
			rc = refusal(answer, err);
		if (rc == 0 && ret_answer)
			*ret_answer = json_incref(answer);
		json_decref(answer);
		return rc;
	}
}

static json_t *new_request(const char *op, const char *const *ids, size_t n)
{
	json_t *request = json_object();
	json_object_set_new(request, "op", json_string(op));
	if (n) {
		json_t *list = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, json_string(ids[i]));
		json_object_set_new(request, "services", list);
	}
	return request;
}

int mill_client_services(struct mill_client *c, const char *op, const char *const *ids, size_t n, int timeout_ms,
			 int cancel_fd, json_t **ret_answer, struct mill_error *err)
{
	return mill_client_call(c, new_request(op, ids, n), timeout_ms, cancel_fd, ret_answer, err);
}

int mill_client_wait(struct mill_client *c, const char *const *ids, size_t n, const char *what, int timeout_ms,
		     int cancel_fd, json_t **ret_answer, struct mill_error *err)
{
	json_t *request = new_request("wait", ids, n);
	json_object_set_new(request, "for", json_string(what));
	if (timeout_ms > 0)
		json_object_set_new(request, "timeout_ms", json_integer(timeout_ms));
	/* The daemon's clock decides; ours only catches a daemon that hangs. */
	return mill_client_call(c, request, timeout_ms > 0 ? timeout_ms + 5000 : -1, cancel_fd, ret_answer, err);
}

int mill_client_events(struct mill_client *c, int64_t since, int cancel_fd, struct mill_error *err)
{
	json_t *request = new_request("events", NULL, 0);
	if (since >= 0)
		json_object_set_new(request, "since", json_integer(since));
	return mill_client_call(c, request, HELLO_TIMEOUT_MS, cancel_fd, NULL, err);
}

int mill_client_next_event(struct mill_client *c, int timeout_ms, int cancel_fd, json_t **ret_event,
			   struct mill_error *err)
{
	uint64_t deadline = deadline_of(timeout_ms);
	for (;;) {
		json_t *line = NULL;
		int rc = read_line(c, deadline, cancel_fd, &line, err);
		if (rc < 0)
			return rc;
		const char *event = mill_json_get_string(line, "event", NULL);
		if (mill_streq(event, "dropped")) {
			json_decref(line);
			return mill_fail(err, EPIPE, "the daemon dropped us: events were not read in time");
		}
		if (event) {
			*ret_event = line;
			return 0;
		}
		json_decref(line);
	}
}

int mill_client_fd(const struct mill_client *c)
{
	return c->fd;
}

const json_t *mill_client_hello(const struct mill_client *c)
{
	return c->hello;
}
