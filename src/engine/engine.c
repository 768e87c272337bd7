/*
 * One coordinator (the caller's thread) owns the graph and calls on_event;
 * workers only run an action and report through `lock` and `wake`.  Progress is
 * kept as the latest of each action, not queued, so that a slow terminal
 * cannot make memory grow.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "engine/engine.h"

#include "base/clock.h"
#include "base/proc.h"
#include "engine/dag.h"

#define THREADS_MAX 256
#define STACK_BYTES ((size_t)1 << 20) /* enough for a TLS handshake; 256 of them are only address space */
#define TEXT_MAX 256

enum state { WAITING, QUEUED, RUNNING, FINISHED, SETTLED };

struct mill_progress {
	struct engine *engine;
	const struct mill_action *action;
	pthread_t thread;
	enum state state;
	uint64_t begin_ns;
	bool told_queued;
	/* under engine->lock */
	bool fresh; /* text and fraction not told yet */
	double fraction;
	char text[TEXT_MAX];
	int result;
	struct mill_error error;
};

struct engine {
	const struct mill_plan *plan;
	const struct mill_executor *x;
	const struct mill_engine_options *o;
	struct mill_engine_result *counts;
	struct mill_dag graph;
	struct mill_progress *actions;
	struct mill_idheap installs, others; /* ready, by id */
	unsigned active[THREADS_MAX]; /* ids that run, ascending */
	unsigned jobs, running_installs, running;
	bool cancelled;
	int wake_fd, cancel_fd; /* eventfds: workers -> coordinator, coordinator -> executors */
	pthread_mutex_t lock;
};

static void emit(struct engine *e, unsigned id, enum mill_event_kind kind, const char *text, double fraction)
{
	if (!e->o->on_event)
		return;
	const struct mill_progress *p = &e->actions[id];
	struct mill_event event = {.kind = kind, .action = p->action, .text = text, .fraction = fraction};
	if (p->begin_ns)
		event.elapsed_ns = mill_now_ns() - p->begin_ns;
	if (kind == MILL_EVENT_FAILED)
		event.error = &p->error;
	e->o->on_event(e->o->arg, &event);
}

static void notify(int fd)
{
	uint64_t one = 1;
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void mill_progress_report(struct mill_progress *p, double fraction, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!p) /* outside an engine: nobody asks */
		return;
	pthread_mutex_lock(&p->engine->lock);
	bool told = p->fresh;
	memcpy(p->text, text, sizeof(text));
	p->fraction = fraction;
	p->fresh = true;
	pthread_mutex_unlock(&p->engine->lock);
	if (!told)
		notify(p->engine->wake_fd);
}

int mill_progress_cancel_fd(const struct mill_progress *p)
{
	return p ? p->engine->cancel_fd : -1;
}

static void *work(void *arg)
{
	struct mill_progress *p = arg;
	struct mill_error error = {0};
	int r = p->engine->x->run(p->engine->x->arg, p->action, p, &error);
	pthread_mutex_lock(&p->engine->lock);
	p->result = r;
	p->error = error;
	p->state = FINISHED;
	pthread_mutex_unlock(&p->engine->lock);
	notify(p->engine->wake_fd);
	return NULL;
}

static int start_thread(struct mill_progress *p)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	/* Signals are the coordinator's: its signalfd is how a run is cancelled. */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&p->thread, &attr, work, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static void skip_dependants(struct engine *e, unsigned failed)
{
	char because[TEXT_MAX];
	const struct mill_action *a = &e->plan->actions[failed];
	snprintf(because, sizeof(because), "%s %s%s%s failed", mill_action_verb(a->kind),
		 a->component ? a->component : "", a->component && a->name ? "." : "", a->name ? a->name : "");
	struct mill_idheap todo = {0};
	mill_idheap_push(&todo, failed);
	unsigned id;
	while (mill_idheap_pop(&todo, &id)) {
		for (size_t i = 0; i < mill_dag_n_dependants(&e->graph, id); i++) {
			unsigned next = mill_dag_dependant(&e->graph, id, i);
			if (e->actions[next].state != WAITING)
				continue;
			e->actions[next].state = SETTLED;
			e->counts->skipped++;
			emit(e, next, MILL_EVENT_SKIPPED, because, -1);
			mill_idheap_push(&todo, next);
		}
	}
	mill_idheap_release(&todo);
}

static void make_ready(struct engine *e, unsigned id)
{
	e->actions[id].state = QUEUED;
	bool install = e->plan->actions[id].kind == MILL_ACTION_INSTALL;
	mill_idheap_push(install ? &e->installs : &e->others, id);
}

static void settle(struct engine *e, unsigned id)
{
	struct mill_progress *p = &e->actions[id];
	p->state = SETTLED;
	if (p->result == 0) {
		e->counts->done++;
		emit(e, id, MILL_EVENT_DONE, p->text[0] ? p->text : NULL, 1);
		for (size_t i = 0; i < mill_dag_n_dependants(&e->graph, id); i++) {
			unsigned next = mill_dag_dependant(&e->graph, id, i);
			if (--e->graph.waits_for[next] == 0 && e->actions[next].state == WAITING)
				make_ready(e, next);
		}
	} else if (e->cancelled && p->result == -ECANCELED) {
		e->counts->cancelled++;
		emit(e, id, MILL_EVENT_CANCELLED, NULL, -1);
	} else {
		if (!p->error.message)
			mill_fail_errno(&p->error, p->result < 0 ? -p->result : EIO, "%s",
					mill_action_verb(p->action->kind));
		e->counts->failed++;
		emit(e, id, MILL_EVENT_FAILED, p->error.message, -1);
		skip_dependants(e, id);
	}
	mill_error_release(&p->error);
}

static void start_one(struct engine *e, unsigned id)
{
	struct mill_progress *p = &e->actions[id];
	bool install = p->action->kind == MILL_ACTION_INSTALL;
	p->state = RUNNING;
	p->begin_ns = mill_now_ns();
	emit(e, id, MILL_EVENT_BEGIN, p->action->reason, -1);
	int r = start_thread(p);
	if (r < 0) {
		p->result = mill_fail_errno(&p->error, -r, "start a thread");
		settle(e, id);
		return;
	}
	e->running_installs += install;
	unsigned i = e->running++;
	for (; i > 0 && e->active[i - 1] > id; i--)
		e->active[i] = e->active[i - 1];
	e->active[i] = id;
}

static void forget_active(struct engine *e, unsigned i)
{
	e->running--;
	memmove(&e->active[i], &e->active[i + 1], (e->running - i) * sizeof(e->active[0]));
}

/* Installs that must wait for their turn are said once; what starts at once is not. */
static void tell_queued(struct engine *e)
{
	for (size_t i = 0; i < e->installs.n; i++) {
		struct mill_progress *p = &e->actions[e->installs.items[i]];
		if (!p->told_queued)
			emit(e, p->action->id, MILL_EVENT_QUEUED, NULL, -1);
		p->told_queued = true;
	}
}

static void start_ready(struct engine *e)
{
	unsigned id;
	while (!e->cancelled && e->running < (e->o->serial ? 1 : THREADS_MAX)) {
		/* What waits on others goes first: it takes no processor. */
		if (mill_idheap_pop(&e->others, &id) ||
		    (e->running_installs < e->jobs && mill_idheap_pop(&e->installs, &id)))
			start_one(e, id);
		else
			break;
	}
	if (!e->cancelled)
		tell_queued(e);
}

static bool may_cancel(struct engine *e, unsigned id)
{
	pthread_mutex_lock(&e->lock);
	bool ret = e->actions[id].state == WAITING || e->actions[id].state == QUEUED;
	pthread_mutex_unlock(&e->lock);
	return ret;
}

static void cancel(struct engine *e)
{
	e->cancelled = true;
	notify(e->cancel_fd);
	for (unsigned id = 0; id < e->plan->n_actions; id++)
		if (may_cancel(e, id)) {
			e->actions[id].state = SETTLED;
			e->counts->cancelled++;
			emit(e, id, MILL_EVENT_CANCELLED, NULL, -1);
		}
}

/* What an action said and whether it ended, taken together so that its last words are not lost. */
static bool take_news(struct engine *e, struct mill_progress *p, char text[TEXT_MAX], double *ret_fraction,
		      bool *ret_finished)
{
	pthread_mutex_lock(&e->lock);
	bool fresh = p->fresh;
	p->fresh = false;
	*ret_finished = p->state == FINISHED;
	*ret_fraction = p->fraction;
	memcpy(text, p->text, TEXT_MAX);
	pthread_mutex_unlock(&e->lock);
	return fresh;
}

/* Tells progress and takes what ended, in the order of the plan. */
static void collect(struct engine *e)
{
	for (unsigned i = 0; i < e->running;) {
		unsigned id = e->active[i];
		struct mill_progress *p = &e->actions[id];
		char text[TEXT_MAX];
		double fraction;
		bool finished, fresh = take_news(e, p, text, &fraction, &finished);
		if (fresh && !(finished && p->result == 0))
			emit(e, id, MILL_EVENT_PROGRESS, text, fraction);
		if (!finished) {
			i++;
			continue;
		}
		pthread_join(p->thread, NULL);
		forget_active(e, i);
		e->running_installs -= p->action->kind == MILL_ACTION_INSTALL;
		settle(e, id);
	}
}

static void wait_for_news(struct engine *e)
{
	struct pollfd fds[2] = {{.fd = e->wake_fd, .events = POLLIN},
				{.fd = e->cancelled ? -1 : e->o->cancel_fd, .events = POLLIN}};
	if (poll(fds, 2, -1) < 0)
		return; /* EINTR */
	uint64_t count;
	if (fds[0].revents)
		(void)!read(e->wake_fd, &count, sizeof(count));
	if (fds[1].revents)
		cancel(e);
}

static void run(struct engine *e)
{
	for (unsigned id = 0; id < e->plan->n_actions; id++)
		if (e->graph.waits_for[id] == 0)
			make_ready(e, id);
	if (e->o->cancel_fd >= 0) { /* asked to stop before anything began */
		struct pollfd fd = {.fd = e->o->cancel_fd, .events = POLLIN};
		if (poll(&fd, 1, 0) == 1)
			cancel(e);
	}
	for (;;) {
		start_ready(e);
		if (e->running == 0)
			break;
		wait_for_news(e);
		collect(e);
	}
}

int mill_engine_run(const struct mill_plan *plan, const struct mill_executor *x,
		    const struct mill_engine_options *o, struct mill_engine_result *ret, struct mill_error *err)
{
	struct engine e = {.plan = plan, .x = x, .o = o, .counts = ret, .jobs = o->jobs};
	*ret = (struct mill_engine_result){0};
	int r = mill_dag_make(&e.graph, plan, err);
	if (r < 0)
		return r;
	e.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e.wake_fd < 0 || e.cancel_fd < 0) {
		r = mill_fail_errno(err, errno, "eventfd");
	} else {
		if (e.jobs == 0)
			e.jobs = mill_processors();
		pthread_mutex_init(&e.lock, NULL);
		e.actions = mill_xcalloc(plan->n_actions, sizeof(*e.actions));
		for (unsigned id = 0; id < plan->n_actions; id++)
			e.actions[id] = (struct mill_progress){.engine = &e, .action = &plan->actions[id]};
		run(&e);
		pthread_mutex_destroy(&e.lock);
		r = e.cancelled ? mill_fail(err, ECANCELED, "interrupted") : 0;
	}
	mill_cleanup_close(&e.wake_fd);
	mill_cleanup_close(&e.cancel_fd);
	mill_idheap_release(&e.installs);
	mill_idheap_release(&e.others);
	mill_dag_release(&e.graph);
	free(e.actions);
	return r;
}
