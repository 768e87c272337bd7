/* What probes and operations ask of a running pod. */
#include "entry/entry.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"

static int connect_to(const struct addrinfo *a, int timeout_ms)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int e = 0;
	socklen_t len = sizeof(e);

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS || poll(&p, 1, timeout_ms) <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 || e) {
		close(fd);
		return e ? -e : -ETIMEDOUT;
	}
	return fd;
}

int mill_entry_connect(const char *host, unsigned port, int timeout_ms)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char service[8];
	int fd = -EHOSTUNREACH;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -EHOSTUNREACH;
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = connect_to(a, timeout_ms);
	freeaddrinfo(found);
	return fd;
}

/* Only the status line is read (RFC 9112, 4): kubelet's own probe takes no code outside 200..399 for success. */
static int ask_http(const json_t *ready, struct mill_error *err)
{
	const json_t *range = json_object_get(ready, "status");
	unsigned port = (unsigned)mill_json_get_int(ready, "port", 0);
	json_int_t min = json_integer_value(json_array_get(range, 0)), max = json_integer_value(json_array_get(range, 1));
	int fd = mill_entry_connect("127.0.0.1", port, 2000), code = 0;
	char text[512];
	size_t len = 0;

	if (fd < 0)
		return mill_fail(err, -fd, "port %u: %s", port, strerror(-fd));
	snprintf(text, sizeof(text), "GET %.300s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		 mill_json_get_string(ready, "path", "/"));
	if (mill_write_all(fd, text, strlen(text)) == 0)
		while (len < 64) {
			struct pollfd p = {.fd = fd, .events = POLLIN};
			ssize_t n = poll(&p, 1, 2000) > 0 ? read(fd, text + len, sizeof(text) - 1 - len) : -1;

			if (n <= 0)
				break;
			len += (size_t)n;
		}
	close(fd);
	text[len] = '\0';
	if (mill_starts_with(text, "HTTP/1.") && len > 12)
		code = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
	if (code >= min && code <= max && code)
		return 0;
	return mill_fail(err, EIO, "port %u: status %d, wanted %lld to %lld", port, code, (long long)min, (long long)max);
}

int mill_entry_ready(const struct mill_entry_pod *p, struct mill_error *err)
{
	const json_t *ready = json_object_get(p->spec, "ready");
	_cleanup_free_ char *path = mill_path_join(p->root, "run/ready");

	if (mill_streq(mill_json_get_string(ready, "type", ""), "http"))
		return ask_http(ready, err);
	return mill_exists(path) ? 0 : mill_fail(err, EAGAIN, "it has not said so yet");
}

/* ---- reload ---- */

static int read_all(int fd, struct mill_strbuf *out)
{
	char buf[8192];
	ssize_t n;

	while ((n = mill_read_retry(fd, buf, sizeof(buf))) > 0)
		mill_strbuf_add(out, buf, (size_t)n);
	return n < 0 ? (int)n : 0;
}

int mill_entry_reload(const struct mill_entry_pod *p, struct mill_error *err)
{
	int sig = (int)mill_json_get_int(json_object_get(p->spec, "reload"), "signal", 0);
	_cleanup_free_ char *path = mill_path_join(p->root, "run/service.pid"), *text = NULL;
	struct mill_strbuf input = MILL_STRBUF_INIT_MAX(MILL_ENTRY_FILE_MAX);
	_cleanup_json_ json_t *files = NULL;
	int pid = 0;
	size_t len;
	int r = read_all(0, &input);

	if (r == 0)
		r = mill_json_parse("standard input", input.data, input.len, &files, err);
	if (r == 0)
		r = mill_entry_write_files(p, files, err);
	explicit_bzero(input.data, input.len);
	mill_strbuf_release(&input);
	if (r < 0 || !sig)
		return r;
	r = mill_read_file(path, 64, &text, &len, err);
	if (r == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (mill_parse_int(text, 2, INT32_MAX, &pid) < 0 || kill(pid, sig) < 0)
			r = mill_fail(err, ESRCH, "the service does not run");
	}
	return r;
}

int mill_entry_hold(unsigned seconds)
{
	struct timespec limit = {.tv_sec = (time_t)seconds};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCHLD, SIG_IGN); /* what an ended hook left behind is reaped */
	(void)sigtimedwait(&set, NULL, &limit);
	return 0;
}
