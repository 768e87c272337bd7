#include "daemon/service.h"

#include <fcntl.h>
#include <signal.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/proc.h"
#include "daemon/daemon.h"
#include "shim/sys.h"

enum {
	STOP_MARGIN_MS = 3000, /* what a shim may need beyond the grace before it counts as hung */
	KILL_AGAIN_MS = 2000,
	ALIVE_MS = 200,
};

static void arm(struct event *timer, uint64_t ms)
{
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	evtimer_add(timer, &tv);
}

/* ---- probes ---- */

static void begin_readiness(struct mill_service *s);

static void write_probe_event(struct mill_json_writer *w, const void *arg)
{
	const char *const *texts = arg;
	mill_json_kv_string(w, "probe", texts[0]);
	mill_json_kv_string(w, "result", texts[1]);
	mill_json_kv_string(w, "reason", texts[2]);
}

static void on_news(void *arg, struct mill_prober *p, enum mill_prober_news news, const char *text)
{
	struct mill_service *s = arg;
	const char *name = p->target.name;
	if (news == MILL_PROBER_FIRST_FAILURE || news == MILL_PROBER_RECOVERED) {
		const char *texts[] = {name, news == MILL_PROBER_RECOVERED ? "recovered" : "failure", text};
		mill_journal_write(&s->daemon->journal, "probe", s->id, write_probe_event, texts);
	} else if (p == &s->startup) {
		mill_prober_stop(p);
		begin_readiness(s);
	} else if (p == &s->readiness && news == MILL_PROBER_GOOD) {
		mill_service_event(s, MILL_EV_READY, "%s", text);
	} else if (p == &s->readiness) {
		mill_service_event(s, MILL_EV_UNREADY, "readiness: %s", text);
	} else if (news == MILL_PROBER_BAD) {
		mill_service_event(s, MILL_EV_DEAD, "liveness: %s", text);
	}
}

static struct mill_probe_target target_of(const struct mill_service *s, const char *name)
{
	return (struct mill_probe_target){.base = s->daemon->base, .dir = s->dir, .shim = s->daemon->shim, .shim_pid = s->shim_pid,
					  .name = name, .started_ms = s->started_ms, .notified = s->notified};
}

static void start_prober(struct mill_service *s, struct mill_prober *p, const struct mill_spec_probe *probe,
			 const char *name)
{
	struct mill_probe_target target = target_of(s, name);
	mill_prober_start(p, &target, probe, on_news, s);
}

static void begin_readiness(struct mill_service *s)
{
	/* Without a probe, being alive for a moment is all there is to see. */
	static const struct mill_spec_probe alive = {.type = MILL_PROBE_NONE, .initial_delay_ms = ALIVE_MS, .timeout_ms = 1000,
						     .period_ms = 1000, .successes = 1, .failures = 1};
	bool probed = s->spec.readiness.type != MILL_PROBE_NONE;
	start_prober(s, &s->readiness, probed ? &s->spec.readiness : &alive, "readiness");
}

static void begin_probes(struct mill_service *s)
{
	if (s->spec.startup.type != MILL_PROBE_NONE)
		start_prober(s, &s->startup, &s->spec.startup, "startup");
	else
		begin_readiness(s);
}

static void stop_probes(struct mill_service *s)
{
	mill_prober_stop(&s->startup);
	mill_prober_stop(&s->readiness);
	mill_prober_stop(&s->liveness);
}

void mill_service_set_notified(struct mill_service *s)
{
	s->notified = true;
	s->startup.target.notified = s->readiness.target.notified = true;
	if (s->startup.probe && s->startup.probe->type == MILL_PROBE_NOTIFY)
		mill_prober_kick(&s->startup);
	if (s->readiness.probe && s->readiness.probe->type == MILL_PROBE_NOTIFY)
		mill_prober_kick(&s->readiness);
}

char *mill_service_waits_for(const struct mill_service *s)
{
	const struct mill_prober *p = s->startup.probe ? &s->startup : &s->readiness;
	return s->sm.state == MILL_SM_RUNNING && p->failure[0] ? mill_xasprintf("%s probe: %s", p->target.name, p->failure) : NULL;
}

/* ---- timers ---- */

static void on_backoff(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	mill_service_event(arg, MILL_EV_TIMER, "restarted after it had ended");
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct mill_service *s = arg;
	_cleanup_free_ char *waits = mill_service_waits_for(s);
	char text[32];
	(void)fd;
	(void)what;
	mill_service_event(s, MILL_EV_DEADLINE, "not ready within %s%s%s",
			   mill_format_duration(s->spec.deadline_ms * MILL_MS, text, sizeof(text)), waits ? "; " : "",
			   waits ? waits : "");
}

static void on_stop_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	mill_service_event(arg, MILL_EV_STOP_TIMEOUT, "did not end; killed");
}

/* ---- the machine's actions ---- */

static void write_state_event(struct mill_json_writer *w, const void *arg)
{
	const struct mill_service *s = ((const void *const *)arg)[0];
	mill_json_kv_string(w, "from", ((const void *const *)arg)[1]);
	mill_json_kv_string(w, "to", mill_service_state_name(s));
	if (s->reason)
		mill_json_kv_string(w, "reason", s->reason);
	if (s->main_pid)
		mill_json_kv_int(w, "pid", s->main_pid);
	if (s->retry_ms)
		mill_json_kv_int(w, "retry_ms", (int64_t)s->retry_ms);
}

static void arm_deadline(struct mill_service *s)
{
	uint64_t ms = s->spec.deadline_ms;
	if (s->adopted) {
		/* It had its time under another daemon; only what is left of it counts, if any is. */
		uint64_t age = mill_wall_ms() - s->started_ms;
		if (age >= ms)
			return;
		ms -= age;
	}
	if (!evtimer_pending(s->deadline, NULL))
		arm(s->deadline, ms);
}

static void cancel_timers(struct mill_service *s)
{
	evtimer_del(s->backoff);
	evtimer_del(s->deadline);
	evtimer_del(s->stop_timeout);
}

static void act(struct mill_service *s, unsigned actions)
{
	if (actions & MILL_DO_CANCEL)
		cancel_timers(s);
	if (actions & MILL_DO_DISARM)
		evtimer_del(s->deadline);
	if (actions & MILL_DO_STOP_PROBE)
		stop_probes(s);
	if (actions & MILL_DO_TERM) {
		mill_shimctl_signal(s, SIGTERM);
		arm(s->stop_timeout, (uint64_t)s->spec.grace_ms + STOP_MARGIN_MS);
	}
	if (actions & MILL_DO_KILL) {
		mill_shimctl_kill(s);
		arm(s->stop_timeout, KILL_AGAIN_MS);
	}
	if (actions & MILL_DO_BACKOFF)
		arm(s->backoff, s->delay_ms);
	if (actions & MILL_DO_SPAWN) {
		s->adopted = false;
		mill_shimctl_spawn(s);
		if (s->sm.state == MILL_SM_STARTING)
			arm_deadline(s);
	}
	if (actions & MILL_DO_PROBE) {
		arm_deadline(s);
		begin_probes(s);
	}
}

void mill_service_event(struct mill_service *s, enum mill_sm_event e, const char *fmt, ...)
{
	enum mill_sm_state before = s->sm.state;
	const char *from = mill_sm_state_name(before);
	unsigned actions = mill_sm_step(&s->sm, e, mill_now_ns());
	bool changed = !mill_streq(from, mill_service_state_name(s));
	va_list ap;
	if (changed || (s->sm.state != before && fmt)) {
		free(s->reason);
		va_start(ap, fmt);
		s->reason = fmt ? mill_xvasprintf(fmt, ap) : NULL;
		va_end(ap);
	}
	if (!mill_sm_is_up(s->sm.state))
		s->main_pid = 0;
	s->retry_ms = s->sm.state == MILL_SM_BACKOFF ? mill_wall_ms() + s->delay_ms : 0;
	if (changed) {
		const void *arg[] = {s, from};
		s->since_ms = mill_wall_ms();
		mill_journal_write(&s->daemon->journal, "state", s->id, write_state_event, arg);
	}
	act(s, actions);
	if (e == MILL_EV_READY && s->sm.state == MILL_SM_READY && !s->was_ready) {
		s->was_ready = true;
		if (s->spec.liveness.type != MILL_PROBE_NONE)
			start_prober(s, &s->liveness, &s->spec.liveness, "liveness");
	}
	mill_daemon_touch(s->daemon);
}

/* ---- what the shim tells ---- */

void mill_service_running(struct mill_service *s, const char *how)
{
	s->tried++;
	s->was_ready = false;
	mill_service_event(s, MILL_EV_SPAWNED, "%s", how);
}

static void write_gap(struct mill_json_writer *w, const void *arg)
{
	mill_json_kv_int(w, "lost_lines", (int64_t)((const struct mill_service *)arg)->end.lost_lines);
}

static char *describe_end(const struct mill_service *s)
{
	const struct mill_service_end *e = &s->end;
	char text[64];
	if (e->lost)
		return mill_xstrdup("its shim was killed, and the service with it");
	if (e->failed || e->busy)
		return mill_xstrdup(s->failure ? s->failure : "could not be started");
	mill_status_text(e->signal ? e->signal : e->exit_code << 8, text, sizeof(text));
	if (e->leftover)
		return mill_xasprintf("%s, %u processes left over were ended", text, e->leftover);
	return mill_xstrdup(text);
}

static bool judged(enum mill_sm_state state)
{
	return state != MILL_SM_STOPPING && state != MILL_SM_RESTARTING && state != MILL_SM_FAILING;
}

void mill_service_ended(struct mill_service *s)
{
	struct mill_sm_policy policy = {.policy = s->spec.policy, .delay_ms = s->spec.delay_ms,
					.max_delay_ms = s->spec.max_delay_ms, .window_ms = s->spec.window_ms,
					.limit = s->spec.limit};
	_cleanup_free_ char *text = describe_end(s);
	uint64_t now = mill_now_ns();
	bool clean = s->end.known && !s->end.signal && s->end.exit_code == 0 && s->sm.state != MILL_SM_RECOVERING;
	if (s->sm.state == MILL_SM_STARTING)
		s->tried++;
	if (s->end.lost_lines)
		mill_journal_write(&s->daemon->journal, "log", s->id, write_gap, s);
	if (s->end.failed && !s->end.retry) {
		mill_service_event(s, MILL_EV_BROKEN, "%s", text);
		return;
	}
	if (!judged(s->sm.state)) {
		/* What it was stopped for stays the reason of a failed one. */
		_cleanup_free_ char *why = s->sm.state == MILL_SM_FAILING && s->reason ? mill_xstrdup(s->reason) : NULL;
		mill_service_event(s, MILL_EV_EXIT_DONE, "%s", why ? why : text);
		return;
	}
	enum mill_sm_event e = mill_sm_judge_exit(&s->sm, &policy, now, clean, &s->delay_ms);
	if (e == MILL_EV_EXIT_LIMIT) {
		char window[32];
		mill_format_duration(policy.window_ms * MILL_MS, window, sizeof(window));
		mill_service_event(s, e, "crash loop: %u exits in %s; last: %s",
				   mill_sm_exits_within(&s->sm, policy.window_ms, now), window, text);
	} else {
		mill_service_event(s, e, "%s", text);
	}
}

/* ---- the object ---- */

struct mill_service *mill_service_new(struct mill_daemon *d, const char *id)
{
	struct mill_service *s = mill_xcalloc(1, sizeof(*s));
	s->daemon = d;
	s->id = mill_xstrdup(id);
	s->dir = mill_xasprintf("%s/services/%s", d->platform_dir, id);
	s->pidfd = s->report_fd = -1;
	s->since_ms = mill_wall_ms();
	mill_strbuf_init(&s->report, 8192);
	s->backoff = evtimer_new(d->base, on_backoff, s);
	s->deadline = evtimer_new(d->base, on_deadline, s);
	s->stop_timeout = evtimer_new(d->base, on_stop_timeout, s);
	if (!s->backoff || !s->deadline || !s->stop_timeout)
		BUG("no memory for an event");
	return s;
}

struct mill_service *mill_service_free(struct mill_service *s)
{
	if (!s)
		return NULL;
	stop_probes(s);
	mill_shimctl_release(s);
	event_free(s->backoff);
	event_free(s->deadline);
	event_free(s->stop_timeout);
	mill_strbuf_release(&s->report);
	mill_strv_release(&s->after);
	mill_spec_release(&s->spec);
	free(s->id);
	free(s->dir);
	free(s->reason);
	free(s->fingerprint);
	free(s->failure);
	free(s);
	return NULL;
}

int mill_service_load_spec(struct mill_service *s, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(s->dir, "spec.json");
	struct mill_spec spec;
	int rc = mill_spec_load(path, true, &spec, err);
	if (rc < 0)
		return rc;
	if (!mill_streq(spec.id, s->id) || !mill_streq(spec.dir, s->dir) ||
	    !mill_streq(spec.platform_dir, s->daemon->platform_dir)) {
		mill_spec_release(&spec);
		return mill_fail(err, EINVAL, "%s belongs to another service or platform", path);
	}
	stop_probes(s); /* they borrow the old one */
	mill_spec_release(&s->spec);
	s->spec = spec;
	return 0;
}

int mill_service_reload(struct mill_service *s, struct mill_error *err)
{
	if (!s->main_pid)
		return mill_fail(err, ESRCH, "%s is not running", s->id);
	if (!s->spec.reload_signal)
		return mill_fail(err, EOPNOTSUPP, "%s has no reload signal", s->id);
	_cleanup_close_ int fd = mill_sys_pidfd(s->main_pid, s->main_start);
	if (fd < 0 || mill_sys_pidfd_kill(fd, s->spec.reload_signal) < 0)
		return mill_fail(err, ESRCH, "%s has just ended", s->id);
	mill_journal_write(&s->daemon->journal, "reload", s->id, NULL, NULL);
	return 0;
}
