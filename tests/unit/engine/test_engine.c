#include "../cmocka_all.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "engine/engine.h"

#include "base/strbuf.h"

#define N_MAX 4096

/* An executor whose actions do what `script` says of them. */
enum deed { SUCCEED, FAIL, BLOCK_UNTIL_RELEASED, BLOCK_UNTIL_CANCELLED, CANCEL_THE_RUN };
struct fake {
	enum deed script[N_MAX];
	unsigned order[N_MAX]; /* ids as they began */
	bool serial; /* the run is */
	unsigned n_begun, running, most_running, most_installs, installs;
	int release_fd, cancel_fd;
	enum mill_event_kind release_kind; /* this event of this action releases the blocked ones */
	unsigned release_id;
	pthread_mutex_t lock;
	struct mill_strbuf log; /* events, one a line */
};

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (poll(&p, 1, 20000) < 0 && errno == EINTR)
		;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static int fake_run(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	struct fake *f = arg;
	bool install = a->kind == MILL_ACTION_INSTALL;
	pthread_mutex_lock(&f->lock);
	f->order[f->n_begun++] = a->id;
	if (++f->running > f->most_running)
		f->most_running = f->running;
	if (install && ++f->installs > f->most_installs)
		f->most_installs = f->installs;
	pthread_mutex_unlock(&f->lock);
	int r = 0;
	switch (f->script[a->id]) {
	case SUCCEED:
		break;
	case FAIL:
		r = mill_fail(err, EIO, "action %u broke", a->id);
		break;
	case BLOCK_UNTIL_RELEASED:
		wait_readable(f->release_fd);
		break;
	case CANCEL_THE_RUN:
		signal_fd(f->cancel_fd);
		wait_readable(mill_progress_cancel_fd(p));
		break; /* it had nothing left to do: done all the same */
	case BLOCK_UNTIL_CANCELLED:
		wait_readable(mill_progress_cancel_fd(p));
		r = mill_fail(err, ECANCELED, "stopped");
		break;
	}
	pthread_mutex_lock(&f->lock);
	f->running--;
	f->installs -= install;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static void on_event(void *arg, const struct mill_event *e)
{
	static const char *const names[] = {"queued", "begin", "progress", "done", "failed", "skipped", "cancelled"};
	struct fake *f = arg;
	mill_strbuf_printf(&f->log, "%s %u%s%s\n", names[e->kind], e->action->id, e->text ? " " : "",
			   e->text ? e->text : "");
	if (f->release_kind == e->kind && f->release_id == e->action->id)
		signal_fd(f->release_fd);
}

struct edges {
	unsigned id, after[4], n;
};

static void make_plan(struct mill_plan *plan, size_t n, enum mill_action_kind kind, const struct edges *edges,
		      size_t n_edges)
{
	*plan = (struct mill_plan){.n_actions = n};
	plan->actions = mill_xcalloc(n, sizeof(*plan->actions));
	for (unsigned i = 0; i < n; i++)
		plan->actions[i] = (struct mill_action){.id = i, .kind = kind, .component = "c", .name = "s"};
	for (size_t i = 0; i < n_edges; i++) {
		plan->actions[edges[i].id].after = edges[i].after;
		plan->actions[edges[i].id].n_after = edges[i].n;
	}
}

static struct fake *fake_new(void)
{
	struct fake *f = mill_xcalloc(1, sizeof(*f));
	mill_strbuf_init(&f->log, 0);
	pthread_mutex_init(&f->lock, NULL);
	f->release_fd = eventfd(0, EFD_CLOEXEC);
	f->cancel_fd = eventfd(0, EFD_CLOEXEC);
	f->release_id = N_MAX;
	return f;
}

static void fake_free(struct fake *f)
{
	close(f->release_fd);
	close(f->cancel_fd);
	mill_strbuf_release(&f->log);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int run(const struct mill_plan *plan, struct fake *f, unsigned jobs, struct mill_engine_result *ret,
	       struct mill_error *err)
{
	const struct mill_executor x = {.arg = f, .run = fake_run};
	const struct mill_engine_options o = {.jobs = jobs, .serial = f->serial, .cancel_fd = f->cancel_fd, .on_event = on_event, .arg = f};
	return mill_engine_run(plan, &x, &o, ret, err);
}

static unsigned position(const struct fake *f, unsigned id)
{
	for (unsigned i = 0; i < f->n_begun; i++)
		if (f->order[i] == id)
			return i;
	return N_MAX;
}

static void test_diamond_keeps_the_order(void **state)
{
	static const struct edges edges[] = {{1, {0}, 1}, {2, {0}, 1}, {3, {1, 2}, 2}};
	struct mill_plan plan;
	make_plan(&plan, 4, MILL_ACTION_START, edges, 3);
	struct fake *f = fake_new();
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 1, &result, NULL), 0);
	assert_int_equal(result.done, 4);
	assert_int_equal(position(f, 0), 0);
	assert_int_equal(position(f, 3), 3);
	fake_free(f);
	free(plan.actions);
}

static void test_failure_skips_only_dependants(void **state)
{
	/* 0 fails; 1 and, through it, 2 depend on it; 4 needs the failed and a good one; 3 is free. */
	static const struct edges edges[] = {{1, {0}, 1}, {2, {1}, 1}, {4, {3, 0}, 2}};
	struct mill_plan plan;
	make_plan(&plan, 5, MILL_ACTION_START, edges, 3);
	struct fake *f = fake_new();
	f->script[0] = FAIL;
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 1, &result, NULL), 0);
	assert_int_equal(result.done, 1);
	assert_int_equal(result.failed, 1);
	assert_int_equal(result.skipped, 3);
	assert_int_equal(position(f, 1), N_MAX);
	assert_non_null(strstr(f->log.data, "failed 0 action 0 broke\n"));
	assert_non_null(strstr(f->log.data, "skipped 2 start c.s failed\n"));
	assert_non_null(strstr(f->log.data, "done 3\n"));
	fake_free(f);
	free(plan.actions);
}

static void test_a_hung_action_delays_nobody_else(void **state)
{
	/* 0 hangs until the end of the chain 1 -> 2 -> 3 is done: layers would never get there. */
	static const struct edges edges[] = {{2, {1}, 1}, {3, {2}, 1}};
	struct mill_plan plan;
	make_plan(&plan, 4, MILL_ACTION_START, edges, 2);
	struct fake *f = fake_new();
	f->script[0] = BLOCK_UNTIL_RELEASED;
	f->release_kind = MILL_EVENT_DONE;
	f->release_id = 3;
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 1, &result, NULL), 0);
	assert_int_equal(result.done, 4);
	assert_non_null(strstr(strstr(f->log.data, "done 3\n"), "done 0\n"));
	fake_free(f);
	free(plan.actions);
}

static void test_installs_are_limited_and_others_are_not(void **state)
{
	struct mill_plan plan;
	make_plan(&plan, 12, MILL_ACTION_INSTALL, NULL, 0);
	for (unsigned i = 6; i < 12; i++)
		plan.actions[i].kind = MILL_ACTION_START;
	struct fake *f = fake_new();
	for (unsigned i = 6; i < 11; i++)
		f->script[i] = BLOCK_UNTIL_RELEASED;
	f->release_kind = MILL_EVENT_BEGIN;
	f->release_id = 11;
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 2, &result, NULL), 0);
	assert_int_equal(result.done, 12);
	assert_in_range(f->most_installs, 1, 2);
	assert_true(strstr(f->log.data, "begin 11\n") < strstr(f->log.data, "done 6\n"));
	assert_non_null(strstr(f->log.data, "queued "));
	fake_free(f);
	free(plan.actions);
}

static void test_serial_runs_one_at_a_time(void **state)
{
	static const struct edges edges[] = {{.id = 0, .after = {3}, .n = 1}};
	_cleanup_error_ struct mill_error err = {0};
	struct mill_engine_result result;
	struct mill_plan plan;
	struct fake *f = fake_new();
	f->serial = true;
	make_plan(&plan, 20, MILL_ACTION_START, edges, MILL_ARRAY_LEN(edges));
	assert_int_equal(run(&plan, f, 0, &result, &err), 0);
	assert_int_equal(result.done, 20);
	assert_int_equal(f->most_running, 1);
	assert_true(position(f, 3) < position(f, 0));
	free(plan.actions);
	fake_free(f);
}

static void test_cancel_ends_the_run(void **state)
{
	/* 0 asks to cancel and ends well; 1 gives up; 2 and 3 never begin. */
	static const struct edges edges[] = {{2, {0}, 1}, {3, {1}, 1}};
	struct mill_plan plan;
	make_plan(&plan, 4, MILL_ACTION_START, edges, 2);
	struct fake *f = fake_new();
	f->script[0] = CANCEL_THE_RUN;
	f->script[1] = BLOCK_UNTIL_CANCELLED;
	struct mill_engine_result result;
	_cleanup_error_ struct mill_error err = {0};
	assert_int_equal(run(&plan, f, 1, &result, &err), -ECANCELED);
	assert_int_equal(result.done, 1);
	assert_int_equal(result.cancelled, 3);
	assert_int_equal(f->n_begun, 2);
	fake_free(f);
	free(plan.actions);
}

static void test_cancelled_before_it_begins(void **state)
{
	struct mill_plan plan;
	make_plan(&plan, 3, MILL_ACTION_START, NULL, 0);
	struct fake *f = fake_new();
	signal_fd(f->cancel_fd);
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 1, &result, NULL), -ECANCELED);
	assert_int_equal(result.cancelled, 3);
	assert_int_equal(f->n_begun, 0);
	fake_free(f);
	free(plan.actions);
}

static void test_thousands_in_the_order_of_the_plan(void **state)
{
	/* A chain has one order of events only; run twice, it says the same. */
	static struct edges edges[N_MAX];
	for (unsigned i = 1; i < N_MAX; i++)
		edges[i - 1] = (struct edges){i, {i - 1}, 1};
	struct mill_plan plan;
	make_plan(&plan, N_MAX, MILL_ACTION_CONFIGURE, edges, N_MAX - 1);
	char *first = NULL;
	for (int round = 0; round < 2; round++) {
		struct fake *f = fake_new();
		struct mill_engine_result result;
		assert_int_equal(run(&plan, f, 0, &result, NULL), 0);
		assert_int_equal(result.done, N_MAX);
		if (first)
			assert_string_equal(first, f->log.data);
		else
			first = mill_xstrdup(f->log.data);
		fake_free(f);
	}
	free(first);
	free(plan.actions);
}

static void test_thousands_at_once(void **state)
{
	struct mill_plan plan;
	make_plan(&plan, N_MAX, MILL_ACTION_CONFIGURE, NULL, 0);
	struct fake *f = fake_new();
	struct mill_engine_result result;
	assert_int_equal(run(&plan, f, 0, &result, NULL), 0);
	assert_int_equal(result.done, N_MAX);
	assert_in_range(f->most_running, 1, 256);
	fake_free(f);
	free(plan.actions);
}

static void test_bad_graphs_are_refused(void **state)
{
	static const struct edges circle[] = {{0, {1}, 1}, {1, {0}, 1}}, nowhere[] = {{0, {7}, 1}};
	const struct {
		const struct edges *edges;
		size_t n;
	} cases[] = {{circle, 2}, {nowhere, 1}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct mill_plan plan;
		make_plan(&plan, 3, MILL_ACTION_START, cases[i].edges, cases[i].n);
		struct fake *f = fake_new();
		struct mill_engine_result result;
		_cleanup_error_ struct mill_error err = {0};
		assert_int_equal(run(&plan, f, 1, &result, &err), -EINVAL);
		assert_int_equal(f->n_begun, 0);
		fake_free(f);
		free(plan.actions);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diamond_keeps_the_order),
		cmocka_unit_test(test_failure_skips_only_dependants),
		cmocka_unit_test(test_a_hung_action_delays_nobody_else),
		cmocka_unit_test(test_installs_are_limited_and_others_are_not),
		cmocka_unit_test(test_serial_runs_one_at_a_time),
		cmocka_unit_test(test_cancel_ends_the_run),
		cmocka_unit_test(test_cancelled_before_it_begins),
		cmocka_unit_test(test_thousands_in_the_order_of_the_plan),
		cmocka_unit_test(test_thousands_at_once),
		cmocka_unit_test(test_bad_graphs_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
