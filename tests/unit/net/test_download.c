/* Downloads from a server in this program that misbehaves on request. */
#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/download.h"

#define BODY_LEN 100000

static char body[BODY_LEN + 1], body_sha[MILL_SHA256_HEX], url_base[64];
static int listen_fd, requests;
static char *dir;

struct reply {
	const char *path;
	int fail_first;  /* that many 503 before it works */
	size_t cut_first; /* the first answer ends after so many bytes */
	bool no_ranges;
	int status;      /* 0: 200 */
};
static const struct reply replies[] = {
	{"/plain", 0, 0, false, 0},  {"/flaky", 2, 0, false, 0},     {"/cut", 0, 30000, false, 0},
	{"/cut-no-range", 0, 30000, true, 0}, {"/gone", 0, 0, false, 404}, {"/stall", 0, 0, false, -1},
};

static void answer(int fd, const struct reply *r, size_t from)
{
	char head[256];
	if (!r || r->status == 404) {
		static const char none[] = "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		assert_int_equal(mill_write_all(fd, none, sizeof(none) - 1), 0);
		return;
	}
	if (requests <= r->fail_first) {
		static const char busy[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		assert_int_equal(mill_write_all(fd, busy, sizeof(busy) - 1), 0);
		return;
	}
	if (r->no_ranges)
		from = 0;
	if (from >= BODY_LEN) {
		static const char range[] = "HTTP/1.1 416 Range\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		assert_int_equal(mill_write_all(fd, range, sizeof(range) - 1), 0);
		return;
	}
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
			 from ? "206 Partial" : "200 OK", BODY_LEN - from);
	assert_int_equal(mill_write_all(fd, head, (size_t)n), 0);
	n = snprintf(head, sizeof(head), "Content-Range: bytes %zu-%d/%d\r\n", from, BODY_LEN - 1, BODY_LEN);
	if (from)
		assert_int_equal(mill_write_all(fd, head, (size_t)n), 0);
	size_t len = r->cut_first && requests == 1 ? r->cut_first : BODY_LEN - from;
	assert_int_equal(mill_write_all(fd, "\r\n", 2), 0);
	(void)mill_write_all(fd, body + from, len);
	if (r->status == -1) { /* never the end: wait until the client goes */
		char c;
		(void)mill_read_retry(fd, &c, 1);
	}
}

static void *serve(void *arg)
{
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		char buf[4096];
		size_t len = 0;
		buf[0] = '\0';
		while (len < sizeof(buf) - 1 && !strstr(buf, "\r\n\r\n")) {
			ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);
			if (n <= 0)
				break;
			len += (size_t)n;
			buf[len] = '\0';
		}
		size_t from = 0;
		const char *range = strstr(buf, "Range: bytes=");
		if (range)
			from = strtoul(range + 13, NULL, 10);
		const struct reply *r = NULL;
		for (size_t i = 0; i < MILL_ARRAY_LEN(replies); i++) {
			size_t n = strlen(replies[i].path);
			if (strncmp(buf + 4, replies[i].path, n) == 0 && buf[4 + n] == ' ')
				r = &replies[i];
		}
		requests++;
		answer(fd, r, from);
		close(fd);
	}
}

static int group_setup(void **state)
{
	static pthread_t thread;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	for (size_t i = 0; i < BODY_LEN; i++)
		body[i] = (char)('a' + i * 7919 % 26);
	mill_sha256(body, BODY_LEN, body_sha);
	signal(SIGPIPE, SIG_IGN);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listen_fd, (void *)&a, sizeof(a)) < 0 || listen(listen_fd, 8) < 0 ||
	    getsockname(listen_fd, (void *)&a, &len) < 0)
		return -1;
	snprintf(url_base, sizeof(url_base), "http://127.0.0.1:%d", ntohs(a.sin_port));
	setenv("no_proxy", "127.0.0.1", 1);
	return pthread_create(&thread, NULL, serve, NULL);
}

static int setup(void **state)
{
	dir = test_mkdir();
	requests = 0;
	return 0;
}

static int teardown(void **state)
{
	test_rmdir(dir);
	return 0;
}

static int get(const char *path, struct mill_net_download d, struct mill_error *err)
{
	_cleanup_free_ char *url = path[0] == '/' ? mill_xasprintf("%s%s", url_base, path) : mill_xstrdup(path);
	d.url = url;
	d.path = test_path(dir, "file");
	if (!d.cancel_fd)
		d.cancel_fd = -1;
	return mill_net_download(&d, err);
}

static void assert_whole(void)
{
	_cleanup_free_ char *text = test_read(test_path(dir, "file"));
	assert_string_equal(text, body);
	assert_false(mill_exists(test_path(dir, "file.part")));
}

static uint64_t seen_done, seen_total;
static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	seen_done = done;
	seen_total = total;
}

static void test_plain(void **state)
{
	char sha[MILL_SHA256_HEX];
	assert_int_equal(get("/plain", (struct mill_net_download){.sha256 = body_sha, .on_progress = on_progress,
								  .ret_sha256 = sha}, NULL), 0);
	assert_string_equal(sha, body_sha);
	assert_true(seen_done == BODY_LEN && seen_total == BODY_LEN);
	assert_whole();
}

static void test_retry(void **state)
{
	assert_int_equal(get("/flaky", (struct mill_net_download){.sha256 = body_sha}, NULL), 0);
	assert_int_equal(requests, 3);
	assert_whole();
	requests = 0;
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(get("/flaky", (struct mill_net_download){.tries = 2}, &err), -EREMOTEIO);
	assert_non_null(strstr(err.message, "503"));
	requests = 0;
	assert_int_equal(get("/gone", (struct mill_net_download){0}, &err), -EREMOTEIO);
	assert_int_equal(requests, 1); /* 404 will not get better */
}

static void test_resume(void **state)
{
	static const char *const paths[] = {"/cut", "/cut-no-range"};
	for (size_t i = 0; i < 2; i++) {
		requests = 0;
		assert_int_equal(get(paths[i], (struct mill_net_download){.sha256 = body_sha}, NULL), 0);
		assert_int_equal(requests, 2);
		assert_whole();
	}
	/* What an interrupted program left. */
	_cleanup_free_ char *head = mill_xstrndup(body, 5000);
	test_write(test_path(dir, "file.part"), head);
	assert_int_equal(get("/plain", (struct mill_net_download){.sha256 = body_sha}, NULL), 0);
	assert_whole();
	/* It left all of it, but for the rename. */
	test_write(test_path(dir, "file.part"), body);
	assert_int_equal(get("/plain", (struct mill_net_download){.sha256 = body_sha}, NULL), 0);
	assert_whole();
	/* It left something else: found out, and fetched again from the start. */
	test_write(test_path(dir, "file.part"), "something else");
	assert_int_equal(get("/plain", (struct mill_net_download){.sha256 = body_sha}, NULL), 0);
	assert_whole();
}

static void test_mismatch(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	char wrong[MILL_SHA256_HEX];
	mill_sha256("x", 1, wrong);
	assert_int_equal(get("/plain", (struct mill_net_download){.sha256 = wrong}, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "checksum mismatch"));
	assert_false(mill_exists(test_path(dir, "file")));
	assert_false(mill_exists(test_path(dir, "file.part")));
}

static void test_too_large(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(get("/plain", (struct mill_net_download){.max_bytes = BODY_LEN - 1}, &err), -EFBIG);
	assert_false(mill_exists(test_path(dir, "file")));
	assert_false(mill_exists(test_path(dir, "file.part")));
	assert_int_equal(get("/plain", (struct mill_net_download){.max_bytes = BODY_LEN}, NULL), 0);
}

static void test_unreachable(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	/* Port 9 of loopback: nobody listens there. */
	assert_int_equal(get("http://127.0.0.1:9/x", (struct mill_net_download){.tries = 1}, &err), -ENETUNREACH);
	assert_non_null(strstr(err.message, "no network"));
}

static void test_schemes(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *url = mill_xasprintf("file://%s/here", dir);
	test_write(test_path(dir, "here"), "local");
	assert_true(get(url, (struct mill_net_download){0}, &err) < 0);
	assert_int_equal(get(url, (struct mill_net_download){.allow_file = true}, &err), 0);
	assert_true(get("ftp://127.0.0.1/x", (struct mill_net_download){.allow_file = true}, &err) < 0);
}

static void test_cancel(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(get("/stall", (struct mill_net_download){.cancel_fd = fds[0]}, NULL), -ECANCELED);
	close(fds[0]);
	close(fds[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain), T(test_retry), T(test_resume), T(test_mismatch), T(test_too_large),
		T(test_unreachable), T(test_schemes), T(test_cancel),
	};
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
