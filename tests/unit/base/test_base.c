/* errors, allocation helpers, cleanup */
#include <signal.h>
#include <sys/wait.h>

#include "../cmocka_all.h"

static void test_errors(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_fail(&err, ENOENT, "bind %d", 9092), -ENOENT);
	assert_int_equal(mill_error_wrap(&err, "start %s", "kafka"), -ENOENT);
	assert_int_equal(mill_error_hint(&err, "free the port"), -ENOENT);
	mill_error_detail(&err, "last line");
	assert_string_equal(err.message, "start kafka: bind 9092");
	assert_string_equal(err.hint, "free the port");
	assert_string_equal(err.detail, "last line");
	assert_false(err.usage);
	/* A new failure replaces all of it; its text may quote the old one. */
	assert_int_equal(mill_fail_usage(&err, "[%s]", err.message), -EINVAL);
	assert_string_equal(err.message, "[start kafka: bind 9092]");
	assert_true(err.usage);
	assert_null(err.hint);
	assert_null(err.detail);
	assert_int_equal(mill_fail_errno(&err, EACCES, "open"), -EACCES);
	assert_string_equal(err.message, "open: Permission denied");
	/* A code that is no errno must not look like success. */
	assert_true(mill_fail(&err, 0, "odd") < 0);
	assert_true(mill_fail(NULL, ENOENT, "nobody asks") == -ENOENT);
	assert_true(mill_error_wrap(NULL, "x") < 0);
	assert_true(mill_error_hint(NULL, "x") < 0);
	mill_error_detail(NULL, "x");
	mill_error_release(NULL);
}

static void test_strings(void **state)
{
	assert_true(mill_streq(NULL, NULL));
	assert_false(mill_streq("a", NULL));
	assert_true(mill_streq("a", "a"));
	assert_true(mill_starts_with("abc", "ab"));
	assert_false(mill_starts_with("a", "ab"));
	assert_true(mill_ends_with("abc", "bc"));
	assert_true(mill_ends_with("abc", ""));
	assert_false(mill_ends_with("c", "bc"));
	_cleanup_free_ char *s = mill_xstrndup("abc", 10);
	assert_string_equal(s, "abc");
	char *taken = MILL_TAKE(s);
	assert_null(s);
	free(taken);
	struct {
		int *items;
		size_t n, cap;
	} v = {0};
	for (int i = 0; i < 100; i++) {
		MILL_GROW(v.items, v.n, v.cap);
		v.items[v.n++] = i;
	}
	assert_int_equal(v.items[99], 99);
	free(v.items);
}

/* Runs f in a child; its wait status and what it said. */
static int in_child(void (*f)(void), char *text, size_t size)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], 2);
		f();
		_exit(0);
	}
	close(fds[1]);
	size_t len = 0;
	ssize_t n;
	while ((n = mill_read_retry(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void do_bug(void)
{
	BUG("three is %d", 3);
}

static void do_exhaust(void)
{
	/* The multiplication overflows: no memory can be had. */
	volatile size_t n = SIZE_MAX / 2;
	mill_xreallocarray(NULL, n, 4);
}

static void test_endings(void **state)
{
	char text[512];
	int status = in_child(do_bug, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "three is 3"));
	assert_non_null(strstr(text, "test_base.c"));
	status = in_child(do_exhaust, text, sizeof(text));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == MILL_EXIT_FAILED);
	assert_non_null(strstr(text, "out of memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_endings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
