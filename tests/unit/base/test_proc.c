#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/proc.h"

static void run_sh(const char *script, struct mill_run *r, struct mill_strbuf *out,
		   struct mill_strbuf *err_out, int *ret_status)
{
	char *argv[] = {"sh", "-c", (char *)script, NULL};
	r->spawn.argv = argv;
	assert_int_equal(mill_run(r, out, err_out, ret_status, NULL), 0);
}

static void test_output(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, err_out = MILL_STRBUF_INIT;
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.input = "hello";
	r.input_len = 5;
	run_sh("cat; echo problem >&2; exit 3", &r, &out, &err_out, &status);
	assert_string_equal(out.data, "hello");
	assert_string_equal(err_out.data, "problem\n");
	char text[64];
	assert_string_equal(mill_status_text(status, text, sizeof(text)), "exit code 3");
}

static void test_killed_status(void **state)
{
	struct mill_run r = MILL_RUN_INIT;
	int status;
	char text[64];
	run_sh("kill -9 $$", &r, NULL, NULL, &status);
	assert_string_equal(mill_status_text(status, text, sizeof(text)), "signal 9 (KILL)");
}

static void test_tail(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.output_max = 100;
	run_sh("i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done", &r, &out, NULL,
	       &status);
	assert_int_equal(out.len, 100);
	assert_true(mill_ends_with(out.data, "line2999\n"));
}

static void count_line(void *arg, const char *line)
{
	mill_strv_add(arg, line);
}

static void test_lines_merged(void **state)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.merge_stderr = true;
	r.on_line = count_line;
	r.on_line_arg = &lines;
	run_sh("echo a; echo b >&2; printf 'c\\r\\n'; printf last", &r, NULL, NULL, &status);
	_cleanup_free_ char *joined = mill_strv_join(&lines, "|");
	assert_string_equal(joined, "a|b|c|last");
}

static void test_exec_errors(void **state)
{
	static const struct {
		const char *program;
		int code;
		const char *part;
	} cases[] = {
		{"no-such-program-here", ENOENT, "not found in PATH"},
		{"/no/such", ENOENT, "exec /no/such: No such file"},
		{"/etc/passwd", EACCES, "Permission denied"},
		{"/", EACCES, "Permission denied"},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_error_ struct mill_error err = {0};
		char *argv[] = {(char *)cases[i].program, NULL};
		struct mill_spawn s = {
			.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
		struct mill_proc p = MILL_PROC_INIT;
		assert_int_equal(mill_proc_spawn(&s, &p, &err), -cases[i].code);
		assert_non_null(strstr(err.message, cases[i].part));
		assert_int_equal(p.pid, -1);
	}
	_cleanup_error_ struct mill_error err = {0};
	char *argv[] = {"true", NULL};
	struct mill_spawn s = {.argv = argv,
			       .cwd = "/no/folder",
			       .stdin_fd = -1,
			       .stdout_fd = -1,
			       .stderr_fd = -1};
	struct mill_proc p = MILL_PROC_INIT;
	assert_int_equal(mill_proc_spawn(&s, &p, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/no/folder"));
}

static void test_timeout_kills_all(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_run r = MILL_RUN_INIT;
	int status = 0;
	/* The grandchild leaves the group, holds the pipe and ignores TERM. */
	char *argv[] = {"bash", "-c",
			"set -m; (trap '' TERM; sleep 100; sleep 100) & echo $!; wait", NULL};
	r.spawn.argv = argv;
	r.timeout_ms = 200;
	uint64_t before = mill_now_ns();
	assert_int_equal(mill_run(&r, &out, NULL, &status, &err), -ETIMEDOUT);
	assert_true(mill_now_ns() - before < 10 * MILL_SEC);
	assert_non_null(strstr(err.message, "not done after 200ms"));
	assert_true(WIFSIGNALED(status));
	uint64_t start;
	int pid = (int)strtol(out.data, NULL, 10);
	assert_true(pid > 1);
	for (int i = 0; i < 200 && mill_proc_start_time(pid, &start) == 0; i++) {
		char state_of[32];
		snprintf(state_of, sizeof(state_of), "/proc/%d/cmdline", pid);
		_cleanup_free_ char *text = NULL;
		size_t n = 0;
		if (mill_read_file(state_of, 4096, &text, &n, NULL) < 0 || n == 0)
			break; /* a zombie that some init has yet to reap */
		mill_sleep_ms(10);
		assert_true(i < 199);
	}
}

static void test_cancel(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	struct mill_run r = MILL_RUN_INIT;
	char *argv[] = {"sleep", "100", NULL};
	int status;
	r.spawn.argv = argv;
	r.cancel_fd = fds[0];
	assert_int_equal(mill_run(&r, NULL, NULL, &status, NULL), -ECANCELED);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	struct mill_proc p = MILL_PROC_INIT;
	r.spawn.stdout_fd = -1;
	assert_int_equal(mill_proc_spawn(&r.spawn, &p, NULL), 0);
	assert_int_equal(mill_proc_wait(&p, -1, fds[0], &status), -ECANCELED);
	assert_int_equal(mill_proc_wait(&p, 10, -1, &status), -ETIMEDOUT);
	assert_true(mill_proc_alive(&p));
	assert_int_equal(mill_proc_signal(&p, SIGKILL), 0);
	assert_int_equal(mill_proc_wait(&p, -1, -1, &status), 0);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_false(mill_proc_alive(&p));
	assert_int_equal(mill_proc_signal(&p, SIGKILL), -ESRCH);
	mill_proc_release(&p);
	close(fds[0]);
	close(fds[1]);
}

/* The child starts with nothing but 0-2 and what was kept, and default signals. */
static void test_clean_child(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int leaked = open("/dev/null", O_RDONLY);
	assert_true(kept > 2 && leaked > 2);
	sigset_t blocked, old;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	signal(SIGPIPE, SIG_IGN);
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.spawn.keep_fds = &kept;
	r.spawn.n_keep_fds = 1;
	r.spawn.no_new_privs = true;
	r.spawn.umask = 077;
	r.spawn.cwd = "/";
	_cleanup_free_ char *script = mill_xasprintf(
		"test -e /proc/self/fd/%d && echo kept; test -e /proc/self/fd/%d && echo leaked;"
		"grep -E '^Sig(Blk|Ign)|^NoNewPrivs' /proc/self/status; umask; pwd",
		kept, leaked);
	run_sh(script, &r, &out, NULL, &status);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(kept);
	close(leaked);
	assert_string_equal(out.data, "kept\nSigBlk:\t0000000000000000\n"
				      "SigIgn:\t0000000000000000\nNoNewPrivs:\t1\n0077\n/\n");
}

static void test_swapped_fds(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	char *argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
	struct mill_spawn s = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = fds[1]};
	struct mill_proc p = MILL_PROC_INIT;
	int status;
	assert_int_equal(mill_proc_spawn(&s, &p, NULL), 0);
	close(fds[1]);
	assert_int_equal(mill_proc_wait(&p, -1, -1, &status), 0);
	char text[32] = "";
	assert_int_equal(read(fds[0], text, sizeof(text) - 1), 8);
	assert_string_equal(text, "out\nerr\n");
	close(fds[0]);
	mill_proc_release(&p);
}

/* A child whose spawner dies gets the signal it was promised. */
static void test_parent_death(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t middle = fork();
	if (middle == 0) {
		char *argv[] = {"sleep", "100", NULL};
		struct mill_spawn s = {.argv = argv,
				       .stdin_fd = -1,
				       .stdout_fd = -1,
				       .stderr_fd = -1,
				       .parent_death_signal = SIGKILL};
		struct mill_proc p = MILL_PROC_INIT;
		int r = mill_proc_spawn(&s, &p, NULL);
		(void)!write(fds[1], &p, sizeof(p));
		_exit(r < 0);
	}
	struct mill_proc told, p = MILL_PROC_INIT;
	assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
	int status;
	assert_int_equal(waitpid(middle, &status, 0), middle);
	assert_int_equal(status, 0);
	/* Gone already, or going now. */
	if (mill_proc_open(told.pid, told.start_time, &p) == 0) {
		for (int i = 0; i < 500 && mill_proc_alive(&p); i++)
			mill_sleep_ms(10);
		assert_false(mill_proc_alive(&p));
		mill_proc_release(&p);
	}
	close(fds[0]);
	close(fds[1]);
}

static void test_environment(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	char *env[] = {"PATH=/none:/usr/bin:/bin", "ONLY=this", NULL};
	char *argv[] = {"env", NULL};
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.spawn.argv = argv;
	r.spawn.env = env;
	assert_int_equal(mill_run(&r, &out, NULL, &status, NULL), 0);
	assert_string_equal(out.data, "PATH=/none:/usr/bin:/bin\nONLY=this\n");
	char *nowhere[] = {"PATH=/none", NULL};
	r.spawn.env = nowhere;
	assert_int_equal(mill_run(&r, &out, NULL, &status, NULL), -ENOENT);
}

static void test_other_user(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_run r = MILL_RUN_INIT;
	int status;
	bool root = geteuid() == 0;
	r.spawn.set_ids = true;
	r.spawn.uid = root ? 65534 : getuid();
	r.spawn.gid = root ? 65533 : getgid();
	run_sh("id -u; id -g", &r, &out, NULL, &status);
	_cleanup_free_ char *expected =
		mill_xasprintf("%u\n%u\n", (unsigned)r.spawn.uid, (unsigned)r.spawn.gid);
	assert_string_equal(out.data, expected);
	if (root) {
		/* The supplementary groups of root are gone too. */
		mill_strbuf_reset(&out);
		run_sh("id -G", &r, &out, NULL, &status);
		assert_string_equal(out.data, "65533\n");
		return;
	}
	_cleanup_error_ struct mill_error err = {0};
	char *argv[] = {"true", NULL};
	r.spawn.argv = argv;
	r.spawn.uid++;
	assert_int_equal(mill_run(&r, NULL, NULL, &status, &err), -EPERM);
	assert_non_null(strstr(err.message, "become user"));
}

/* More than a pipe holds on both streams, and all of it in the log. */
static void test_much_output(void **state)
{
	char *dir = test_mkdir();
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, err_out = MILL_STRBUF_INIT;
	struct mill_run r = MILL_RUN_INIT;
	int status;
	struct stat st;
	r.log_fd = open(test_path(dir, "log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	run_sh("head -c 500000 /dev/zero | tr '\\0' a; head -c 400000 /dev/zero | tr '\\0' b >&2",
	       &r, &out, &err_out, &status);
	assert_int_equal(out.len, 500000);
	assert_int_equal(err_out.len, 400000);
	assert_int_equal(fstat(r.log_fd, &st), 0);
	assert_int_equal(st.st_size, 900000);
	close(r.log_fd);
	test_rmdir(dir);
}

/* A child that stays behind with the pipe open does not keep us. */
static void test_background_child(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_run r = MILL_RUN_INIT;
	int status;
	uint64_t before = mill_now_ns();
	run_sh("sleep 20 & echo $!", &r, &out, NULL, &status);
	assert_true(mill_now_ns() - before < 10 * MILL_SEC);
	assert_int_equal(status, 0);
	kill((pid_t)strtol(out.data, NULL, 10), SIGKILL);
}

/* 0-2 closed here and SIGCHLD ignored, as some service managers start programs. */
static void test_odd_parent(void **state)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGCHLD, SIG_IGN);
		close(0);
		close(1);
		close(2);
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		char *argv[] = {"sh", "-c", "echo out; exit 7", NULL};
		struct mill_run r = MILL_RUN_INIT;
		int status = 0;
		r.spawn.argv = argv;
		int rc = mill_run(&r, &out, NULL, &status, NULL);
		char *none[] = {"/no/such", NULL};
		r.spawn.argv = none;
		int rc2 = mill_run(&r, NULL, NULL, NULL, NULL);
		_exit(rc == 0 && rc2 == -ENOENT && WEXITSTATUS(status) == 7 &&
				      mill_streq(out.data, "out\n")
			      ? 0
			      : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void *run_many(void *arg)
{
	uintptr_t good = 0;
	for (int i = 0; i < 15; i++) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		char *argv[] = {"cat", NULL};
		struct mill_run r = MILL_RUN_INIT;
		int status = -1;
		r.spawn.argv = argv;
		r.input = "text";
		r.input_len = 4;
		good += mill_run(&r, &out, NULL, &status, NULL) == 0 && status == 0 &&
			mill_streq(out.data, "text");
	}
	return (void *)good;
}

/* No thread's pipes leak into another's child, where they would never end. */
static void test_threads(void **state)
{
	pthread_t threads[4];
	for (size_t i = 0; i < MILL_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
	for (size_t i = 0; i < MILL_ARRAY_LEN(threads); i++) {
		void *good;
		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((uintptr_t)good, 15);
	}
}

static void test_identity(void **state)
{
	uint64_t start;
	assert_int_equal(mill_proc_start_time(getpid(), &start), 0);
	struct mill_proc p = MILL_PROC_INIT;
	assert_int_equal(mill_proc_open(getpid(), start, &p), 0);
	assert_true(mill_proc_alive(&p));
	assert_int_equal(mill_proc_signal(&p, 0), 0);
	mill_proc_release(&p);
	assert_int_equal(p.pidfd, -1);
	assert_int_equal(mill_proc_open(getpid(), start + 1, &p), -ESRCH);
	assert_int_equal(mill_proc_open(0, start, &p), -ESRCH);
	assert_int_equal(strlen(mill_boot_id()), 36);
	/* A name with blanks and parentheses does not move the fields. */
	char old[16];
	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, "a) R 1 (b");
	uint64_t again = 0;
	assert_int_equal(mill_proc_start_time(getpid(), &again), 0);
	prctl(PR_SET_NAME, old);
	assert_int_equal(again, start);
}

int main(void)
{
	if (!test_have_pidfd())
		return TEST_SKIP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),	    cmocka_unit_test(test_killed_status),
		cmocka_unit_test(test_tail),	    cmocka_unit_test(test_lines_merged),
		cmocka_unit_test(test_exec_errors), cmocka_unit_test(test_timeout_kills_all),
		cmocka_unit_test(test_cancel),	    cmocka_unit_test(test_clean_child),
		cmocka_unit_test(test_swapped_fds), cmocka_unit_test(test_parent_death),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_much_output), cmocka_unit_test(test_background_child),
		cmocka_unit_test(test_odd_parent),  cmocka_unit_test(test_threads),
		cmocka_unit_test(test_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
