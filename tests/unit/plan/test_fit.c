/* The memory fit, and what it is computed from: sizes of the machine and its cgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "plan/fit.h"
#include "plan/memory.h"

#define MIB ((uint64_t)1 << 20)

static void sharing(void **state)
{
	const struct {
		uint64_t budget, want[3]; /* MiB */
	} table[] = {
		{1000, {300, 500, 100}}, /* all fits */
		{900, {300, 500, 100}},  /* exactly */
		{100, {100, 200, 50}},   /* not even the minimum */
		{350, {100, 200, 50}},   /* exactly the minimum */
		{625, {200, 350, 75}},   /* half of what lies between */
		{400, {118, 227, 54}},   /* 1/11 of it, in whole MiB */
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		struct mill_fit_item items[] = {{"a", 100 * MIB, 300 * MIB, 0}, {"b", 200 * MIB, 500 * MIB, 0},
						{"c", 50 * MIB, 100 * MIB, 0}};
		uint64_t sum = 0;

		mill_fit_share(items, 3, table[i].budget * MIB);
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(items[k].memory / MIB, table[i].want[k]);
			sum += items[k].memory;
		}
		if (table[i].budget >= 350)
			assert_true(sum <= table[i].budget * MIB);
	}
}

static void sharing_of_odd_sizes(void **state)
{
	struct mill_fit_item items[] = {{"a", 1000001, 3000001, 0}, {"none", 0, 0, 0}};

	mill_fit_share(items, 2, 1000002);
	assert_int_equal(items[0].memory, 1000001); /* never rounded below its minimum */
	assert_int_equal(items[1].memory, 0);
	mill_fit_share(items, 0, 5);
}

static void write_text(const char *root, const char *path, const char *text)
{
	_cleanup_free_ char *full = mill_xasprintf("%s%s", root, path);
	_cleanup_free_ char *dir = mill_path_dirname(full);

	assert_int_equal(mill_mkdir_p(dir, 0755, NULL), 0);
	assert_int_equal(mill_write_file(full, text, strlen(text), 0644, 0, NULL), 0);
}

static void machine(void **state)
{
	static const char info[] = "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n";
	char root[] = "/tmp/mill-memory-XXXXXX";
	struct mill_memory m;

	assert_non_null(mkdtemp(root));
	mill_memory_read(root, &m);
	assert_int_equal(m.total, 0);
	write_text(root, "/proc/meminfo", info);
	mill_memory_read(root, &m);
	assert_int_equal(m.total, (uint64_t)8 << 30);
	assert_int_equal(m.available, (uint64_t)4 << 30);

	/* v2: a limit above our own group counts as well */
	write_text(root, "/proc/self/cgroup", "0::/user/session\n");
	write_text(root, "/sys/fs/cgroup/user/session/memory.max", "max\n");
	write_text(root, "/sys/fs/cgroup/user/memory.max", "2147483648\n");
	write_text(root, "/sys/fs/cgroup/user/memory.current", "1073741824\n");
	mill_memory_read(root, &m);
	assert_int_equal(m.total, (uint64_t)2 << 30);
	assert_int_equal(m.available, (uint64_t)1 << 30);

	/* v1: "none" is a huge number; the group of the memory controller counts, no other one */
	write_text(root, "/proc/self/cgroup", "5:cpu:/elsewhere\n4:memory:/docker/x\n");
	write_text(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	write_text(root, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "536870912\n");
	write_text(root, "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "536870913\n");
	mill_memory_read(root, &m);
	assert_int_equal(m.total, (uint64_t)512 << 20);
	assert_int_equal(m.available, 0);

	/* what cannot be read as a number is no limit */
	write_text(root, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "-1\n");
	mill_memory_read(root, &m);
	assert_int_equal(m.total, (uint64_t)8 << 30);
	assert_int_equal(mill_rm_rf(root, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sharing), cmocka_unit_test(sharing_of_odd_sizes),
					   cmocka_unit_test(machine)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
