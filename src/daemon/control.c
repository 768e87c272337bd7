#include "daemon/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "daemon/daemon.h"
#include "daemon/jobs.h"
#include "daemon/paths.h"

#define CATCH_UP_CHUNK ((size_t)64 << 10)

struct client {
	struct client *next;
	struct mill_control *control;
	uint64_t id;
	struct bufferevent *bev;
	bool subscribed, closing;
	/* an event reader that still reads the files */
	int file; /* -1: live, or no reader */
	off_t at;
	bool in_old; /* reads events.1.jsonl */
	uint64_t since;
};

struct mill_control {
	struct mill_daemon *daemon;
	struct evconnlistener *listener;
	struct client *clients;
	size_t n_clients;
	uint64_t last_id;
	char *path;
};

/* ---- clients ---- */

static struct client *client_of(struct mill_control *c, uint64_t id)
{
	struct client *cl = c->clients;
	while (cl && cl->id != id)
		cl = cl->next;
	return cl;
}

static void client_free(struct client *cl)
{
	struct mill_control *c = cl->control;
	for (struct client **at = &c->clients; *at; at = &(*at)->next) {
		if (*at == cl) {
			*at = cl->next;
			c->n_clients--;
			break;
		}
	}
	mill_jobs_client_gone(c->daemon, cl->id);
	bufferevent_free(cl->bev);
	if (cl->file >= 0)
		close(cl->file);
	free(cl);
	mill_daemon_touch(c->daemon);
}

static size_t pending(const struct client *cl)
{
	return evbuffer_get_length(bufferevent_get_output(cl->bev));
}

/* Reads no more; what is queued is still written, then it is closed. */
static void close_when_written(struct client *cl)
{
	static const struct timeval patience = {.tv_sec = 5};
	cl->closing = true;
	bufferevent_disable(cl->bev, EV_READ);
	bufferevent_set_timeouts(cl->bev, NULL, &patience);
}

static void client_write(struct client *cl, const char *data, size_t len)
{
	if (cl->closing)
		return;
	if (pending(cl) + len > MILL_CLIENT_OUTPUT_MAX) {
		static const char notice[] =
			"{\"event\": \"dropped\", \"reason\": \"events were not read in time; reconnect with since\"}\n";
		if (cl->subscribed)
			bufferevent_write(cl->bev, notice, sizeof(notice) - 1);
		close_when_written(cl);
		return;
	}
	bufferevent_write(cl->bev, data, len);
}

/* ---- event readers ---- */

static void open_journal(struct client *cl, bool old)
{
	const struct mill_journal *j = &cl->control->daemon->journal;
	if (cl->file >= 0)
		close(cl->file);
	cl->file = open(old ? j->old_path : j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cl->at = 0;
	cl->in_old = old;
}

static void send_newer(struct client *cl, const char *buf, size_t n)
{
	for (const char *p = buf, *end; n > 0 && (end = memchr(p, '\n', n)); p = end + 1) {
		size_t len = (size_t)(end - p) + 1;
		uint64_t seq = mill_journal_line_seq(p, len);
		n -= len;
		if (seq <= cl->since)
			continue;
		cl->since = seq;
		client_write(cl, p, len);
	}
}

/* One chunk.  False: this file has no more. */
static bool read_chunk(struct client *cl)
{
	_cleanup_free_ char *buf = mill_xmalloc(CATCH_UP_CHUNK);
	ssize_t n = cl->file < 0 ? 0 : pread(cl->file, buf, CATCH_UP_CHUNK, cl->at);
	const char *last = n > 0 ? memrchr(buf, '\n', (size_t)n) : NULL;
	if (!last)
		return false;
	size_t whole = (size_t)(last - buf) + 1;
	cl->at += (off_t)whole;
	send_newer(cl, buf, whole);
	return true;
}

/* Goes on as far as the client reads; becomes live when it has everything. */
static void catch_up(struct client *cl)
{
	bool again = true;
	while (!cl->closing && pending(cl) < CATCH_UP_CHUNK) {
		if (read_chunk(cl))
			continue;
		if (cl->in_old) {
			open_journal(cl, false);
		} else if (cl->since < cl->control->daemon->journal.seq && again) {
			open_journal(cl, false); /* it was rotated under us */
			again = false;
		} else {
			if (cl->file >= 0)
				close(cl->file);
			cl->file = -1;
			return;
		}
	}
}

void mill_control_subscribe(struct mill_control *c, uint64_t client, int64_t since)
{
	struct client *cl = client_of(c, client);
	if (!cl || cl->subscribed)
		return;
	cl->subscribed = true;
	if (since < 0)
		return;
	cl->since = (uint64_t)since;
	open_journal(cl, true);
	if (cl->file < 0)
		open_journal(cl, false);
	catch_up(cl);
}

void mill_control_publish(struct mill_control *c, const char *line, size_t len)
{
	for (struct client *cl = c->clients; cl; cl = cl->next) {
		if (cl->subscribed && cl->file < 0)
			client_write(cl, line, len);
	}
}

/* ---- answers ---- */

void mill_control_begin_answer(struct mill_json_writer *w, struct mill_strbuf *b, int64_t request)
{
	mill_json_writer_init(w, b, false);
	mill_json_begin_object(w);
	mill_json_kv_int(w, "id", request);
	mill_json_kv_bool(w, "ok", true);
}

void mill_control_send(struct mill_control *c, uint64_t client, struct mill_json_writer *w)
{
	struct client *cl = client_of(c, client);
	mill_json_end_object(w);
	mill_strbuf_addch(w->out, '\n');
	if (cl)
		client_write(cl, w->out->data, w->out->len);
}

void mill_control_send_error(struct mill_control *c, uint64_t client, int64_t request, const char *code,
			     const char *message)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, false);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "id", request);
	mill_json_kv_bool(&w, "ok", false);
	mill_json_kv_string(&w, "error", message);
	mill_json_kv_string(&w, "code", code);
	mill_control_send(c, client, &w);
}

bool mill_control_is_drained(const struct mill_control *c)
{
	for (const struct client *cl = c->clients; cl; cl = cl->next) {
		if (pending(cl))
			return false;
	}
	return true;
}

/* ---- the socket ---- */

static void handle_line(struct client *cl, const char *line, size_t len)
{
	struct mill_control *c = cl->control;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_request r;
	int64_t id;
	if (mill_request_parse(line, len, &r, &id, &err) < 0) {
		mill_control_send_error(c, cl->id, id, "invalid", err.message);
		return;
	}
	mill_ops_handle(c->daemon, cl->id, &r);
	mill_request_release(&r);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;
	char *line;
	while (!cl->closing && (line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF))) {
		handle_line(cl, line, len);
		free(line);
	}
	if (!cl->closing && evbuffer_get_length(in) > MILL_REQUEST_MAX) {
		mill_control_send_error(cl->control, cl->id, 0, "invalid", "the request is too large");
		close_when_written(cl);
	}
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;
	(void)bev;
	if (cl->closing)
		client_free(cl);
	else if (cl->file >= 0)
		catch_up(cl);
	else
		mill_daemon_touch(cl->control->daemon);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	client_free(arg);
}

static bool peer_is_allowed(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == geteuid() || who.uid == 0);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len, void *arg)
{
	struct mill_control *c = arg;
	(void)l;
	(void)addr;
	(void)len;
	if (!peer_is_allowed(fd) || c->n_clients >= MILL_CLIENTS_MAX) {
		close(fd);
		return;
	}
	struct client *cl = mill_xcalloc(1, sizeof(*cl));
	*cl = (struct client){.control = c, .id = ++c->last_id, .file = -1, .next = c->clients};
	cl->bev = bufferevent_socket_new(c->daemon->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!cl->bev)
		BUG("no memory for a client");
	bufferevent_setcb(cl->bev, on_read, on_written, on_gone, cl);
	bufferevent_setwatermark(cl->bev, EV_READ, 0, MILL_REQUEST_MAX + 4096);
	bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
	c->clients = cl;
	c->n_clients++;
}

static int bind_socket(const char *path, struct mill_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mill_fail_errno(err, errno, "control socket");
	memcpy(addr.sun_path, path, strlen(path) + 1); /* its length was checked by mill_socket_path() */
	unlink(path); /* we hold the daemon's lock: nobody listens there */
	mode_t before = umask(0177);
	int rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	int e = errno;
	umask(before);
	if (rc < 0 || listen(fd, 64) < 0) {
		close(fd);
		return mill_fail_errno(err, rc < 0 ? e : errno, "control socket %s", path);
	}
	return fd;
}

int mill_control_open(struct mill_daemon *d, struct mill_control **ret, struct mill_error *err)
{
	_cleanup_free_ char *wanted = mill_daemon_path(d->platform_dir, "daemon.sock");
	struct mill_control *c = mill_xcalloc(1, sizeof(*c));
	bool moved;
	int fd = -1, rc = mill_socket_path(d->platform_dir, wanted, "daemon.sock", &c->path, &moved, err);
	if (rc == 0)
		rc = fd = bind_socket(c->path, err);
	if (rc >= 0) {
		c->daemon = d;
		c->listener = evconnlistener_new(d->base, on_accept, c,
						 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
		if (!c->listener)
			rc = mill_fail(err, ENOMEM, "control socket: no memory");
	}
	if (rc < 0) {
		free(c->path);
		free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct mill_control *mill_control_close(struct mill_control *c)
{
	if (!c)
		return NULL;
	while (c->clients)
		client_free(c->clients);
	if (c->listener) {
		evconnlistener_free(c->listener);
		unlink(c->path);
	}
	free(c->path);
	free(c);
	return NULL;
}

const char *mill_control_path(const struct mill_control *c)
{
	return c->path;
}
