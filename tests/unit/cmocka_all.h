/* What each unit test includes: base first, then cmocka with what it needs before it. */
#ifndef TESTS_CMOCKA_ALL_H
#define TESTS_CMOCKA_ALL_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"

/*
 * False under valgrind 3.19, which does not know pidfd_open.  A test that starts
 * processes begins its main with: if (!test_have_pidfd()) return TEST_SKIP;
 */
#define TEST_SKIP 77
static inline bool test_have_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != ENOSYS;
}

/* A fresh temporary folder; owned.  Remove it with test_rmdir(). */
static inline char *test_mkdir(void)
{
	const char *top = getenv("TMPDIR");
	char *path = mill_xasprintf("%s/mill-test-XXXXXX", top && *top ? top : "/tmp");
	assert_non_null(mkdtemp(path));
	return path;
}

static inline void test_rmdir(char *path)
{
	assert_int_equal(mill_rm_rf(path, NULL), 0);
	free(path);
}

/* Joins; owned by a small ring, good for eight more calls. */
static inline const char *test_path(const char *dir, const char *name)
{
	static char ring[8][4096];
	static unsigned next;
	char *to = ring[next++ % 8];
	snprintf(to, sizeof(ring[0]), "%s/%s", dir, name);
	return to;
}

static inline void test_write(const char *path, const char *text)
{
	assert_int_equal(mill_write_file(path, text, strlen(text), 0644, 0, NULL), 0);
}

/* The file's text; owned. */
static inline char *test_read(const char *path)
{
	char *text = NULL;
	assert_int_equal(mill_read_file(path, 16 << 20, &text, NULL, NULL), 0);
	return text;
}

#endif
