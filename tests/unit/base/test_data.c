/* strbuf, strv, arena, map */
#include "../cmocka_all.h"

#include "base/arena.h"
#include "base/map.h"

static void test_strbuf(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	assert_string_equal(b.data, "");
	mill_strbuf_truncate(&b, 0);
	mill_strbuf_consume(&b, 5);
	mill_strbuf_add(&b, "", 0);
	assert_int_equal(b.cap, 0);
	mill_strbuf_printf(&b, "%s=%d", "key", 7);
	mill_strbuf_addch(&b, ';');
	mill_strbuf_addstr(&b, "rest");
	assert_string_equal(b.data, "key=7;rest");
	mill_strbuf_consume(&b, 4);
	assert_string_equal(b.data, "7;rest");
	mill_strbuf_truncate(&b, 2);
	assert_string_equal(b.data, "7;");
	char *to = mill_strbuf_reserve(&b, 100);
	memset(to, 'x', 100);
	mill_strbuf_advance(&b, 100);
	assert_int_equal(b.len, 102);
	assert_int_equal(strlen(b.data), 102);
	_cleanup_free_ char *s = mill_strbuf_steal(&b);
	assert_int_equal(strlen(s), 102);
	assert_string_equal(b.data, "");
	_cleanup_free_ char *none = mill_strbuf_steal(&b);
	assert_string_equal(none, "");
}

static void test_strbuf_long_printf(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	char big[1001];
	memset(big, 'y', 1000);
	big[1000] = '\0';
	mill_strbuf_printf(&b, "<%s>", big);
	assert_int_equal(b.len, 1002);
	assert_int_equal(b.data[1001], '>');
}

static void test_strbuf_ceiling(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT_MAX(10);
	mill_strbuf_addstr(&b, "12345");
	assert_false(b.overflow);
	mill_strbuf_addstr(&b, "67890abc");
	assert_true(b.overflow);
	assert_string_equal(b.data, "1234567890");
	mill_strbuf_addch(&b, 'x');
	assert_string_equal(b.data, "1234567890");
	assert_null(mill_strbuf_reserve(&b, 1));
	mill_strbuf_reset(&b);
	assert_false(b.overflow);
	assert_non_null(mill_strbuf_reserve(&b, 10));
	assert_null(mill_strbuf_reserve(&b, 11));
}

static void test_strv(void **state)
{
	_cleanup_strv_ struct mill_strv v = {0};
	assert_null(mill_strv_argv(&v)[0]);
	mill_strv_split(&v, " b, a ,, c\t,", ",");
	assert_int_equal(v.n, 3);
	assert_null(v.items[3]);
	mill_strv_sort(&v);
	_cleanup_free_ char *joined = mill_strv_join(&v, "|");
	assert_string_equal(joined, "a|b|c");
	assert_true(mill_strv_contains(&v, "b"));
	assert_false(mill_strv_contains(&v, "B"));
	for (int i = 0; i < 100; i++)
		mill_strv_addf(&v, "n%d", i);
	assert_int_equal(v.n, 103);
	assert_null(mill_strv_argv(&v)[103]);
}

static void test_strv_env(void **state)
{
	_cleanup_strv_ struct mill_strv v = {0};
	mill_strv_setenv(&v, "PATH", "/bin");
	mill_strv_setenv(&v, "PATHS", "x");
	mill_strv_setenv(&v, "PATH", "/usr/bin=");
	assert_int_equal(v.n, 2);
	assert_string_equal(mill_strv_getenv(&v, "PATH"), "/usr/bin=");
	assert_string_equal(mill_strv_getenv(&v, "PATHS"), "x");
	assert_null(mill_strv_getenv(&v, "PAT"));
}

static void test_arena(void **state)
{
	_cleanup_arena_ struct mill_arena a = {0};
	char *first = mill_arena_strdup(&a, "first");
	for (size_t size = 0; size < 30000; size += 7) {
		unsigned char *p = mill_arena_alloc(&a, size);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		if (size > 3000)
			size += 1000;
	}
	assert_string_equal(first, "first");
	assert_string_equal(mill_arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(mill_arena_printf(&a, "%d-%s", 5, "x"), "5-x");
	mill_arena_release(&a);
	assert_int_equal(a.used_bytes, 0);
	assert_non_null(MILL_ARENA_NEW(&a, int));
	assert_non_null(MILL_ARENA_ARRAY(&a, 10, int));
}

static int freed;

static void count_free(void *value)
{
	freed++;
	free(value);
}

static void test_map(void **state)
{
	_cleanup_map_ struct mill_map m = {.free_value = count_free};
	char key[32];
	freed = 0;
	assert_null(mill_map_get(&m, "x"));
	mill_map_remove(&m, "x");
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		mill_map_set(&m, key, mill_xasprintf("%d", i));
	}
	assert_int_equal(m.n, 1000);
	mill_map_set(&m, "key5", mill_xstrdup("five"));
	assert_int_equal(freed, 1);
	assert_string_equal(mill_map_get(&m, "key5"), "five");
	assert_string_equal(m.entries[5].value, "five");
	for (int i = 0; i < 1000; i += 2) {
		snprintf(key, sizeof(key), "key%d", i);
		mill_map_remove(&m, key);
	}
	assert_int_equal(freed, 501);
	assert_int_equal(m.n, 500);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_int_equal(mill_map_has(&m, key), i % 2);
	}
	for (size_t i = 1; i < m.n; i++)
		assert_true(strlen(m.entries[i - 1].key) <= strlen(m.entries[i].key));
	mill_map_set(&m, "", NULL);
	assert_true(mill_map_has(&m, ""));
	mill_map_release(&m);
	assert_int_equal(freed, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strbuf),	 cmocka_unit_test(test_strbuf_long_printf),
		cmocka_unit_test(test_strbuf_ceiling), cmocka_unit_test(test_strv),
		cmocka_unit_test(test_strv_env), cmocka_unit_test(test_arena),
		cmocka_unit_test(test_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
