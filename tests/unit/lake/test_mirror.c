/* push, pull and diff against the stand-in server, with everything that goes wrong on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/io.h"
#include "lake/fetch.h"
#include "lake/scan.h"
#include "lake/sync.h"
#include "standin.h"

#define PART ((size_t)5 << 20)

struct fixture {
	struct standin *server;
	struct mill_lake *lake;
	struct mill_lake_sync sync;
	struct mill_lake_report report;
	struct mill_error err;
	char dir[64];
	char *folder, *state;
	int cancel[2];
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	memcpy(f->dir, "/tmp/data-mill-mirror-XXXXXX", 29);
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(pipe(f->cancel), 0);
	f->folder = mill_path_join(f->dir, "folder");
	f->state = mill_path_join(f->dir, "state/push.jsonl");
	f->server = standin_start();
	struct mill_lake_options o = {.endpoint = standin_endpoint(f->server), .access_key = "key",
				      .secret_key = "secret", .attempts = 3, .backoff_ms = 1,
				      .threads = 2, .jobs = 4, .part_size_bytes = PART,
				      .cancel_fd = f->cancel[0]};
	assert_int_equal(mill_lake_open(&o, &f->lake, NULL), 0);
	f->sync = (struct mill_lake_sync){.folder = f->folder, .bucket = "bucket", .prefix = "p",
					  .state_path = f->state, .make_bucket = true};
	assert_int_equal(mill_mkdir_p(f->folder, 0755, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mill_lake_close(f->lake);
	standin_stop(f->server);
	mill_lake_report_release(&f->report);
	mill_error_release(&f->err);
	mill_rm_rf(f->dir, NULL);
	close(f->cancel[0]);
	close(f->cancel[1]);
	free(f->folder);
	free(f->state);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *path, const void *data, size_t len)
{
	_cleanup_free_ char *full = mill_path_join(f->folder, path);
	_cleanup_free_ char *dir = mill_path_dirname(full);
	assert_int_equal(mill_mkdir_p(dir, 0755, NULL), 0);
	assert_int_equal(mill_write_file(full, data, len, 0644, 0, NULL), 0);
}

static void write_text(struct fixture *f, const char *path, const char *text)
{
	write_file(f, path, text, strlen(text));
}

static char *read_text(struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = mill_path_join(f->folder, path);
	char *text = NULL;
	return mill_read_file(full, 1 << 26, &text, NULL, NULL) < 0 ? NULL : text;
}

static int run(struct fixture *f, int (*fn)(struct mill_lake *, const struct mill_lake_sync *,
					    struct mill_lake_report *, struct mill_error *))
{
	mill_lake_report_release(&f->report);
	mill_error_release(&f->err);
	standin_forget_counts(f->server);
	int r = fn(f->lake, &f->sync, &f->report, &f->err);
	if (r < 0)
		print_message("%s\n", f->err.message ? f->err.message : "failed without a message");
	return r;
}

static int push(struct fixture *f)
{
	return run(f, mill_lake_push);
}

static int pull(struct fixture *f)
{
	return run(f, mill_lake_pull);
}

static uint64_t count(struct fixture *f, enum mill_lake_action a)
{
	return f->report.count[a];
}

static void assert_object(struct fixture *f, const char *name, const char *wanted)
{
	_cleanup_free_ char *got = standin_object(f->server, name, NULL);
	if (!got || !wanted) {
		if (got || wanted)
			fail_msg("%s: %s", name, got ? "is there" : "is not there");
		return;
	}
	assert_string_equal(got, wanted);
}

static void assert_file(struct fixture *f, const char *path, const char *wanted)
{
	_cleanup_free_ char *got = read_text(f, path);
	if (!got || !wanted) {
		if (got || wanted)
			fail_msg("%s: %s", path, got ? "is there" : "is not there");
		return;
	}
	assert_string_equal(got, wanted);
}

static const struct mill_lake_item *item(struct fixture *f, const char *path)
{
	for (size_t i = 0; i < f->report.n; i++)
		if (mill_streq(f->report.items[i].path, path))
			return &f->report.items[i];
	fail_msg("%s is not in the report", path);
	return NULL;
}

/* ---- push ---- */

static void test_push_skips(void **state)
{
	struct fixture *f = *state;
	write_text(f, "a.csv", "one");
	write_text(f, "d/b c.txt", "two");
	write_text(f, "empty", "");
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 3);
	assert_object(f, "bucket/p/a.csv", "one");
	assert_object(f, "bucket/p/d/b c.txt", "two");
	assert_object(f, "bucket/p/empty", "");
	/* Nothing changed: one listing and nothing else. */
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 3);
	assert_int_equal(standin_count(f->server, "PUT", ""), 0);
	assert_int_equal(standin_count(f->server, "GET", ""), 1);
	/* Same bytes under a new mtime: hashed, not sent. */
	_cleanup_free_ char *path = mill_path_join(f->folder, "a.csv");
	struct timespec t[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
	assert_int_equal(push(f), 0);
	assert_int_equal(standin_count(f->server, "PUT", ""), 0);
	/* Changed: sent, and only that. */
	write_text(f, "a.csv", "ONE");
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 1);
	assert_object(f, "bucket/p/a.csv", "ONE");
}

static void test_push_conflicts(void **state)
{
	struct fixture *f = *state;
	write_text(f, "mine", "1");
	write_text(f, "both", "1");
	write_text(f, "theirs", "1");
	assert_int_equal(push(f), 0);
	standin_put(f->server, "bucket/p/theirs", "changed there");
	standin_put(f->server, "bucket/p/both", "changed there");
	standin_put(f->server, "bucket/p/stranger", "was there");
	standin_put(f->server, "bucket/p/same", "the same");
	write_text(f, "mine", "2");
	write_text(f, "both", "2");
	write_text(f, "stranger", "mine");
	write_text(f, "same", "the same");
	assert_int_equal(push(f), -EEXIST);
	assert_int_equal(count(f, MILL_LAKE_CONFLICT), 3);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 1);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 1);
	assert_object(f, "bucket/p/mine", "2");
	assert_object(f, "bucket/p/theirs", "changed there");
	assert_object(f, "bucket/p/both", "changed there");
	assert_object(f, "bucket/p/stranger", "was there");
	assert_int_equal(item(f, "both")->action, MILL_LAKE_CONFLICT);
	assert_non_null(strstr(f->err.hint, "--force"));
	f->sync.force = true;
	assert_int_equal(push(f), 0);
	assert_object(f, "bucket/p/theirs", "1");
	assert_object(f, "bucket/p/both", "2");
	assert_object(f, "bucket/p/stranger", "mine");
}

/* Somebody writes between our listing and our request. */
static void test_push_race(void **state)
{
	struct fixture *f = *state;
	write_text(f, "a", "mine");
	standin_fault(f->server, "PUT", "/p/a", FAULT_OTHER_WRITER, 1);
	assert_int_equal(push(f), -EEXIST);
	assert_int_equal(count(f, MILL_LAKE_CONFLICT), 1);
	assert_object(f, "bucket/p/a", "other");
}

/* The answer to our own request is lost: the retry meets our own object, no conflict. */
static void test_push_lost_answer(void **state)
{
	struct fixture *f = *state;
	write_text(f, "a", "mine");
	standin_fault(f->server, "PUT", "/p/a", FAULT_RESET_AFTER, 1);
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 1);
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 1);
}

static void test_push_faults(void **state)
{
	struct fixture *f = *state;
	write_text(f, "good", "1");
	write_text(f, "bad", "1");
	write_text(f, "plain", "1");
	standin_fault(f->server, "PUT", "/p/bad", FAULT_WRONG_ETAG, 1);
	standin_fault(f->server, "PUT", "/p/good", FAULT_503, 2);
	standin_fault(f->server, "PUT", "/p/plain", FAULT_NO_CONDITIONS, 1);
	assert_int_equal(push(f), -EIO);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 2);
	assert_int_equal(item(f, "bad")->action, MILL_LAKE_FAIL);
	assert_non_null(strstr(item(f, "bad")->detail, "ETag"));
	assert_object(f, "bucket/p/plain", "1");
	assert_int_equal(push(f), 0); /* the object is what we meant to write after all */
}

static void test_push_delete(void **state)
{
	struct fixture *f = *state;
	write_text(f, "stay", "1");
	write_text(f, "gone", "1");
	write_text(f, "touched", "1");
	write_text(f, "log/x.log", "1");
	assert_int_equal(push(f), 0);
	standin_put(f->server, "bucket/p/stranger", "1");
	standin_put(f->server, "bucket/p/touched", "2");
	standin_put(f->server, "bucket/other", "outside the prefix");
	for (size_t i = 0; i < 3; i++) {
		_cleanup_free_ char *p = mill_path_join(
			f->folder, (const char *[]){"gone", "touched", "log/x.log"}[i]);
		assert_int_equal(unlink(p), 0);
	}
	assert_int_equal(push(f), 0);
	assert_object(f, "bucket/p/gone", "1");
	f->sync.remove_extra = f->sync.dry_run = true;
	f->sync.exclude = (char *[]){"*.log", NULL};
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_DELETE), 1);
	assert_object(f, "bucket/p/gone", "1");
	f->sync.dry_run = false;
	assert_int_equal(push(f), 0);
	assert_object(f, "bucket/p/gone", NULL);
	assert_object(f, "bucket/p/touched", "2");
	assert_object(f, "bucket/p/stranger", "1");
	assert_object(f, "bucket/p/log/x.log", "1");
	assert_int_equal(count(f, MILL_LAKE_KEEP), 2);
	f->sync.force = true;
	assert_int_equal(push(f), 0);
	assert_object(f, "bucket/p/stranger", NULL);
	assert_object(f, "bucket/p/log/x.log", "1");
	assert_object(f, "bucket/other", "outside the prefix");
}

static void test_push_odd_files(void **state)
{
	struct fixture *f = *state;
	write_text(f, "ok", "1");
	write_text(f, "bad\xff", "1");
	write_text(f, MILL_LAKE_TEMP_PREFIX "x", "left over");
	_cleanup_free_ char *link = mill_path_join(f->folder, "link");
	_cleanup_free_ char *fifo = mill_path_join(f->folder, "fifo");
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(push(f), -EIO);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 1);
	assert_int_equal(count(f, MILL_LAKE_SKIP), 2);
	assert_int_equal(count(f, MILL_LAKE_FAIL), 1);
	assert_non_null(strstr(item(f, "bad\xff")->detail, "UTF-8"));
	assert_int_equal(standin_count(f->server, "PUT", "/p/"), 1);
}

static void test_dry_run(void **state)
{
	struct fixture *f = *state;
	write_text(f, "a", "1");
	f->sync.dry_run = true;
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UPLOAD), 1);
	assert_int_equal(standin_count(f->server, "PUT", ""), 0);
	assert_false(mill_exists(f->state));
}

/* ---- multipart ---- */

static void write_big(struct fixture *f, const char *name, size_t len)
{
	char *data = mill_xmalloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)('a' + (i * 31 + i / 4096) % 26);
	write_file(f, name, data, len);
	free(data);
}

static void assert_same_big(struct fixture *f, const char *path, const char *name)
{
	size_t len = 0;
	_cleanup_free_ char *file = read_text(f, path);
	_cleanup_free_ char *object = standin_object(f->server, name, &len);
	assert_non_null(file);
	assert_non_null(object);
	assert_int_equal(strlen(file), len);
	assert_memory_equal(file, object, len);
}

static void test_multipart(void **state)
{
	struct fixture *f = *state;
	write_big(f, "big", 2 * PART + 12345);
	standin_fault(f->server, "PUT", "partNumber=2", FAULT_503, 1);
	standin_fault(f->server, "POST", "uploadId", FAULT_ERROR_IN_200, 1);
	assert_int_equal(push(f), 0);
	assert_int_equal(standin_count(f->server, "PUT", "partNumber"), 4);
	assert_same_big(f, "big", "bucket/p/big");
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 1);
	/* Without the state the parts' hash shows that it is the same. */
	f->sync.state_path = NULL;
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 1);
	/* And back, in ranges, one of which breaks off. */
	_cleanup_free_ char *other = mill_path_join(f->dir, "other");
	f->sync.folder = other;
	standin_fault(f->server, "GET", "/p/big", FAULT_TRUNCATE, 1);
	assert_int_equal(pull(f), 0);
	assert_true(standin_count(f->server, "GET", "/p/big") >= 4);
	char *folder = f->folder;
	f->folder = other;
	assert_same_big(f, "big", "bucket/p/big");
	f->folder = folder;
}

static void test_multipart_failure_is_aborted(void **state)
{
	struct fixture *f = *state;
	write_big(f, "big", 2 * PART + 1);
	standin_fault(f->server, "PUT", "partNumber=2", FAULT_400, 1);
	assert_int_equal(push(f), -EIO);
	assert_int_equal(standin_uploads(f->server), 0);
	assert_object(f, "bucket/p/big", NULL);
	assert_int_equal(push(f), 0);
	assert_same_big(f, "big", "bucket/p/big");
}

static void cancel_after_two(void *arg, const struct mill_lake_progress *p)
{
	struct fixture *f = arg;
	/* The third part has arrived, too, and stays unanswered. */
	if (p->bytes_done >= 2 * PART && standin_count(f->server, "PUT", "partNumber=3"))
		assert_int_equal(write(f->cancel[1], "x", 1), 1);
}

/* Cancelled in the middle: the parts that are there count next time. */
static void test_multipart_resumes(void **state)
{
	struct fixture *f = *state;
	char c;
	write_big(f, "big", 3 * PART);
	standin_fault(f->server, "PUT", "partNumber=3", FAULT_SILENCE, 1);
	f->sync.arg = f;
	f->sync.on_progress = cancel_after_two;
	assert_int_equal(push(f), -ECANCELED);
	assert_int_equal(standin_uploads(f->server), 1);
	assert_object(f, "bucket/p/big", NULL);
	f->sync.on_progress = NULL;
	assert_int_equal(read(f->cancel[0], &c, 1), 1);
	assert_int_equal(push(f), 0);
	assert_int_equal(standin_count(f->server, "PUT", "partNumber"), 1);
	assert_same_big(f, "big", "bucket/p/big");
	assert_int_equal(standin_uploads(f->server), 0);
}

/* The file changed in between: the old upload is given up. */
static void test_multipart_stale(void **state)
{
	struct fixture *f = *state;
	char c;
	write_big(f, "big", 3 * PART);
	standin_fault(f->server, "PUT", "partNumber=3", FAULT_SILENCE, 1);
	f->sync.arg = f;
	f->sync.on_progress = cancel_after_two;
	assert_int_equal(push(f), -ECANCELED);
	f->sync.on_progress = NULL;
	assert_int_equal(read(f->cancel[0], &c, 1), 1);
	write_text(f, "big", "small now");
	assert_int_equal(push(f), 0);
	assert_int_equal(standin_uploads(f->server), 0);
	assert_object(f, "bucket/p/big", "small now");
}

/* ---- the state file ---- */

static void append(const char *path, const char *text)
{
	FILE *out = fopen(path, "ae");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void test_state_file(void **state)
{
	struct fixture *f = *state;
	write_text(f, "a", "1");
	write_text(f, "b", "1");
	assert_int_equal(push(f), 0);
	/* A line that was cut off is dropped, what is before it counts. */
	append(f->state, "[\"b\",1,2");
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 2);
	append(f->state, "{\"no\": 1}\n");
	assert_int_equal(push(f), -EBADMSG);
	assert_non_null(f->err.hint);
	assert_int_equal(mill_write_file(f->state, "{\"v\":2}\n", 8, 0600, 0, NULL), 0);
	assert_int_equal(push(f), -ENOTSUP);
	unlink(f->state);
	/* Lost: contents are compared, nothing is a conflict. */
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 2);
	assert_int_equal(standin_count(f->server, "PUT", ""), 0);
	/* Another run holds it. */
	_cleanup_free_ char *name = mill_xasprintf("%s.lock", f->state);
	_cleanup_close_ int fd = -1;
	assert_int_equal(mill_lock_try(name, false, &fd, NULL), 0);
	assert_int_equal(push(f), -EBUSY);
}

/* ---- pull ---- */

static void test_pull(void **state)
{
	struct fixture *f = *state;
	standin_put(f->server, "bucket/p/a", "1");
	standin_put(f->server, "bucket/p/d/e/f", "2");
	standin_put(f->server, "bucket/p/empty", "");
	standin_put(f->server, "bucket/p/marker/", "");
	assert_int_equal(pull(f), 0);
	assert_int_equal(count(f, MILL_LAKE_DOWNLOAD), 3);
	assert_file(f, "a", "1");
	assert_file(f, "d/e/f", "2");
	assert_file(f, "empty", "");
	assert_int_equal(pull(f), 0);
	assert_int_equal(standin_count(f->server, "GET", "/p/"), 0);
	/* What was pulled is recorded: a push has nothing to do. */
	assert_int_equal(push(f), 0);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 3);
	standin_put(f->server, "bucket/p/a", "new");
	write_text(f, "d/e/f", "mine");
	standin_put(f->server, "bucket/p/d/e/f", "theirs");
	assert_int_equal(pull(f), -EEXIST);
	assert_file(f, "a", "new");
	assert_file(f, "d/e/f", "mine");
	f->sync.force = true;
	assert_int_equal(pull(f), 0);
	assert_file(f, "d/e/f", "theirs");
}

static void test_pull_delete(void **state)
{
	struct fixture *f = *state;
	standin_put(f->server, "bucket/p/stay", "1");
	standin_put(f->server, "bucket/p/d/e/gone", "1");
	standin_put(f->server, "bucket/p/changed", "1");
	assert_int_equal(pull(f), 0);
	write_text(f, "mine", "1");
	write_text(f, "changed", "2");
	assert_int_equal(mill_lake_remove(f->lake, "bucket", (char *[]){"p/d/e/gone", "p/changed"}, 2, NULL),
			 0);
	f->sync.remove_extra = true;
	assert_int_equal(pull(f), 0);
	assert_file(f, "d/e/gone", NULL);
	assert_file(f, "mine", "1");
	assert_file(f, "changed", "2");
	_cleanup_free_ char *dir = mill_path_join(f->folder, "d");
	assert_false(mill_exists(dir)); /* the empty folders went along */
}

static void test_pull_refuses(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"../x", "a/../../x", "/abs", "a//b", "./a", "a/.", "..",
					  "n/file/below"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		_cleanup_free_ char *name = mill_xasprintf("bucket/p/%s", bad[i]);
		standin_put(f->server, name, "evil");
	}
	standin_put(f->server, "bucket/p/n/file", "a file where another needs a folder");
	standin_put(f->server, "bucket/p/link/x", "through a link");
	standin_put(f->server, "bucket/p/folder", "where a folder is");
	standin_put(f->server, "bucket/p/good", "1");
	_cleanup_free_ char *link = mill_path_join(f->folder, "link");
	assert_int_equal(symlink(f->dir, link), 0);
	write_text(f, "folder/x", "1");
	assert_int_equal(pull(f), -EIO);
	assert_int_equal(count(f, MILL_LAKE_FAIL), MILL_ARRAY_LEN(bad) + 2);
	assert_int_equal(count(f, MILL_LAKE_DOWNLOAD), 2);
	assert_file(f, "good", "1");
	assert_file(f, "../x", NULL);
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(f->dir, &names, NULL), 0);
	assert_int_equal(names.n, 2); /* folder and state: nothing came out */
}

static void test_pull_damage(void **state)
{
	struct fixture *f = *state;
	standin_put(f->server, "bucket/p/a", "some content");
	write_text(f, "a", "mine");
	f->sync.force = true;
	standin_fault(f->server, "GET", "/p/a", FAULT_DAMAGE, 1);
	assert_int_equal(pull(f), -EIO);
	assert_file(f, "a", "mine");
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(f->folder, &names, NULL), 0);
	assert_int_equal(names.n, 1);
	assert_int_equal(pull(f), 0);
	assert_file(f, "a", "some content");
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		bool ok;
	} cases[] = {
		{"a", true},	  {"a/b.c", true},   {"...", true},   {"a/..b", true}, {"", false},
		{"/", false},	  {"a/", false},     {"a//b", false}, {".", false},    {"..", false},
		{"a/../b", false}, {"a/.", false},   {"\xff", false}, {"ü/☃", true},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++)
		if ((mill_lake_path_refused(cases[i].path) == NULL) != cases[i].ok)
			fail_msg("'%s'", cases[i].path);
}

static void test_exclude(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool dir, wanted;
	} cases[] = {
		{"*.log", "a.log", false, true},     {"*.log", "d/a.log", false, true},
		{"*.log", "a.txt", false, false},    {"tmp", "tmp/a", false, true},
		{"tmp", "d/tmp/a", false, true},     {"tmp/", "tmp", false, false},
		{"tmp/", "tmp", true, true},	     {"tmp/", "d/tmp/x", false, true},
		{"d/tmp", "d/tmp/x", false, true},   {"d/tmp", "e/tmp/x", false, false},
		{"a?c", "abc", false, true},	     {"[ab]", "c", false, false},
		{".git", ".git/config", false, true},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		char *patterns[] = {(char *)cases[i].pattern, NULL};
		if (mill_lake_excluded(patterns, cases[i].path, cases[i].dir) != cases[i].wanted)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].path);
	}
	assert_false(mill_lake_excluded(NULL, "a", false));
}

static void test_diff(void **state)
{
	struct fixture *f = *state;
	write_text(f, "same", "1");
	write_text(f, "here", "1");
	write_text(f, "there", "1");
	write_text(f, "both", "1");
	assert_int_equal(push(f), 0);
	write_text(f, "here", "2");
	write_text(f, "both", "2");
	write_text(f, "new", "1");
	standin_put(f->server, "bucket/p/there", "2");
	standin_put(f->server, "bucket/p/both", "3");
	standin_put(f->server, "bucket/p/foreign", "3");
	assert_int_equal(run(f, mill_lake_diff), 0);
	assert_int_equal(item(f, "here")->action, MILL_LAKE_UPLOAD);
	assert_int_equal(item(f, "new")->action, MILL_LAKE_UPLOAD);
	assert_int_equal(item(f, "there")->action, MILL_LAKE_DOWNLOAD);
	assert_int_equal(item(f, "foreign")->action, MILL_LAKE_DOWNLOAD);
	assert_int_equal(item(f, "both")->action, MILL_LAKE_CONFLICT);
	assert_int_equal(count(f, MILL_LAKE_UNCHANGED), 1);
	assert_int_equal(standin_count(f->server, "PUT", ""), 0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_push_skips),
		WITH_SERVER(test_push_conflicts),
		WITH_SERVER(test_push_race),
		WITH_SERVER(test_push_lost_answer),
		WITH_SERVER(test_push_faults),
		WITH_SERVER(test_push_delete),
		WITH_SERVER(test_push_odd_files),
		WITH_SERVER(test_dry_run),
		WITH_SERVER(test_multipart),
		WITH_SERVER(test_multipart_failure_is_aborted),
		WITH_SERVER(test_multipart_resumes),
		WITH_SERVER(test_multipart_stale),
		WITH_SERVER(test_state_file),
		WITH_SERVER(test_pull),
		WITH_SERVER(test_pull_delete),
		WITH_SERVER(test_pull_refuses),
		WITH_SERVER(test_pull_damage),
		WITH_SERVER(test_diff),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_exclude),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
