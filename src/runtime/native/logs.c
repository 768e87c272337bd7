/*
 * Every service is a source: its parts from the oldest to `current`, opened
 * at once so that a rotation meanwhile moves names and not what we read.  The
 * lines of all sources are merged by their time stamps.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "runtime/native/logs.h"

#include "base/clock.h"
#include "base/io.h"

#define PARTS_MAX 64
#define CHUNK ((size_t)64 << 10)
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define TAIL_MAX ((size_t)1 << 20)

struct source {
	const char *id;
	char *dir;
	int parts[PARTS_MAX]; /* oldest first; the last is `current` */
	size_t n_parts, part;
	struct mill_strbuf buffer;
	size_t at; /* in buffer: where the next line begins */
	uint64_t last_ms;
	struct mill_log_line line; /* peeked; points into buffer */
	bool has_line;
};

/* ---- opening ---- */

static void open_parts(struct source *s)
{
	for (unsigned k = PARTS_MAX - 1; k > 0; k--) {
		_cleanup_free_ char *path = mill_xasprintf("%s/%u", s->dir, k);
		int fd = mill_open_regular(path);
		if (fd >= 0)
			s->parts[s->n_parts++] = fd;
	}
	_cleanup_free_ char *current = mill_path_join(s->dir, "current");
	int fd = mill_open_regular(current);
	if (fd >= 0)
		s->parts[s->n_parts++] = fd;
}

static void source_release(struct source *s)
{
	for (size_t i = s->part; i < s->n_parts; i++)
		close(s->parts[i]);
	mill_strbuf_release(&s->buffer);
	free(s->dir);
}

/*
 * Offset of the n-th whole line from the end of a file, or -1 when it has fewer; *count grows by those it has.
 * The last newline ends the last whole line; each one before it begins a line, and so does the file itself.
 */
static off_t nth_from_end(int fd, size_t n, size_t *count)
{
	char block[8192];
	struct stat st;
	bool any = false;
	if (fstat(fd, &st) < 0)
		return -1;
	for (off_t end = st.st_size; end > 0;) {
		off_t begin = end > (off_t)sizeof(block) ? end - (off_t)sizeof(block) : 0;
		ssize_t got = pread(fd, block, (size_t)(end - begin), begin);
		if (got <= 0)
			return -1;
		for (ssize_t i = got - 1; i >= 0; i--) {
			if (block[i] != '\n')
				continue;
			if (any && ++*count == n)
				return begin + i + 1;
			any = true;
		}
		end = begin;
	}
	return any && ++*count == n ? 0 : -1;
}

static void begin_at(struct source *s, size_t part, off_t offset, int whence)
{
	for (; s->part < part; s->part++)
		close(s->parts[s->part]);
	(void)lseek(s->parts[part], offset, whence);
}

/* More lines than asked for cannot be among the last ones of the merge: reading begins where they do. */
static void skip_to_tail(struct source *s, size_t tail)
{
	size_t count = 0;
	if (s->n_parts && tail == 0) {
		begin_at(s, s->n_parts - 1, 0, SEEK_END);
		return;
	}
	for (size_t i = s->n_parts; i-- > 0;) {
		off_t at = nth_from_end(s->parts[i], tail, &count);
		if (at >= 0) {
			begin_at(s, i, at, SEEK_SET);
			return;
		}
	}
}

/* ---- lines ---- */

static char *whole_line(struct source *s)
{
	char *begin = s->buffer.data + s->at;
	char *end = memchr(begin, '\n', s->buffer.len - s->at);
	if (!end)
		return NULL;
	*end = '\0';
	s->at = (size_t)(end + 1 - s->buffer.data);
	return begin;
}

/* False: nothing more for now. */
static bool read_more(struct source *s)
{
	mill_strbuf_consume(&s->buffer, s->at);
	s->at = 0;
	if (s->buffer.len > LINE_MAX_BYTES) /* no newline in sight: not a log of ours */
		mill_strbuf_reset(&s->buffer);
	while (s->part < s->n_parts) {
		char *to = mill_strbuf_reserve(&s->buffer, CHUNK);
		ssize_t got = to ? mill_read_retry(s->parts[s->part], to, CHUNK) : 0;
		if (got > 0) {
			mill_strbuf_advance(&s->buffer, (size_t)got);
			return true;
		}
		if (s->part + 1 == s->n_parts)
			return false; /* the end of `current`: what is there of a line waits for its rest */
		close(s->parts[s->part++]);
		mill_strbuf_reset(&s->buffer);
	}
	return false;
}

static void parse(struct source *s, char *text)
{
	char *stream = strchr(text, ' ');
	struct mill_log_line line = {.id = s->id, .time_ms = s->last_ms, .stamp = "", .stream = 'm', .text = text};
	if (stream && (stream[1] == 'o' || stream[1] == 'e' || stream[1] == 'm') && (stream[2] == ' ' || !stream[2])) {
		*stream = '\0';
		if (mill_parse_rfc3339(text, &line.time_ms) == 0) {
			line.stamp = text;
			line.stream = stream[1];
			line.text = stream[2] ? stream + 3 : "";
			s->last_ms = line.time_ms;
		} else {
			*stream = ' ';
		}
	}
	s->line = line;
	s->has_line = true;
}

static bool peek(struct source *s, uint64_t since_ms)
{
	while (!s->has_line) {
		char *text = whole_line(s);
		if (text) {
			parse(s, text);
			if (s->line.time_ms < since_ms)
				s->has_line = false;
		} else if (!read_more(s)) {
			return false;
		}
	}
	return true;
}

static struct source *earliest(struct source *all, size_t n, uint64_t since_ms)
{
	struct source *best = NULL;
	for (size_t i = 0; i < n; i++)
		if (peek(&all[i], since_ms) && (!best || all[i].line.time_ms < best->line.time_ms))
			best = &all[i];
	return best;
}

/* ---- the last lines of all together ---- */

struct ring {
	struct mill_log_line *items;
	size_t cap, n, next;
};

static void forget(struct mill_log_line *l)
{
	free((char *)l->stamp);
	free((char *)l->text);
}

static void ring_add(struct ring *r, const struct mill_log_line *line)
{
	struct mill_log_line copy = *line;
	copy.stamp = mill_xstrdup(line->stamp);
	copy.text = mill_xstrdup(line->text);
	if (r->n == r->cap)
		forget(&r->items[r->next]);
	else
		r->n++;
	r->items[r->next] = copy;
	r->next = (r->next + 1) % r->cap;
}

static int ring_tell(struct ring *r, const struct mill_logs *l)
{
	int stop = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct mill_log_line *line = &r->items[(r->next + r->cap - r->n + i) % r->cap];
		if (!stop)
			stop = l->on_line(l->arg, line);
		forget(line);
	}
	free(r->items);
	return stop;
}

static int tell_history(struct source *all, const struct mill_logs *l)
{
	struct ring ring = {.cap = l->tail};
	bool keep = l->tail < TAIL_MAX;
	struct source *s;
	int stop = 0;
	if (keep)
		ring.items = mill_xcalloc(ring.cap ? ring.cap : 1, sizeof(*ring.items));
	while (!stop && (s = earliest(all, l->n_ids, l->since_ms))) {
		s->has_line = false;
		if (!keep)
			stop = l->on_line(l->arg, &s->line);
		else if (ring.cap)
			ring_add(&ring, &s->line);
	}
	return keep ? ring_tell(&ring, l) : stop;
}

/* ---- following ---- */

/* After the end of the file we have: is `current` another one now? */
static bool rotated(struct source *s)
{
	_cleanup_free_ char *path = mill_path_join(s->dir, "current");
	struct stat now, ours;
	int fd = mill_open_regular(path);
	if (fd < 0)
		return false;
	bool have = s->part < s->n_parts && fstat(s->parts[s->part], &ours) == 0;
	if (fstat(fd, &now) < 0 || (have && now.st_ino == ours.st_ino && now.st_dev == ours.st_dev)) {
		close(fd);
		return false;
	}
	if (have)
		close(s->parts[s->part]);
	s->part = 0;
	s->n_parts = 1;
	s->parts[0] = fd;
	mill_strbuf_reset(&s->buffer);
	s->at = 0;
	return true;
}

static int tell_new(struct source *all, const struct mill_logs *l)
{
	int stop = 0;
	for (bool again = true; again && !stop;) {
		struct source *s;
		while (!stop && (s = earliest(all, l->n_ids, 0))) {
			s->has_line = false;
			stop = l->on_line(l->arg, &s->line);
		}
		again = false;
		for (size_t i = 0; i < l->n_ids; i++)
			again |= rotated(&all[i]);
	}
	return stop;
}

static int follow(struct source *all, const struct mill_logs *l, struct mill_error *err)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return mill_fail_errno(err, errno, "inotify");
	for (size_t i = 0; i < l->n_ids; i++)
		if (inotify_add_watch(fd, all[i].dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
			return mill_fail_errno(err, errno, "watch %s", all[i].dir);
	for (;;) {
		/* Before the wait: what was written between the last read and the watch. */
		if (tell_new(all, l))
			return 0;
		struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = l->cancel_fd, .events = POLLIN}};
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return mill_fail_errno(err, errno, "poll");
		if (fds[1].revents)
			return 0;
		char events[4096];
		while (read(fd, events, sizeof(events)) > 0)
			;
	}
}

int mill_logs_read(const struct mill_platform *p, const struct mill_logs *l, struct mill_error *err)
{
	struct source *all = mill_xcalloc(l->n_ids, sizeof(*all));
	for (size_t i = 0; i < l->n_ids; i++) {
		all[i].id = l->ids[i];
		all[i].dir = mill_xasprintf("%s/services/%s/log", p->dir, l->ids[i]);
		mill_strbuf_init(&all[i].buffer, LINE_MAX_BYTES + 2 * CHUNK);
		open_parts(&all[i]);
		if (l->tail < TAIL_MAX)
			skip_to_tail(&all[i], l->tail);
	}
	int stop = tell_history(all, l), r = 0;
	if (!stop && l->follow)
		r = follow(all, l, err);
	for (size_t i = 0; i < l->n_ids; i++)
		source_release(&all[i]);
	free(all);
	return r;
}

static int add_text(void *arg, const struct mill_log_line *line)
{
	struct mill_strbuf *out = arg;
	mill_strbuf_printf(out, "%s%s%s", out->len ? "\n" : "", line->stream == 'm' ? "data-mill: " : "", line->text);
	return 0;
}

char *mill_logs_last(const struct mill_platform *p, const char *id, size_t lines)
{
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(256 << 10);
	const struct mill_logs l = {.ids = &id, .n_ids = 1, .tail = lines, .cancel_fd = -1, .on_line = add_text, .arg = &out};
	(void)mill_logs_read(p, &l, NULL);
	return mill_strbuf_steal(&out);
}
