/* Every combination of file, object and record, and what push, pull and diff make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"
#include "lake/decide.h"

#define UP	MILL_LAKE_UPLOAD
#define DOWN	MILL_LAKE_DOWNLOAD
#define DEL	MILL_LAKE_DELETE
#define KEEP	MILL_LAKE_KEEP
#define CONF	MILL_LAKE_CONFLICT
#define SAME	MILL_LAKE_UNCHANGED

/* local remote record | local=record remote=record local=remote | finding */
static const struct {
	struct mill_lake_view v;
	enum mill_lake_finding wanted;
} findings[] = {
	{{0, 0, 0, 0, 0, 0}, FOUND_NOTHING},
	{{0, 0, 1, 0, 0, 0}, FOUND_NOTHING},
	{{1, 0, 0, 0, 0, 0}, FOUND_LOCAL_NEW},
	{{1, 0, 1, SAME_YES, 0, 0}, FOUND_LOCAL_RECORDED},
	{{1, 0, 1, SAME_NO, 0, 0}, FOUND_LOCAL_CHANGED},
	{{1, 0, 1, SAME_UNKNOWN, 0, 0}, FOUND_LOCAL_CHANGED},
	{{0, 1, 0, 0, 0, 0}, FOUND_REMOTE_NEW},
	{{0, 1, 1, 0, SAME_YES, 0}, FOUND_REMOTE_RECORDED},
	{{0, 1, 1, 0, SAME_NO, 0}, FOUND_REMOTE_CHANGED},
	{{1, 1, 1, SAME_YES, SAME_YES, SAME_UNKNOWN}, FOUND_EQUAL},
	{{1, 1, 1, SAME_UNKNOWN, SAME_YES, SAME_UNKNOWN}, FOUND_HASH_NEEDED},
	{{1, 1, 1, SAME_NO, SAME_YES, SAME_UNKNOWN}, FOUND_BOTH_LOCAL_CHANGED},
	{{1, 1, 1, SAME_YES, SAME_NO, SAME_UNKNOWN}, FOUND_HASH_NEEDED},
	{{1, 1, 1, SAME_YES, SAME_NO, SAME_NO}, FOUND_BOTH_REMOTE_CHANGED},
	{{1, 1, 1, SAME_YES, SAME_NO, SAME_YES}, FOUND_EQUAL},
	{{1, 1, 1, SAME_NO, SAME_NO, SAME_NO}, FOUND_BOTH_CHANGED},
	{{1, 1, 1, SAME_NO, SAME_NO, SAME_YES}, FOUND_EQUAL},
	{{1, 1, 0, 0, 0, SAME_UNKNOWN}, FOUND_HASH_NEEDED},
	{{1, 1, 0, 0, 0, SAME_YES}, FOUND_EQUAL},
	{{1, 1, 0, 0, 0, SAME_NO}, FOUND_BOTH_NO_RECORD},
	/* without a record a stale "as recorded" means nothing */
	{{1, 1, 0, SAME_YES, SAME_YES, SAME_NO}, FOUND_BOTH_NO_RECORD},
};

static void test_classify(void **state)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(findings); i++) {
		enum mill_lake_finding got = mill_lake_classify(&findings[i].v);
		if (got != findings[i].wanted)
			fail_msg("row %zu: wanted %d, got %d", i, findings[i].wanted, got);
	}
}

/* Columns: plain, delete, force, delete and force. */
static const struct {
	enum mill_lake_finding f;
	enum mill_lake_action push[4], pull[4], diff;
} actions[] = {
	{FOUND_NOTHING, {SAME, SAME, SAME, SAME}, {SAME, SAME, SAME, SAME}, SAME},
	{FOUND_EQUAL, {SAME, SAME, SAME, SAME}, {SAME, SAME, SAME, SAME}, SAME},
	{FOUND_LOCAL_RECORDED, {UP, UP, UP, UP}, {KEEP, DEL, KEEP, DEL}, UP},
	{FOUND_LOCAL_CHANGED, {UP, UP, UP, UP}, {KEEP, KEEP, KEEP, DEL}, UP},
	{FOUND_LOCAL_NEW, {UP, UP, UP, UP}, {KEEP, KEEP, KEEP, DEL}, UP},
	{FOUND_REMOTE_RECORDED, {KEEP, DEL, KEEP, DEL}, {DOWN, DOWN, DOWN, DOWN}, DOWN},
	{FOUND_REMOTE_CHANGED, {KEEP, KEEP, KEEP, DEL}, {DOWN, DOWN, DOWN, DOWN}, DOWN},
	{FOUND_REMOTE_NEW, {KEEP, KEEP, KEEP, DEL}, {DOWN, DOWN, DOWN, DOWN}, DOWN},
	{FOUND_BOTH_LOCAL_CHANGED, {UP, UP, UP, UP}, {CONF, CONF, DOWN, DOWN}, UP},
	{FOUND_BOTH_REMOTE_CHANGED, {CONF, CONF, UP, UP}, {DOWN, DOWN, DOWN, DOWN}, DOWN},
	{FOUND_BOTH_CHANGED, {CONF, CONF, UP, UP}, {CONF, CONF, DOWN, DOWN}, CONF},
	{FOUND_BOTH_NO_RECORD, {CONF, CONF, UP, UP}, {CONF, CONF, DOWN, DOWN}, CONF},
};

static void test_actions(void **state)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(actions); i++) {
		for (unsigned column = 0; column < 4; column++) {
			struct mill_lake_policy p = {.remove_extra = column & 1, .force = column & 2};
			const char *why;
			if (mill_lake_decide_push(actions[i].f, &p, &why) != actions[i].push[column])
				fail_msg("push, row %zu column %u", i, column);
			if (actions[i].push[column] == CONF)
				assert_non_null(why);
			if (mill_lake_decide_pull(actions[i].f, &p, &why) != actions[i].pull[column])
				fail_msg("pull, row %zu column %u", i, column);
			if (mill_lake_decide_diff(actions[i].f, &p, &why) != actions[i].diff)
				fail_msg("diff, row %zu", i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classify),
					   cmocka_unit_test(test_actions)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
