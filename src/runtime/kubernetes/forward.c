/*
 * Ways in from this machine: one `kubectl port-forward` an address, kept until
 * the runtime is closed.  A thread of its own starts each, again and at the same
 * local port when it ended (its pod was replaced), and reads what it says.
 * Should we be killed, the kernel ends kubectl: its parent is that thread, which
 * lives as long as the way in is wanted.
 */
#include "runtime/kubernetes/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"

#define READY_MS 20000
#define ASK_MS   25000 /* what who asks waits for the first start */
#define AGAIN_MS 3000  /* and while it is made anew */
#define RETRY_MS 500

struct mill_kube_forward {
	struct mill_kube_forward *next;
	struct mill_kube *k;
	char *target, *host; /* "minio:9000", "minio" */
	unsigned port;
	int stop; /* eventfd: end */
	/* under k->lock */
	enum { COMING, UP, FAILED } state; /* FAILED: it never came, and its thread has ended */
	char *address;                     /* "127.0.0.1:43211": of the first start, and kept */
	struct mill_error why;             /* it is not up */
	pthread_cond_t changed;
	pthread_t keeper;
	bool kept; /* there is a thread to join */
};

/* ---- one kubectl ---- */

struct child {
	struct mill_proc proc;
	int out;
};

static void end_child(struct child *c)
{
	int status;

	if (c->proc.pid > 0) {
		(void)mill_proc_signal(&c->proc, SIGTERM);
		if (mill_proc_wait(&c->proc, 2000, -1, &status) < 0) {
			(void)mill_proc_signal(&c->proc, SIGKILL);
			(void)mill_proc_wait(&c->proc, -1, -1, &status);
		}
	}
	mill_proc_release(&c->proc);
	if (c->out >= 0)
		close(c->out);
}

/* What it says next, at most 1 KiB: bytes read, 0 when it has ended, -EAGAIN when nothing came, -ECANCELED. */
static ssize_t hear(const struct child *c, int stop, int timeout_ms, char buf[1024])
{
	struct pollfd p[2] = {{.fd = c->out, .events = POLLIN}, {.fd = stop, .events = POLLIN}};

	if (poll(p, 2, timeout_ms) <= 0)
		return -EAGAIN;
	return p[1].revents ? -ECANCELED : mill_read_retry(c->out, buf, 1024);
}

/* "Forwarding from 127.0.0.1:43211 -> 9000" */
static char *read_address(const struct child *c, int stop, struct mill_strbuf *said)
{
	uint64_t deadline = mill_now_ns() + READY_MS * (uint64_t)MILL_MS;
	const char *at;

	while (mill_now_ns() < deadline) {
		char buf[1024];
		ssize_t n = hear(c, stop, 500, buf);

		if (n == 0 || n == -ECANCELED)
			return NULL;
		if (n > 0)
			mill_strbuf_add(said, buf, (size_t)n);
		at = said->data ? strstr(said->data, "Forwarding from 127.0.0.1:") : NULL;
		if (at && strstr(at, " -> ")) {
			at += strlen("Forwarding from ");
			return mill_xstrndup(at, strcspn(at, " "));
		}
	}
	return NULL;
}

/* Local port: any the first time, then the one it had. */
static int start(const struct mill_kube_forward *f, struct child *c, char **ret_address, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_strbuf said = MILL_STRBUF_INIT_MAX(65536);
	int fds[2], r;

	mill_kube_prefix(f->k, &argv);
	mill_strv_addf(&argv, "--namespace=%s", f->k->namespace);
	mill_strv_add(&argv, "port-forward");
	mill_strv_add(&argv, "--address=127.0.0.1");
	mill_strv_addf(&argv, "service/%s", f->host);
	mill_strv_addf(&argv, "%s:%u", f->address ? strchr(f->address, ':') + 1 : "", f->port);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return mill_fail_errno(err, errno, "pipe");
	const struct mill_spawn s = {.argv = mill_strv_argv(&argv), .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = fds[1],
				     .new_group = true, .parent_death_signal = SIGTERM};
	r = mill_proc_spawn(&s, &c->proc, err);
	close(fds[1]);
	c->out = fds[0];
	if (r < 0)
		return r;
	*ret_address = read_address(c, f->stop, &said);
	if (!*ret_address) {
		_cleanup_free_ char *what = mill_xasprintf("forward to %s", f->target);

		r = mill_kube_explain(f->k, what, said.data ? said.data : "it did not say where it listens", err);
	}
	mill_strbuf_release(&said);
	return r;
}

/* Until it ends or is to end.  Its line for each connection is read, or it would wait for a reader. */
static void watch(const struct child *c, int stop)
{
	char buf[1024];
	ssize_t n;

	do
		n = hear(c, stop, -1, buf);
	while (n > 0 || n == -EAGAIN);
}

/* ---- its thread ---- */

/* Takes what address and why hold. */
static void tell(struct mill_kube_forward *f, bool up, char **address, struct mill_error *why)
{
	pthread_mutex_lock(&f->k->lock);
	if (up && !f->address)
		f->address = MILL_TAKE(*address);
	f->state = up ? UP : f->address ? COMING : FAILED;
	mill_error_release(&f->why);
	f->why = *why;
	*why = (struct mill_error){0};
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->k->lock);
}

/* True while it is worth another try.  Nobody but us writes f->address. */
static bool serve(struct mill_kube_forward *f)
{
	_cleanup_error_ struct mill_error why = {0};
	_cleanup_free_ char *address = NULL;
	struct child c = {.proc = MILL_PROC_INIT, .out = -1};
	int r = start(f, &c, &address, &why);

	tell(f, r == 0, &address, &why);
	if (r == 0) {
		watch(&c, f->stop);
		mill_fail(&why, EAGAIN, "forward to %s: it ended and is started again", f->target);
		tell(f, false, &address, &why);
	}
	end_child(&c);
	return f->address != NULL;
}

static void *keep(void *arg)
{
	struct mill_kube_forward *f = arg;

	while (serve(f) && !mill_kube_pause(f->stop, RETRY_MS))
		;
	return NULL;
}

static void release(struct mill_kube_forward *f)
{
	if (f->kept) {
		(void)eventfd_write(f->stop, 1);
		pthread_join(f->keeper, NULL);
	}
	if (f->stop >= 0)
		close(f->stop);
	pthread_cond_destroy(&f->changed);
	free(f->target);
	free(f->host);
	free(f->address);
	mill_error_release(&f->why);
	free(f);
}

void mill_kube_end_forwards(struct mill_kube *k)
{
	while (k->forwards) {
		struct mill_kube_forward *f = k->forwards;

		k->forwards = f->next;
		release(f);
	}
}

/* ---- asking for one; k->lock is held ---- */

static struct mill_kube_forward *find(struct mill_kube *k, const char *host, unsigned port)
{
	_cleanup_free_ char *target = mill_xasprintf("%s:%u", host, port);
	struct mill_kube_forward *f;

	for (f = k->forwards; f && strcmp(f->target, target) != 0; f = f->next)
		;
	if (f)
		return f;
	f = mill_xcalloc(1, sizeof(*f));
	*f = (struct mill_kube_forward){.next = k->forwards, .k = k, .target = MILL_TAKE(target), .host = mill_xstrdup(host), .port = port,
					.state = FAILED, .stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	pthread_cond_init(&f->changed, NULL);
	k->forwards = f;
	return f;
}

static int begin(struct mill_kube_forward *f, struct mill_error *err)
{
	if (f->kept)
		pthread_join(f->keeper, NULL); /* it said FAILED, which is the last that it does under the lock */
	f->kept = f->stop >= 0 && pthread_create(&f->keeper, NULL, keep, f) == 0;
	if (!f->kept)
		return mill_fail(err, EAGAIN, "forward to %s: no thread or event could be made", f->target);
	f->state = COMING;
	return 0;
}

static int wait_for(struct mill_kube_forward *f, struct mill_error *err)
{
	uint64_t until_ns = mill_now_ns() + (f->address ? AGAIN_MS : ASK_MS) * MILL_MS;
	const struct timespec until = {.tv_sec = (time_t)(until_ns / MILL_SEC), .tv_nsec = (long)(until_ns % MILL_SEC)};
	int r = 0;

	while (f->state == COMING && r == 0)
		r = pthread_cond_clockwait(&f->changed, &f->k->lock, CLOCK_MONOTONIC, &until);
	if (f->state == UP)
		return 0;
	if (!f->why.message)
		return mill_fail(err, ETIMEDOUT, "forward to %s: it did not start within %d s", f->target, ASK_MS / 1000);
	mill_fail(err, f->why.code, "%s", f->why.message);
	if (f->why.hint)
		mill_error_hint(err, "%s", f->why.hint);
	if (f->why.detail)
		mill_error_detail(err, f->why.detail);
	return -f->why.code;
}

int mill_kube_forward(struct mill_kube *k, const char *host, unsigned port, char **ret, struct mill_error *err)
{
	struct mill_kube_forward *f;
	int r = 0;

	pthread_mutex_lock(&k->lock);
	f = find(k, host, port);
	if (f->state == FAILED)
		r = begin(f, err);
	if (r == 0)
		r = wait_for(f, err);
	if (r == 0)
		*ret = mill_xstrdup(f->address);
	pthread_mutex_unlock(&k->lock);
	return r;
}

/* http://minio:9000/x -> http://127.0.0.1:43211/x; an address of elsewhere stays. */
int mill_kube_reach(void *arg, const char *url, char **ret, struct mill_error *err)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url, *colon, *path;
	size_t len = strcspn(host, ":/");
	_cleanup_free_ char *name = mill_xstrndup(host, len), *number = NULL, *address = NULL;
	int port = 0, r;

	colon = host[len] == ':' ? host + len + 1 : NULL;
	path = host + strcspn(host, "/");
	number = colon ? mill_xstrndup(colon, strcspn(colon, "/")) : NULL;
	if (!number || mill_parse_int(number, 1, 65535, &port) < 0 || strchr(name, '.')) {
		*ret = mill_xstrdup(url);
		return 0;
	}
	r = mill_kube_forward(arg, name, (unsigned)port, &address, err);
	if (r == 0)
		*ret = mill_xasprintf("%.*s%s%s", (int)(host - url), url, address, path);
	return r;
}
