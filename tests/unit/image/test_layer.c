/* Layers: the same bytes each time, what they refuse, that what went in comes out. */
#include "../cmocka_all.h"

#include "net/layer.h"
#include "net/unpack.h"

static char *dir;

static int setup(void **state)
{
	dir = test_mkdir();
	return 0;
}

static int teardown(void **state)
{
	test_rmdir(dir);
	return 0;
}

/* A layer of a folder, a file of each kind, a link and a name that tar's header cannot hold. */
static void make(const char *path, const char *source, struct mill_net_layer_result *ret)
{
	struct mill_net_layer *l;
	_cleanup_free_ char *name = mill_xasprintf("opt/%0200d", 7);
	const struct mill_net_layer_item items[] = {
		{.path = "opt", .type = 'd', .mode = 0755},
		{.path = "opt/text", .type = 'f', .mode = 0444, .size = 5, .data = "hello"},
		{.path = "opt/program", .type = 'f', .mode = 0555, .size = 4, .source = source},
		{.path = "opt/empty", .type = 'f', .mode = 0444, .source = source},
		{.path = "opt/link", .type = 'l', .target = "program"},
		{.path = name, .type = 'f', .mode = 0444, .size = 1, .data = "x"},
		{.path = "opt/\xff\xfe", .type = 'f', .mode = 0444, .size = 1, .data = "y"},
	};
	assert_int_equal(mill_net_layer_begin(path, &l, NULL), 0);
	for (size_t i = 0; i < MILL_ARRAY_LEN(items); i++)
		assert_int_equal(mill_net_layer_add(l, &items[i], NULL), 0);
	assert_int_equal(mill_net_layer_end(l, ret, NULL), 0);
}

static void test_same_bytes(void **state)
{
	struct mill_net_layer_result a, b;
	char digest[MILL_SHA256_HEX];
	const char *one = test_path(dir, "one"), *two = test_path(dir, "two"), *source = test_path(dir, "source");
	struct stat st;
	test_write(source, "#!x\n");
	make(one, source, &a);
	test_write(source, "#!x\n"); /* another time and inode */
	make(two, source, &b);
	assert_string_equal(a.digest, b.digest);
	assert_string_equal(a.diff_id, b.diff_id);
	assert_string_not_equal(a.digest, a.diff_id);
	assert_int_equal(mill_hash_file(MILL_SHA256, one, digest, NULL), 0);
	assert_string_equal(digest, a.digest);
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal((uint64_t)st.st_size, a.bytes);
	assert_true(a.unpacked > a.bytes && a.unpacked % 512 == 0);
	test_write(source, "#!y\n");
	assert_int_equal(unlink(two), 0);
	make(two, source, &b);
	assert_string_not_equal(a.diff_id, b.diff_id);
}

static void test_contents(void **state)
{
	struct mill_net_layer_result r;
	const char *layer = test_path(dir, "layer"), *source = test_path(dir, "source");
	_cleanup_free_ char *out = mill_path_join(dir, "out"), *name = mill_xasprintf("opt/%0200d", 7);
	char target[64] = "";
	test_write(source, "#!x\n");
	make(layer, source, &r);
	assert_int_equal(mill_mkdir_p(out, 0755, NULL), 0);
	assert_int_equal(mill_net_unpack(&(struct mill_net_unpack){.archive = layer, .dest = out, .cancel_fd = -1}, NULL), 0);
	assert_true(mill_file_is(test_path(out, "opt/text"), "hello", 5));
	assert_true(mill_file_is(test_path(out, "opt/program"), "#!x\n", 4));
	assert_true(mill_file_is(test_path(out, "opt/empty"), "", 0));
	assert_true(mill_file_is(test_path(out, name), "x", 1));
	assert_true(mill_file_is(test_path(out, "opt/\xff\xfe"), "y", 1));
	assert_int_equal(readlink(test_path(out, "opt/link"), target, sizeof(target) - 1), 7);
	assert_string_equal(target, "program");
}

static void test_refusals(void **state)
{
	const struct mill_net_layer_item bad[] = {
		{.path = "../x", .type = 'f', .mode = 0444},	 {.path = "/etc/passwd", .type = 'f', .mode = 0444},
		{.path = "a/../../x", .type = 'd', .mode = 0755}, {.path = "x", .type = 'f', .mode = 04555},
		{.path = "x", .type = 'f', .mode = 01444},	 {.path = "x", .type = 'd', .mode = 02755},
		{.path = "x", .type = 'c', .mode = 0444},	 {.path = "x", .type = 'l'},
		{.path = "", .type = 'f', .mode = 0444},
	};
	struct mill_net_layer *l;
	struct mill_net_layer_result r;
	_cleanup_error_ struct mill_error err = {0};
	const char *path = test_path(dir, "layer"), *source = test_path(dir, "source");
	assert_int_equal(mill_net_layer_begin(path, &l, NULL), 0);
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++)
		assert_int_equal(mill_net_layer_add(l, &bad[i], NULL), -EPERM);
	assert_int_equal(mill_net_layer_add(l, &(struct mill_net_layer_item){.path = "tmp", .type = 'd', .mode = 01777}, NULL), 0);
	assert_int_equal(mill_net_layer_end(l, &r, NULL), 0);
	/* never over what is there */
	assert_int_equal(mill_net_layer_begin(path, &l, &err), -EEXIST);
	/* a file that is shorter than was said, or a link */
	test_write(source, "ab");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mill_net_layer_begin(path, &l, NULL), 0);
	assert_int_equal(mill_net_layer_add(l, &(struct mill_net_layer_item){.path = "x", .type = 'f', .mode = 0444, .size = 3, .source = source}, NULL), -EIO);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(symlink("/etc/passwd", source), 0);
	assert_true(mill_net_layer_add(l, &(struct mill_net_layer_item){.path = "y", .type = 'f', .mode = 0444, .size = 3, .source = source}, NULL) < 0);
	assert_int_equal(mill_net_layer_end(l, NULL, NULL), 0);
}

static void test_full_disk(void **state)
{
	struct mill_net_layer *l;
	struct mill_net_layer_result r;
	_cleanup_free_ char *big = mill_xmalloc(1 << 20);
	mill_random_bytes(big, 1 << 20);
	int rv = access("/dev/full", W_OK) < 0 ? -ENOENT : 0;
	const char *path = test_path(dir, "full");
	if (rv < 0)
		skip();
	/* begin() makes the file itself, so the device is put under it afterwards */
	assert_int_equal(mill_net_layer_begin(path, &l, NULL), 0);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd = -1;
	for (int i = 3; i < 64 && fd < 0; i++) {
		char link[64], to[4096];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
		ssize_t n = readlink(link, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (mill_streq(to, path))
			fd = i;
	}
	assert_true(full >= 0 && fd >= 0);
	assert_int_equal(dup2(full, fd), fd);
	close(full);
	_cleanup_error_ struct mill_error err = {0};
	rv = mill_net_layer_add(l, &(struct mill_net_layer_item){.path = "x", .type = 'f', .mode = 0444, .size = 1 << 20, .data = big}, &err);
	int ended = mill_net_layer_end(l, rv < 0 ? NULL : &r, rv < 0 ? NULL : &err);
	assert_true(rv < 0 || ended < 0);
	assert_int_equal(err.code, ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
