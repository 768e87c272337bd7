/* Several engines on one list of tasks; see s3.h. */
#include <pthread.h>
#include <signal.h>

#include "base/base.h"
#include "lake/s3.h"

struct pool {
	const struct mill_s3_work *w;
	struct mill_s3_conf *conf;
	size_t n_tasks;
	atomic_size_t next_task;
};

struct worker {
	struct pool *pool;
	struct mill_s3_engine *engine;
	pthread_t thread;
	int result;
	struct mill_error err;
};

static int pool_next(void *arg, struct mill_s3_call *c)
{
	struct pool *p = arg;
	size_t task;
	do {
		task = atomic_fetch_add(&p->next_task, 1);
		if (task >= p->n_tasks)
			return 0;
		mill_s3_call_reset(c);
		c->task = task;
		int r = p->w->next(p->w->arg, c);
		if (r != 0)
			return r;
		/* 0: this task needs no request; on to the next */
	} while (!atomic_load(&p->conf->stop));
	return 0;
}

static bool pool_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct pool *p = arg;
	return p->w->done(p->w->arg, c, result, err);
}

static void pool_tick(void *arg)
{
	struct pool *p = arg;
	p->w->tick(p->w->arg);
}

static void work(struct worker *k, bool ticks)
{
	struct pool *p = k->pool;
	struct mill_s3_work w = {.next = pool_next, .done = pool_done, .arg = p,
				 .tick = ticks && p->w->tick ? pool_tick : NULL};
	k->result = mill_s3_engine_run(k->engine, &w, &k->err);
	if (k->result < 0)
		atomic_store(&p->conf->stop, true);
}

static void *worker_main(void *arg)
{
	work(arg, false);
	return NULL;
}

static struct mill_s3_engine *engine_at(struct mill_lake *lake, unsigned i)
{
	unsigned slots = (lake->conf.jobs + lake->conf.threads - 1) / lake->conf.threads;
	if (!lake->engines[i])
		lake->engines[i] = mill_s3_engine_new(&lake->conf, slots);
	return lake->engines[i];
}

struct mill_s3_engine *mill_s3_first_engine(struct mill_lake *lake)
{
	atomic_store(&lake->conf.stop, false);
	return engine_at(lake, 0);
}

int mill_s3_pool_run(struct mill_lake *lake, size_t n_tasks, const struct mill_s3_work *w,
		     struct mill_error *err)
{
	struct pool pool = {.w = w, .conf = &lake->conf, .n_tasks = n_tasks};
	struct worker workers[MILL_S3_THREADS_MAX] = {0};
	unsigned n = lake->conf.threads;
	if (n > n_tasks)
		n = n_tasks ? (unsigned)n_tasks : 1;
	atomic_store(&lake->conf.stop, false);
	/* Signals are the program's own thread's business. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	unsigned started = 1;
	for (unsigned i = 0; i < n; i++)
		workers[i] = (struct worker){.pool = &pool, .engine = engine_at(lake, i)};
	while (started < n && pthread_create(&workers[started].thread, NULL, worker_main,
					     &workers[started]) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&workers[0], true);
	for (unsigned i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	/* The first cause wins over the cancellations that it brought about. */
	int result = 0;
	for (unsigned i = 0; i < started; i++) {
		if (workers[i].result < 0 && (result == 0 || result == -ECANCELED)) {
			result = workers[i].result;
			if (err) {
				mill_error_release(err);
				*err = workers[i].err;
				workers[i].err = (struct mill_error){0};
			}
		}
		mill_error_release(&workers[i].err);
	}
	return result;
}
