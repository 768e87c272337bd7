#include <grp.h>
#include <sys/wait.h>

#include "../cmocka_all.h"

#include "base/clock.h"

static void test_files(void **state)
{
	char *dir = test_mkdir();
	_cleanup_error_ struct mill_error err = {0};
	const char *path = test_path(dir, "f");
	char *data = NULL;
	size_t len = 0;
	assert_int_equal(mill_write_file(path, "a\0b", 3, 0640, MILL_WRITE_DURABLE, &err), 0);
	assert_int_equal(mill_read_file(path, 3, &data, &len, &err), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
	free(data);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(mill_read_file(path, 2, &data, &len, &err), -EFBIG);
	assert_int_equal(mill_write_file(path, "x", 1, 0600, MILL_WRITE_EXCLUSIVE, &err), -EEXIST);
	assert_int_equal(mill_read_file(test_path(dir, "none"), 2, &data, &len, &err), -ENOENT);
	assert_int_equal(mill_read_file("/proc/self/status", 1 << 20, &data, &len, &err), 0);
	assert_true(len > 100);
	free(data);
	assert_int_equal(mill_read_file("/proc/self/status", 10, &data, &len, &err), -EFBIG);
	assert_int_equal(mill_read_file(dir, 10, &data, &len, &err), -EISDIR);
	assert_true(mill_write_file(test_path(dir, "no/f"), "x", 1, 0600, 0, &err) == -ENOENT);
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(dir, &names, &err), 0);
	assert_int_equal(names.n, 1); /* no temporary is left */
	test_rmdir(dir);
}

static void test_folders(void **state)
{
	char *dir = test_mkdir();
	struct stat st;
	mode_t old = umask(077);
	assert_int_equal(mill_mkdir_p(test_path(dir, "a/b//c/"), 0700, NULL), 0);
	umask(old);
	assert_int_equal(stat(test_path(dir, "a/b"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(stat(test_path(dir, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(mill_mkdir_p(test_path(dir, "a/b/c"), 0755, NULL), 0);
	assert_int_equal(stat(test_path(dir, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	test_write(test_path(dir, "file"), "x");
	assert_int_equal(mill_mkdir_p(test_path(dir, "file/x"), 0755, NULL), -ENOTDIR);
	assert_int_equal(mill_mkdir_p(test_path(dir, "file"), 0755, NULL), -ENOTDIR);
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(test_path(dir, "none"), &names, NULL), -ENOENT);
	assert_int_equal(mill_list_dir(dir, &names, NULL), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.items[0], "a");
	test_rmdir(dir);
}

static void test_remove(void **state)
{
	char *dir = test_mkdir();
	assert_int_equal(mill_mkdir_p(test_path(dir, "keep"), 0755, NULL), 0);
	test_write(test_path(dir, "keep/file"), "x");
	assert_int_equal(mill_mkdir_p(test_path(dir, "t/locked"), 0755, NULL), 0);
	test_write(test_path(dir, "t/locked/f"), "x");
	assert_int_equal(symlink("../keep", test_path(dir, "t/link")), 0);
	assert_int_equal(symlink("nowhere", test_path(dir, "t/dangling")), 0);
	assert_int_equal(chmod(test_path(dir, "t/locked"), 0), 0);
	assert_int_equal(chmod(test_path(dir, "t"), 0500), 0);
	assert_int_equal(mill_rm_rf(test_path(dir, "t/"), NULL), 0);
	assert_false(mill_exists(test_path(dir, "t")));
	assert_true(mill_exists(test_path(dir, "keep/file")));
	assert_int_equal(symlink("keep", test_path(dir, "l")), 0);
	assert_int_equal(mill_rm_rf(test_path(dir, "l/"), NULL), 0);
	assert_true(mill_exists(test_path(dir, "keep/file")));
	assert_int_equal(mill_rm_rf(test_path(dir, "none"), NULL), 0);
	assert_int_equal(mill_rm_rf(test_path(dir, "none/x"), NULL), 0);
	assert_int_equal(mill_rm_rf(test_path(dir, ".."), NULL), -EINVAL);
	assert_int_equal(mill_rm_rf("/", NULL), -EINVAL);
	test_rmdir(dir);
}

/* Root passes every lock; what an ordinary user meets is tried in a child. */
static int as_user(int (*f)(const char *dir), const char *dir)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		     setresuid(65534, 65534, 65534) < 0))
			_exit(99);
		_exit(f(dir));
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int remove_locked(const char *dir)
{
	_cleanup_free_ char *top = mill_xasprintf("%s/locked", dir);
	if (mill_mkdir_p(test_path(top, "a/b"), 0755, NULL) < 0 ||
	    mill_write_file(test_path(top, "a/b/f"), "x", 1, 0600, 0, NULL) < 0)
		return 1;
	chmod(test_path(top, "a/b"), 0);
	chmod(test_path(top, "a"), 0100);
	chmod(top, 0400);
	return mill_rm_rf(top, NULL) == 0 && !mill_exists(top) ? 0 : 2;
}

static int remove_foreign(const char *dir)
{
	_cleanup_error_ struct mill_error err = {0};
	if (mill_rm_rf(test_path(dir, "foreign"), &err) != -EACCES)
		return 1;
	return strstr(err.message, "foreign/file: Permission denied") ? 0 : 2;
}

static void test_remove_as_user(void **state)
{
	char *dir = test_mkdir();
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(as_user(remove_locked, dir), 0);
	if (geteuid() == 0) {
		assert_int_equal(mill_mkdir_p(test_path(dir, "foreign"), 0755, NULL), 0);
		test_write(test_path(dir, "foreign/file"), "x");
		assert_int_equal(as_user(remove_foreign, dir), 0);
		assert_true(mill_exists(test_path(dir, "foreign/file")));
	}
	test_rmdir(dir);
}

static void test_chown(void **state)
{
	if (geteuid() != 0)
		skip();
	char *dir = test_mkdir();
	struct stat st;
	assert_int_equal(mill_mkdir_p(test_path(dir, "t/sub"), 0755, NULL), 0);
	test_write(test_path(dir, "outside"), "x");
	test_write(test_path(dir, "t/sub/f"), "x");
	assert_int_equal(symlink("../../outside", test_path(dir, "t/sub/link")), 0);
	assert_int_equal(mill_chown_r(test_path(dir, "t"), 65534, 65533, NULL), 0);
	static const char *const changed[] = {"t", "t/sub", "t/sub/f", "t/sub/link"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(changed); i++) {
		assert_int_equal(lstat(test_path(dir, changed[i]), &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_gid, 65533);
	}
	assert_int_equal(stat(test_path(dir, "outside"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	test_rmdir(dir);
}

/* A tree deeper than we walk is refused, not walked with a thousand open files. */
static void test_too_deep(void **state)
{
	char *dir = test_mkdir();
	int at = open(dir, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(mkdirat(at, "d", 0755), 0);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	uint64_t used;
	assert_int_equal(mill_disk_usage(dir, &used, NULL), -ELOOP);
	char *to = test_mkdir();
	assert_int_equal(mill_copy_tree(dir, to, NULL), -ELOOP);
	test_rmdir(dir);
	test_rmdir(to);
}

static void test_remove_deep(void **state)
{
	char *dir = test_mkdir();
	int at = open(dir, O_RDONLY | O_DIRECTORY);
	/* Deeper than any path may be, with files on the way. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(mkdirat(at, "deeper", 0755), 0);
		int file = openat(at, "file", O_CREAT | O_WRONLY, 0600);
		close(file);
		int next = openat(at, "deeper", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(mill_rm_rf(dir, NULL), 0);
	assert_false(mill_exists(dir));
	free(dir);
}

static void test_copy(void **state)
{
	char *dir = test_mkdir();
	assert_int_equal(mill_mkdir_p(test_path(dir, "from/sub"), 0750, NULL), 0);
	test_write(test_path(dir, "from/sub/f"), "content");
	assert_int_equal(chmod(test_path(dir, "from/sub/f"), 0751), 0);
	assert_int_equal(symlink("../sub/f", test_path(dir, "from/sub/link")), 0);
	assert_int_equal(mill_copy_tree(test_path(dir, "from"), test_path(dir, "to"), NULL), 0);
	_cleanup_free_ char *text = test_read(test_path(dir, "to/sub/link"));
	assert_string_equal(text, "content");
	struct stat st;
	assert_int_equal(lstat(test_path(dir, "to/sub/f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0751);
	assert_int_equal(lstat(test_path(dir, "to/sub"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(mill_copy_tree(test_path(dir, "from"), test_path(dir, "to"), NULL), 0);
	static const char *const bad[] = {"/etc/passwd", "../../x", "sub/../../..", ".."};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		_cleanup_error_ struct mill_error err = {0};
		unlink(test_path(dir, "from/bad"));
		assert_int_equal(symlink(bad[i], test_path(dir, "from/bad")), 0);
		assert_int_equal(
			mill_copy_tree(test_path(dir, "from"), test_path(dir, "to2"), &err),
			-EXDEV);
		assert_non_null(strstr(err.message, "from/bad"));
	}
	assert_int_equal(mill_copy_file("/proc/self/status", test_path(dir, "status"), 0600, NULL),
			 0);
	_cleanup_free_ char *status = test_read(test_path(dir, "status"));
	assert_true(strlen(status) > 100);
	assert_int_equal(mill_copy_file(test_path(dir, "none"), test_path(dir, "x"), 0600, NULL),
			 -ENOENT);
	assert_int_equal(mill_copy_file(dir, test_path(dir, "x"), 0600, NULL), -EISDIR);
	uint64_t used = 0, free_bytes = 0;
	assert_int_equal(mill_disk_usage(dir, &used, NULL), 0);
	assert_true(used > 0);
	assert_int_equal(mill_disk_usage(test_path(dir, "none"), &used, NULL), -ENOENT);
	assert_int_equal(mill_disk_free(test_path(dir, "no/such/place"), &free_bytes, NULL), 0);
	assert_true(free_bytes > 0);
	assert_int_equal(mill_chown_r(dir, getuid(), getgid(), NULL), 0);
	test_rmdir(dir);
}

static void test_paths(void **state)
{
	static const struct {
		const char *a, *b, *joined;
	} joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"},
		     {"", "b", "b"},	{"/", "b", "/b"},   {"a", "", "a"}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(joins); i++) {
		_cleanup_free_ char *p = mill_path_join(joins[i].a, joins[i].b);
		assert_string_equal(p, joins[i].joined);
	}
	static const struct {
		const char *path, *dir;
	} dirs[] = {{"/a/b", "/a"}, {"/a", "/"},   {"a", "."}, {"a/b/", "a"},
		    {"/", "/"},	    {"a//b", "a"}, {"", "."}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(dirs); i++) {
		_cleanup_free_ char *p = mill_path_dirname(dirs[i].path);
		assert_string_equal(p, dirs[i].dir);
	}
	static const struct {
		const char *path, *absolute;
	} absolutes[] = {
		{"/a/./b/../c//", "/a/c"}, {"/../..", "/"}, {"/", "/"}, {"/a/b/../..", "/"}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(absolutes); i++) {
		_cleanup_free_ char *p = mill_path_absolute(absolutes[i].path);
		assert_string_equal(p, absolutes[i].absolute);
	}
	_cleanup_free_ char *here = mill_path_absolute("x");
	assert_true(here[0] == '/' && mill_ends_with(here, "/x"));
	assert_string_equal(mill_path_basename("/a/b"), "b");
	assert_string_equal(mill_path_basename("b"), "b");
	assert_true(mill_path_is_inside("a/b"));
	assert_true(mill_path_is_inside("a/..b"));
	assert_false(mill_path_is_inside("a/../b"));
	assert_false(mill_path_is_inside("/a"));
	assert_false(mill_path_is_inside(""));
	assert_false(mill_path_is_inside("a/.."));
	_cleanup_free_ char *sh = mill_path_find_program("sh", "/none::/usr/bin:/bin");
	assert_string_equal(sh, "/usr/bin/sh");
	assert_null(mill_path_find_program("sh", ""));
	assert_null(mill_path_find_program("", "/bin"));
	assert_null(mill_path_find_program("tmp", "/"));
}

static void test_locks(void **state)
{
	char *dir = test_mkdir();
	const char *path = test_path(dir, "lock");
	_cleanup_error_ struct mill_error err = {0};
	int a = -1, b = -1;
	assert_int_equal(mill_lock_try(path, false, &a, &err), 0);
	assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mill_lock_try(path, true, &b, &err), -EWOULDBLOCK);
	_cleanup_free_ char *who = mill_xasprintf("pid %d (", (int)getpid());
	assert_non_null(strstr(err.message, who));
	assert_int_equal(mill_lock_wait(path, false, 5, &b, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, who));
	close(a);
	assert_int_equal(mill_lock_try(path, true, &a, &err), 0);
	assert_int_equal(mill_lock_try(path, true, &b, &err), 0);
	close(a);
	close(b);
	assert_int_equal(mill_lock_wait(path, false, -1, &a, &err), 0);
	/* A removed lock file does not keep the next one out. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mill_lock_try(path, false, &b, &err), 0);
	close(a);
	close(b);
	assert_null(mill_lock_holder(test_path(dir, "none")));
	test_rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),	       cmocka_unit_test(test_folders),
		cmocka_unit_test(test_remove),	       cmocka_unit_test(test_remove_deep),
		cmocka_unit_test(test_remove_as_user), cmocka_unit_test(test_chown),
		cmocka_unit_test(test_too_deep),       cmocka_unit_test(test_copy),
		cmocka_unit_test(test_paths),	       cmocka_unit_test(test_locks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
