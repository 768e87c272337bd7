/* Several engines on one list of tasks; see s3.h. */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/base.h"
#include "lake/s3.h"

#define TICK_NS 100000000 /* how often the owner hears of a run's progress */

struct pool {
	const struct mill_s3_work *w;
	struct mill_s3_conf *conf;
	size_t n_tasks;
	atomic_size_t next_task;
	pthread_mutex_t lock;
	pthread_cond_t ended; /* a worker did */
	unsigned running;     /* other workers, under the lock */
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
	struct worker *k = arg;
	work(k, false);
	pthread_mutex_lock(&k->pool->lock);
	k->pool->running--;
	pthread_cond_signal(&k->pool->ended);
	pthread_mutex_unlock(&k->pool->lock);
	return NULL;
}

/* The caller's thread has nothing left to send and goes on ticking until the others end. */
static void await_workers(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->running > 0) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		int r = pthread_cond_timedwait(&p->ended, &p->lock, &until);
		if (r == ETIMEDOUT && p->w->tick) {
			pthread_mutex_unlock(&p->lock);
			p->w->tick(p->w->arg);
			pthread_mutex_lock(&p->lock);
		}
	}
	pthread_mutex_unlock(&p->lock);
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
	struct pool pool = {.w = w, .conf = &lake->conf, .n_tasks = n_tasks,
			    .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool.ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
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
	pthread_mutex_lock(&pool.lock);
	while (started < n && pthread_create(&workers[started].thread, NULL, worker_main,
					     &workers[started]) == 0)
		started++;
	pool.running = started - 1;
	pthread_mutex_unlock(&pool.lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&workers[0], true);
	await_workers(&pool);
	for (unsigned i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_cond_destroy(&pool.ended);
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
