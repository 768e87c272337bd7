#include "../cmocka_all.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "runtime/native/logs.h"

#include "base/clock.h"

struct fixture {
	char *dir;
	struct mill_platform p;
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	f->dir = test_mkdir();
	f->p.dir = f->dir;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *id, const char *file, const char *text)
{
	_cleanup_free_ char *dir = mill_xasprintf("%s/services/%s/log", f->dir, id);
	assert_int_equal(mill_mkdir_p(dir, 0700, NULL), 0);
	test_write(test_path(dir, file), text);
}

static int collect(void *arg, const struct mill_log_line *line)
{
	mill_strbuf_printf(arg, "%s:%c:%s\n", line->id, line->stream, line->text);
	return 0;
}

static const char *const ids[] = {"a.s", "b.s"};

static char *read_logs(struct fixture *f, size_t tail, uint64_t since_ms)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;
	const struct mill_logs l = {.ids = ids, .n_ids = 2, .tail = tail, .since_ms = since_ms, .cancel_fd = -1,
				    .on_line = collect, .arg = &out};
	assert_int_equal(mill_logs_read(&f->p, &l, NULL), 0);
	return mill_strbuf_steal(&out);
}

static void fill(struct fixture *f)
{
	put(f, "a.s", "2", "2026-11-24T04:00:00.000Z m started\n2026-11-24T04:00:01.000Z o one\n");
	put(f, "a.s", "1", "2026-11-24T04:00:03.000Z o three\n");
	put(f, "a.s", "current", "2026-11-24T04:00:05.000Z e five\n2026-11-24T04:00:06.000Z o half a li");
	put(f, "b.s", "current", "2026-11-24T04:00:02.000Z o two\n2026-11-24T04:00:04.000Z o four\nno stamp\n");
}

static void test_merged_by_time(void **state)
{
	struct fixture *f = *state;
	fill(f);
	_cleanup_free_ char *all = read_logs(f, SIZE_MAX, 0);
	/* A line without a stamp stays where it was written; a line that is not whole is not told. */
	assert_string_equal(all, "a.s:m:started\na.s:o:one\nb.s:o:two\na.s:o:three\nb.s:o:four\nb.s:m:no stamp\na.s:e:five\n");
}

static void test_tail_and_since(void **state)
{
	static const struct {
		size_t tail;
		const char *since, *want;
	} cases[] = {
		{0, NULL, ""},
		{1, NULL, "a.s:e:five\n"},
		{3, NULL, "b.s:o:four\nb.s:m:no stamp\na.s:e:five\n"},
		{4, NULL, "a.s:o:three\nb.s:o:four\nb.s:m:no stamp\na.s:e:five\n"},
		{7, NULL, "a.s:m:started\na.s:o:one\nb.s:o:two\na.s:o:three\nb.s:o:four\nb.s:m:no stamp\na.s:e:five\n"},
		{100, NULL, "a.s:m:started\na.s:o:one\nb.s:o:two\na.s:o:three\nb.s:o:four\nb.s:m:no stamp\na.s:e:five\n"},
		{SIZE_MAX, "2026-11-24T04:00:04.000Z", "b.s:o:four\nb.s:m:no stamp\na.s:e:five\n"},
		{1, "2026-11-24T05:00:00.000Z", ""},
	};
	struct fixture *f = *state;
	fill(f);
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		uint64_t since = 0;
		if (cases[i].since)
			assert_int_equal(mill_parse_rfc3339(cases[i].since, &since), 0);
		_cleanup_free_ char *got = read_logs(f, cases[i].tail, since);
		assert_string_equal(got, cases[i].want);
	}
}

static void test_tail_of_a_long_log(void **state)
{
	struct fixture *f = *state;
	struct mill_strbuf text = MILL_STRBUF_INIT;
	for (int i = 0; i < 20000; i++)
		mill_strbuf_printf(&text, "2026-11-24T04:00:00.%03dZ o line %d\n", i % 1000, i);
	put(f, "a.s", "current", text.data);
	mill_strbuf_release(&text);
	_cleanup_free_ char *last = mill_logs_last(&f->p, "a.s", 2);
	assert_string_equal(last, "line 19998\nline 19999");
	_cleanup_free_ char *none = mill_logs_last(&f->p, "not.there", 2);
	assert_string_equal(none, "");
}

/* ---- following ---- */

struct follower {
	struct fixture *f;
	pthread_mutex_t lock;
	struct mill_strbuf out;
	int told_fd, cancel_fd;
};

static int on_line(void *arg, const struct mill_log_line *line)
{
	struct follower *w = arg;
	uint64_t one = 1;
	pthread_mutex_lock(&w->lock);
	mill_strbuf_printf(&w->out, "%s\n", line->text);
	pthread_mutex_unlock(&w->lock);
	return write(w->told_fd, &one, sizeof(one)) < 0;
}

static void *follow(void *arg)
{
	struct follower *w = arg;
	const struct mill_logs l = {.ids = ids, .n_ids = 1, .tail = 1, .follow = true, .cancel_fd = w->cancel_fd,
				    .on_line = on_line, .arg = w};
	return (void *)(intptr_t)mill_logs_read(&w->f->p, &l, NULL);
}

static void wait_for(struct follower *w, const char *text)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&w->lock);
		bool there = strstr(w->out.data, text);
		pthread_mutex_unlock(&w->lock);
		if (there)
			return;
		struct pollfd p = {.fd = w->told_fd, .events = POLLIN};
		uint64_t count;
		if (poll(&p, 1, 200) == 1)
			assert_int_equal(read(w->told_fd, &count, sizeof(count)), sizeof(count));
	}
	fail_msg("never told: %s", text);
}

static void append(struct fixture *f, const char *text)
{
	FILE *file = fopen(test_path(f->dir, "services/a.s/log/current"), "a");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_follow_survives_rotation(void **state)
{
	struct follower w = {.f = *state};
	pthread_mutex_init(&w.lock, NULL);
	mill_strbuf_init(&w.out, 0);
	w.told_fd = eventfd(0, EFD_CLOEXEC);
	w.cancel_fd = eventfd(0, EFD_CLOEXEC);
	put(w.f, "a.s", "current", "2026-11-24T04:00:00.000Z o old\n2026-11-24T04:00:01.000Z o last\n");
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, follow, &w), 0);
	wait_for(&w, "last\n");
	append(w.f, "2026-11-24T04:00:02.000Z o whole\n2026-11-24T04:00:03.000Z o in two ");
	wait_for(&w, "whole\n");
	append(w.f, "parts\n");
	wait_for(&w, "in two parts\n");
	append(w.f, "2026-11-24T04:00:04.000Z o before the turn\n");
	_cleanup_free_ char *dir = mill_xasprintf("%s/services/a.s/log", w.f->dir);
	assert_int_equal(rename(test_path(dir, "current"), test_path(dir, "1")), 0);
	put(w.f, "a.s", "current", "2026-11-24T04:00:05.000Z o after the turn\n");
	wait_for(&w, "after the turn\n");
	uint64_t one = 1;
	assert_int_equal(write(w.cancel_fd, &one, sizeof(one)), sizeof(one));
	void *r;
	pthread_join(thread, &r);
	assert_null(r);
	assert_string_equal(w.out.data, "last\nwhole\nin two parts\nbefore the turn\nafter the turn\n");
	close(w.told_fd);
	close(w.cancel_fd);
	mill_strbuf_release(&w.out);
	pthread_mutex_destroy(&w.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_merged_by_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail_and_since, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail_of_a_long_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_follow_survives_rotation, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
