/* The CLI's side of the control protocol against a stand-in that says what a test wants said. */
#include "../cmocka_all.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/client.h"

#define HELLO "{\"id\": @, \"ok\": true, \"protocol\": 1, \"version\": \"9.9\", \"pid\": 7}\n"
#define SAY_NOTHING ""
#define HANG_UP NULL

/* Answers the n-th request with script[n]: "@" is its id.  The end of the script hangs up. */
struct standin {
	char *dir;
	int listener;
	pthread_t thread;
	const char *const *script;
	size_t n_script;
	bool slowly;		  /* a byte at a time */
	struct mill_strbuf heard; /* all requests */
	bool running;
	struct mill_client *client;
};

static void say(struct standin *s, int fd, const char *text, int64_t id)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	for (; *text; text++) {
		if (*text == '@')
			mill_strbuf_printf(&b, "%lld", (long long)id);
		else
			mill_strbuf_addch(&b, *text);
	}
	size_t step = s->slowly ? 1 : b.len;
	for (size_t at = 0; at < b.len; at += step) {
		if (send(fd, b.data + at, step, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void *serve(void *arg)
{
	struct standin *s = arg;
	_cleanup_strbuf_ struct mill_strbuf in = MILL_STRBUF_INIT;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	for (size_t i = 0; fd >= 0;) {
		char *room = mill_strbuf_reserve(&in, 4096);
		ssize_t n = recv(fd, room, 4096, 0);
		if (n <= 0)
			break;
		mill_strbuf_add(&s->heard, room, (size_t)n);
		mill_strbuf_advance(&in, (size_t)n);
		for (char *end; (end = memchr(in.data, '\n', in.len)); i++) {
			_cleanup_json_ json_t *request = NULL;
			size_t len = (size_t)(end - in.data) + 1;
			if (mill_json_parse("request", in.data, len, &request, NULL) < 0 || i >= s->n_script ||
			    !s->script[i])
				goto out;
			say(s, fd, s->script[i], mill_json_get_int(request, "id", -1));
			mill_strbuf_consume(&in, len);
		}
	}
out:
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void listen_at(struct standin *s, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s->listener, 1), 0);
}

static void start_at(struct standin *s, const char *name, const char *const *script, size_t n)
{
	s->script = script;
	s->n_script = n;
	listen_at(s, test_path(s->dir, name));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	s->running = true;
}

#define START(s, ...)                                                                              \
	static const char *const script[] = {__VA_ARGS__};                                         \
	start_at(s, "run/daemon.sock", script, MILL_ARRAY_LEN(script))

static int setup(void **state)
{
	struct standin *s = mill_xcalloc(1, sizeof(*s));
	s->dir = test_mkdir();
	s->listener = -1;
	mill_strbuf_init(&s->heard, 1 << 20);
	assert_int_equal(mill_mkdir_p(test_path(s->dir, "run"), 0700, NULL), 0);
	*state = s;
	return 0;
}

/* Hangs up and waits for the stand-in: what it heard is whole then. */
static void done(struct standin *s)
{
	s->client = mill_client_close(s->client);
	if (s->running)
		pthread_join(s->thread, NULL);
	s->running = false;
}

static int teardown(void **state)
{
	struct standin *s = *state;
	if (s->listener >= 0)
		shutdown(s->listener, SHUT_RDWR); /* one that nobody connected to ends as well */
	done(s);
	if (s->listener >= 0)
		close(s->listener);
	mill_strbuf_release(&s->heard);
	test_rmdir(s->dir);
	free(s);
	return 0;
}

static struct mill_client *connected(struct standin *s)
{
	_cleanup_error_ struct mill_error err = {0};
	if (mill_client_connect(s->dir, &s->client, &err) < 0)
		fail_msg("connect: %s", err.message);
	return s->client;
}

/* ---- connecting ---- */

static void test_nobody_there(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_client *c = NULL;
	assert_int_equal(mill_client_connect(s->dir, &c, &err), -ENOENT);
	assert_non_null(strstr(err.message, "no daemon runs"));
	listen_at(s, test_path(s->dir, "run/daemon.sock"));
	close(s->listener); /* a dead one's socket stays */
	s->listener = -1;
	assert_int_equal(mill_client_connect(s->dir, &c, &err), -ECONNREFUSED);
	assert_null(c);
}

static void test_hello(void **state)
{
	struct standin *s = *state;
	START(s, HELLO);
	struct mill_client *c = connected(s);
	assert_string_equal(mill_json_get_string(mill_client_hello(c), "version", ""), "9.9");
	assert_true(mill_client_fd(c) >= 0);
	done(s);
	_cleanup_json_ json_t *request = NULL;
	assert_int_equal(mill_json_parse("hello", s->heard.data, s->heard.len, &request, NULL), 0);
	assert_string_equal(mill_json_get_string(request, "op", ""), "hello");
	assert_int_equal(mill_json_get_int(request, "v", 0), 1);
	assert_true(mill_json_get_int(request, "id", 0) > 0);
	assert_null(mill_client_close(NULL));
}

static void test_another_protocol(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_client *c = NULL;
	START(s, "{\"id\": @, \"ok\": true, \"protocol\": 2, \"version\": \"3.0\"}\n");
	assert_int_equal(mill_client_connect(s->dir, &c, &err), -EPROTO);
	assert_non_null(strstr(err.message, "data-mill 3.0"));
	assert_non_null(err.hint);
	assert_null(c);
}

static void test_hangs_up_at_hello(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_client *c = NULL;
	START(s, HANG_UP);
	assert_int_equal(mill_client_connect(s->dir, &c, &err), -EPIPE);
	assert_non_null(strstr(err.message, "closed the connection"));
	assert_non_null(strstr(err.hint, "daemon.log"));
}

static void test_moved_socket(void **state)
{
	struct standin *s = *state;
	static const char *const script[] = {HELLO};
	_cleanup_free_ char *record = mill_xasprintf("{\"socket\": \"%s/moved.sock\"}", s->dir);
	test_write(test_path(s->dir, "run/daemon.json"), record);
	start_at(s, "moved.sock", script, 1);
	connected(s);
}

/* A record that is torn, or names what no socket can be, is passed over. */
static void test_bad_record(void **state)
{
	struct standin *s = *state;
	START(s, HELLO);
	char path[300];
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	_cleanup_free_ char *record = mill_xasprintf("{\"socket\": \"/%s\"}", path);
	test_write(test_path(s->dir, "run/daemon.json"), record);
	connected(s);
}

/* ---- calls ---- */

static int call(struct mill_client *c, const char *op, struct mill_error *err)
{
	return mill_client_services(c, op, NULL, 0, 60000, -1, NULL, err);
}

static void test_refusals(void **state)
{
	struct standin *s = *state;
	static const int want[] = {-EBUSY, -ENOENT, -EINVAL, -ETIMEDOUT, -EREMOTEIO, -EREMOTEIO, -EREMOTEIO};
	START(s, HELLO, "{\"id\": @, \"ok\": false, \"code\": \"busy\", \"error\": \"no: busy\"}\n",
	      "{\"id\": @, \"ok\": false, \"code\": \"unknown\", \"error\": \"no: unknown\"}\n",
	      "{\"id\": @, \"ok\": false, \"code\": \"invalid\", \"error\": \"no: invalid\"}\n",
	      "{\"id\": @, \"ok\": false, \"code\": \"timeout\", \"error\": \"no: timeout\"}\n",
	      "{\"id\": @, \"ok\": false, \"code\": \"new\", \"error\": \"no: new\"}\n",
	      "{\"id\": @, \"ok\": false, \"error\": 5}\n", "{\"id\": @, \"ok\": 1}\n");
	struct mill_client *c = connected(s);
	for (size_t i = 0; i < MILL_ARRAY_LEN(want); i++) {
		_cleanup_error_ struct mill_error err = {0};
		assert_int_equal(call(c, "status", &err), want[i]);
		assert_non_null(strstr(err.message, i < 5 ? "no: " : "the daemon refused"));
	}
}

static void test_answers_in_pieces(void **state)
{
	struct standin *s = *state;
	const char *ids[] = {"a.b", "c.d"};
	s->slowly = true;
	/* Events and the answer to something else come between. */
	START(s, HELLO, "{\"event\": \"state\", \"id\": @}\n{\"id\": 99, \"ok\": false}\n{\"id\": @, \"ok\": true, \"n\": 5}\n");
	struct mill_client *c = connected(s);
	_cleanup_json_ json_t *answer = NULL;
	assert_int_equal(mill_client_services(c, "start", ids, 2, 10000, -1, &answer, NULL), 0);
	assert_int_equal(mill_json_get_int(answer, "n", 0), 5);
	done(s);
	assert_non_null(strstr(s->heard.data, "\"op\":\"start\""));
	assert_non_null(strstr(s->heard.data, "\"services\":[\"a.b\",\"c.d\"]"));
}

static void test_wait_says_for_what(void **state)
{
	struct standin *s = *state;
	const char *ids[] = {"a.b"};
	START(s, HELLO, "{\"id\": @, \"ok\": true, \"results\": []}\n");
	struct mill_client *c = connected(s);
	_cleanup_json_ json_t *answer = NULL;
	assert_int_equal(mill_client_wait(c, ids, 1, "stopped", 2500, -1, &answer, NULL), 0);
	assert_non_null(json_object_get(answer, "results"));
	done(s);
	assert_non_null(strstr(s->heard.data, "\"for\":\"stopped\""));
	assert_non_null(strstr(s->heard.data, "\"timeout_ms\":2500"));
}

static void test_garbage_and_hang_up(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0}, second = {0};
	START(s, HELLO, "certainly\n", HANG_UP);
	struct mill_client *c = connected(s);
	assert_int_equal(call(c, "status", &err), -EINVAL);
	assert_non_null(strstr(err.message, "answer of the daemon:1:"));
	assert_int_equal(call(c, "status", &second), -EPIPE);
	assert_int_equal(call(c, "status", &second), -EPIPE); /* and no signal */
}

static void test_endless_line(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	size_t size = (size_t)9 << 20;
	_cleanup_free_ char *text = mill_xmalloc(size);
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	const char *const script[] = {HELLO, text};
	start_at(s, "run/daemon.sock", script, 2);
	struct mill_client *c = connected(s);
	assert_int_equal(call(c, "status", &err), -EPROTO);
	done(s);
}

static void test_timeout_then_the_next(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	/* The late answer of the call that was given up comes with that of the next. */
	START(s, HELLO, SAY_NOTHING, "{\"id\": 2, \"ok\": false}\n{\"id\": @, \"ok\": true}\n");
	struct mill_client *c = connected(s);
	assert_int_equal(mill_client_services(c, "status", NULL, 0, 1, -1, NULL, &err), -ETIMEDOUT);
	assert_int_equal(call(c, "status", NULL), 0);
}

static void test_cancel(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	START(s, HELLO, SAY_NOTHING);
	struct mill_client *c = connected(s);
	_cleanup_close_ int cancel = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(mill_client_services(c, "status", NULL, 0, -1, cancel, NULL, &err), -ECANCELED);
	assert_string_equal(err.message, "interrupted");
}

/* ---- events ---- */

static void test_events(void **state)
{
	struct standin *s = *state;
	_cleanup_error_ struct mill_error err = {0};
	/* Three at once behind the answer: the buffer holds them. */
	START(s, HELLO,
	      "{\"id\": @, \"ok\": true}\n{\"seq\": 8, \"event\": \"state\"}\n{\"id\": 1}\n{\"seq\": 9, \"event\": \"probe\"}\n"
	      "{\"event\": \"dropped\"}\n");
	struct mill_client *c = connected(s);
	assert_int_equal(mill_client_events(c, 7, -1, NULL), 0);
	for (int64_t want = 8; want <= 9; want++) {
		_cleanup_json_ json_t *event = NULL;
		assert_int_equal(mill_client_next_event(c, 10000, -1, &event, NULL), 0);
		assert_int_equal(mill_json_get_int(event, "seq", 0), want);
	}
	json_t *none = NULL;
	assert_int_equal(mill_client_next_event(c, 10000, -1, &none, &err), -EPIPE);
	assert_non_null(strstr(err.message, "dropped us"));
	assert_int_equal(mill_client_next_event(c, 0, -1, &none, &err), -ETIMEDOUT);
	assert_null(none);
	done(s);
	assert_non_null(strstr(s->heard.data, "\"since\":7"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_there),	  TEST(hello),		   TEST(another_protocol), TEST(hangs_up_at_hello),
		TEST(moved_socket),	  TEST(bad_record),	   TEST(refusals),	   TEST(answers_in_pieces),
		TEST(wait_says_for_what), TEST(garbage_and_hang_up), TEST(endless_line),   TEST(timeout_then_the_next),
		TEST(cancel),		  TEST(events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
