/*
 * The loop: curl's multi-socket interface on poll(2).
 *
 * Not epoll: curl takes a descriptor away at the end of each request and adds
 * it again for the next, which would cost three system calls a request; the
 * pollfd array lives in our memory and holds a few dozen entries.
 */
#include "base/base.h"
#include "base/clock.h"
#include "base/hash.h"
#include "lake/s3_slot.h"

#define TICK_NS	     (100 * MILL_MS)
#define POLL_MAX_MS 200 /* how late another thread's stop is seen */

static int on_socket(CURL *h, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct mill_s3_engine *e = arg;
	size_t i = 1;
	while (i < e->n_fds && e->fds[i].fd != fd)
		i++;
	if (what == CURL_POLL_REMOVE) {
		if (i < e->n_fds)
			e->fds[i] = e->fds[--e->n_fds];
		return 0;
	}
	if (i == e->n_fds) {
		MILL_GROW(e->fds, e->n_fds, e->cap_fds);
		e->fds[e->n_fds++] = (struct pollfd){.fd = fd};
	}
	e->fds[i].events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
				   (what & CURL_POLL_OUT ? POLLOUT : 0));
	return 0;
}

static int on_timer(CURLM *m, long timeout_ms, void *arg)
{
	struct mill_s3_engine *e = arg;
	e->timer_due_ns = timeout_ms < 0 ? UINT64_MAX : mill_now_ns() + (uint64_t)timeout_ms * MILL_MS;
	return 0;
}

struct mill_s3_engine *mill_s3_engine_new(struct mill_s3_conf *conf, unsigned slots)
{
	struct mill_s3_engine *e = mill_xcalloc(1, sizeof(*e));
	e->conf = conf;
	e->timer_due_ns = UINT64_MAX;
	e->multi = curl_multi_init();
	e->signer = mill_sigv4_new(conf->access_key, conf->secret_key, conf->region, "s3", true);
	e->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	if (!e->multi || !e->md5)
		BUG("libcurl or OpenSSL's MD5 cannot be had");
	e->hasher = mill_s3_hasher_new();
	e->n_slots = slots;
	e->slots = mill_xcalloc(slots, sizeof(*e->slots));
	for (unsigned i = 0; i < slots; i++) {
		struct mill_s3_slot *s = &e->slots[i];
		s->engine = e;
		mill_strbuf_init(&s->url, 0);
		mill_strbuf_init(&s->header_text, 0);
		mill_strbuf_init(&s->buffer, 0);
		mill_strbuf_init(&s->call.response, MILL_S3_XML_MAX);
		s->call.buffer = &s->buffer;
		s->call.hasher = e->hasher;
	}
	MILL_GROW(e->fds, e->n_fds, e->cap_fds);
	e->fds[e->n_fds++] = (struct pollfd){.fd = conf->cancel_fd, .events = POLLIN};
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)slots);
	return e;
}

struct mill_s3_engine *mill_s3_engine_free(struct mill_s3_engine *e)
{
	if (!e)
		return NULL;
	for (unsigned i = 0; i < e->n_slots; i++) {
		struct mill_s3_slot *s = &e->slots[i];
		if (s->easy)
			curl_easy_cleanup(s->easy);
		EVP_MD_CTX_free(s->md5);
		mill_strbuf_release(&s->url);
		mill_strbuf_release(&s->header_text);
		mill_strbuf_release(&s->buffer);
		mill_strbuf_release(&s->call.response);
	}
	curl_multi_cleanup(e->multi);
	mill_sigv4_free(e->signer);
	EVP_MD_free(e->md5);
	mill_s3_hasher_free(e->hasher);
	free(e->slots);
	free(e->fds);
	free(e->ready);
	free(e);
	return NULL;
}

/* Puts the slot's call on the wire; a failure to do so is an outcome like any other. */
static int start(struct mill_s3_slot *s, struct mill_error *err)
{
	if (!s->easy && !(s->easy = curl_easy_init()))
		BUG("libcurl has no memory");
	int r = mill_s3_slot_prepare(s, err);
	if (r < 0)
		return r;
	s->attempt++;
	s->state = SLOT_RUNNING;
	CURLMcode code = curl_multi_add_handle(s->engine->multi, s->easy);
	if (code != CURLM_OK)
		BUG("libcurl: %s", curl_multi_strerror(code));
	return 0;
}

/* Tells the owner; starts the call again when the owner refilled it. */
static void conclude(struct mill_s3_slot *s, const struct mill_s3_work *w, int result,
		     struct mill_error *err)
{
	bool again = w->done(w->arg, &s->call, result, err);
	s->state = SLOT_IDLE;
	while (again) {
		_cleanup_error_ struct mill_error failed = {0};
		mill_s3_slot_begin(s);
		int r = start(s, &failed);
		if (r == 0)
			return;
		again = w->done(w->arg, &s->call, r, &failed);
	}
}

static void finish(struct mill_s3_slot *s, const struct mill_s3_work *w, CURLcode code)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_s3_conf *conf = s->engine->conf;
	bool retry;
	unsigned pause_ms;
	int r = mill_s3_slot_outcome(s, code, &retry, &pause_ms, &err);
	curl_multi_remove_handle(s->engine->multi, s->easy);
	if (r < 0 && retry && s->attempt < conf->attempts) {
		uint32_t random;
		mill_random_bytes(&random, sizeof(random));
		unsigned jitter = mill_s3_backoff_ms(conf->backoff_ms, s->attempt, random);
		s->due_ns = mill_now_ns() + (uint64_t)(jitter + pause_ms) * MILL_MS;
		s->state = SLOT_WAITING;
		atomic_fetch_add(&conf->retries, 1);
		return;
	}
	if (r < 0 && s->attempt > 1)
		mill_error_wrap(&err, "after %u tries", s->attempt);
	conclude(s, w, r, &err);
}

static void drain(struct mill_s3_engine *e, const struct mill_s3_work *w)
{
	CURLMsg *msg;
	int left;
	while ((msg = curl_multi_info_read(e->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		struct mill_s3_slot *s;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&s);
		finish(s, w, code);
	}
}

static void abort_all(struct mill_s3_engine *e, const struct mill_s3_work *w)
{
	for (unsigned i = 0; i < e->n_slots; i++) {
		struct mill_s3_slot *s = &e->slots[i];
		if (s->state == SLOT_IDLE)
			continue;
		if (s->state == SLOT_RUNNING)
			curl_multi_remove_handle(e->multi, s->easy);
		_cleanup_error_ struct mill_error err = {0};
		mill_fail(&err, ECANCELED, "cancelled");
		s->state = SLOT_IDLE;
		w->done(w->arg, &s->call, -ECANCELED, &err);
	}
}

/* Fills idle slots and starts those whose pause is over.  *ret_due: the earliest pause's end. */
static int start_some(struct mill_s3_engine *e, const struct mill_s3_work *w, bool *ret_busy,
		      uint64_t *ret_due, struct mill_error *err)
{
	bool drained = false;
	*ret_busy = false;
	*ret_due = UINT64_MAX;
	for (unsigned i = 0; i < e->n_slots; i++) {
		struct mill_s3_slot *s = &e->slots[i];
		if (s->state == SLOT_IDLE && !drained) {
			int r = w->next(w->arg, &s->call);
			if (r < 0)
				return r;
			drained = r == 0;
			if (r > 0) {
				mill_s3_slot_begin(s);
				s->state = SLOT_WAITING;
				s->due_ns = 0;
			}
		}
		if (s->state == SLOT_WAITING && (s->due_ns == 0 || s->due_ns <= mill_now_ns())) {
			_cleanup_error_ struct mill_error failed = {0};
			int r = start(s, &failed);
			if (r < 0)
				conclude(s, w, r, &failed);
		}
		if (s->state == SLOT_WAITING && s->due_ns < *ret_due)
			*ret_due = s->due_ns;
		*ret_busy |= s->state != SLOT_IDLE;
	}
	*ret_busy |= !drained;
	return 0;
}

static int poll_timeout(const struct mill_s3_engine *e, uint64_t due, bool ticks)
{
	uint64_t now = mill_now_ns();
	if (e->timer_due_ns < due)
		due = e->timer_due_ns;
	uint64_t ms = due <= now ? 0 : (due - now + MILL_MS - 1) / MILL_MS;
	uint64_t max = ticks ? TICK_NS / MILL_MS : POLL_MAX_MS;
	return (int)(ms < max ? ms : max);
}

/* Waits and lets curl act.  True when the cancel fd is readable. */
static bool wait_and_act(struct mill_s3_engine *e, uint64_t due, bool ticks)
{
	int running;
	if (e->timer_due_ns <= mill_now_ns()) {
		/* This may end a transfer: its message is to be read before anything is waited for. */
		e->timer_due_ns = UINT64_MAX;
		curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		return false;
	}
	int n = poll(e->fds, (nfds_t)e->n_fds, poll_timeout(e, due, ticks));
	if (n <= 0)
		return false;
	if (e->fds[0].revents)
		return true;
	/* curl changes the array as it goes: act on a copy */
	size_t n_ready = 0;
	for (size_t i = 1; i < e->n_fds; i++) {
		if (!e->fds[i].revents)
			continue;
		MILL_GROW(e->ready, n_ready, e->cap_ready);
		e->ready[n_ready++] = e->fds[i];
	}
	for (size_t i = 0; i < n_ready; i++) {
		short got = e->ready[i].revents;
		int mask = (got & POLLIN ? CURL_CSELECT_IN : 0) |
			   (got & POLLOUT ? CURL_CSELECT_OUT : 0) |
			   (got & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(e->multi, e->ready[i].fd, mask, &running);
	}
	return false;
}

int mill_s3_engine_run(struct mill_s3_engine *e, const struct mill_s3_work *w,
		       struct mill_error *err)
{
	for (;;) {
		bool busy;
		uint64_t due;
		int r = start_some(e, w, &busy, &due, err);
		if (r < 0) {
			abort_all(e, w);
			return r;
		}
		if (!busy)
			return 0;
		bool cancelled = wait_and_act(e, due, w->tick != NULL);
		if (cancelled || atomic_load(&e->conf->stop)) {
			abort_all(e, w);
			return mill_fail(err, ECANCELED, "cancelled");
		}
		drain(e, w);
		if (w->tick && mill_now_ns() - e->ticked_ns >= TICK_NS) {
			e->ticked_ns = mill_now_ns();
			w->tick(w->arg);
		}
	}
}

/* ---- one request ---- */

struct one {
	void (*fill)(void *arg, struct mill_s3_call *c);
	void *arg;
	struct mill_s3_call *call;
	int result;
	struct mill_error *err;
};

static int one_next(void *arg, struct mill_s3_call *c)
{
	struct one *o = arg;
	if (o->call)
		return 0;
	o->call = c;
	mill_s3_call_reset(c);
	o->fill(o->arg, c);
	return 1;
}

static bool one_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct one *o = arg;
	o->result = result;
	if (result < 0 && o->err) {
		mill_error_release(o->err);
		*o->err = *err;
		*err = (struct mill_error){0};
	}
	return false;
}

int mill_s3_engine_one(struct mill_s3_engine *e, void (*fill)(void *arg, struct mill_s3_call *c),
		       void *arg, struct mill_s3_call **ret, struct mill_error *err)
{
	struct one o = {.fill = fill, .arg = arg, .err = err};
	struct mill_s3_work w = {.next = one_next, .done = one_done, .arg = &o};
	int r = mill_s3_engine_run(e, &w, err);
	if (r == 0)
		r = o.result;
	if (r == 0 && ret)
		*ret = o.call;
	return r;
}
