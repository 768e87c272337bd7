/* Files that the daemon reads and writes: the journal, a shim's status, log probes, socket paths. */
#include "../cmocka_all.h"

#include <sys/resource.h>
#include <signal.h>

#include "base/clock.h"
#include "daemon/journal.h"
#include "daemon/paths.h"
#include "daemon/probe.h"
#include "daemon/status.h"
#include "shim/sys.h"

static int setup(void **state)
{
	char *dir = test_mkdir();
	_cleanup_free_ char *run = mill_path_join(dir, "run"), *log = mill_path_join(dir, "log");
	assert_int_equal(mill_mkdir_p(run, 0700, NULL), 0);
	assert_int_equal(mill_mkdir_p(log, 0700, NULL), 0);
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	test_rmdir(*state);
	return 0;
}

/* ---- the journal ---- */

static void note(void *arg, const char *line, size_t len)
{
	mill_strbuf_add(arg, line, len);
}

static void add_reason(struct mill_json_writer *w, const void *arg)
{
	mill_json_kv_string(w, "reason", arg);
}

/* Checks that the file holds events of consecutive numbers; returns how many. */
static unsigned check_events(const char *path, uint64_t first)
{
	_cleanup_free_ char *text = test_read(path);
	unsigned n = 0;
	for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1, n++) {
		_cleanup_json_ json_t *j = NULL;
		assert_int_equal(mill_json_parse("line", p, (size_t)(end - p), &j, NULL), 0);
		assert_int_equal(mill_json_get_int(j, "seq", 0), first + n);
		assert_int_equal(mill_journal_line_seq(p, (size_t)(end - p)), first + n);
		assert_non_null(mill_json_get_string(j, "time", NULL));
	}
	return n;
}

static void test_journal_writes_and_tells(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf heard = MILL_STRBUF_INIT;
	struct mill_journal j;
	assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
	j.listen = note;
	j.arg = &heard;
	mill_journal_write(&j, "daemon", NULL, NULL, NULL);
	mill_journal_write(&j, "state", "a.b", add_reason, "odd \"\n\t\x01 \xff bytes");
	assert_int_equal(check_events(j.path, 1), 2);
	_cleanup_free_ char *text = test_read(j.path);
	assert_string_equal(text, heard.data);
	struct stat st;
	assert_int_equal(stat(j.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	mill_journal_close(&j);
}

static void test_journal_goes_on(void **state)
{
	struct mill_journal j;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
		assert_int_equal(j.seq, i);
		mill_journal_write(&j, "daemon", NULL, NULL, NULL);
		mill_journal_close(&j);
	}
	assert_int_equal(check_events(test_path(*state, "run/events.jsonl"), 1), 3);
}

static void test_journal_rotates_once(void **state)
{
	struct mill_journal j;
	assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
	j.max = 1000;
	for (unsigned i = 0; i < 100; i++)
		mill_journal_write(&j, "state", "a.b", add_reason, "because");
	struct stat st;
	assert_int_equal(stat(j.path, &st), 0);
	assert_true(st.st_size > 0 && st.st_size <= 1000 && st.st_size == j.size);
	assert_int_equal(stat(j.old_path, &st), 0);
	assert_true(st.st_size > 800 && st.st_size <= 1000);
	/* The two files follow each other without a gap. */
	_cleanup_free_ char *text = test_read(j.old_path);
	uint64_t first = mill_journal_line_seq(text, strlen(text));
	unsigned n = check_events(j.old_path, first);
	n += check_events(j.path, first + n);
	assert_int_equal(first + n, 101);
	mill_journal_close(&j);
	/* Rotated and nothing written since: the older file knows the number. */
	assert_int_equal(unlink(test_path(*state, "run/events.jsonl")), 0);
	uint64_t before = first + check_events(test_path(*state, "run/events.1.jsonl"), first) - 1;
	assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
	assert_int_equal(j.seq, before);
	mill_journal_close(&j);
}

static void test_journal_after_a_kill(void **state)
{
	struct mill_journal j;
	const char *path = test_path(*state, "run/events.jsonl");
	test_write(path, "not ours\n{\"seq\": 41, \"event\": \"daemon\"}\n{\"seq\": 42, \"ev");
	assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
	assert_int_equal(j.seq, 41);
	mill_journal_write(&j, "daemon", NULL, NULL, NULL);
	mill_journal_close(&j);
	_cleanup_free_ char *text = test_read(path);
	/* The torn line is ended, so that the new one is a line. */
	assert_non_null(strstr(text, "\"ev\n{\"seq\":42,"));
}

/* A file that cannot grow: the line is lost whole, the numbers go on, listeners hear all. */
static void test_journal_on_a_full_disk(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf heard = MILL_STRBUF_INIT;
	struct rlimit old, small;
	struct mill_journal j;
	assert_int_equal(mill_journal_open(&j, *state, NULL), 0);
	j.listen = note;
	j.arg = &heard;
	mill_journal_write(&j, "daemon", NULL, NULL, NULL);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)j.size + 20; /* in the midst of the next */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	mill_journal_write(&j, "state", "a.b", NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	mill_journal_write(&j, "state", "a.c", NULL, NULL);
	assert_int_equal(j.seq, 3);
	_cleanup_free_ char *text = test_read(j.path);
	assert_non_null(strstr(text, "{\"seq\":1,"));
	assert_null(strstr(text, "a.b"));
	assert_non_null(strstr(text, "\n{\"seq\":3,"));
	assert_non_null(strstr(heard.data, "a.b"));
	mill_journal_close(&j);
}

static void test_journal_is_no_link(void **state)
{
	struct mill_journal j;
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(symlink("/dev/null", test_path(*state, "run/events.jsonl")), 0);
	assert_int_equal(mill_journal_open(&j, *state, &err), -ELOOP);
	mill_journal_close(&j);
}

static void test_journal_line_seq(void **state)
{
	assert_int_equal(mill_journal_line_seq("{\"seq\": 7, ", 11), 7);
	assert_int_equal(mill_journal_line_seq("{\"seq\": 7, ", 5), 0);
	assert_int_equal(mill_journal_line_seq("{\"seq\": 789", 9), 7); /* no further than told */
	assert_int_equal(mill_journal_line_seq("{\"event\": 7}", 12), 0);
	assert_int_equal(mill_journal_line_seq("{\"seq\": -7}", 11), 0);
	assert_int_equal(mill_journal_line_seq("", 0), 0);
}

/* ---- run/status.json ---- */

static int read_status(void **state, const char *text, struct mill_status *s)
{
	_cleanup_error_ struct mill_error err = {0};
	test_write(test_path(*state, "run/status.json"), text);
	int rc = mill_status_read(*state, s, &err);
	assert_true(rc == 0 || err.message);
	return rc;
}

static void test_status_of_this_boot(void **state)
{
	char boot[MILL_BOOT_ID_LEN];
	struct mill_status s;
	mill_sys_boot_id(boot);
	assert_int_equal(strlen(boot), MILL_BOOT_ID_LEN - 1);
	_cleanup_free_ char *text = mill_xasprintf(
		"{\"v\": 1, \"boot_id\": \"%s\", \"state\": \"exited\", \"shim\": {\"pid\": 10, \"start\": 20},"
		" \"main\": {\"pid\": 11, \"start\": 4294967299}, \"fingerprint\": \"f\", \"started_ms\": 5, \"ended_ms\": 6,"
		" \"exit_code\": 3, \"signal\": 9, \"leftover\": 2, \"lost_lines\": 7, \"notified\": true, \"error\": \"e\"}\n",
		boot);
	assert_int_equal(read_status(state, text, &s), 0);
	assert_true(s.this_boot && s.notified);
	assert_int_equal(s.state, MILL_STATUS_EXITED);
	assert_int_equal(s.shim_pid, 10);
	assert_int_equal(s.shim_start, 20);
	assert_int_equal(s.main_pid, 11);
	assert_true(s.main_start == UINT64_C(4294967299));
	assert_string_equal(s.fingerprint, "f");
	assert_string_equal(s.error, "e");
	assert_int_equal(s.started_ms, 5);
	assert_int_equal(s.ended_ms, 6);
	assert_int_equal(s.exit_code, 3);
	assert_int_equal(s.signal, 9);
	assert_int_equal(s.leftover, 2);
	assert_int_equal(s.lost_lines, 7);
	mill_status_release(&s);
}

static void test_status_of_another_boot(void **state)
{
	struct mill_status s;
	assert_int_equal(read_status(state,
				     "{\"v\": 1, \"boot_id\": \"0b5e2b33-0000-0000-0000-000000000000\", \"state\": \"running\","
				     " \"shim\": {\"pid\": 1, \"start\": 2}}",
				     &s),
			 0);
	assert_false(s.this_boot); /* pid 1 of then is nobody's now */
	assert_int_equal(s.main_pid, 0);
	assert_string_equal(s.fingerprint, "");
	assert_null(s.error);
	mill_status_release(&s);
	/* No boot id at all is no claim either. */
	assert_int_equal(read_status(state, "{\"state\": \"starting\"}", &s), 0);
	assert_false(s.this_boot);
	mill_status_release(&s);
	assert_int_equal(read_status(state, "{\"state\": \"failed\", \"boot_id\": 5, \"shim\": [], \"main\": \"x\"}", &s), 0);
	assert_false(s.this_boot);
	assert_int_equal(s.shim_pid, 0);
	mill_status_release(&s);
}

static void test_status_garbage(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "null", "{}", "{\"state\": 1}", "{\"state\": \"happy\"}", "\xff\xfe",
					    "{\"v\": 1, \"state\": \"run"};
	struct mill_status s;
	for (size_t i = 0; i < MILL_ARRAY_LEN(texts); i++)
		assert_int_equal(read_status(state, texts[i], &s), -EINVAL);
	/* A newer format means something that we do not know. */
	assert_int_equal(read_status(state, "{\"v\": 2, \"state\": \"running\"}", &s), -EINVAL);
	assert_int_equal(unlink(test_path(*state, "run/status.json")), 0);
	assert_int_equal(mill_status_read(*state, &s, NULL), -ENOENT);
}

/* Whoever owns run/ must not make us signal a process of its choice, or wait for ever. */
static void test_status_by_somebody_else(void **state)
{
	static const char text[] = "{\"v\": 1, \"state\": \"running\", \"shim\": {\"pid\": 1, \"start\": 2}}";
	struct mill_status s;
	const char *path = test_path(*state, "run/status.json");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mill_status_read(*state, &s, NULL), -EINVAL);
	assert_int_equal(unlink(path), 0);
	test_write(test_path(*state, "elsewhere"), text);
	assert_int_equal(symlink("../elsewhere", path), 0);
	assert_int_equal(mill_status_read(*state, &s, NULL), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(read_status(state, text, &s), 0);
	mill_status_release(&s);
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(mill_status_read(*state, &s, NULL), -EPERM);
}

static void test_status_has_a_ceiling(void **state)
{
	struct mill_status s;
	_cleanup_free_ char *text = mill_xmalloc(100000);
	memset(text, ' ', 99999);
	text[99999] = '\0';
	memcpy(text, "{\"state\": \"running\"}", 20);
	assert_int_equal(read_status(state, text, &s), -EFBIG);
}

/* ---- log probes ---- */

static bool matches(void **state, const char *pattern, uint64_t since_ms)
{
	bool found = false;
	assert_int_equal(mill_probe_log_matches(*state, pattern, since_ms, &found, NULL), 0);
	return found;
}

static uint64_t at(const char *stamp)
{
	uint64_t ms;
	assert_int_equal(mill_parse_rfc3339(stamp, &ms), 0);
	return ms;
}

static void test_log_probe(void **state)
{
	assert_false(matches(state, "ready", 0)); /* no log yet */
	test_write(test_path(*state, "log/current"), "2026-11-24T04:00:02.500Z o server is ready, port 80\n"
						     "2026-11-24T04:00:03.000Z e warning: cold\n"
						     "2026-11-24T04:00:04.000Z m started, pid 7\n"
						     "2026-11-24T04:00:05.000Z o half of a li");
	test_write(test_path(*state, "log/1"), "2026-11-24T04:00:01.000Z o in the older file\n");
	test_write(test_path(*state, "log/2"), "2026-11-24T04:00:00.000Z o long ago\n");
	assert_true(matches(state, "ready, port [0-9]+$", 0));
	assert_true(matches(state, "^(server|client) is", 0)); /* extended; begins after the stamp */
	assert_true(matches(state, "cold", 0));
	assert_true(matches(state, "older file", 0));
	assert_false(matches(state, "long ago", 0));
	assert_false(matches(state, "started, pid", 0)); /* our own words are none of the service's */
	assert_false(matches(state, "2026-11-24", 0));
	assert_false(matches(state, "Ready", 0));
}

static void test_log_probe_since(void **state)
{
	test_write(test_path(*state, "log/current"), "2026-11-24T04:00:02.500Z o ready\n");
	assert_true(matches(state, "ready", at("2026-11-24T04:00:02.499Z")));
	assert_true(matches(state, "ready", at("2026-11-24T04:00:02.500Z")));
	assert_false(matches(state, "ready", at("2026-11-24T04:00:02.501Z"))); /* of the last run */
}

static void put_bytes(void **state, const char *bytes, size_t n)
{
	assert_int_equal(mill_write_file(test_path(*state, "log/current"), bytes, n, 0600, 0, NULL), 0);
}

static void test_log_probe_nul_bytes(void **state)
{
	static const char text[] = "2026-11-24T04:00:02.500Z o before\0behind\n"
				   "2026\0-11-24T04:00:02.500Z o torn stamp\n"
				   "2026-11-24T04:00:03.500Z o next line\n\0\0\0\n\n";
	put_bytes(state, text, sizeof(text) - 1);
	assert_true(matches(state, "before", 0));
	assert_true(matches(state, "next line", 0)); /* a NUL hides no later line */
	assert_false(matches(state, "torn stamp", 0));
}

/* Only the newest MiB is looked at, whatever is cut there; a line of any length is one line. */
static void test_log_probe_flood(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&b, "2026-11-24T04:00:01.000Z o the needle of the past\n2026-11-24T04:00:02.000Z o begins");
	for (size_t i = 0; i < ((size_t)1 << 20) - 200; i += 16)
		mill_strbuf_addstr(&b, "0123456789abcde ");
	mill_strbuf_addstr(&b, "ends\n2026-11-24T04:00:03.000Z o short\n");
	put_bytes(state, b.data, b.len);
	assert_true(matches(state, "needle", 0));
	assert_true(matches(state, "^begins0.*ends$", 0));
	for (unsigned i = 0; i < 20; i++)
		mill_strbuf_addstr(&b, "2026-11-24T04:00:04.000Z o more\n");
	put_bytes(state, b.data, b.len);
	assert_false(matches(state, "needle", 0));
	assert_false(matches(state, "ends", 0)); /* its stamp is gone */
	assert_true(matches(state, "short", 0));
}

static void test_log_probe_bad_pattern(void **state)
{
	_cleanup_error_ struct mill_error err = {0};
	bool found;
	assert_int_equal(mill_probe_log_matches(*state, "ready (", 0, &found, &err), -EINVAL);
	assert_non_null(strstr(err.message, "pattern 'ready ('"));
	assert_int_equal(mill_probe_log_matches(*state, "[", 0, &found, NULL), -EINVAL);
}

static void test_log_probe_reads_files_only(void **state)
{
	test_write(test_path(*state, "elsewhere"), "2026-11-24T04:00:02.500Z o ready\n");
	assert_int_equal(symlink("../elsewhere", test_path(*state, "log/current")), 0);
	assert_false(matches(state, "ready", 0));
	/* Nor does a FIFO hold the daemon. */
	assert_int_equal(mkfifo(test_path(*state, "log/1"), 0600), 0);
	assert_false(matches(state, "ready", 0));
}

/* ---- socket paths ---- */

static void make_long(char *buf, size_t size, const char *dir)
{
	memset(buf, 'd', size - 1);
	buf[size - 1] = '\0';
	memcpy(buf, dir, strlen(dir));
	buf[strlen(dir)] = '/';
}

static void test_short_path_stays(void **state)
{
	char path[MILL_SOCKET_PATH_MAX + 1];
	_cleanup_free_ char *got = NULL;
	bool moved = true;
	make_long(path, sizeof(path), "/x"); /* the longest that fits */
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &got, &moved, NULL), 0);
	assert_string_equal(got, path);
	assert_false(moved);
}

static void test_long_path_moves(void **state)
{
	char path[MILL_SOCKET_PATH_MAX + 2];
	_cleanup_free_ char *one = NULL, *same = NULL, *other = NULL, *notify = NULL;
	bool moved = false;
	struct stat st;
	make_long(path, sizeof(path), "/x");
	setenv("XDG_RUNTIME_DIR", *state, 1);
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &one, &moved, NULL), 0);
	assert_true(moved);
	assert_true(mill_starts_with(one, *state));
	assert_true(strlen(one) <= MILL_SOCKET_PATH_MAX);
	/* The same platform finds it again; another, and another name, do not meet it. */
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &same, &moved, NULL), 0);
	assert_string_equal(one, same);
	assert_int_equal(mill_socket_path("/y", path, "daemon.sock", &other, &moved, NULL), 0);
	assert_string_not_equal(one, other);
	assert_int_equal(mill_socket_path("/x", path, "n.sock", &notify, &moved, NULL), 0);
	assert_string_not_equal(one, notify);
	*strrchr(one, '/') = '\0';
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	unsetenv("XDG_RUNTIME_DIR");
}

/* A folder that others may write, or a link laid in our way, is refused with the next step. */
static void test_a_name_for_every_id(void **state)
{
	char a[129], b[129];
	memset(a, 'x', 128);
	a[64] = '.';
	a[128] = '\0';
	memcpy(b, a, sizeof(b));
	b[127] = 'y';
	_cleanup_free_ char *one = mill_socket_name(a, "notify"), *other = mill_socket_name(b, "notify");
	_cleanup_free_ char *plain = mill_socket_name("minio.server", "notify");
	assert_string_not_equal(one, other);
	assert_true(strlen(one) < 60);
	assert_string_equal(plain, "minio.server.notify");
}

static void test_foreign_folder_is_refused(void **state)
{
	char path[MILL_SOCKET_PATH_MAX + 2];
	_cleanup_free_ char *made = NULL, *got = NULL;
	_cleanup_error_ struct mill_error err = {0};
	bool moved;
	make_long(path, sizeof(path), "/x");
	setenv("XDG_RUNTIME_DIR", *state, 1);
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &made, &moved, NULL), 0);
	*strrchr(made, '/') = '\0';
	assert_int_equal(chmod(made, 0777), 0);
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &got, &moved, &err), -EPERM);
	assert_non_null(strstr(err.hint, "XDG_RUNTIME_DIR"));
	assert_int_equal(rmdir(made), 0);
	assert_int_equal(symlink(*state, made), 0);
	assert_int_equal(mill_socket_path("/x", path, "daemon.sock", &got, &moved, &err), -EPERM);
	assert_null(got);
	unsetenv("XDG_RUNTIME_DIR");
}

static void test_long_name_is_an_error(void **state)
{
	char path[MILL_SOCKET_PATH_MAX + 2], name[120];
	_cleanup_error_ struct mill_error err = {0};
	char *got = NULL;
	bool moved;
	make_long(path, sizeof(path), "/x");
	make_long(name, sizeof(name), "n");
	name[1] = 'n';
	setenv("XDG_RUNTIME_DIR", *state, 1); /* too long with this name: /tmp is tried */
	assert_int_equal(mill_socket_path(*state, path, name, &got, &moved, &err), -ENAMETOOLONG);
	char *folder = strstr(err.message, "/tmp/");
	assert_non_null(folder);
	*strstr(folder, "/nn") = '\0';
	rmdir(folder);
	unsetenv("XDG_RUNTIME_DIR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(journal_writes_and_tells),
		TEST(journal_goes_on),
		TEST(journal_rotates_once),
		TEST(journal_after_a_kill),
		TEST(journal_on_a_full_disk),
		TEST(journal_is_no_link),
		TEST(journal_line_seq),
		TEST(status_of_this_boot),
		TEST(status_of_another_boot),
		TEST(status_garbage),
		TEST(status_by_somebody_else),
		TEST(status_has_a_ceiling),
		TEST(log_probe),
		TEST(log_probe_since),
		TEST(log_probe_nul_bytes),
		TEST(log_probe_flood),
		TEST(log_probe_bad_pattern),
		TEST(log_probe_reads_files_only),
		TEST(short_path_stays),
		TEST(long_path_moves),
		TEST(a_name_for_every_id),
		TEST(foreign_folder_is_refused),
		TEST(long_name_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
