#include "../cmocka_all.h"

#include <sys/wait.h>

#include "platform/platform.h"

#include "base/json.h"

struct fixture {
	char *dir;
	struct mill_layout layout;
};

static int setup(void **state)
{
	struct fixture *f = mill_xcalloc(1, sizeof(*f));
	f->dir = test_mkdir();
	char *home = mill_path_join(f->dir, "Häuser mit Leerzeichen");
	setenv("DATA_MILL_HOME", home, 1);
	assert_int_equal(mill_layout_init(&f->layout, NULL), 0);
	free(home);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mill_layout_release(&f->layout);
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static struct mill_platform *make(struct fixture *f, const char *name)
{
	struct mill_platform *p;
	assert_int_equal(mill_platform_open(&f->layout, "native", name, &p, NULL), 0);
	assert_int_equal(mill_platform_lock(p, 0, NULL, NULL, NULL), 0);
	assert_int_equal(mill_platform_save_record(p, NULL), 0);
	return p;
}

static void test_record_round_trip(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p;
	assert_int_equal(mill_platform_open(&f->layout, "native", "one", &p, NULL), 0);
	assert_false(p->exists);
	assert_false(mill_exists(p->dir)); /* opening makes nothing */
	assert_int_equal(mill_platform_lock(p, 0, NULL, NULL, NULL), 0);
	json_object_set_new(p->record, "flavour", json_string("datalake"));
	json_object_set_new(p->memory, "minio.server", json_integer(300));
	assert_int_equal(mill_platform_save_record(p, NULL), 0);
	assert_int_equal(mill_platform_save_memory(p, NULL), 0);
	assert_int_equal(mill_platform_save_desired(p, NULL), 0);
	mill_platform_close(p);

	assert_int_equal(mill_platform_open(&f->layout, "native", "one", &p, NULL), 0);
	assert_true(p->exists);
	assert_string_equal(mill_json_get_string(p->record, "flavour", ""), "datalake");
	assert_string_equal(mill_json_get_string(p->record, "name", ""), "one");
	assert_int_equal(json_object_size(p->memory), 1);
	struct stat st;
	assert_int_equal(stat(p->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, f->layout.root ? 0711 : 0700);
	assert_int_equal(stat(test_path(p->dir, "platform.json"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	mill_platform_close(p);
}

static void test_newer_state_is_refused(void **state)
{
	static const char *const files[] = {"platform.json", "desired.json", "ports.json", "memory.json"};
	struct fixture *f = *state;
	for (size_t i = 0; i < MILL_ARRAY_LEN(files); i++) {
		struct mill_platform *p = make(f, "newer");
		_cleanup_free_ char *path = mill_path_join(p->dir, files[i]);
		mill_platform_close(p);
		test_write(path, "{\"v\": 2, \"version\": \"9.8.7\"}");
		_cleanup_error_ struct mill_error err = {0};
		assert_int_equal(mill_platform_open(&f->layout, "native", "newer", &p, &err), -EPROTO);
		assert_true(err.usage);
		assert_non_null(strstr(err.message, "9.8.7"));
		assert_non_null(strstr(err.message, MILL_VERSION));
		unlink(path);
	}
}

static void test_damaged_state_is_an_error(void **state)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"v\": \"1\"}", "{\"v\": 1"};
	struct fixture *f = *state;
	for (size_t i = 0; i < MILL_ARRAY_LEN(texts); i++) {
		struct mill_platform *p = make(f, "damaged");
		_cleanup_free_ char *path = mill_path_join(p->dir, "platform.json");
		mill_platform_close(p);
		test_write(path, texts[i]);
		_cleanup_error_ struct mill_error err = {0};
		assert_true(mill_platform_open(&f->layout, "native", "damaged", &p, &err) < 0);
		assert_non_null(strstr(err.message, "platform.json"));
		unlink(path);
	}
}

static void test_names_cannot_leave_the_folder(void **state)
{
	static const char *const bad[] = {"", "..", "a/b", "A", "-a", "a-", "a.b", "ä"};
	struct fixture *f = *state;
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		struct mill_platform *p;
		_cleanup_error_ struct mill_error err = {0};
		assert_true(mill_platform_open(&f->layout, "native", bad[i], &p, &err) < 0);
		assert_true(err.usage);
	}
}

static void note_holder(void *arg, const char *holder)
{
	char **ret = arg;
	*ret = mill_xstrdup(holder);
}

static void test_second_writer_is_told_who(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "busy"), *q;
	assert_int_equal(mill_platform_open(&f->layout, "native", "busy", &q, NULL), 0);
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_platform_lock(q, 0, NULL, NULL, &err), -EBUSY);
	char pid[32];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_non_null(strstr(err.message, pid));
	assert_non_null(err.hint);
	_cleanup_free_ char *holder = NULL;
	assert_int_equal(mill_platform_lock(q, 20, note_holder, &holder, &err), -EBUSY);
	assert_non_null(strstr(holder, pid));
	mill_platform_close(p);
	assert_int_equal(mill_platform_lock(q, 0, NULL, NULL, &err), 0);
	mill_platform_close(q);
}

static void test_lock_reads_what_the_other_wrote(void **state)
{
	struct fixture *f = *state;
	struct mill_platform *p = make(f, "reread"), *q;
	assert_int_equal(mill_platform_open(&f->layout, "native", "reread", &q, NULL), 0);
	json_object_set_new(p->record, "flavour", json_string("late"));
	assert_int_equal(mill_platform_save_record(p, NULL), 0);
	mill_platform_close(p);
	assert_int_equal(mill_platform_lock(q, 0, NULL, NULL, NULL), 0);
	assert_string_equal(mill_json_get_string(q->record, "flavour", ""), "late");
	mill_platform_close(q);
}

static void choose_and_expect(const struct mill_layout *l, const char *wanted, const char *name)
{
	struct mill_platform *p = NULL;
	_cleanup_error_ struct mill_error err = {0};
	int r = mill_platform_choose(l, wanted, &p, &err);
	if (name) {
		assert_int_equal(r, 0);
		assert_string_equal(p->name, name);
		mill_platform_close(p);
	} else {
		assert_true(r < 0);
		assert_true(err.usage);
		assert_non_null(err.hint);
	}
}

static void test_choose(void **state)
{
	struct fixture *f = *state;
	choose_and_expect(&f->layout, NULL, NULL);
	mill_platform_close(make(f, "alpha"));
	choose_and_expect(&f->layout, NULL, "alpha");
	mill_platform_close(make(f, "beta"));
	choose_and_expect(&f->layout, NULL, NULL); /* which one? */
	choose_and_expect(&f->layout, "beta", "beta");
	choose_and_expect(&f->layout, "native.beta", "beta");
	choose_and_expect(&f->layout, "gamma", NULL);
	assert_int_equal(mill_platform_use(&f->layout, "beta", NULL), 0);
	choose_and_expect(&f->layout, NULL, "beta");
	assert_true(mill_platform_use(&f->layout, "gamma", NULL) < 0);
	_cleanup_strv_ struct mill_strv all = {0};
	assert_int_equal(mill_platform_list(&f->layout, &all, NULL), 0);
	assert_int_equal(all.n, 2);
	assert_string_equal(all.items[0], "native.alpha");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_record_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_state_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_state_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_cannot_leave_the_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_writer_is_told_who, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock_reads_what_the_other_wrote, setup, teardown),
		cmocka_unit_test_setup_teardown(test_choose, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
