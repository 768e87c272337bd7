/* The executor and the operations, against the real daemon and shim. */
#include "native_fixture.h"

#include <signal.h>

#include "runtime/native/logs.h"
#include "secret/secret.h"

static const char *const sleeper[] = {"/bin/sleep", "1000", NULL};

static json_t *secret_value(const char *before)
{
	return json_pack("[s, {s:s, s:i}]", before, "secret", "one/password", "version", 1);
}

static void test_configure_and_start(void **state)
{
	struct fixture *f = *state;
	json_t *spec = fixture_spec(f, "one.server", sleeper);
	json_t *files = json_object_get(spec, "files");
	json_array_append_new(files, json_pack("{s:s, s:s, s:o}", "path", "config/sub/x.ini", "mode", "0600", "content",
					       secret_value("password=")));
	json_object_set_new(spec, "folders", json_pack("[s]", "data/objects"));
	json_t *record = fixture_record(f, "one", "server");
	json_object_set_new(record, "secrets", json_pack("[{s:s, s:i, s:s}]", "name", "password", "length", 32, "alphabet",
							 "alnum"));
	fixture_service(f, "one", "server", spec);
	fixture_run(f);
	assert_string_equal(f->failures.data, "");
	assert_int_equal(f->result.done, 2);
	_cleanup_free_ char *now = fixture_state(f, "one.server");
	assert_string_equal(now, "ready");

	char *password = NULL;
	assert_int_equal(mill_secret_read(f->p, "one", "password", &password, NULL), 0);
	_cleanup_free_ char *text = test_read(test_path(f->p->dir, "services/one.server/config/sub/x.ini"));
	_cleanup_free_ char *want = mill_xasprintf("password=%s", password);
	assert_string_equal(text, want);
	_cleanup_free_ char *written = test_read(test_path(f->p->dir, "services/one.server/spec.json"));
	assert_null(strstr(written, password)); /* a spec names secrets */
	mill_secret_free(password);

	const struct {
		const char *path;
		mode_t mode;
		bool theirs;
	} cases[] = {{"services/one.server/config", 0700, true}, {"services/one.server/config/sub/x.ini", 0600, true},
		     {"services/one.server/data/objects", 0700, true}, {"services/one.server/spec.json", 0600, false},
		     {"components/one/manifest.json", 0600, false}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct stat st;
		assert_int_equal(stat(test_path(f->p->dir, cases[i].path), &st), 0);
		assert_int_equal(st.st_mode & 0777, cases[i].mode);
		assert_int_equal(st.st_uid, cases[i].theirs ? f->layout.uid : geteuid());
	}
	_cleanup_json_ json_t *data = NULL;
	assert_int_equal(mill_state_load(test_path(f->p->dir, "services/one.server/data.json"), &data, NULL), 0);
	assert_int_equal(mill_json_get_int(data, "data_format", 0), 1);
}

static void test_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", sleeper));
	fixture_run(f);
	pid_t pid = fixture_pid(f, "one.server");
	assert_true(pid > 0);
	fixture_run(f); /* as after a kill of the CLI: the same actions again */
	assert_int_equal(f->result.done, 2);
	assert_int_equal(fixture_pid(f, "one.server"), pid);
}

static void test_failed_start_says_why(void **state)
{
	static const char *const broken[] = {"/bin/sh", "-c", "echo cannot find my hat; exit 7", NULL};
	struct fixture *f = *state;
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", broken));
	fixture_run(f);
	assert_int_equal(f->result.failed, 1);
	assert_non_null(strstr(f->failures.data, "one.server"));
	assert_non_null(strstr(f->failures.data, "7"));
	assert_non_null(strstr(f->failures.data, "cannot find my hat"));
	assert_non_null(strstr(f->failures.data, "data-mill logs one.server"));
}

static void test_stop_takes_dependents(void **state)
{
	struct fixture *f = *state;
	const char *const name = "one";
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", sleeper));
	json_t *second = fixture_spec(f, "two.server", sleeper);
	json_object_set_new(second, "after", json_pack("[s]", "one.server"));
	fixture_service(f, "two", "server", second);
	fixture_service(f, "three", "server", fixture_spec(f, "three.server", sleeper));
	fixture_run(f);
	assert_int_equal(f->result.done, 6);
	_cleanup_strv_ struct mill_strv dependents = {0};
	assert_int_equal(mill_ops_dependents(f->n, &name, 1, &dependents, NULL), 0);
	assert_int_equal(dependents.n, 1);
	assert_string_equal(dependents.items[0], "two.server");
	assert_int_equal(mill_ops_stop(f->n, &name, 1, NULL, NULL), 0);
	const struct {
		const char *id, *state;
	} cases[] = {{"one.server", "stopped"}, {"two.server", "stopped"}, {"three.server", "ready"}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *now = fixture_state(f, cases[i].id);
		assert_string_equal(now, cases[i].state);
	}
	pid_t third = fixture_pid(f, "three.server");
	const char *const both[] = {"one", "two.server"};
	assert_int_equal(mill_ops_start(f->n, both, 2, NULL, NULL), 0);
	_cleanup_free_ char *now = fixture_state(f, "two.server");
	assert_string_equal(now, "ready");
	pid_t first = fixture_pid(f, "one.server"), twos = fixture_pid(f, "two.server");
	assert_int_equal(mill_ops_restart(f->n, &name, 1, NULL, NULL), 0);
	assert_int_not_equal(fixture_pid(f, "one.server"), first);
	assert_int_equal(fixture_pid(f, "two.server"), twos); /* a restart leaves dependents alone */
	assert_int_equal(fixture_pid(f, "three.server"), third);
	_cleanup_error_ struct mill_error err = {0};
	const char *const wrong = "oen";
	assert_true(mill_ops_stop(f->n, &wrong, 1, NULL, &err) < 0);
	assert_true(err.usage);
	assert_non_null(strstr(err.message, "did you mean \"one\""));
}

static void test_status(void **state)
{
	struct fixture *f = *state;
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", sleeper));
	fixture_run(f);
	_cleanup_json_ json_t *status = NULL;
	assert_int_equal(mill_ops_status(f->n, true, &status, NULL), 0);
	assert_string_equal(mill_json_get_string(status, "platform", ""), "native.unit");
	assert_string_equal(mill_json_get_string(status, "flavour", ""), "unit");
	assert_int_equal(mill_json_get_int(status, "ready", 0), 1);
	const json_t *one = json_array_get(json_object_get(status, "components"), 0);
	assert_string_equal(mill_json_get_string(one, "state", ""), "ready");
	const json_t *service = json_array_get(json_object_get(one, "services"), 0);
	assert_string_equal(mill_json_get_string(service, "wanted", ""), "up");
	assert_true(mill_json_get_int(service, "rss", 0) > 0);
}

/* A component is recorded before its software is there, and keeps its record when that failed. */
static void test_status_without_software(void **state)
{
	struct fixture *f = *state;
	json_t *record = fixture_record(f, "tool", "main");
	json_object_clear(json_object_get(record, "services"));
	fixture_run(f);
	_cleanup_json_ json_t *with = NULL, *without = NULL;
	assert_int_equal(mill_ops_status(f->n, false, &with, NULL), 0);
	json_array_append_new(json_object_get(record, "store_entries"),
			      json_string("0123456789abcdef0123456789abcdef-tool-1"));
	fixture_run(f);
	assert_int_equal(mill_ops_status(f->n, false, &without, NULL), 0);
	const json_t *one = json_array_get(json_object_get(with, "components"), 0);
	assert_string_equal(mill_json_get_string(one, "state", ""), "installed");
	one = json_array_get(json_object_get(without, "components"), 0);
	assert_string_equal(mill_json_get_string(one, "state", ""), "not installed");
}

static void test_plain_task_is_done_once(void **state)
{
	static const char *const lines[] = {"echo made > made; printf %s \"$TOKEN\" > token", "exit 3"};
	struct fixture *f = *state;
	for (int round = 0; round < 2; round++) {
		fixture_clear_plan(f);
		json_t *record = fixture_record(f, "one", "server");
		json_object_set_new(record, "secrets", json_pack("[{s:s}]", "name", "password"));
		json_t *spec = fixture_spec(f, "one.server", sleeper);
		fixture_action(f, MILL_ACTION_CONFIGURE, "one", "server", json_pack("{s:s, s:o}", "id", "one.server", "spec",
										    spec));
		fixture_action(f, MILL_ACTION_TASK, "one", "init",
			       json_pack("{s:s, s:s, s:b, s:s, s:[s,s,s], s:{s:o}, s:i}", "id", "one.init", "fingerprint",
					 round ? "f2" : "f1", "plain", 1, "service", "server", "command", "/bin/sh", "-c",
					 lines[round], "environment", "TOKEN", secret_value("t:"), "timeout_ms", 10000));
		fixture_run(f);
		json_t *done = json_object_get(json_object_get(f->p->desired, "tasks"), "one.init");
		assert_string_equal(mill_json_get_string(done, "fingerprint", ""), "f1"); /* only what succeeded */
	}
	assert_non_null(strstr(f->failures.data, "exit code 3"));
	assert_true(mill_is_file(test_path(f->p->dir, "services/one.server/data/made")));
	_cleanup_free_ char *token = test_read(test_path(f->p->dir, "services/one.server/data/token"));
	assert_int_equal(strlen(token), 2 + 32);
}

static int collect(void *arg, const struct mill_log_line *line)
{
	mill_strbuf_printf(arg, "%s|", line->text);
	return 0;
}

static void test_logs_of_a_real_service(void **state)
{
	static const char *const chatty[] = {"/bin/sh", "-c", "echo first; echo second >&2; exec sleep 1000", NULL};
	struct fixture *f = *state;
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", chatty));
	fixture_run(f);
	const char *const id = "one.server";
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	for (int tries = 0; tries < 100 && !strstr(out.data, "second"); tries++) { /* the shim's pipe */
		mill_strbuf_reset(&out);
		const struct mill_logs l = {.ids = &id, .n_ids = 1, .tail = SIZE_MAX, .cancel_fd = -1, .on_line = collect,
					    .arg = &out};
		assert_int_equal(mill_logs_read(f->p, &l, NULL), 0);
		usleep(20000);
	}
	assert_non_null(strstr(out.data, "first|"));
	assert_non_null(strstr(out.data, "second|"));
}

static void test_destroy_keeps_or_deletes(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 2; round++) {
		fixture_clear_plan(f);
		fixture_service(f, "one", "server", fixture_spec(f, "one.server", sleeper));
		fixture_run(f);
		pid_t pid = fixture_pid(f, "one.server");
		const char *kept = test_path(f->p->dir, "services/one.server/data/kept");
		if (round == 0)
			test_write(kept, "data");
		_cleanup_json_ json_t *inventory = NULL;
		assert_int_equal(mill_ops_inventory(f->n, NULL, -1, &inventory, NULL), 0);
		assert_true(mill_json_get_int(inventory, "bytes", 0) > 0);
		_cleanup_error_ struct mill_error err = {0};
		if (mill_ops_destroy(f->n, round == 1, NULL, &err) < 0)
			fail_msg("destroy: %s", err.message);
		assert_int_equal(kill(pid, 0), -1);
		assert_int_equal(mill_is_file(kept), round == 0);
		assert_int_equal(mill_exists(f->p->dir), round == 0);
	}
}

static void test_uninstall(void **state)
{
	struct fixture *f = *state;
	fixture_service(f, "one", "server", fixture_spec(f, "one.server", sleeper));
	json_t *two = fixture_record(f, "two", "server");
	json_object_set_new(two, "requires", json_pack("{s:{s:s}}", "s3", "provider", "one"));
	fixture_service(f, "two", "server", fixture_spec(f, "two.server", sleeper));
	fixture_run(f);
	test_write(test_path(f->p->dir, "services/one.server/data/kept"), "data");
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_ops_uninstall(f->n, "one", false, NULL, &err), -EBUSY);
	assert_non_null(strstr(err.message, "two"));
	const char *const name = "two";
	assert_int_equal(mill_ops_stop(f->n, &name, 1, NULL, NULL), 0);
	assert_int_equal(mill_ops_uninstall(f->n, "one", false, NULL, &err), 0);
	assert_true(mill_is_file(test_path(f->p->dir, "services/one.server/data/kept")));
	assert_false(mill_exists(test_path(f->p->dir, "services/one.server/spec.json")));
	_cleanup_strv_ struct mill_strv ids = {0};
	assert_int_equal(mill_ops_expand(f->n, NULL, 0, &ids, NULL), 0);
	assert_int_equal(ids.n, 1);
	assert_int_equal(mill_ops_uninstall(f->n, "two", true, NULL, &err), 0);
	assert_false(mill_exists(test_path(f->p->dir, "services/two.server")));
	assert_false(mill_exists(test_path(f->p->dir, "components/two")));
}

int main(void)
{
	if (!test_have_pidfd())
		return TEST_SKIP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configure_and_start, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_again_changes_nothing, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_failed_start_says_why, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_stop_takes_dependents, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_status, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_status_without_software, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_plain_task_is_done_once, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_logs_of_a_real_service, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_destroy_keeps_or_deletes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_uninstall, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
