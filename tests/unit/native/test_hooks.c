/* Hooks are programs of the services' user that find secrets on standard input and nowhere else. */
#include "native_fixture.h"

#include "runtime/native/hooks.h"
#include "secret/secret.h"

static void make_component(struct fixture *f, const char *script)
{
	_cleanup_free_ char *source = mill_path_join(f->dir, "source");
	assert_int_equal(mill_mkdir_p(source, 0755, NULL), 0);
	test_write(test_path(source, "hook.sh"), script);
	_cleanup_free_ char *staged = mill_xasprintf("%s/components/one/hooks/hook.sh", f->p->dir);
	json_t *record = fixture_record(f, "one", "server");
	json_object_set_new(record, "source", json_string(source));
	json_object_set_new(record, "settings", json_pack("{s:s}", "user", "lake"));
	json_object_set_new(record, "secrets", json_pack("[{s:s, s:i, s:s}]", "name", "password", "length", 32, "alphabet",
							 "alnum"));
	json_object_set_new(record, "provides", json_pack("{s:{s:s, s:[{s:s, s:i}]}}", "s3", "endpoint", "http://x",
							  "secret_key", "secret", "one/password", "version", 1));
	json_object_set_new(record, "hooks", json_pack("{s:{s:[s,s], s:i}}", "smoke", "command", "/bin/sh", staged,
						       "timeout_ms", 5000));
	fixture_run(f);
	assert_string_equal(f->failures.data, "");
}

static json_t *smoke(struct fixture *f, json_t *request, struct mill_error *err)
{
	json_t *result = NULL;
	(void)mill_ops_hook(f->n, "one", "smoke", request, -1, &result, err);
	return result;
}

static void test_input_and_answer(void **state)
{
	struct fixture *f = *state;
	static const char *const script = "cat > out.json; echo note >&2\n"
			       "printf '{\"message\": \"fine\", \"checks\": [{\"name\": \"put\", \"ok\": true}], \"values\": {\"in\": '\n"
			       "cat out.json; printf '}}'\n";
	make_component(f, script);
	_cleanup_json_ json_t *request = json_pack("{s:[s, {s:s, s:i}]}", "key", "k:", "secret", "one/password", "version", 1);
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *result = smoke(f, request, &err);
	if (!result)
		fail_msg("%s", err.message);
	assert_string_equal(mill_json_get_string(result, "result", ""), "ok");
	assert_string_equal(mill_json_get_string(result, "message", ""), "fine");
	assert_int_equal(json_array_size(json_object_get(result, "checks")), 1);
	assert_non_null(strstr(mill_json_get_string(result, "log", ""), "note"));
	char *password = NULL;
	assert_int_equal(mill_secret_read(f->p, "one", "password", &password, NULL), 0);
	_cleanup_free_ char *keyed = mill_xasprintf("k:%s", password);
	const json_t *in = json_object_get(json_object_get(result, "values"), "in");
	assert_string_equal(mill_json_get_string(in, "hook", ""), "smoke");
	assert_string_equal(mill_json_get_string(in, "platform", ""), "unit");
	assert_string_equal(mill_json_get_string(json_object_get(in, "settings"), "user", ""), "lake");
	assert_string_equal(mill_json_get_string(json_object_get(in, "secrets"), "password", ""), password);
	assert_string_equal(mill_json_get_string(json_object_get(json_object_get(in, "provides"), "s3"), "secret_key", ""),
			    password);
	assert_string_equal(mill_json_get_string(json_object_get(in, "request"), "key", ""), keyed);
	mill_secret_free(password);
	/* Its folder is gone, its log is kept. */
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(test_path(f->p->dir, "components/one"), &names, NULL), 0);
	for (size_t i = 0; i < names.n; i++)
		assert_false(mill_starts_with(names.items[i], "tmp-"));
	assert_true(mill_strv_contains(&names, "hooks.log"));
}

static void test_surroundings(void **state)
{
	struct fixture *f = *state;
	setenv("SHOULD_NOT_BE_SEEN", "1", 1);
	make_component(f, "n=$(env | grep -c SHOULD_NOT); e=$(ls -A | wc -l); cat >/dev/null\n"
			  "test \"$(pwd)\" = \"$HOME\" && test \"$HOME\" = \"$TMPDIR\" && h=1\n"
			  "printf '{\"values\": {\"inherited\": %d, \"entries\": %d, \"home\": %d, \"uid\": %d}}' $n $e $h $(id -u)\n");
	_cleanup_json_ json_t *result = smoke(f, NULL, NULL);
	const json_t *values = json_object_get(result, "values");
	assert_int_equal(mill_json_get_int(values, "inherited", -1), 0);
	assert_int_equal(mill_json_get_int(values, "entries", -1), 0);
	assert_int_equal(mill_json_get_int(values, "home", -1), 1);
	assert_int_equal(mill_json_get_int(values, "uid", -1), f->layout.uid);
}

static void test_ends(void **state)
{
	static const struct {
		const char *script, *result, *message; /* result NULL: an error */
	} cases[] = {
		{"exit 0", "ok", ""},
		{"echo '{\"message\": \"no console\"}'; exit 77", "skipped", "no console"},
		{"echo why it failed >&2; exit 1", "failed", "exit code 1"},
		{"echo '{\"message\": \"bucket is full\"}'; exit 1", "failed", "bucket is full"},
		{"exit 9", "failed", "exit code 9"},
		{"kill -SEGV $$", "failed", "signal 11"},
		{"echo not json", NULL, "one JSON object"},
		{"sleep 100", NULL, "smoke"},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		fixture_clear_plan(f);
		make_component(f, cases[i].script);
		json_t *record = json_object_get(f->plan.records, "one");
		json_object_set_new(json_object_get(json_object_get(record, "hooks"), "smoke"), "timeout_ms", json_integer(700));
		fixture_run(f);
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_json_ json_t *result = smoke(f, NULL, &err);
		if (!cases[i].result) {
			assert_null(result);
			assert_non_null(strstr(err.message, "smoke hook of one"));
			continue;
		}
		if (!result)
			fail_msg("%s: %s", cases[i].script, err.message);
		assert_string_equal(mill_json_get_string(result, "result", ""), cases[i].result);
		assert_non_null(strstr(mill_json_get_string(result, "message", ""), cases[i].message));
	}
}

static void test_staged_again_when_it_changed(void **state)
{
	struct fixture *f = *state;
	make_component(f, "echo '{\"message\": \"first\"}'");
	_cleanup_json_ json_t *first = smoke(f, NULL, NULL);
	assert_string_equal(mill_json_get_string(first, "message", ""), "first");
	test_write(test_path(f->dir, "source/hook.sh"), "echo '{\"message\": \"second one\"}'");
	_cleanup_json_ json_t *second = smoke(f, NULL, NULL);
	assert_string_equal(mill_json_get_string(second, "message", ""), "second one");
	/* Without the shipped folder the staged copy does. */
	assert_int_equal(mill_rm_rf(test_path(f->dir, "source"), NULL), 0);
	_cleanup_json_ json_t *third = smoke(f, NULL, NULL);
	assert_string_equal(mill_json_get_string(third, "message", ""), "second one");
	_cleanup_error_ struct mill_error err = {0};
	json_t *none = NULL;
	assert_int_equal(mill_ops_hook(f->n, "one", "backup", NULL, -1, &none, &err), -ENOENT);
}

static void test_files_go_in_and_out(void **state)
{
	struct fixture *f = *state;
	make_component(f, "true");
	json_t *hooks = json_object_get(json_object_get(f->plan.records, "one"), "hooks");
	json_object_set_new(hooks, "repo", json_pack("{s:[s,s,s], s:i}", "command", "/bin/sh", "-c",
						     "tr a-z A-Z < in > out; echo '{}'", "timeout_ms", 5000));
	fixture_run(f);
	_cleanup_free_ char *in = mill_path_join(f->dir, "in put"), *out = mill_path_join(f->dir, "out put");
	test_write(in, "abc");
	json_t *result = NULL;
	_cleanup_json_ json_t *request = json_pack("{s:s}", "op", "put");
	assert_int_equal(mill_ops_repo(f->n, "one", request, in, out, -1, &result, NULL), 0);
	json_decref(result);
	_cleanup_free_ char *text = test_read(out);
	assert_string_equal(text, "ABC");
	/* A link where the output should be is not followed: it could name a file of root's. */
	json_object_set_new(hooks, "repo", json_pack("{s:[s,s,s]}", "command", "/bin/sh", "-c", "ln -s /etc/passwd out"));
	fixture_run(f);
	_cleanup_free_ char *other = mill_path_join(f->dir, "other");
	result = NULL;
	assert_true(mill_ops_repo(f->n, "one", request, in, other, -1, &result, NULL) < 0);
	assert_false(mill_exists(other));
}

static void test_credentials_and_env(void **state)
{
	struct fixture *f = *state;
	make_component(f, "true");
	json_t *record = json_object_get(f->plan.records, "one");
	json_object_set_new(record, "environment", json_pack("{s:s, s:[{s:s, s:i}]}", "B_URL", "http://it's", "A_KEY", "secret",
							     "one/password", "version", 1));
	json_object_set_new(record, "links", json_pack("[{s:s, s:s, s:s}]", "title", "Console", "url", "http://x", "secret",
						       "password"));
	fixture_run(f);
	char *password = NULL;
	assert_int_equal(mill_secret_read(f->p, "one", "password", &password, NULL), 0);
	json_t *env = NULL, *credentials = NULL;
	assert_int_equal(mill_ops_env(f->n, &env, NULL), 0);
	assert_string_equal(mill_json_get_string(env, "A_KEY", ""), password);
	_cleanup_strbuf_ struct mill_strbuf sh = MILL_STRBUF_INIT, dotenv = MILL_STRBUF_INIT;
	mill_env_print(env, MILL_ENV_SH, &sh);
	_cleanup_free_ char *want = mill_xasprintf("export A_KEY='%s'\nexport B_URL='http://it'\\''s'\n", password);
	assert_string_equal(sh.data, want);
	mill_env_print(env, MILL_ENV_DOTENV, &dotenv);
	assert_non_null(strstr(dotenv.data, "B_URL=\"http://it's\"\n"));
	assert_int_equal(mill_ops_credentials(f->n, NULL, &credentials, NULL), 0);
	const json_t *one = json_array_get(credentials, 0);
	assert_string_equal(mill_json_get_string(json_object_get(one, "secrets"), "password", ""), password);
	assert_string_equal(mill_json_get_string(json_array_get(json_object_get(one, "links"), 0), "password", ""), password);
	_cleanup_free_ char *manifest = test_read(test_path(f->p->dir, "components/one/manifest.json"));
	assert_null(strstr(manifest, password));
	json_decref(env);
	json_decref(credentials);
	mill_secret_free(password);
}

int main(void)
{
	if (!test_have_pidfd())
		return TEST_SKIP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_input_and_answer, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_surroundings, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_ends, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_staged_again_when_it_changed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_files_go_in_and_out, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_credentials_and_env, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
