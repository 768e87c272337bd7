/* Ways in: what they promise when kubectl, or we, come to an end.  kubectl is a stand-in that says what the real one says. */
#include "../cmocka_all.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "runtime/kubernetes/internal.h"

static const char kubectl[] = "#!/bin/sh\n"
			      "cd \"${0%/*}\"\n"
			      "for last; do :; done\n"
			      "echo \"$last\" >> asked\n"
			      "[ -e refuse ] && { echo 'Error from server (NotFound): services \"a\" not found' >&2; exit 1; }\n"
			      "echo $$ > pid.new && mv pid.new pid\n"
			      "local=${last%%:*}\n"
			      "echo \"Forwarding from 127.0.0.1:${local:-43211} -> 9000\"\n"
			      "exec sleep 60\n";

static char dir[] = "/tmp/mill-forward-XXXXXX";
static struct mill_kube k;

static char *in_dir(const char *name)
{
	return mill_path_join(dir, name);
}

static char *read_in(const char *name)
{
	_cleanup_free_ char *path = in_dir(name);
	char *text = NULL;

	return mill_read_file(path, 65536, &text, NULL, NULL) < 0 ? mill_xstrdup("") : text;
}

static void clear(void)
{
	static const char *const left[] = {"asked", "pid", "refuse", "kubectl"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(left); i++) {
		_cleanup_free_ char *path = in_dir(left[i]);

		unlink(path);
	}
}

static int begin(void **state)
{
	clear();
	k = (struct mill_kube){.namespace = (char *)"lake", .kubectl = in_dir("kubectl")};
	pthread_mutex_init(&k.lock, NULL);
	return mill_write_file(k.kubectl, kubectl, sizeof(kubectl) - 1, 0755, 0, NULL);
}

static int end(void **state)
{
	mill_kube_end_forwards(&k);
	pthread_mutex_destroy(&k.lock);
	free(k.kubectl);
	return 0;
}

static char *forward(void)
{
	char *address = NULL;

	assert_int_equal(mill_kube_forward(&k, "a", 9000, &address, NULL), 0);
	return address;
}

/* Its process: not a child of whoever asks in each test. */
static pid_t kubectls_pid(void)
{
	_cleanup_free_ char *text = read_in("pid");

	return (pid_t)strtol(text, NULL, 10);
}

static bool ends(pid_t pid)
{
	uint64_t start;

	for (int i = 0; i < 500 && mill_proc_start_time(pid, &start) == 0; i++)
		mill_sleep_ms(10);
	return mill_proc_start_time(pid, &start) == -ESRCH;
}

static void test_one_process_an_address(void **state)
{
	_cleanup_free_ char *first = forward(), *second = forward(), *asked = read_in("asked");

	assert_string_equal(first, "127.0.0.1:43211");
	assert_string_equal(second, first);
	assert_string_equal(asked, ":9000\n");
}

static void test_the_local_port_is_kept(void **state)
{
	_cleanup_free_ char *first = forward(), *again = NULL, *asked = NULL;
	pid_t old = kubectls_pid();

	assert_int_equal(kill(old, SIGTERM), 0); /* as when its pod is replaced */
	for (int i = 0; i < 500 && kubectls_pid() == old; i++)
		mill_sleep_ms(10);
	assert_int_not_equal(kubectls_pid(), old);
	again = forward();
	assert_string_equal(again, first);
	asked = read_in("asked");
	assert_string_equal(asked, ":9000\n43211:9000\n");
}

static void test_the_end_ends_kubectl(void **state)
{
	pid_t pid;

	free(forward());
	pid = kubectls_pid();
	mill_kube_end_forwards(&k);
	assert_true(ends(pid));
}

static void test_a_refusal_is_told_and_not_for_ever(void **state)
{
	_cleanup_free_ char *refuse = in_dir("refuse"), *address = NULL, *later = NULL;
	_cleanup_error_ struct mill_error err = {0};

	assert_int_equal(mill_write_file(refuse, "", 0, 0600, 0, NULL), 0);
	assert_int_not_equal(mill_kube_forward(&k, "a", 9000, &address, &err), 0);
	assert_non_null(strstr(err.message, "forward to a:9000 (namespace lake): Error from server (NotFound)"));
	unlink(refuse);
	later = forward();
	assert_string_equal(later, "127.0.0.1:43211");
}

/* kill -9 of a data-mill leaves no kubectl: the kernel ends it. */
static void test_nothing_outlives_us(void **state)
{
	pid_t us = fork(), pid = 0;
	int status;

	if (us == 0) {
		char *address;

		if (mill_kube_forward(&k, "a", 9000, &address, NULL) < 0)
			_exit(1);
		pause();
	}
	for (int i = 0; i < 500 && !(pid = kubectls_pid()); i++)
		mill_sleep_ms(10);
	assert_true(pid > 0);
	mill_sleep_ms(50); /* it is asleep, and not about to end by itself */
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(us, SIGKILL), 0);
	assert_int_equal(waitpid(us, &status, 0), us);
	assert_true(ends(pid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_process_an_address, begin, end),
		cmocka_unit_test_setup_teardown(test_the_local_port_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_the_end_ends_kubectl, begin, end),
		cmocka_unit_test_setup_teardown(test_a_refusal_is_told_and_not_for_ever, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_outlives_us, begin, end),
	};
	int r;

	if (!test_have_pidfd())
		return TEST_SKIP;
	if (!mkdtemp(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	clear();
	rmdir(dir);
	return r;
}
