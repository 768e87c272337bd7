/*
 * The state machine of a service: the whole table against one written in
 * words, the laws that any such table must keep, and a long walk against a
 * small model of a process with its timers.
 */
#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "daemon/machine.h"

static const char *const states[MILL_SM_N_STATES] = {
	"stopped", "starting", "running",    "ready",	   "unhealthy", "backoff",
	"failed",  "stopping", "restarting", "recovering", "failing",
};
static const char *const events[MILL_SM_N_EVENTS] = {
	"start",      "stop",  "restart", "spawned",  "broken", "exit-retry", "exit-limit",
	"exit-done",  "ready", "unready", "deadline", "dead",	"timer",      "stop-timeout",
};
static const char *const actions[] = {
	"spawn", "term", "kill", "backoff", "cancel", "probe", "stop-probe", "forget", "count", "disarm",
};

/*
 * STATE: EVENT EVENT -> STATE ACTION ..; a pair with "-> same" changes nothing.
 * Written from what a person expects of a supervisor, not from machine.c.
 */
static const char *const expected[] = {
	/* Nothing runs, nothing is to run. */
	"stopped: start restart -> starting spawn forget cancel",
	"stopped: spawned -> running probe", /* one that was adopted */
	"stopped: stop broken exit-retry exit-limit exit-done ready unready deadline dead timer stop-timeout -> same",
	/* A shim was asked for, nothing is executed yet. */
	"starting: spawned -> running probe",
	"starting: stop -> stopping term cancel stop-probe",
	"starting: restart -> restarting term cancel stop-probe forget",
	"starting: broken exit-limit -> failed cancel stop-probe",
	"starting: exit-retry -> backoff backoff cancel stop-probe",
	"starting: exit-done -> stopped cancel stop-probe",
	"starting: deadline -> failing term cancel stop-probe",
	"starting: start ready unready dead timer stop-timeout -> same",
	/* Alive. */
	"running: ready -> ready disarm",
	"running: stop -> stopping term cancel stop-probe",
	"running: restart -> restarting term cancel stop-probe forget",
	"running: broken exit-limit -> failed cancel stop-probe",
	"running: exit-retry -> backoff backoff cancel stop-probe",
	"running: exit-done -> stopped cancel stop-probe",
	"running: deadline -> failing term cancel stop-probe",
	"running: dead -> recovering term cancel stop-probe",
	"running: start spawned unready timer stop-timeout -> same",
	/* Ready: the deadline no longer counts. */
	"ready: unready -> unhealthy",
	"ready: stop -> stopping term cancel stop-probe",
	"ready: restart -> restarting term cancel stop-probe forget",
	"ready: broken exit-limit -> failed cancel stop-probe",
	"ready: exit-retry -> backoff backoff cancel stop-probe",
	"ready: exit-done -> stopped cancel stop-probe",
	"ready: dead -> recovering term cancel stop-probe",
	"ready: start spawned ready deadline timer stop-timeout -> same",
	/* Unhealthy: as ready, and it may heal. */
	"unhealthy: ready -> ready",
	"unhealthy: stop -> stopping term cancel stop-probe",
	"unhealthy: restart -> restarting term cancel stop-probe forget",
	"unhealthy: broken exit-limit -> failed cancel stop-probe",
	"unhealthy: exit-retry -> backoff backoff cancel stop-probe",
	"unhealthy: exit-done -> stopped cancel stop-probe",
	"unhealthy: dead -> recovering term cancel stop-probe",
	"unhealthy: start spawned unready deadline timer stop-timeout -> same",
	/* Waiting for its next try: only the timer counts as a restart, a person starts anew. */
	"backoff: timer -> starting spawn count cancel stop-probe",
	"backoff: start restart -> starting spawn forget cancel",
	"backoff: stop -> stopped cancel stop-probe",
	"backoff: spawned -> running probe",
	"backoff: broken -> failed cancel stop-probe",
	"backoff: exit-retry exit-limit exit-done ready unready deadline dead stop-timeout -> same",
	/* Given up. */
	"failed: start restart -> starting spawn forget cancel",
	"failed: stop -> stopped cancel stop-probe",
	"failed: spawned -> running probe",
	"failed: broken exit-retry exit-limit exit-done ready unready deadline dead timer stop-timeout -> same",
	/* Stopping because somebody asked: however it ends, it is stopped. */
	"stopping: start restart -> restarting",
	"stopping: spawned -> stopping term", /* the stop came before there was a process */
	"stopping: broken exit-retry exit-limit exit-done -> stopped cancel stop-probe",
	"stopping: stop-timeout -> stopping kill",
	"stopping: stop ready unready deadline dead timer -> same",
	/* Stopping to start at once: however it ends, it starts. */
	"restarting: stop -> stopping",
	"restarting: spawned -> restarting term",
	"restarting: broken -> failed cancel stop-probe",
	"restarting: exit-retry exit-limit exit-done -> starting spawn forget cancel",
	"restarting: stop-timeout -> restarting kill",
	"restarting: start restart ready unready deadline dead timer -> same",
	/* Stopping because liveness failed: the end counts as an exit, and an exit that nobody restarts is a failure. */
	"recovering: start restart -> restarting",
	"recovering: stop -> stopping",
	"recovering: spawned -> recovering term",
	"recovering: exit-retry -> backoff backoff cancel stop-probe",
	"recovering: broken exit-limit exit-done -> failed cancel stop-probe",
	"recovering: stop-timeout -> recovering kill",
	"recovering: ready unready deadline dead timer -> same",
	/* Stopping because it never became ready: it is failed then. */
	"failing: start restart -> restarting",
	"failing: stop -> stopping",
	"failing: spawned -> failing term",
	"failing: broken exit-retry exit-limit exit-done -> failed cancel stop-probe",
	"failing: stop-timeout -> failing kill",
	"failing: ready unready deadline dead timer -> same",
};

static unsigned index_of(const char *const *names, size_t n, const char *word)
{
	for (unsigned i = 0; i < n; i++) {
		if (mill_streq(names[i], word))
			return i;
	}
	fail_msg("no such word: %s", word);
	return 0;
}

static void pair_name(char *buf, size_t size, unsigned s, unsigned e)
{
	snprintf(buf, size, "%s, %s", states[s], events[e]);
}

static void check_pair(unsigned s, unsigned e, unsigned next, unsigned want)
{
	char name[80];
	unsigned got;
	unsigned to = mill_sm_next((enum mill_sm_state)s, (enum mill_sm_event)e, &got);
	pair_name(name, sizeof(name), s, e);
	if (to != next)
		fail_msg("%s: goes to %s, not %s", name, states[to], states[next]);
	if (got != want)
		fail_msg("%s: actions %x, not %x", name, got, want);
}

/* "a: e e -> b x y": checks each pair and ticks it off. */
static void check_row(const char *row, unsigned seen[MILL_SM_N_STATES][MILL_SM_N_EVENTS])
{
	_cleanup_strv_ struct mill_strv words = {0};
	mill_strv_split(&words, row, " ");
	words.items[0][strlen(words.items[0]) - 1] = '\0'; /* its colon */
	unsigned s = index_of(states, MILL_SM_N_STATES, words.items[0]);
	size_t arrow = 1;
	while (!mill_streq(words.items[arrow], "->"))
		arrow++;
	const char *to = words.items[arrow + 1];
	unsigned next = mill_streq(to, "same") ? s : index_of(states, MILL_SM_N_STATES, to), want = 0;
	for (size_t i = arrow + 2; i < words.n; i++)
		want |= 1U << index_of(actions, MILL_ARRAY_LEN(actions), words.items[i]);
	for (size_t i = 1; i < arrow; i++) {
		unsigned e = index_of(events, MILL_SM_N_EVENTS, words.items[i]);
		check_pair(s, e, next, want);
		seen[s][e]++;
	}
}

static void test_table(void **state)
{
	static unsigned seen[MILL_SM_N_STATES][MILL_SM_N_EVENTS];
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < MILL_ARRAY_LEN(expected); i++)
		check_row(expected[i], seen);
	for (unsigned s = 0; s < MILL_SM_N_STATES; s++) {
		for (unsigned e = 0; e < MILL_SM_N_EVENTS; e++) {
			if (seen[s][e] != 1)
				fail_msg("%s, %s is named %u times", states[s], events[e], seen[s][e]);
		}
	}
}

/* ---- laws ---- */

static bool is_watched(unsigned s)
{
	return s == MILL_SM_RUNNING || s == MILL_SM_READY || s == MILL_SM_UNHEALTHY;
}

static bool is_ending(unsigned s)
{
	return s >= MILL_SM_STOPPING;
}

#define LAW(condition)                                                                             \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s, %s: does not hold: %s", states[s], events[e], #condition);   \
	} while (0)

static void check_laws(unsigned s, unsigned e)
{
	unsigned a;
	unsigned to = mill_sm_next((enum mill_sm_state)s, (enum mill_sm_event)e, &a);
	bool is_exit = e == MILL_EV_EXIT_RETRY || e == MILL_EV_EXIT_LIMIT || e == MILL_EV_EXIT_DONE;
	if (e == MILL_EV_STOP)
		LAW(!(a & MILL_DO_SPAWN) && (to == MILL_SM_STOPPED || to == MILL_SM_STOPPING));
	if (e == MILL_EV_START)
		LAW(!(a & (MILL_DO_TERM | MILL_DO_KILL)) && to != MILL_SM_STOPPED && to != MILL_SM_FAILED);
	if (e == MILL_EV_RESTART)
		LAW(to == MILL_SM_STARTING || to == MILL_SM_RESTARTING);
	/* Whatever may have a process reacts to its end. */
	if (is_exit && mill_sm_is_up((enum mill_sm_state)s))
		LAW(!mill_sm_is_up((enum mill_sm_state)to) || (to == MILL_SM_STARTING && a & MILL_DO_SPAWN));
	LAW(!(a & MILL_DO_SPAWN) == !(to == MILL_SM_STARTING && s != MILL_SM_STARTING));
	LAW(!(a & MILL_DO_BACKOFF) == !(to == MILL_SM_BACKOFF && s != MILL_SM_BACKOFF));
	LAW(!(a & MILL_DO_PROBE) == !(is_watched(to) && !is_watched(s)));
	LAW(!is_watched(s) || is_watched(to) || a & MILL_DO_STOP_PROBE);
	LAW(!is_ending(to) || is_ending(s) || a & MILL_DO_TERM);
	LAW(!(a & MILL_DO_TERM) || is_ending(to));
	LAW(!(a & MILL_DO_KILL) || (e == MILL_EV_STOP_TIMEOUT && is_ending(s) && to == s));
	LAW(!(a & MILL_DO_COUNT) || (s == MILL_SM_BACKOFF && e == MILL_EV_TIMER));
	LAW(!(a & MILL_DO_DISARM) || (s == MILL_SM_RUNNING && to == MILL_SM_READY));
	/* A backoff that is left must not fire later. */
	LAW(s != MILL_SM_BACKOFF || to == s || to == MILL_SM_RUNNING || a & MILL_DO_CANCEL);
}

static void test_laws(void **state)
{
	for (unsigned s = 0; s < MILL_SM_N_STATES; s++) {
		for (unsigned e = 0; e < MILL_SM_N_EVENTS; e++)
			check_laws(s, e);
	}
}

/* From anywhere: stop and the process's end lead to stopped; start leads to ready. */
static void test_ways_out(void **state)
{
	static const enum mill_sm_event ends[] = {MILL_EV_EXIT_RETRY, MILL_EV_EXIT_LIMIT, MILL_EV_EXIT_DONE, MILL_EV_BROKEN};
	for (unsigned s = 0; s < MILL_SM_N_STATES; s++) {
		for (size_t i = 0; i < MILL_ARRAY_LEN(ends); i++) {
			struct mill_sm m = {.state = (enum mill_sm_state)s};
			mill_sm_step(&m, MILL_EV_STOP, 1);
			mill_sm_step(&m, ends[i], 2);
			assert_int_equal(m.state, MILL_SM_STOPPED);
		}
		struct mill_sm m = {.state = (enum mill_sm_state)s};
		mill_sm_step(&m, MILL_EV_START, 1);
		if (is_ending(m.state))
			mill_sm_step(&m, MILL_EV_EXIT_LIMIT, 2);
		mill_sm_step(&m, MILL_EV_SPAWNED, 3);
		mill_sm_step(&m, MILL_EV_READY, 4);
		assert_int_equal(m.state, MILL_SM_READY);
	}
}

static void test_names(void **state)
{
	for (unsigned s = 0; s < MILL_SM_N_STATES; s++) {
		const char *want = is_ending(s) ? "stopping" : states[s];
		assert_string_equal(mill_sm_state_name((enum mill_sm_state)s), want);
		assert_false(mill_sm_is_up((enum mill_sm_state)s) && mill_sm_is_down((enum mill_sm_state)s));
	}
	assert_true(mill_sm_is_down(MILL_SM_STOPPED) && mill_sm_is_down(MILL_SM_FAILED));
	assert_false(mill_sm_is_down(MILL_SM_BACKOFF) || mill_sm_is_up(MILL_SM_BACKOFF));
}

static void test_step_keeps_time_and_counts(void **state)
{
	struct mill_sm m = {.state = MILL_SM_BACKOFF, .since_ns = 7, .n_exits = 3, .restarts = 2};
	mill_sm_step(&m, MILL_EV_READY, 50); /* nothing changes */
	assert_int_equal(m.since_ns, 7);
	mill_sm_step(&m, MILL_EV_TIMER, 60);
	assert_int_equal(m.since_ns, 60);
	assert_int_equal(m.restarts, 3);
	assert_int_equal(m.n_exits, 3);
	mill_sm_step(&m, MILL_EV_RESTART, 70);
	assert_int_equal(m.restarts, 0);
	assert_int_equal(m.n_exits, 0);
}

/* ---- a walk against a model ---- */

struct world {
	bool process, probing, backoff, asked; /* asked: a TERM was sent to this process */
};

static void act(struct world *w, unsigned a, enum mill_sm_state s)
{
	if (a & MILL_DO_CANCEL)
		w->backoff = false;
	if (a & MILL_DO_STOP_PROBE)
		w->probing = false;
	if (a & MILL_DO_SPAWN) {
		assert_false(w->process); /* never two of one service */
		w->process = true;
		w->asked = false;
	}
	if (a & MILL_DO_TERM) {
		assert_true(w->process);
		w->asked = true;
	}
	if (a & MILL_DO_KILL)
		assert_true(w->asked);
	if (a & MILL_DO_PROBE) {
		assert_false(w->probing);
		w->probing = true;
	}
	if (a & MILL_DO_BACKOFF)
		w->backoff = true;
	assert_int_equal(w->probing, is_watched(s));
	assert_int_equal(w->backoff, s == MILL_SM_BACKOFF);
	assert_int_equal(w->process, mill_sm_is_up(s));
	if (is_ending(s))
		assert_true(w->asked);
}

/* May this event come in that world?  (SPAWNED of an adopted one is left out.) */
static bool can_come(const struct world *w, enum mill_sm_event e, enum mill_sm_state s)
{
	switch (e) {
	case MILL_EV_SPAWNED:
		return w->process && !is_watched(s);
	case MILL_EV_BROKEN:
	case MILL_EV_EXIT_RETRY:
	case MILL_EV_EXIT_LIMIT:
	case MILL_EV_EXIT_DONE:
		return w->process;
	case MILL_EV_READY:
	case MILL_EV_UNREADY:
	case MILL_EV_DEADLINE:
	case MILL_EV_DEAD:
		return w->probing;
	case MILL_EV_TIMER:
		return w->backoff;
	case MILL_EV_STOP_TIMEOUT:
		return is_ending(s);
	default:
		return true;
	}
}

static void test_walk(void **state)
{
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
	struct mill_sm m = {.state = MILL_SM_STOPPED};
	struct world w = {0};
	unsigned visited = 0;
	for (uint64_t step = 1; step <= 200000; step++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		enum mill_sm_event e = (enum mill_sm_event)(random % MILL_SM_N_EVENTS);
		if (!can_come(&w, e, m.state))
			continue;
		if (e >= MILL_EV_BROKEN && e <= MILL_EV_EXIT_DONE)
			w.process = false;
		unsigned a = mill_sm_step(&m, e, step);
		act(&w, a, m.state);
		visited |= 1U << m.state;
	}
	assert_int_equal(visited, (1U << MILL_SM_N_STATES) - 1);
}

/* ---- exits ---- */

static const struct mill_sm_policy usual = {.policy = MILL_RESTART_ALWAYS, .delay_ms = 500, .max_delay_ms = 30000,
					    .window_ms = 120000, .limit = 5};

static void expect(struct mill_sm *m, const struct mill_sm_policy *p, uint64_t at_ms, bool clean,
		   enum mill_sm_event event, uint32_t delay_ms)
{
	uint32_t delay;
	assert_int_equal(mill_sm_judge_exit(m, p, at_ms * MILL_MS, clean, &delay), event);
	assert_int_equal(delay, delay_ms);
}

static void test_backoff_doubles_to_the_limit(void **state)
{
	struct mill_sm m = {0};
	expect(&m, &usual, 200000, false, MILL_EV_EXIT_RETRY, 500);
	expect(&m, &usual, 200001, true, MILL_EV_EXIT_RETRY, 1000);
	expect(&m, &usual, 200002, false, MILL_EV_EXIT_RETRY, 2000);
	expect(&m, &usual, 200003, false, MILL_EV_EXIT_RETRY, 4000);
	expect(&m, &usual, 200004, false, MILL_EV_EXIT_LIMIT, 8000);
}

static void test_delay_has_a_ceiling(void **state)
{
	struct mill_sm m = {0};
	struct mill_sm_policy p = usual;
	p.limit = 0;
	p.max_delay_ms = 1500;
	expect(&m, &p, 1, false, MILL_EV_EXIT_RETRY, 500);
	expect(&m, &p, 2, false, MILL_EV_EXIT_RETRY, 1000);
	for (uint64_t at = 3; at < 200; at++) /* past the ring's end, without a limit */
		expect(&m, &p, at, false, MILL_EV_EXIT_RETRY, 1500);
	p.max_delay_ms = 100; /* below the first delay */
	expect(&m, &p, 200, false, MILL_EV_EXIT_RETRY, 100);
	p.delay_ms = 0;
	expect(&m, &p, 201, false, MILL_EV_EXIT_RETRY, 0);
	p.delay_ms = p.max_delay_ms = UINT32_MAX;
	expect(&m, &p, 202, false, MILL_EV_EXIT_RETRY, UINT32_MAX);
}

static void test_window(void **state)
{
	struct mill_sm m = {0};
	/* Once in a window each: never a crash loop, never a longer delay. */
	for (uint64_t i = 0; i < 100; i++)
		expect(&m, &usual, 1000 + i * 120001, false, MILL_EV_EXIT_RETRY, 500);
	uint64_t last = 1000 + 99 * UINT64_C(120001);
	/* Exactly the window's age still counts. */
	expect(&m, &usual, last + 120000, false, MILL_EV_EXIT_RETRY, 1000);
	assert_int_equal(mill_sm_exits_within(&m, 120000, (last + 120000) * MILL_MS), 2);
	assert_int_equal(mill_sm_exits_within(&m, 120000, (last + 120001) * MILL_MS), 1);
	assert_int_equal(mill_sm_exits_within(&m, 120000, (last + 240001) * MILL_MS), 0);
}

static void test_window_of_weeks(void **state)
{
	struct mill_sm m = {0};
	struct mill_sm_policy p = usual;
	p.window_ms = UINT32_MAX; /* 49 days: in nanoseconds far past 32 bits */
	p.limit = 2;
	expect(&m, &p, 5, false, MILL_EV_EXIT_RETRY, 500);
	expect(&m, &p, UINT32_MAX, false, MILL_EV_EXIT_LIMIT, 1000);
}

static void test_policies(void **state)
{
	struct mill_sm m = {0};
	struct mill_sm_policy p = usual;
	p.policy = MILL_RESTART_ON_FAILURE;
	expect(&m, &p, 1, true, MILL_EV_EXIT_DONE, 500);
	expect(&m, &p, 2, false, MILL_EV_EXIT_RETRY, 1000);
	p.policy = MILL_RESTART_NEVER;
	expect(&m, &p, 3, true, MILL_EV_EXIT_DONE, 2000);
	expect(&m, &p, 4, false, MILL_EV_EXIT_DONE, 4000);
	p.policy = MILL_RESTART_ON_FAILURE;
	expect(&m, &p, 5, false, MILL_EV_EXIT_LIMIT, 8000);
	expect(&m, &p, 6, true, MILL_EV_EXIT_DONE, 16000);
	p = usual;
	p.limit = 1;
	m = (struct mill_sm){0};
	expect(&m, &p, 7, true, MILL_EV_EXIT_LIMIT, 500);
}

/* A limit that the history cannot count to means its size: it is never "no limit". */
static void test_limit_above_the_ring(void **state)
{
	struct mill_sm m = {0};
	struct mill_sm_policy p = usual;
	uint32_t delay;
	p.limit = 1000;
	for (unsigned i = 1; i < MILL_SM_HISTORY; i++)
		assert_int_equal(mill_sm_judge_exit(&m, &p, i, false, &delay), MILL_EV_EXIT_RETRY);
	assert_int_equal(mill_sm_judge_exit(&m, &p, 100, false, &delay), MILL_EV_EXIT_LIMIT);
	assert_int_equal(mill_sm_exits_within(&m, 1, 100), MILL_SM_HISTORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_laws),
		cmocka_unit_test(test_ways_out),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_step_keeps_time_and_counts),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_backoff_doubles_to_the_limit),
		cmocka_unit_test(test_delay_has_a_ceiling),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_of_weeks),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_limit_above_the_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
