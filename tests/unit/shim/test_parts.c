/* The shim's smaller parts: its arguments, /proc, texts, status, notify, Landlock. */
#include "../cmocka_all.h"

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/json.h"
#include "daemon/status.h"
#include "shim/landlock.h"
#include "shim/shim.h"

static int setup(void **state)
{
	char *dir = test_mkdir();
	_cleanup_free_ char *run = mill_path_join(dir, "run");
	assert_int_equal(mill_mkdir_p(run, 0700, NULL), 0);
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	test_rmdir(*state);
	return 0;
}

/* ---- arguments ---- */

static const struct mill_shim_args full = {
	.id = "a.b", .dir = "/p/services/a.b", .platform_dir = "/p =x", .fingerprint = "f=1=2", .daemon = "/bin/d",
	.daemon_pid = 12, .daemon_start = UINT64_MAX, .log_max_bytes = UINT64_C(1) << 40, .log_keep = 4,
	.line_max = UINT32_MAX, .stop_signal = 15, .grace_ms = 20000, .set_ids = true, .uid = 998, .gid = 997,
	.notify = "/p/n.sock", .report_fd = 5, .locks = {"/s/a", "/s/b=c"}, .n_locks = 2,
};

static int parse(const struct mill_strv *argv, struct mill_shim_args *ret, const char **bad)
{
	return mill_shim_args_parse((int)argv->n, argv->items, ret, bad);
}

static void test_args_round_trip(void **state)
{
	_cleanup_strv_ struct mill_strv argv = {0}, again = {0};
	struct mill_shim_args got;
	const char *bad;
	mill_shim_args_build(&full, "shim", &argv);
	assert_string_equal(argv.items[0], "shim");
	assert_int_equal(parse(&argv, &got, &bad), 0);
	assert_string_equal(got.platform_dir, "/p =x");
	assert_string_equal(got.fingerprint, "f=1=2");
	assert_true(got.daemon_start == UINT64_MAX && got.log_max_bytes == UINT64_C(1) << 40);
	assert_true(got.line_max == UINT32_MAX && got.set_ids && got.uid == 998 && got.gid == 997);
	assert_int_equal(got.report_fd, 5);
	assert_int_equal(got.n_locks, 2);
	assert_string_equal(got.locks[1], "/s/b=c");
	mill_shim_args_build(&got, "shim", &again);
	assert_int_equal(again.n, argv.n);
	for (size_t i = 0; i < argv.n; i++)
		assert_string_equal(again.items[i], argv.items[i]);
}

static void test_args_may_be_absent(void **state)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_shim_args some = full, got;
	const char *bad;
	some.notify = NULL;
	some.report_fd = -1;
	some.n_locks = 0;
	some.set_ids = false;
	mill_shim_args_build(&some, "shim", &argv);
	assert_int_equal(parse(&argv, &got, &bad), 0);
	assert_null(got.notify);
	assert_int_equal(got.report_fd, -1);
	assert_int_equal(got.n_locks, 0);
	assert_false(got.set_ids);
}

/* Replaces the word that begins with key (appends when there is none) and expects a refusal of it. */
static void refuse(const char *key, const char *word)
{
	_cleanup_strv_ struct mill_strv argv = {0}, changed = {0};
	struct mill_shim_args got;
	const char *bad = NULL;
	bool found = false;
	mill_shim_args_build(&full, "shim", &argv);
	for (size_t i = 0; i < argv.n; i++) {
		bool this_one = mill_starts_with(argv.items[i], key) && argv.items[i][strlen(key)] == '=';
		found = found || this_one;
		if (!this_one)
			mill_strv_add(&changed, argv.items[i]);
		else if (word)
			mill_strv_add(&changed, word);
	}
	if (!found)
		mill_strv_add(&changed, word);
	assert_int_equal(parse(&changed, &got, &bad), -EINVAL);
	assert_non_null(strstr(word ? word : key, bad));
}

static void test_args_refusals(void **state)
{
	static const char *const required[] = {"id",	   "dir",	    "platform_dir",  "fingerprint", "daemon",	   "daemon_pid",
					       "daemon_start", "log_max_bytes", "log_keep", "line_max",	  "stop_signal", "grace_ms"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(required); i++)
		refuse(required[i], NULL);
	refuse("protocol", NULL);
	refuse("protocol", "protocol=2");
	refuse("protocol", "protocol=one");
	refuse("none", "surprise=1");
	refuse("none", "surprise");
	refuse("none", "=");
	refuse("none", "");
	refuse("uid", "uid=-1");
	refuse("uid", "uid=4294967296"); /* would be root's */
	refuse("uid", "uid=");
	refuse("grace_ms", "grace_ms=1s");
	refuse("daemon_start", "daemon_start=18446744073709551616");
}

static void test_args_locks_have_a_ceiling(void **state)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_shim_args got;
	const char *bad;
	mill_shim_args_build(&full, "shim", &argv);
	while (argv.n < 100 && parse(&argv, &got, &bad) == 0)
		mill_strv_add(&argv, "lock=/s/more");
	assert_int_equal(got.n_locks, MILL_SHIM_LOCKS_MAX);
	assert_string_equal(bad, "lock=/s/more");
	char *none[] = {(char *)"shim", NULL};
	assert_int_equal(mill_shim_args_parse(1, none, &got, &bad), -EINVAL);
}

/* ---- texts ---- */

static void test_text_is_cut(void **state)
{
	char buf[8];
	struct mill_text t = MILL_TEXT(buf);
	mill_text_add(&t, "12345");
	mill_text_num(&t, UINT64_MAX);
	assert_string_equal(buf, "1234518");
	mill_text_add(&t, "more");
	assert_int_equal(t.len, 7);
	assert_string_equal(buf, "1234518");
}

static void test_text_numbers_and_json(void **state)
{
	char buf[200];
	struct mill_text t = MILL_TEXT(buf);
	mill_text_num(&t, 0);
	mill_text_add(&t, " ");
	mill_text_num(&t, UINT64_MAX);
	assert_string_equal(buf, "0 18446744073709551615");
	t.len = 0;
	mill_text_json(&t, "a\"b\\c\n\x01\x7f\xc3\xa9");
	assert_string_equal(buf, "\"a\\\"b\\\\c?????\"");
}

static void test_text_time_is_the_c_librarys(void **state)
{
	/* Every 13.7 days or so for 400 years, which is a whole cycle of the calendar. */
	for (uint64_t ms = 0; ms < UINT64_C(12622780800000); ms += UINT64_C(1187654321)) {
		time_t seconds = (time_t)(ms / 1000);
		struct tm tm;
		char want[64], buf[64];
		struct mill_text t = MILL_TEXT(buf);
		gmtime_r(&seconds, &tm);
		size_t n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want + n, sizeof(want) - n, ".%03uZ", (unsigned)(ms % 1000));
		mill_text_time(&t, ms);
		assert_string_equal(buf, want);
	}
	char buf[64];
	struct mill_text t = MILL_TEXT(buf);
	mill_text_time(&t, UINT64_C(951782399999)); /* before a leap day of a year that 400 divides */
	assert_string_equal(buf, "2000-02-28T23:59:59.999Z");
	t.len = 0;
	mill_text_time(&t, UINT64_C(951782400000));
	assert_string_equal(buf, "2000-02-29T00:00:00.000Z");
}

/* ---- processes ---- */

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_stat(void **state)
{
	struct mill_sys_stat st, child;
	char old[16];
	assert_int_equal(mill_sys_stat(getpid(), &st), 0);
	assert_int_equal(st.ppid, getppid());
	assert_int_equal(st.session, getsid(0));
	assert_true(st.start > 0);
	uint64_t start = st.start;
	/* A name that looks like the fields behind it. */
	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, ") Z 1 (1 1 1 1");
	assert_int_equal(mill_sys_stat(getpid(), &st), 0);
	prctl(PR_SET_NAME, old);
	assert_int_equal(st.ppid, getppid());
	assert_true(st.start == start && st.state != 'Z');
	assert_int_equal(mill_sys_stat(0, &st), -ESRCH);
	assert_int_equal(mill_sys_stat(-1, &st), -ESRCH);
	pid_t pid = sleeper();
	assert_int_equal(mill_sys_stat(pid, &child), 0);
	assert_true(mill_sys_is_descendant(pid, getpid()));
	assert_true(mill_sys_is_descendant(pid, getppid()));
	assert_false(mill_sys_is_descendant(getpid(), pid));
	assert_false(mill_sys_is_descendant(pid, pid));
	end(pid);
	assert_int_equal(mill_sys_stat(pid, &child), -ESRCH);
	assert_false(mill_sys_is_descendant(pid, getpid()));
}

static void test_pidfd_knows_its_process(void **state)
{
	struct mill_sys_stat st;
	if (!test_have_pidfd())
		skip();
	pid_t pid = sleeper();
	assert_int_equal(mill_sys_stat(pid, &st), 0);
	assert_int_equal(mill_sys_pidfd(pid, st.start + 1), -ESRCH); /* the pid of another time */
	int fd = mill_sys_pidfd(pid, st.start);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_false(mill_sys_pidfd_ended(fd));
	assert_false(mill_sys_is_dying(pid));
	assert_int_equal(mill_sys_pidfd_kill(fd, SIGKILL), 0);
	assert_true(mill_sys_is_dying(pid)); /* the signal waits, or is at work, or has been */
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(mill_sys_pidfd_ended(fd));
	assert_int_equal(mill_sys_pidfd(pid, st.start), -ESRCH); /* a zombie is nobody */
	assert_true(mill_sys_is_dying(pid));
	waitpid(pid, NULL, 0);
	assert_true(mill_sys_is_dying(pid));
	assert_int_equal(mill_sys_pidfd_kill(fd, SIGKILL), -ESRCH);
	close(fd);
	assert_int_equal(mill_sys_pidfd(0, 0), -ESRCH);
}

static int collect(uint64_t number, void *arg)
{
	*(uint64_t *)arg += number;
	return number == 5;
}

static void test_each_number(void **state)
{
	uint64_t sum = 0;
	static const char *const names[] = {"1", "20", "300", "x4", "+9"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++)
		test_write(test_path(*state, names[i]), "");
	assert_int_equal(mill_sys_each_number(*state, collect, &sum), 0);
	assert_int_equal(sum, 321);
	test_write(test_path(*state, "5"), "");
	assert_int_equal(mill_sys_each_number(*state, collect, &sum), 1);
	assert_int_equal(mill_sys_each_number(test_path(*state, "none"), collect, &sum), -ENOENT);
}

/* ---- status ---- */

static struct mill_shim a_shim(void **state)
{
	struct mill_shim s = {.pid = 10, .start = 20, .log_fd = -1, .notify_fd = -1};
	s.args = full;
	s.args.report_fd = -1;
	s.run_fd = open(test_path(*state, "run"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s.run_fd >= 0);
	return s;
}

static void test_status_of_all_states(void **state)
{
	static const char *const names[] = {"starting", "running", "exited", "failed"};
	struct mill_shim s = a_shim(state);
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++) {
		struct mill_status st;
		assert_int_equal(mill_shim_status_write(&s, names[i]), 0);
		assert_int_equal(mill_status_read(*state, &st, NULL), 0);
		assert_int_equal(st.state, i);
		assert_true(st.this_boot);
		assert_int_equal(st.shim_pid, 10);
		assert_int_equal(st.main_pid, 0);
		assert_string_equal(st.fingerprint, "f=1=2");
		assert_null(st.error);
		mill_status_release(&st);
	}
	close(s.run_fd);
}

/* All fields at their largest, and the longest text that start_service() passes on: still JSON. */
static void test_status_is_json_at_its_longest(void **state)
{
	struct mill_shim s = a_shim(state);
	struct mill_status st;
	char error[512], fingerprint[65];
	static const char odd[] = "\"\\\n\x01\xff";
	for (size_t i = 0; i < sizeof(error) - 1; i++)
		error[i] = i < 100 ? odd[i % 5] : '"';
	error[sizeof(error) - 1] = '\0';
	memset(fingerprint, 'f', 64);
	fingerprint[64] = '\0';
	s.pid = s.main_pid = INT32_MAX;
	s.start = s.main_start = s.started_ms = s.ended_ms = s.log.lost_lines = INT64_MAX;
	s.args.fingerprint = fingerprint;
	s.error = error;
	s.ended = s.notified = true;
	s.wait_status = 255 << 8;
	s.leftover = UINT32_MAX;
	assert_int_equal(mill_shim_status_write(&s, "exited"), 0);
	assert_int_equal(mill_status_read(*state, &st, NULL), 0);
	assert_int_equal(strlen(st.error), 511);
	assert_true(mill_starts_with(st.error, "\"\\???\"\\"));
	assert_true(st.main_start == INT64_MAX && st.lost_lines == INT64_MAX && st.notified);
	assert_int_equal(st.exit_code, 255);
	assert_int_equal(st.signal, 0);
	mill_status_release(&st);
	s.wait_status = SIGKILL;
	assert_int_equal(mill_shim_status_write(&s, "exited"), 0);
	assert_int_equal(mill_status_read(*state, &st, NULL), 0);
	assert_int_equal(st.signal, SIGKILL);
	mill_status_release(&st);
	close(s.run_fd);
}

static void test_status_replaces_what_lies_there(void **state)
{
	struct mill_shim s = a_shim(state);
	struct mill_status st;
	test_write(test_path(*state, "victim"), "precious");
	assert_int_equal(symlink("../victim", test_path(*state, "run/status.json.new")), 0);
	assert_int_equal(symlink("../victim", test_path(*state, "run/status.json")), 0);
	assert_int_equal(mill_shim_status_write(&s, "running"), 0);
	assert_int_equal(mill_status_read(*state, &st, NULL), 0);
	mill_status_release(&st);
	_cleanup_free_ char *victim = test_read(test_path(*state, "victim"));
	assert_string_equal(victim, "precious");
	assert_int_equal(access(test_path(*state, "run/status.json.new"), F_OK), -1);
	close(s.run_fd);
	s.run_fd = -1;
	assert_int_equal(mill_shim_status_write(&s, "running"), -EBADF);
}

static void test_report(void **state)
{
	struct mill_shim s = {.args.report_fd = -1};
	int p[2];
	char buf[16];
	mill_shim_report(&s, "R 1 2\n"); /* nobody listens */
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.args.report_fd = p[1];
	mill_shim_report(&s, "R 1 2\n");
	assert_int_equal(read(p[0], buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "R 1 2\n", 6);
	close(p[0]);
	close(p[1]);
}

/* ---- notify ---- */

static void notify(const struct mill_shim *s, const char *text, size_t n)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->args.notify);
	assert_int_equal(sendto(fd, text, n, 0, (struct sockaddr *)&addr, sizeof(addr)), n);
	close(fd);
}

static bool says_ready(const struct mill_shim *s, const char *text)
{
	notify(s, text, strlen(text));
	return mill_shim_notify_read(s);
}

static struct mill_shim notified_shim(void **state)
{
	static char path[100];
	struct mill_shim s = {.pid = getpid(), .main_pid = getpid()};
	snprintf(path, sizeof(path), "%s/notify.sock", (char *)*state);
	s.args.notify = path;
	s.notify_fd = mill_shim_notify_open(&s);
	assert_true(s.notify_fd >= 0);
	return s;
}

static void test_notify_texts(void **state)
{
	struct mill_shim s = notified_shim(state);
	static char large[5000];
	assert_false(mill_shim_notify_read(&s));
	assert_true(says_ready(&s, "READY=1"));
	assert_true(says_ready(&s, "READY=1\n"));
	assert_true(says_ready(&s, "STATUS=almost\nMAINPID=7\nREADY=1\nSTATUS=up"));
	assert_false(says_ready(&s, "STATUS=READY=1"));
	assert_false(says_ready(&s, "READY=10\nREADY=0\nREADY=\nready=1\n READY=1"));
	assert_false(says_ready(&s, "STOPPING=1"));
	assert_false(says_ready(&s, "READY="));
	notify(&s, "READY=1\0", 8);
	assert_true(mill_shim_notify_read(&s));
	notify(&s, "", 0);
	assert_false(mill_shim_notify_read(&s));
	memset(large, 'x', sizeof(large));
	memcpy(large, "READY=1\n", 8);
	notify(&s, large, sizeof(large)); /* cut: not believed */
	assert_false(mill_shim_notify_read(&s));
	notify(&s, "READY=1", 7);
	notify(&s, "STATUS=x", 8); /* what follows does not take it back */
	assert_true(mill_shim_notify_read(&s));
	close(s.notify_fd);
}

static void test_notify_of_a_stranger(void **state)
{
	struct mill_shim s = notified_shim(state);
	pid_t other = sleeper();
	s.main_pid = s.pid = other; /* we are no descendant of it */
	assert_false(says_ready(&s, "READY=1"));
	s.pid = getppid(); /* and now of this one */
	assert_true(says_ready(&s, "READY=1"));
	end(other);
	close(s.notify_fd);
}

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	return fd;
}

static void test_notify_with_fds(void **state)
{
	struct mill_shim s = notified_shim(state);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = {0};
	char text[] = "FDSTORE=1\nREADY=1";
	struct iovec iov = {text, strlen(text)};
	struct msghdr m = {.msg_name = &addr, .msg_namelen = sizeof(addr), .msg_iov = &iov, .msg_iovlen = 1,
			   .msg_control = &control, .msg_controllen = sizeof(control)};
	const int fds[] = {0, 1, 2};
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s.args.notify);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fds))};
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), before = lowest_free_fd();
	assert_int_equal(sendmsg(fd, &m, 0), strlen(text));
	assert_true(mill_shim_notify_read(&s));
	assert_int_equal(lowest_free_fd(), before); /* none of them stayed open */
	close(fd);
	close(s.notify_fd);
}

static void test_notify_path(void **state)
{
	char path[200];
	struct mill_shim s = notified_shim(state); /* a socket left behind is replaced */
	close(s.notify_fd);
	s.notify_fd = mill_shim_notify_open(&s);
	assert_true(s.notify_fd >= 0);
	close(s.notify_fd);
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	s.args.notify = path;
	assert_int_equal(mill_shim_notify_open(&s), -ENAMETOOLONG);
	s.args.notify = "/nowhere/at/all.sock";
	assert_int_equal(mill_shim_notify_open(&s), -ENOENT);
}

/* ---- Landlock ---- */

static bool can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && (write(fd, "x", 1) == 1);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* In a child: the number of the first thing that is not as it should be, 0 when all is. */
static int confined(const char *dir)
{
	char *inside = mill_path_join(dir, "run"), *outside = mill_path_join(dir, "outside");
	const char *const paths[] = {inside, mill_path_join(dir, "absent"), mill_path_join(dir, "file")};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || mill_landlock_confine_writes(paths, 3, NULL) != 0)
		return 1;
	if (!can_write(test_path(dir, "run/new")) || mkdir(test_path(dir, "run/sub"), 0700) < 0)
		return 2;
	if (!can_write(paths[2]) || !can_write("/dev/null"))
		return 3;
	if (can_write(outside) || errno != EACCES)
		return 4;
	if (mkdir(test_path(dir, "folder"), 0700) == 0 || unlink(outside) == 0 || symlink("x", test_path(dir, "link")) == 0)
		return 5;
	if (rename(test_path(dir, "run/new"), test_path(dir, "moved")) == 0)
		return 6;
	return access(outside, R_OK) < 0 || open(outside, O_RDONLY | O_CLOEXEC) < 0 ? 7 : 0;
}

static void test_landlock(void **state)
{
	int status;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
		assert_int_equal(mill_landlock_confine_writes(NULL, 0, NULL), 1);
		skip();
	}
	test_write(test_path(*state, "outside"), "x");
	test_write(test_path(*state, "file"), "x");
	pid_t pid = fork();
	if (pid == 0)
		_exit(confined(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(args_round_trip),	   TEST(args_may_be_absent),	    TEST(args_refusals),
		TEST(args_locks_have_a_ceiling), TEST(text_is_cut),	    TEST(text_numbers_and_json),
		TEST(text_time_is_the_c_librarys), TEST(stat),		    TEST(pidfd_knows_its_process),
		TEST(each_number),	   TEST(status_of_all_states),	    TEST(status_is_json_at_its_longest),
		TEST(status_replaces_what_lies_there), TEST(report),	    TEST(notify_texts),
		TEST(notify_of_a_stranger), TEST(notify_with_fds),	    TEST(notify_path),
		TEST(landlock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
