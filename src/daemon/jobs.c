#include "daemon/jobs.h"

#include "base/io.h"
#include "daemon/control.h"
#include "daemon/daemon.h"

#define LOG_LINES 10

enum item_state { ITEM_WAITING, ITEM_ASKED, ITEM_DONE };

struct item {
	char *id;
	struct mill_service *service; /* NULL: unknown */
	enum item_state state;
	bool ok;
	unsigned tried; /* its counter when asked */
	char *error;
};

struct mill_job {
	struct mill_job *next;
	struct mill_daemon *daemon;
	enum mill_job_kind kind;
	uint64_t client;
	int64_t request;
	struct item *items;
	size_t n;
	struct event *timeout;
};

static struct item *item_of(struct mill_job *j, const char *id)
{
	for (size_t i = 0; i < j->n; i++) {
		if (mill_streq(j->items[i].id, id))
			return &j->items[i];
	}
	return NULL;
}

static void MILL_PRINTF(3, 4) item_end(struct item *it, bool ok, const char *fmt, ...)
{
	va_list ap;
	it->state = ITEM_DONE;
	it->ok = ok;
	if (ok)
		return;
	va_start(ap, fmt);
	it->error = mill_xvasprintf(fmt, ap);
	va_end(ap);
}

static const char *reason_of(const struct mill_service *s)
{
	return s->reason ? s->reason : mill_service_state_name(s);
}

/* ---- start ---- */

/* True when nothing in the way is left; a dependency that failed ends the item. */
static bool start_is_free(struct mill_job *j, struct item *it, bool cut)
{
	for (size_t i = 0; i < it->service->after.n; i++) {
		struct item *dep = item_of(j, it->service->after.items[i]);
		if (!dep || dep == it || !dep->service)
			continue;
		if (dep->state == ITEM_DONE && !dep->ok) {
			item_end(it, false, "not started: %s, which it comes after, did not start", dep->id);
			return false;
		}
		if (mill_sm_is_down(dep->service->sm.state) && dep->state == ITEM_DONE) {
			item_end(it, false, "not started: %s, which it comes after, is %s (%s)", dep->id,
				 mill_service_state_name(dep->service), reason_of(dep->service));
			return false;
		}
		if (!cut && dep->service->sm.state != MILL_SM_READY)
			return false;
	}
	return true;
}

/* A service that runs is started anew only when its spec has another fingerprint by now. */
static bool runs_as_wanted(struct mill_service *s)
{
	_cleanup_free_ char *path = mill_path_join(s->dir, "spec.json");
	_cleanup_spec_ struct mill_spec spec = {0};
	return mill_spec_load(path, true, &spec, NULL) < 0 || mill_streq(s->fingerprint, spec.fingerprint);
}

static void ask_start(struct mill_job *j, struct item *it)
{
	struct mill_service *s = it->service;
	enum mill_sm_state state = s->sm.state;
	it->tried = s->tried;
	it->state = ITEM_ASKED;
	if (j->kind == MILL_JOB_RESTART) {
		mill_service_event(s, MILL_EV_RESTART, "restart was asked for");
	} else if (state == MILL_SM_RUNNING || state == MILL_SM_READY || state == MILL_SM_UNHEALTHY) {
		if (runs_as_wanted(s))
			item_end(it, true, NULL);
		else
			mill_service_event(s, MILL_EV_RESTART, "its definition has changed");
	} else {
		mill_service_event(s, MILL_EV_START, "start was asked for");
	}
}

static void look_at_start(struct mill_job *j, struct item *it, bool cut)
{
	struct mill_service *s = it->service;
	if (it->state == ITEM_WAITING && (j->kind == MILL_JOB_RESTART || start_is_free(j, it, cut)))
		ask_start(j, it);
	if (it->state != ITEM_ASKED)
		return;
	if (s->sm.state == MILL_SM_FAILED || s->sm.state == MILL_SM_STOPPED)
		item_end(it, false, "%s", reason_of(s));
	else if (s->tried != it->tried && s->sm.state == MILL_SM_BACKOFF)
		item_end(it, false, "%s", reason_of(s));
	else if (s->tried != it->tried && s->sm.state != MILL_SM_STARTING)
		item_end(it, true, NULL);
}

/* ---- stop ---- */

static bool comes_after(const struct mill_service *s, const char *id)
{
	return mill_strv_contains(&s->after, id);
}

static bool stop_is_free(struct mill_job *j, const struct item *it)
{
	for (size_t i = 0; i < j->n; i++) {
		struct item *other = &j->items[i];
		if (other != it && other->service && other->state != ITEM_DONE && comes_after(other->service, it->id))
			return false;
	}
	return true;
}

static void look_at_stop(struct mill_job *j, struct item *it, bool cut)
{
	struct mill_service *s = it->service;
	if (it->state == ITEM_WAITING && (cut || stop_is_free(j, it))) {
		it->state = ITEM_ASKED;
		if (s->sm.state != MILL_SM_STOPPED)
			mill_service_event(s, MILL_EV_STOP, "stop was asked for");
	}
	if (it->state == ITEM_ASKED && mill_sm_is_down(s->sm.state))
		item_end(it, true, NULL);
	else if (it->state == ITEM_ASKED && s->sm.state != MILL_SM_STOPPING)
		item_end(it, false, "%s: started again by another request", mill_service_state_name(s));
}

/* ---- wait ---- */

static void look_at_wait(struct mill_job *j, struct item *it)
{
	struct mill_service *s = it->service;
	enum mill_sm_state state = s->sm.state;
	if (j->kind == MILL_JOB_WAIT_STOPPED) {
		if (mill_sm_is_down(state))
			item_end(it, true, NULL);
	} else if (state == MILL_SM_READY) {
		item_end(it, true, NULL);
	} else if (state == MILL_SM_FAILED) {
		item_end(it, false, "%s", reason_of(s));
	} else if (state == MILL_SM_STOPPED && !mill_jobs_start_pending(j->daemon, s)) {
		item_end(it, false, "stopped (%s)", reason_of(s));
	}
}

/* ---- answers ---- */

static void write_item(const struct mill_job *j, const struct item *it, struct mill_json_writer *w)
{
	bool waits = j->kind == MILL_JOB_WAIT_READY || j->kind == MILL_JOB_WAIT_STOPPED;
	mill_json_begin_object(w);
	mill_json_kv_string(w, "id", it->id);
	mill_json_kv_bool(w, "ok", it->ok);
	if (it->error)
		mill_json_kv_string(w, waits ? "reason" : "error", it->error);
	if (it->service) {
		mill_json_kv_string(w, "state", mill_service_state_name(it->service));
		if (!it->ok) {
			mill_json_key(w, "log");
			mill_service_write_log(it->service, w, LOG_LINES);
		}
	}
	mill_json_end_object(w);
}

static void answer(struct mill_job *j)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	if (!j->client)
		return;
	mill_control_begin_answer(&w, &b, j->request);
	mill_json_key(&w, "results");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < j->n; i++)
		write_item(j, &j->items[i], &w);
	mill_json_end_array(&w);
	mill_control_send(j->daemon->control, j->client, &w);
}

static void job_free(struct mill_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->items[i].id);
		free(j->items[i].error);
	}
	free(j->items);
	if (j->timeout)
		event_free(j->timeout);
	free(j);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct mill_job *j = arg;
	(void)fd;
	(void)what;
	for (size_t i = 0; i < j->n; i++) {
		struct item *it = &j->items[i];
		if (it->state == ITEM_DONE)
			continue;
		_cleanup_free_ char *waits = mill_service_waits_for(it->service);
		const char *why = waits ? waits : it->service->reason;
		item_end(it, false, "timeout: still %s%s%s", mill_service_state_name(it->service), why ? ", " : "", why ? why : "");
	}
	mill_daemon_touch(j->daemon);
}

/* ---- the list ---- */

static bool job_step(struct mill_job *j, bool cut)
{
	bool moved = false;
	for (size_t i = 0; i < j->n; i++) {
		struct item *it = &j->items[i];
		enum item_state before = it->state;
		if (before == ITEM_DONE)
			continue;
		if (j->kind == MILL_JOB_START || j->kind == MILL_JOB_RESTART)
			look_at_start(j, it, cut);
		else if (j->kind == MILL_JOB_STOP || j->kind == MILL_JOB_DOWN)
			look_at_stop(j, it, cut);
		else
			look_at_wait(j, it);
		moved |= it->state != before;
		if (cut && moved)
			break; /* one is enough to go on without cutting */
	}
	return moved;
}

static size_t count_items(const struct mill_job *j, enum item_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < j->n; i++)
		n += j->items[i].state == state;
	return n;
}

/* Nothing is under way and some still wait for each other: a cycle. */
static bool is_stuck(const struct mill_job *j)
{
	if (count_items(j, ITEM_WAITING) == 0 || count_items(j, ITEM_ASKED) > 0)
		return false;
	if (j->kind == MILL_JOB_STOP || j->kind == MILL_JOB_DOWN)
		return true;
	if (j->kind != MILL_JOB_START)
		return false;
	/* A started one that is not ready yet is under way as well. */
	for (size_t i = 0; i < j->n; i++) {
		const struct item *it = &j->items[i];
		if (it->state == ITEM_DONE && it->service && it->service->sm.state != MILL_SM_READY &&
		    !mill_sm_is_down(it->service->sm.state))
			return false;
	}
	return true;
}

static bool job_look(struct mill_job *j)
{
	while (job_step(j, false) || (is_stuck(j) && job_step(j, true)))
		;
	return count_items(j, ITEM_DONE) == j->n;
}

void mill_jobs_look(struct mill_daemon *d)
{
	for (struct mill_job **at = &d->jobs; *at;) {
		struct mill_job *j = *at;
		if (!job_look(j)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		answer(j);
		if (j->kind == MILL_JOB_DOWN)
			mill_daemon_leave(d);
		job_free(j);
	}
}

void mill_job_add(struct mill_daemon *d, enum mill_job_kind kind, const struct mill_strv *ids, uint32_t timeout_ms,
		  uint64_t client, int64_t request)
{
	struct mill_job *j = mill_xcalloc(1, sizeof(*j));
	struct mill_job **end = &d->jobs;
	*j = (struct mill_job){.daemon = d, .kind = kind, .client = client, .request = request, .n = ids->n};
	j->items = mill_xcalloc(ids->n ? ids->n : 1, sizeof(*j->items));
	for (size_t i = 0; i < ids->n; i++) {
		struct item *it = &j->items[i];
		bool starts = kind == MILL_JOB_START || kind == MILL_JOB_RESTART;
		it->id = mill_xstrdup(ids->items[i]);
		it->service = starts ? mill_daemon_know(d, it->id) : mill_daemon_find(d, it->id);
		if (!it->service && (kind == MILL_JOB_STOP || kind == MILL_JOB_WAIT_STOPPED))
			item_end(it, true, NULL); /* what is unknown does not run */
		else if (!it->service)
			item_end(it, false, "there is no such service on this platform");
	}
	if (timeout_ms) {
		struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
		j->timeout = evtimer_new(d->base, on_timeout, j);
		evtimer_add(j->timeout, &tv);
	}
	while (*end)
		end = &(*end)->next;
	*end = j;
	mill_daemon_touch(d);
}

void mill_jobs_client_gone(struct mill_daemon *d, uint64_t client)
{
	for (struct mill_job *j = d->jobs; j; j = j->next) {
		if (j->client != client)
			continue;
		j->client = 0;
		for (size_t i = 0; i < j->n; i++) {
			struct item *it = &j->items[i];
			bool waits = j->kind == MILL_JOB_WAIT_READY || j->kind == MILL_JOB_WAIT_STOPPED;
			if (it->state != ITEM_DONE && (waits || (j->kind == MILL_JOB_START && it->state == ITEM_WAITING)))
				item_end(it, false, "nobody waits for it any more");
		}
	}
	mill_daemon_touch(d);
}

bool mill_jobs_start_pending(const struct mill_daemon *d, const struct mill_service *s)
{
	for (const struct mill_job *j = d->jobs; j; j = j->next) {
		for (size_t i = 0; i < j->n && j->kind == MILL_JOB_START; i++) {
			if (j->items[i].service == s && j->items[i].state == ITEM_WAITING)
				return true;
		}
	}
	return false;
}

void mill_jobs_release(struct mill_daemon *d)
{
	while (d->jobs) {
		struct mill_job *j = d->jobs;
		d->jobs = j->next;
		job_free(j);
	}
}
