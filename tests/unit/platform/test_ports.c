#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "platform/platform.h"

#include "base/json.h"

struct fixture {
	char *dir;
	struct mill_layout layout;
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	f->dir = test_mkdir();
	setenv("DATA_MILL_HOME", f->dir, 1);
	assert_int_equal(mill_layout_init(&f->layout, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mill_layout_release(&f->layout);
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static struct mill_platform *make(struct fixture *f, const char *name)
{
	struct mill_platform *p;
	assert_int_equal(mill_platform_open(&f->layout, "native", name, &p, NULL), 0);
	assert_int_equal(mill_platform_lock(p, 0, NULL, NULL, NULL), 0);
	assert_int_equal(mill_platform_save_record(p, NULL), 0);
	return p;
}

/* A listener on a number below the ephemeral range, which no other process of the tests asks for. */
static int listen_somewhere(uint16_t *ret_port)
{
	for (unsigned port = 21000 + (unsigned)getpid() % 5000; port < 30000; port++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0) {
			*ret_port = (uint16_t)port;
			return fd;
		}
		close(fd);
	}
	fail_msg("no port to listen on");
	return -1;
}

static void test_assigned_once(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "one");
	uint16_t busy, port, again;
	bool moved;
	int fd = listen_somewhere(&busy);
	assert_int_equal(mill_ports_assign(p, "a.b.api", busy, 0, &port, &moved, NULL), 0);
	assert_true(moved);
	assert_int_not_equal(port, busy);
	close(fd); /* free now, but what is recorded stays */
	assert_int_equal(mill_ports_assign(p, "a.b.api", busy, 0, &again, &moved, NULL), 0);
	assert_false(moved);
	assert_int_equal(again, port);
	assert_int_equal(mill_ports_assign(p, "a.b.other", port, 0, &again, &moved, NULL), 0);
	assert_int_not_equal(again, port); /* two keys never share a number */
	assert_int_equal(mill_platform_save_ports(p, NULL), 0);
	mill_platform_close(p);
	assert_int_equal(mill_platform_open(&f->layout, "native", "one", &p, NULL), 0);
	assert_int_equal(mill_json_get_int(p->ports, "a.b.api", 0), port);
	assert_int_equal(json_object_size(p->ports), 2);
	mill_platform_close(p);
}

static void test_another_platform_keeps_its_own(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "one"), *q = make(f, "two");
	uint16_t port, other;
	bool moved;
	assert_int_equal(mill_ports_assign(p, "a.b.api", 22222, 0, &port, &moved, NULL), 0);
	assert_int_equal(mill_platform_save_ports(p, NULL), 0);
	assert_int_equal(mill_ports_assign(q, "a.b.api", port, 0, &other, &moved, NULL), 0);
	assert_true(moved);
	assert_int_not_equal(other, port);
	_cleanup_error_ struct mill_error err = {0};
	assert_true(mill_ports_assign(q, "a.b.pin", 0, port, &other, &moved, &err) < 0);
	assert_non_null(strstr(err.message, "native.one"));
	mill_platform_close(p);
	mill_platform_close(q);
}

static void test_a_race_between_platforms_is_seen(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "one"), *q = make(f, "two");
	uint16_t a, b;
	assert_int_equal(mill_ports_assign(p, "a.b.api", 23333, 0, &a, NULL, NULL), 0);
	assert_int_equal(mill_ports_assign(q, "a.b.api", a, 0, &b, NULL, NULL), 0);
	assert_int_equal(a, b); /* neither is saved yet */
	assert_int_equal(mill_platform_save_ports(p, NULL), 0);
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_platform_save_ports(q, &err), -EAGAIN);
	mill_platform_close(p);
	mill_platform_close(q);
}

static void test_below_the_ephemeral_range(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "one");
	unsigned low = 0;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	assert_int_equal(fscanf(file, "%u", &low), 1);
	fclose(file);
	if (low < 4096)
		skip();
	uint16_t port;
	bool moved;
	assert_int_equal(mill_ports_assign(p, "a.b.high", (uint16_t)(low + 10), 0, &port, &moved, NULL), 0);
	assert_in_range(port, 1024, low - 1);
	assert_true(moved);
	assert_int_equal(mill_ports_assign(p, "a.b.low", 80, 0, &port, &moved, NULL), 0);
	assert_in_range(port, 1024, low - 1);
	mill_platform_close(p);
}

static void test_pinned_and_taken_names_the_process(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "one");
	uint16_t busy, port;
	int fd = listen_somewhere(&busy);
	_cleanup_error_ struct mill_error err = {0};
	assert_true(mill_ports_assign(p, "a.b.api", 0, busy, &port, NULL, &err) < 0);
	assert_true(err.usage);
	char pid[32];
	snprintf(pid, sizeof(pid), "pid %d (", (int)getpid());
	assert_non_null(strstr(err.message, pid));
	_cleanup_free_ char *holder = mill_port_holder(busy);
	assert_non_null(strstr(holder, pid));
	assert_int_equal(mill_port_probe(busy), -EADDRINUSE);
	close(fd);
	assert_null(mill_port_holder(busy));
	assert_int_equal(mill_ports_assign(p, "a.b.api", 0, busy, &port, NULL, NULL), 0);
	assert_int_equal(port, busy);
	mill_platform_close(p);
}

static void test_holder_on_ipv6(void **state)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t len = sizeof(a);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		skip();
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	_cleanup_free_ char *holder = mill_port_holder(ntohs(a.sin6_port));
	assert_non_null(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_assigned_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_platform_keeps_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_race_between_platforms_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_below_the_ephemeral_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pinned_and_taken_names_the_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holder_on_ipv6, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
