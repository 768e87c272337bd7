/*
 * What base does on kernels and file systems that lack a call: seccomp makes
 * close_range, renameat2 and copy_file_range fail as if they were not there.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../cmocka_all.h"

#include "base/proc.h"

#define REFUSE(nr)                                                                                 \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),                                           \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)

/* False where seccomp is not to be had. */
static bool take_calls_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(SYS_close_range),
		REFUSE(SYS_renameat2),
		REFUSE(SYS_copy_file_range),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = MILL_ARRAY_LEN(code), .filter = code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void test_fds_without_close_range(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int leaked = open("/dev/null", O_RDONLY);
	_cleanup_free_ char *script =
		mill_xasprintf("test -e /proc/self/fd/%d && echo kept;"
			       "test -e /proc/self/fd/%d && echo leaked; true",
			       kept, leaked);
	char *argv[] = {"sh", "-c", script, NULL};
	struct mill_run r = MILL_RUN_INIT;
	int status;
	r.spawn.argv = argv;
	r.spawn.keep_fds = &kept;
	r.spawn.n_keep_fds = 1;
	assert_int_equal(mill_run(&r, &out, NULL, &status, NULL), 0);
	assert_string_equal(out.data, "kept\n");
	close(kept);
	close(leaked);
}

static void test_exclusive_without_renameat2(void **state)
{
	char *dir = test_mkdir();
	const char *path = test_path(dir, "f");
	assert_int_equal(mill_write_file(path, "a", 1, 0600, MILL_WRITE_EXCLUSIVE, NULL), 0);
	assert_int_equal(mill_write_file(path, "b", 1, 0600, MILL_WRITE_EXCLUSIVE, NULL), -EEXIST);
	_cleanup_free_ char *text = test_read(path);
	assert_string_equal(text, "a");
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(dir, &names, NULL), 0);
	assert_int_equal(names.n, 1);
	test_rmdir(dir);
}

static void test_copy_without_copy_file_range(void **state)
{
	char *dir = test_mkdir();
	size_t n = 300000;
	_cleanup_free_ char *data = mill_xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		data[i] = (char)('a' + i % 23);
	data[n] = '\0';
	test_write(test_path(dir, "from"), data);
	assert_int_equal(mill_copy_file(test_path(dir, "from"), test_path(dir, "to"), 0600, NULL), 0);
	_cleanup_free_ char *copy = test_read(test_path(dir, "to"));
	assert_string_equal(copy, data);
	test_rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fds_without_close_range),
		cmocka_unit_test(test_exclusive_without_renameat2),
		cmocka_unit_test(test_copy_without_copy_file_range),
	};
	if (!test_have_pidfd() || !take_calls_away())
		return TEST_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
