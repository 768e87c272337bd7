/* Logs of pods, through kubectl, merged by time as the native ones are; events of the namespace. */
#include "runtime/kubernetes/chart.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "runtime/native/logs.h"

#define LINE_BYTES 65536

struct line {
	uint64_t time_ms;
	size_t id, order;
	char *stamp, *text;
};
struct lines {
	struct line *items;
	size_t n, cap;
};

/* "2026-11-28T14:00:01.123456789Z text" */
static uint64_t stamp_ms(const char *stamp)
{
	struct tm t = {0};
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &t);
	unsigned ms = 0;

	if (!rest)
		return 0;
	if (*rest == '.')
		for (int i = 1; i <= 3; i++)
			ms = ms * 10 + (rest[i] >= '0' && rest[i] <= '9' ? (unsigned)(rest[i] - '0') : 0);
	return (uint64_t)timegm(&t) * 1000 + ms;
}

static void add_line(struct lines *all, size_t id, char *line)
{
	char *space = strchr(line, ' ');
	uint64_t when = stamp_ms(line);

	if (!when)
		return;
	MILL_GROW(all->items, all->n, all->cap);
	all->items[all->n] = (struct line){.time_ms = when, .id = id, .order = all->n,
					   .stamp = mill_xstrndup(line, space ? (size_t)(space - line) : strlen(line)),
					   .text = mill_xstrdup(space ? space + 1 : "")};
	all->n++;
}

static int by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* An operator's pods carry its labels, which the chart names. */
static char *operated(const struct mill_kube *k, const char *id)
{
	const char *dot = strchr(id, '.');
	_cleanup_free_ char *component = mill_xstrndup(id, dot ? (size_t)(dot - id) : strlen(id));
	_cleanup_json_ json_t *charts = dot && mill_streq(dot + 1, MILL_CHART_UNIT) ? mill_kube_charts_deployed(k, component) : NULL;
	const json_t *chart;
	size_t i;

	json_array_foreach(charts, i, chart)
		if (mill_json_get_string(chart, "selector", NULL) && !mill_json_get_string(chart, "chart", NULL))
			return mill_xasprintf("--selector=%s", mill_json_get_string(chart, "selector", NULL));
	return NULL;
}

static char *selector_of(const struct mill_kube *k, const char *id)
{
	const char *dot = strchr(id, '.');
	char *by_operator = operated(k, id);

	if (by_operator)
		return by_operator;
	return mill_xasprintf("--selector=data-mill.io/component=%.*s,data-mill.io/service=%s", dot ? (int)(dot - id) : (int)strlen(id), id,
			      dot ? dot + 1 : "");
}

static void words_of(const struct mill_logs *l, const char *selector, struct mill_strv *words)
{
	mill_strv_add(words, "logs");
	mill_strv_add(words, selector);
	mill_strv_add(words, "--all-containers");
	mill_strv_add(words, "--timestamps");
	mill_strv_add(words, "--ignore-errors");
	mill_strv_add(words, "--max-log-requests=64");
	if (l->tail == SIZE_MAX)
		mill_strv_add(words, "--tail=-1");
	else
		mill_strv_addf(words, "--tail=%zu", l->tail);
	if (l->since_ms) {
		char text[32];
		time_t t = (time_t)(l->since_ms / 1000);
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		mill_strv_addf(words, "--since-time=%s", text);
	}
}

static int read_one(struct mill_kube *k, const struct mill_logs *l, size_t id, struct lines *all, struct mill_error *err)
{
	struct mill_kube_call c = {.what = "read logs", .cancel_fd = -1, .timeout_ms = 120000};
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(MILL_KUBE_OUTPUT_MAX);
	_cleanup_free_ char *selector = selector_of(k, l->ids[id]);
	_cleanup_strv_ struct mill_strv words = {0};
	int r;

	words_of(l, selector, &words);
	r = mill_kube_kubectl_v(k, &c, &words, &out, NULL, err);
	for (char *line = out.data, *end; r == 0 && line && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		add_line(all, id, line);
	}
	mill_strbuf_release(&out);
	return r;
}

static int tell(const struct mill_logs *l, const struct line *line)
{
	const struct mill_log_line out = {.id = l->ids[line->id], .time_ms = line->time_ms, .stamp = line->stamp, .stream = 'o', .text = line->text};

	return l->on_line(l->arg, &out);
}

static int history(struct mill_kube *k, const struct mill_logs *l, struct mill_error *err)
{
	struct lines all = {0};
	size_t from;
	int r = 0;

	for (size_t i = 0; i < l->n_ids && r == 0; i++)
		r = read_one(k, l, i, &all, err);
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), by_time);
	from = l->tail < all.n ? all.n - l->tail : 0;
	for (size_t i = from; i < all.n && r == 0; i++)
		if (tell(l, &all.items[i]))
			break;
	for (size_t i = 0; i < all.n; i++) {
		free(all.items[i].stamp);
		free(all.items[i].text);
	}
	free(all.items);
	return r;
}

/* ---- following: one kubectl each, lines as they come ---- */

struct stream {
	struct mill_proc proc;
	int fd;
	struct mill_strbuf text;
};

static int open_stream(struct mill_kube *k, const struct mill_logs *l, size_t id, struct stream *s, struct mill_error *err)
{
	_cleanup_free_ char *selector = selector_of(k, l->ids[id]);
	_cleanup_strv_ struct mill_strv argv = {0}, words = {0};
	int fds[2], r;

	mill_kube_prefix(k, &argv);
	mill_strv_addf(&argv, "--namespace=%s", k->namespace);
	words_of(l, selector, &words);
	for (size_t i = 0; i < words.n; i++)
		mill_strv_add(&argv, words.items[i]);
	mill_strv_add(&argv, "--follow");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return mill_fail_errno(err, errno, "pipe");
	const struct mill_spawn spawn = {.argv = mill_strv_argv(&argv), .stdin_fd = -1, .stdout_fd = fds[1], .stderr_fd = -1,
					 .new_group = true, .parent_death_signal = SIGTERM};
	r = mill_proc_spawn(&spawn, &s->proc, err);
	close(fds[1]);
	s->fd = fds[0];
	mill_strbuf_init(&s->text, LINE_BYTES * 4);
	return r;
}

/* 1: the reader has enough. */
static int pass(const struct mill_logs *l, size_t id, struct stream *s)
{
	char buf[16384], *end;
	ssize_t n = mill_read_retry(s->fd, buf, sizeof(buf));
	int stop = 0;

	if (n <= 0) {
		close(s->fd);
		s->fd = -1;
		return 0;
	}
	mill_strbuf_add(&s->text, buf, (size_t)n);
	while (!stop && s->text.len && (end = memchr(s->text.data, '\n', s->text.len))) {
		struct lines one = {0};

		*end = '\0';
		add_line(&one, id, s->text.data);
		if (one.n) {
			stop = tell(l, &one.items[0]);
			free(one.items[0].stamp);
			free(one.items[0].text);
			free(one.items);
		}
		mill_strbuf_consume(&s->text, (size_t)(end + 1 - s->text.data));
	}
	return stop;
}

static int follow(struct mill_kube *k, const struct mill_logs *l, struct mill_error *err)
{
	struct stream *s = mill_xcalloc(l->n_ids + 1, sizeof(*s));
	struct pollfd *fds = mill_xcalloc(l->n_ids + 1, sizeof(*fds));
	bool stop = false;
	int r = 0;

	for (size_t i = 0; i < l->n_ids; i++)
		s[i] = (struct stream){.proc = MILL_PROC_INIT, .fd = -1};
	for (size_t i = 0; i < l->n_ids && r == 0; i++)
		r = open_stream(k, l, i, &s[i], err);
	while (r == 0 && !stop) {
		for (size_t i = 0; i < l->n_ids; i++)
			fds[i] = (struct pollfd){.fd = s[i].fd, .events = POLLIN};
		fds[l->n_ids] = (struct pollfd){.fd = l->cancel_fd, .events = POLLIN};
		if (poll(fds, l->n_ids + 1, -1) < 0)
			continue;
		stop = fds[l->n_ids].revents != 0;
		for (size_t i = 0; i < l->n_ids && !stop; i++)
			if (fds[i].revents)
				stop = pass(l, i, &s[i]);
	}
	for (size_t i = 0; i < l->n_ids; i++) {
		int status;

		if (s[i].proc.pid > 0) {
			(void)mill_proc_signal(&s[i].proc, SIGTERM);
			(void)mill_proc_wait(&s[i].proc, 2000, -1, &status);
		}
		mill_proc_release(&s[i].proc);
		if (s[i].fd >= 0)
			close(s[i].fd);
		mill_strbuf_release(&s[i].text);
	}
	free(s);
	free(fds);
	return r;
}

int mill_kube_logs(void *arg, const struct mill_logs *l, struct mill_error *err)
{
	return l->follow ? follow(arg, l, err) : history(arg, l, err);
}

/* ---- events ---- */

static void tell_event(const json_t *e, void (*on_event)(void *, const json_t *), void *arg)
{
	const json_t *object = json_object_get(e, "involvedObject");
	_cleanup_json_ json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:s}", "time", mill_json_get_string(e, "lastTimestamp", ""), "event",
					     mill_json_get_string(e, "type", "Normal"), "service",
					     json_sprintf("%s/%s", mill_json_get_string(object, "kind", ""), mill_json_get_string(object, "name", "")),
					     "to", mill_json_get_string(e, "reason", ""), "reason", mill_json_get_string(e, "message", ""));

	if (o)
		on_event(arg, o);
}

int mill_kube_events(void *arg, bool watch, int cancel_fd, void (*on_event)(void *arg, const json_t *event), void *event_arg,
		     struct mill_error *err)
{
	_cleanup_json_ json_t *seen = json_object();

	do {
		_cleanup_json_ json_t *list = NULL;
		const json_t *e;
		size_t i;
		int r = mill_kube_json(arg, MILL_KUBE_CALL("read events"), &list, err, "get", "events", "--sort-by=.lastTimestamp", NULL);

		if (r < 0)
			return r;
		json_array_foreach(json_object_get(list, "items"), i, e) {
			const json_t *meta = json_object_get(e, "metadata");
			const char *uid = mill_json_get_string(meta, "uid", ""), *version = mill_json_get_string(meta, "resourceVersion", "");

			if (mill_streq(mill_json_get_string(seen, uid, ""), version))
				continue;
			json_object_set_new(seen, uid, json_string(version));
			tell_event(e, on_event, event_arg);
		}
	} while (watch && !mill_kube_pause(cancel_fd, 2000));
	return 0;
}
