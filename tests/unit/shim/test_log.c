/* The log writer: lines, rotation, and what happens when nothing can be written. */
#include "../cmocka_all.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/strbuf.h"
#include "shim/log.h"

#define STAMP "2026-11-24T04:05:06.789Z"

struct fixture {
	char *dir;
	struct mill_shim_log log;
	int out, err; /* what the service writes to */
};

static uint64_t fixed_time(void)
{
	return UINT64_C(1795493106789);
}

static void open_stream(struct fixture *f, int stream, int *ret_write)
{
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	f->log.in[stream] = p[0];
	*ret_write = p[1];
}

static void begin(struct fixture *f, uint64_t max_bytes, unsigned keep, uint32_t line_max)
{
	int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	mill_shim_log_init(&f->log, dir, max_bytes, keep, line_max);
	f->log.now_ms = fixed_time;
	open_stream(f, MILL_LOG_OUT, &f->out);
	open_stream(f, MILL_LOG_ERR, &f->err);
}

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	f->dir = test_mkdir();
	f->out = f->err = f->log.fd = f->log.dir_fd = f->log.in[0] = f->log.in[1] = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const int fds[] = {f->out, f->err, f->log.fd, f->log.dir_fd, f->log.in[0], f->log.in[1]};
	for (size_t i = 0; i < MILL_ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, int stream, const char *bytes, size_t n)
{
	assert_int_equal(write(stream == MILL_LOG_OUT ? f->out : f->err, bytes, n), n);
	assert_true(mill_shim_log_read(&f->log, stream));
}

static void say(struct fixture *f, const char *text)
{
	put(f, MILL_LOG_OUT, text, strlen(text));
}

static void expect(struct fixture *f, const char *name, const char *want)
{
	_cleanup_free_ char *got = test_read(test_path(f->dir, name));
	assert_string_equal(got, want);
}

static bool is_there(struct fixture *f, const char *name)
{
	return access(test_path(f->dir, name), F_OK) == 0;
}

/* ---- lines ---- */

static void test_streams_and_stamps(void **state)
{
	struct fixture *f = *state;
	begin(f, 1 << 20, 2, 1000);
	say(f, "one\n\ntwo\n");
	put(f, MILL_LOG_ERR, "three\n", 6);
	mill_shim_log_note(&f->log, "ours");
	expect(f, "current",
	       STAMP " o one\n" STAMP " o \n" STAMP " o two\n" STAMP " e three\n" STAMP " m ours\n");
	struct stat st;
	assert_int_equal(stat(test_path(f->dir, "current"), &st), 0);
	assert_int_equal(st.st_mode & 0777, geteuid() == 0 ? 0640 : 0600);
}

static void test_lines_in_pieces(void **state)
{
	struct fixture *f = *state;
	begin(f, 1 << 20, 2, 1000);
	say(f, "hal");
	assert_false(is_there(f, "current")); /* whole lines only */
	put(f, MILL_LOG_ERR, "other", 5);
	say(f, "f\nre");
	expect(f, "current", STAMP " o half\n");
	say(f, "st");
	mill_shim_log_drain(&f->log);
	expect(f, "current", STAMP " o half\n" STAMP " o rest\n" STAMP " e other\n");
}

static void test_end_of_stream(void **state)
{
	struct fixture *f = *state;
	begin(f, 1 << 20, 2, 1000);
	say(f, "last words");
	assert_true(mill_shim_log_read(&f->log, MILL_LOG_OUT)); /* nothing there is no end */
	close(f->out);
	f->out = -1;
	assert_false(mill_shim_log_read(&f->log, MILL_LOG_OUT));
	expect(f, "current", STAMP " o last words\n");
}

static void test_long_lines_are_cut(void **state)
{
	struct fixture *f = *state;
	char text[201];
	begin(f, 1 << 20, 2, 64);
	memset(text, 'x', 200);
	text[64] = '\n'; /* just fits */
	text[64 + 1 + 65] = '\n'; /* one too many */
	text[200] = '\0';
	say(f, text);
	mill_shim_log_drain(&f->log);
	_cleanup_free_ char *got = test_read(test_path(f->dir, "current"));
	static const size_t want[] = {64, 64, 1, 64, 5};
	char *at = got;
	for (size_t i = 0; i < MILL_ARRAY_LEN(want); i++) {
		char *end = strchr(at, '\n');
		assert_non_null(end);
		assert_int_equal((size_t)(end - at), strlen(STAMP " o ") + want[i]);
		at = end + 1;
	}
	assert_int_equal(*at, '\0');
}

static void test_nul_bytes_are_kept(void **state)
{
	struct fixture *f = *state;
	static const char want[] = STAMP " o a\0b\n" STAMP " o \0\n";
	char *got;
	size_t n;
	begin(f, 1 << 20, 2, 1000);
	put(f, MILL_LOG_OUT, "a\0b\n\0\n", 6);
	assert_int_equal(mill_read_file(test_path(f->dir, "current"), 1 << 20, &got, &n, NULL), 0);
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(got, want, n);
	free(got);
}

/* ---- rotation ---- */

/* Numbered lines: returns the number of lines in a file; they must go on from *next (0: any). */
static unsigned count_numbers(struct fixture *f, const char *name, unsigned *next, uint64_t max_bytes)
{
	_cleanup_free_ char *text = test_read(test_path(f->dir, name));
	unsigned n = 0, number;
	assert_true(strlen(text) <= max_bytes);
	for (char *p = text, *end; *p; p = end + 1, n++) {
		end = strchr(p, '\n');
		assert_non_null(end);
		assert_int_equal(sscanf(p, STAMP " o line %u\n", &number), 1);
		if (*next)
			assert_int_equal(number, *next);
		*next = number + 1;
	}
	return n;
}

static void say_numbers(struct fixture *f, unsigned from, unsigned to)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	for (unsigned i = from; i <= to; i++) {
		mill_strbuf_printf(&b, "line %u\n", i);
		if (b.len > 3000 || i == to) {
			put(f, MILL_LOG_OUT, b.data, b.len);
			mill_strbuf_reset(&b);
		}
	}
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	unsigned next = 0;
	begin(f, 4096, 2, 1000);
	say_numbers(f, 1, 2000);
	assert_false(is_there(f, "3"));
	unsigned n = count_numbers(f, "2", &next, 4096);
	n += count_numbers(f, "1", &next, 4096);
	n += count_numbers(f, "current", &next, 4096);
	assert_int_equal(next, 2001); /* without a gap to the last */
	assert_true(n > 200);
	assert_int_equal(f->log.lost_lines, 0);
}

static void test_rotation_that_keeps_none(void **state)
{
	struct fixture *f = *state;
	unsigned next = 0;
	begin(f, 4096, 0, 1000);
	say_numbers(f, 1, 1000);
	count_numbers(f, "current", &next, 4096);
	assert_int_equal(next, 1001);
	assert_false(is_there(f, "1"));
}

/* One line must not make a file larger than it may be, however long lines may be. */
static void test_line_longer_than_a_file(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = mill_xmalloc(20000);
	begin(f, 4096, 8, 16384);
	memset(text, 'y', 20000);
	text[19999] = '\n';
	put(f, MILL_LOG_OUT, text, 20000);
	mill_shim_log_drain(&f->log);
	size_t total = 0;
	struct stat st;
	for (unsigned i = 0; i <= 8; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		if (stat(test_path(f->dir, i ? name : "current"), &st) < 0)
			break;
		assert_true(st.st_size <= 4096);
		total += (size_t)st.st_size;
	}
	assert_true(total > 20000);
}

static void test_large_file_from_before(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *old = mill_xmalloc(6000);
	memset(old, 'z', 5999);
	old[5999] = '\0';
	test_write(test_path(f->dir, "current"), old);
	begin(f, 4096, 2, 1000);
	say(f, "new\n");
	expect(f, "1", old);
	expect(f, "current", STAMP " o new\n");
}

static void test_goes_on_in_a_small_file(void **state)
{
	struct fixture *f = *state;
	test_write(test_path(f->dir, "current"), "before\n");
	begin(f, 4096, 2, 1000);
	say(f, "new\n");
	expect(f, "current", "before\n" STAMP " o new\n");
	assert_false(is_there(f, "1"));
}

/* ---- what cannot be written ---- */

/* A folder in the way: everything is lost and counted, until it is gone. */
static void test_gap_is_marked(void **state)
{
	struct fixture *f = *state;
	const char *current = test_path(f->dir, "current");
	begin(f, 4096, 2, 1000);
	assert_int_equal(mkdir(current, 0700), 0);
	say(f, "lost\nlost\n");
	say(f, "lost\n");
	assert_int_equal(f->log.lost_lines, 3);
	assert_int_equal(rmdir(current), 0);
	say(f, "back\n");
	/* 3 lines with their stamps: what is counted is what the log lacks. */
	size_t bytes = 3 * strlen(STAMP " o lost\n");
	_cleanup_free_ char *want = mill_xasprintf(STAMP " m 3 lines (%zu bytes) lost here: write error\n" STAMP " o back\n", bytes);
	expect(f, "current", want);
	say(f, "more\n");
	_cleanup_free_ char *all = mill_xasprintf("%s" STAMP " o more\n", want);
	expect(f, "current", all); /* marked once */
	assert_int_equal(f->log.lost_lines, 3);
}

/* A service that owns the folder must not lead us to another file. */
static void test_links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	const char *current = test_path(f->dir, "current"), *victim = test_path(f->dir, "victim");
	begin(f, 4096, 2, 1000);
	test_write(victim, "precious");
	assert_int_equal(symlink("victim", current), 0);
	say(f, "a\n");
	assert_int_equal(unlink(current), 0);
	assert_int_equal(link(victim, current), 0);
	say(f, "b\n");
	assert_int_equal(unlink(current), 0);
	assert_int_equal(mkfifo(current, 0600), 0);
	say(f, "c\n");
	assert_int_equal(f->log.lost_lines, 3);
	expect(f, "victim", "precious");
}

static void limit_files(rlim_t size)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As on a full disk: a batch is written whole or not at all, and what is missing is exactly what is counted. */
static void test_write_that_fails_midway(void **state)
{
	struct fixture *f = *state;
	signal(SIGXFSZ, SIG_IGN);
	begin(f, 1 << 20, 1, 1000);
	say(f, "first\n");
	limit_files(f->log.size + 40); /* in the midst of the second line */
	say(f, "second\nthird\n");
	limit_files(RLIM_INFINITY);
	assert_int_equal(f->log.lost_lines, 2);
	say(f, "fourth\n");
	expect(f, "1", STAMP " o first\n");
	_cleanup_free_ char *want =
		mill_xasprintf(STAMP " m 2 lines (%zu bytes) lost here: file too large\n" STAMP " o fourth\n",
			       strlen(STAMP " o second\n" STAMP " o third\n"));
	expect(f, "current", want);
}

static void test_limit_below_rotation(void **state)
{
	struct fixture *f = *state;
	unsigned present = 0;
	signal(SIGXFSZ, SIG_IGN);
	begin(f, 1 << 20, 9, 1000);
	limit_files(8192); /* the machine allows less than our own limit */
	say_numbers(f, 1, 1000);
	limit_files(RLIM_INFINITY);
	mill_shim_log_note(&f->log, "end");
	for (unsigned i = 0; i <= 9; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		if (!is_there(f, i ? name : "current"))
			break;
		_cleanup_free_ char *text = test_read(test_path(f->dir, i ? name : "current"));
		for (const char *p = text; (p = strstr(p, " o line ")); p++)
			present++;
	}
	assert_true(f->log.lost_lines > 0);
	assert_int_equal(present + f->log.lost_lines, 1000);
}

/* ---- much ---- */

static void test_flood_without_newlines(void **state)
{
	struct fixture *f = *state;
	static char block[65536];
	memset(block, 'w', sizeof(block));
	begin(f, 1 << 20, 2, UINT32_MAX); /* clamped to what the buffer can hold */
	for (unsigned i = 0; i < 20; i++) {
		size_t left = sizeof(block);
		while (left) {
			ssize_t n = write(f->out, block, left);
			if (n > 0)
				left -= (size_t)n;
			assert_true(mill_shim_log_read(&f->log, MILL_LOG_OUT));
		}
	}
	mill_shim_log_drain(&f->log);
	size_t bytes = 0;
	static const char *const names[] = {"1", "current"};
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *text = test_read(test_path(f->dir, names[i]));
		assert_true(strlen(text) <= 1 << 20);
		for (const char *p = text; *p; p++)
			bytes += *p == 'w';
	}
	assert_int_equal(bytes, 20 * sizeof(block));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(streams_and_stamps),
		TEST(lines_in_pieces),
		TEST(end_of_stream),
		TEST(long_lines_are_cut),
		TEST(nul_bytes_are_kept),
		TEST(rotation),
		TEST(rotation_that_keeps_none),
		TEST(line_longer_than_a_file),
		TEST(large_file_from_before),
		TEST(goes_on_in_a_small_file),
		TEST(gap_is_marked),
		TEST(links_are_not_followed),
		TEST(write_that_fails_midway),
		TEST(limit_below_rotation),
		TEST(flood_without_newlines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
