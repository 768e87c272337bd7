#include "net/serve.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "base/io.h"

#define LOOPBACK "127.0.0.1"
enum { HEADER_MAX = 16 << 10, TIMEOUT_S = 30 };

struct server {
	int folder_fd;
	struct event_base *base;
};

bool mill_net_serve_name(const char *name)
{
	if (mill_streq(name, "index.yaml"))
		return true;
	for (const char *s = name; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		      (s > name && strchr("._+-", *s))))
			return false;
	return strlen(name) <= 255 && !strstr(name, "..") && (mill_ends_with(name, ".tgz") || mill_ends_with(name, ".tgz.prov"));
}

/* A regular file of the folder itself; -1 when there is none. */
static int open_file(const struct server *s, const char *name, struct stat *st)
{
	int fd = openat(s->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || (size_t)st->st_size > MILL_SERVE_FILE_MAX)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void answer(struct evhttp_request *req, void *arg)
{
	const struct server *s = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = evhttp_uri_get_path(uri);
	bool head = evhttp_request_get_command(req) == EVHTTP_REQ_HEAD;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct stat st;
	int fd;

	if (!path || path[0] != '/' || !mill_net_serve_name(path + 1)) {
		evhttp_send_error(req, HTTP_NOTFOUND, "not found");
		return;
	}
	fd = open_file(s, path + 1, &st);
	if (fd < 0) {
		evhttp_send_error(req, HTTP_NOTFOUND, "not found");
		return;
	}
	evhttp_add_header(headers, "Content-Type", mill_ends_with(path, ".tgz") ? "application/gzip" : "text/plain; charset=utf-8");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (head || !st.st_size) {
		char length[24];

		snprintf(length, sizeof(length), "%lld", (long long)st.st_size);
		evhttp_add_header(headers, "Content-Length", length);
		close(fd);
	} else if (evbuffer_add_file(evhttp_request_get_output_buffer(req), fd, 0, st.st_size) < 0) {
		close(fd);
		evhttp_send_error(req, HTTP_INTERNAL, "not readable");
		return;
	}
	evhttp_send_reply(req, HTTP_OK, "OK", NULL);
}

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(((struct server *)arg)->base);
}

static uint16_t port_of(struct evhttp_bound_socket *socket)
{
	struct sockaddr_in at = {0};
	socklen_t len = sizeof(at);

	return getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&at, &len) == 0 ? ntohs(at.sin_port) : 0;
}

static int run(struct server *server, struct evhttp *http, const struct mill_net_serve *s, struct mill_error *err)
{
	struct event *cancel = s->cancel_fd >= 0 ? event_new(server->base, s->cancel_fd, EV_READ, on_cancel, server) : NULL;
	struct evhttp_bound_socket *socket = evhttp_bind_socket_with_handle(http, LOOPBACK, s->port);
	int r = 0;

	if (!socket) {
		int code = errno ? errno : EADDRINUSE;

		r = mill_fail_errno(err, code, "listen on %s:%u", LOOPBACK, s->port);
	} else {
		if (cancel)
			event_add(cancel, NULL);
		if (s->on_ready)
			s->on_ready(s->arg, port_of(socket));
		event_base_dispatch(server->base);
	}
	if (cancel)
		event_free(cancel);
	return r;
}

int mill_net_serve(const struct mill_net_serve *s, struct mill_error *err)
{
	struct server server = {.folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct evhttp *http;
	int r;

	if (server.folder_fd < 0)
		return mill_fail_errno(err, errno, "%s", s->folder);
	server.base = event_base_new();
	http = server.base ? evhttp_new(server.base) : NULL;
	if (!http) {
		r = mill_fail(err, ENOMEM, "serve charts: no event loop");
	} else {
		evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
		evhttp_set_max_headers_size(http, HEADER_MAX);
		evhttp_set_max_body_size(http, 0);
		evhttp_set_timeout(http, TIMEOUT_S);
		evhttp_set_gencb(http, answer, &server);
		r = run(&server, http, s, err);
		evhttp_free(http);
	}
	if (server.base)
		event_base_free(server.base);
	close(server.folder_fd);
	return r;
}
