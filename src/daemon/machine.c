#include "daemon/machine.h"

#include "base/clock.h"

struct cell {
	uint8_t next;
	uint16_t actions;
};

/* Short names keep the table readable as a table. */
#define S MILL_SM_STOPPED
#define G MILL_SM_STARTING
#define R MILL_SM_RUNNING
#define Y MILL_SM_READY
#define U MILL_SM_UNHEALTHY
#define B MILL_SM_BACKOFF
#define F MILL_SM_FAILED
#define TO MILL_SM_STOPPING
#define RE MILL_SM_RESTARTING
#define RC MILL_SM_RECOVERING
#define FG MILL_SM_FAILING

#define SPAWN MILL_DO_SPAWN
#define TERM MILL_DO_TERM
#define KILL MILL_DO_KILL
#define BACK (MILL_DO_BACKOFF | MILL_DO_CANCEL | MILL_DO_STOP_PROBE)
#define OFF (MILL_DO_CANCEL | MILL_DO_STOP_PROBE)
#define PROBE MILL_DO_PROBE
#define NEW (MILL_DO_SPAWN | MILL_DO_FORGET | MILL_DO_CANCEL)
#define AGAIN (MILL_DO_SPAWN | MILL_DO_COUNT | MILL_DO_CANCEL | MILL_DO_STOP_PROBE)
#define END (MILL_DO_TERM | MILL_DO_STOP_PROBE | MILL_DO_CANCEL)
#define REDO (END | MILL_DO_FORGET)

/* A pair that cannot happen, or that changes nothing, stays where it is. */
#define STAY(s) {s, 0}

/* clang-format off */
static const struct cell table[MILL_SM_N_STATES][MILL_SM_N_EVENTS] = {
/*          START       STOP        RESTART     SPAWNED     BROKEN      EXIT_RETRY  EXIT_LIMIT  EXIT_DONE   READY                UNREADY     DEADLINE    DEAD        TIMER       STOP_TIMEOUT */
[S]  = { {G,  NEW},  STAY(S),    {G,  NEW},  {R, PROBE}, STAY(S),    STAY(S),    STAY(S),    STAY(S),    STAY(S),             STAY(S),    STAY(S),    STAY(S),    STAY(S),    STAY(S) },
[G]  = { STAY(G),    {TO, END},  {RE, REDO}, {R, PROBE}, {F, OFF},   {B, BACK},  {F, OFF},   {S, OFF},   STAY(G),             STAY(G),    {FG, END},  STAY(G),    STAY(G),    STAY(G) },
[R]  = { STAY(R),    {TO, END},  {RE, REDO}, STAY(R),    {F, OFF},   {B, BACK},  {F, OFF},   {S, OFF},   {Y, MILL_DO_DISARM}, STAY(R),    {FG, END},  {RC, END},  STAY(R),    STAY(R) },
[Y]  = { STAY(Y),    {TO, END},  {RE, REDO}, STAY(Y),    {F, OFF},   {B, BACK},  {F, OFF},   {S, OFF},   STAY(Y),             {U, 0},     STAY(Y),    {RC, END},  STAY(Y),    STAY(Y) },
[U]  = { STAY(U),    {TO, END},  {RE, REDO}, STAY(U),    {F, OFF},   {B, BACK},  {F, OFF},   {S, OFF},   {Y, 0},              STAY(U),    STAY(U),    {RC, END},  STAY(U),    STAY(U) },
[B]  = { {G,  NEW},  {S,  OFF},  {G,  NEW},  {R, PROBE}, {F, OFF},   STAY(B),    STAY(B),    STAY(B),    STAY(B),             STAY(B),    STAY(B),    STAY(B),    {G, AGAIN}, STAY(B) },
[F]  = { {G,  NEW},  {S,  OFF},  {G,  NEW},  {R, PROBE}, STAY(F),    STAY(F),    STAY(F),    STAY(F),    STAY(F),             STAY(F),    STAY(F),    STAY(F),    STAY(F),    STAY(F) },
[TO] = { {RE, 0},    STAY(TO),   {RE, 0},    {TO, TERM}, {S, OFF},   {S, OFF},   {S, OFF},   {S, OFF},   STAY(TO),            STAY(TO),   STAY(TO),   STAY(TO),   STAY(TO),   {TO, KILL} },
[RE] = { STAY(RE),   {TO, 0},    STAY(RE),   {RE, TERM}, {F, OFF},   {G, NEW},   {G, NEW},   {G, NEW},   STAY(RE),            STAY(RE),   STAY(RE),   STAY(RE),   STAY(RE),   {RE, KILL} },
[RC] = { {RE, 0},    {TO, 0},    {RE, 0},    {RC, TERM}, {F, OFF},   {B, BACK},  {F, OFF},   {F, OFF},   STAY(RC),            STAY(RC),   STAY(RC),   STAY(RC),   STAY(RC),   {RC, KILL} },
[FG] = { {RE, 0},    {TO, 0},    {RE, 0},    {FG, TERM}, {F, OFF},   {F, OFF},   {F, OFF},   {F, OFF},   STAY(FG),            STAY(FG),   STAY(FG),   STAY(FG),   STAY(FG),   {FG, KILL} },
};
/* clang-format on */

enum mill_sm_state mill_sm_next(enum mill_sm_state s, enum mill_sm_event e, unsigned *ret_actions)
{
	if ((unsigned)s >= MILL_SM_N_STATES || (unsigned)e >= MILL_SM_N_EVENTS)
		BUG("state %d, event %d", (int)s, (int)e);
	*ret_actions = table[s][e].actions;
	return (enum mill_sm_state)table[s][e].next;
}

unsigned mill_sm_step(struct mill_sm *m, enum mill_sm_event e, uint64_t now_ns)
{
	unsigned actions;
	enum mill_sm_state next = mill_sm_next(m->state, e, &actions);
	if (next != m->state)
		m->since_ns = now_ns;
	m->state = next;
	if (actions & MILL_DO_FORGET)
		m->n_exits = m->restarts = 0;
	if (actions & MILL_DO_COUNT)
		m->restarts++;
	return actions;
}

unsigned mill_sm_exits_within(const struct mill_sm *m, uint32_t window_ms, uint64_t now_ns)
{
	unsigned kept = m->n_exits < MILL_SM_HISTORY ? m->n_exits : MILL_SM_HISTORY;
	unsigned n = 0;
	while (n < kept && now_ns - m->exits[(m->n_exits - 1 - n) % MILL_SM_HISTORY] <= window_ms * MILL_MS)
		n++;
	return n;
}

enum mill_sm_event mill_sm_judge_exit(struct mill_sm *m, const struct mill_sm_policy *p, uint64_t now_ns,
				      bool clean, uint32_t *ret_delay_ms)
{
	m->exits[m->n_exits++ % MILL_SM_HISTORY] = now_ns;
	unsigned n = mill_sm_exits_within(m, p->window_ms, now_ns);
	uint64_t delay = p->delay_ms;
	for (unsigned i = 1; i < n && delay < p->max_delay_ms; i++)
		delay *= 2;
	*ret_delay_ms = delay > p->max_delay_ms ? p->max_delay_ms : (uint32_t)delay;
	if (p->policy == MILL_RESTART_NEVER || (p->policy == MILL_RESTART_ON_FAILURE && clean))
		return MILL_EV_EXIT_DONE;
	/* The history is a ring: a limit above its size means its size. */
	unsigned limit = p->limit > MILL_SM_HISTORY ? MILL_SM_HISTORY : p->limit;
	return limit && n >= limit ? MILL_EV_EXIT_LIMIT : MILL_EV_EXIT_RETRY;
}

const char *mill_sm_state_name(enum mill_sm_state s)
{
	static const char *const names[MILL_SM_N_STATES] = {
		[S] = "stopped",  [G] = "starting", [R] = "running",   [Y] = "ready",	  [U] = "unhealthy", [B] = "backoff",
		[F] = "failed",	  [TO] = "stopping", [RE] = "stopping", [RC] = "stopping", [FG] = "stopping",
	};
	return names[s];
}

bool mill_sm_is_up(enum mill_sm_state s)
{
	return s != S && s != B && s != F;
}

bool mill_sm_is_down(enum mill_sm_state s)
{
	return s == S || s == F;
}
