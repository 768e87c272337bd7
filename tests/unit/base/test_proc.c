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
		struct mill_spawn s = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
		struct mill_proc p = MILL_PROC_INIT;
		assert_int_equal(mill_proc_spawn(&s, &p, &err), -cases[i].code);
		assert_non_null(strstr(err.message, cases[i].part));
		assert_int_equal(p.pid, -1);
	}
	_cleanup_error_ struct mill_error err = {0};
	char *argv[] = {"true", NULL};
	struct mill_spawn s = {.argv = argv, .cwd = "/no/folder", .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
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
	char *argv[] = {"bash", "-c", "set -m; (trap '' TERM; sleep 100; sleep 100) & echo $!; wait", NULL};
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
	unsigned long long ignored;
	run_sh(script, &r, &out, NULL, &status);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(kept);
	close(leaked);
	const char *at = strstr(out.data, "SigIgn:\t");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "SigIgn:\t%llx", &ignored), 1);
	/* 32 and 33 are glibc's own: sigaction(2) cannot reset what whoever started us left ignored */
	assert_int_equal(ignored & ~0x180000000ULL, 0);
	assert_memory_equal(out.data, "kept\nSigBlk:\t0000000000000000\nSigIgn:", 37);
	assert_string_equal(strchr(at, '\n'), "\nNoNewPrivs:\t1\n0077\n/\n");
}

static void test_swapped_fds(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	char *argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
	struct mill_spawn s = {.argv = argv, .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = fds[1]};
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
		cmocka_unit_test(test_swapped_fds), cmocka_unit_test(test_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
