#include "daemon/prober.h"

#include "daemon/listener.h"

enum { FAST_FIRST_MS = 25, FAST_FIRST_EXEC_MS = 250 };

static void arm(struct mill_prober *p, uint32_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	evtimer_add(p->timer, &tv);
}

static uint32_t next_delay(struct mill_prober *p)
{
	uint32_t delay = p->next_ms;
	if (p->was_good || delay >= p->probe->period_ms)
		return p->probe->period_ms;
	p->next_ms += p->next_ms / 2;
	return delay;
}

static void count(struct mill_prober *p, bool ok, const char *text)
{
	if (ok) {
		bool had_failed = p->failures > 0 && p->was_good && !p->bad;
		p->failures = 0;
		p->successes++;
		if (had_failed)
			p->news(p->arg, p, MILL_PROBER_RECOVERED, text);
		if (!p->good && p->successes >= p->probe->successes) {
			p->good = p->was_good = true;
			p->bad = false;
			p->news(p->arg, p, MILL_PROBER_GOOD, text);
		}
		return;
	}
	p->successes = 0;
	p->failures++;
	snprintf(p->failure, sizeof(p->failure), "%s", text);
	if (p->failures == 1 && p->was_good)
		p->news(p->arg, p, MILL_PROBER_FIRST_FAILURE, text);
	if (!p->bad && (p->was_good || p->counts_from_start) && p->failures >= p->probe->failures) {
		p->good = false;
		p->bad = true;
		p->news(p->arg, p, MILL_PROBER_BAD, text);
	}
}

/* What answers for the first time may be a stranger who took the port meanwhile: says so in buf. */
static bool is_foreign(const struct mill_prober *p, char *buf, size_t len)
{
	if (p->was_good || (p->probe->type != MILL_PROBE_HTTP && p->probe->type != MILL_PROBE_TCP))
		return false;
	pid_t pid = mill_listener_stranger(p->probe->port, p->target.shim_pid);
	if (pid)
		snprintf(buf, len, "port %u is held by pid %d, which is not this service", p->probe->port, (int)pid);
	return pid != 0;
}

static void on_done(void *arg, bool ok, const char *text)
{
	struct mill_prober *p = arg;
	const struct mill_spec_probe *probe = p->probe;
	char foreign[96];
	p->running = NULL;
	arm(p, next_delay(p));
	if (ok && is_foreign(p, foreign, sizeof(foreign)))
		count(p, false, foreign);
	else
		count(p, ok, text);
	/* These say nothing more once they are good: no wake-ups for them. */
	if (p->probe == probe && probe && p->good &&
	    (probe->type == MILL_PROBE_NOTIFY || probe->type == MILL_PROBE_LOG || probe->type == MILL_PROBE_NONE))
		evtimer_del(p->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mill_prober *p = arg;
	(void)fd;
	(void)what;
	if (!p->running)
		p->running = mill_probe_try_start(&p->target, p->probe, on_done, p);
}

void mill_prober_start(struct mill_prober *p, const struct mill_probe_target *target, const struct mill_spec_probe *probe,
		       void (*news)(void *, struct mill_prober *, enum mill_prober_news, const char *), void *arg)
{
	mill_prober_stop(p);
	p->probe = probe;
	p->target = *target;
	p->news = news;
	p->arg = arg;
	p->counts_from_start = mill_streq(target->name, "liveness");
	p->next_ms = probe->type == MILL_PROBE_EXEC ? FAST_FIRST_EXEC_MS : FAST_FIRST_MS;
	if (p->counts_from_start)
		p->next_ms = probe->period_ms;
	p->timer = evtimer_new(target->base, on_timer, p);
	if (!p->timer)
		BUG("no memory for an event");
	arm(p, probe->initial_delay_ms);
}

void mill_prober_stop(struct mill_prober *p)
{
	mill_probe_try_cancel(p->running);
	if (p->timer)
		event_free(p->timer);
	memset(p, 0, sizeof(*p));
}

void mill_prober_kick(struct mill_prober *p)
{
	if (!p->probe)
		return;
	mill_probe_try_cancel(p->running);
	p->running = NULL;
	arm(p, 0);
}
