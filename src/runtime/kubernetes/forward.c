/* Ways in from this machine: one `kubectl port-forward` an address, kept as long as the command runs. */
#include "runtime/kubernetes/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"

#define READY_MS 20000

struct mill_kube_forward {
	struct mill_kube_forward *next;
	char *target, *address; /* "minio:9000", "127.0.0.1:43211" */
	struct mill_proc proc;
	int out;
};

static void end(struct mill_kube_forward *f)
{
	int status;

	(void)mill_proc_signal(&f->proc, SIGTERM);
	if (mill_proc_wait(&f->proc, 2000, -1, &status) < 0)
		(void)mill_proc_signal(&f->proc, SIGKILL);
	mill_proc_release(&f->proc);
	if (f->out >= 0)
		close(f->out);
	free(f->target);
	free(f->address);
	free(f);
}

void mill_kube_end_forwards(struct mill_kube *k)
{
	while (k->forwards) {
		struct mill_kube_forward *f = k->forwards;

		k->forwards = f->next;
		end(f);
	}
}

/* "Forwarding from 127.0.0.1:43211 -> 9000" */
static char *read_address(int fd, struct mill_strbuf *said)
{
	uint64_t deadline = mill_now_ns() + READY_MS * (uint64_t)MILL_MS;
	const char *at;

	while (mill_now_ns() < deadline) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char buf[1024];
		ssize_t n = poll(&p, 1, 500) > 0 ? mill_read_retry(fd, buf, sizeof(buf)) : -EAGAIN;

		if (n == 0)
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

static int start(struct mill_kube *k, const char *host, unsigned port, struct mill_kube_forward *f, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	struct mill_strbuf said = MILL_STRBUF_INIT_MAX(65536);
	int fds[2], r;

	mill_kube_prefix(k, &argv);
	mill_strv_addf(&argv, "--namespace=%s", k->namespace);
	mill_strv_add(&argv, "port-forward");
	mill_strv_add(&argv, "--address=127.0.0.1");
	mill_strv_addf(&argv, "service/%s", host);
	mill_strv_addf(&argv, ":%u", port);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return mill_fail_errno(err, errno, "pipe");
	const struct mill_spawn s = {.argv = mill_strv_argv(&argv), .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = fds[1],
				     .new_group = true, .parent_death_signal = 0};
	r = mill_proc_spawn(&s, &f->proc, err);
	close(fds[1]);
	f->out = fds[0];
	if (r < 0)
		return r;
	f->address = read_address(f->out, &said);
	if (!f->address) {
		_cleanup_free_ char *what = mill_xasprintf("forward to %s:%u", host, port);

		r = mill_kube_explain(k, what, said.data ? said.data : "it did not say where it listens", err);
	}
	mill_strbuf_release(&said);
	return r;
}

int mill_kube_forward(struct mill_kube *k, const char *host, unsigned port, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *target = mill_xasprintf("%s:%u", host, port);
	struct mill_kube_forward **at, *f;
	int r = 0;

	pthread_mutex_lock(&k->lock);
	for (at = &k->forwards; *at && strcmp((*at)->target, target) != 0; at = &(*at)->next)
		;
	if (*at && !mill_proc_alive(&(*at)->proc)) { /* its pod was replaced */
		f = *at;
		*at = f->next;
		end(f);
		for (at = &k->forwards; *at; at = &(*at)->next)
			;
	}
	if (!*at) {
		f = mill_xcalloc(1, sizeof(*f));
		f->proc = (struct mill_proc)MILL_PROC_INIT;
		f->out = -1;
		f->target = mill_xstrdup(target);
		r = start(k, host, port, f, err);
		if (r < 0)
			end(f);
		else
			*at = f;
	}
	if (r == 0)
		*ret = mill_xstrdup((*at)->address);
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
