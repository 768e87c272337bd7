/*
 * Making the data volume what the data folder is: a pod with the volume runs `entry mirror` (src/entry/mirror.c has the protocol), which says
 * what is there; what differs in size or time is sent as a stream through kubectl exec, and what the folder has not is removed. A file is
 * never held in memory, whatever its size.
 */
#include "runtime/kubernetes/data.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/map.h"
#include "base/parse.h"
#include "base/proc.h"
#include "spec/place.h"

#define SAID_MAX     ((size_t)256 << 20) /* what is there: some millions of files */
#define LOG_MAX      ((size_t)64 << 10)
#define BLOCK        ((size_t)256 << 10)
#define PATH_LEN_MAX 4096
#define SILENCE_MS   600000 /* its disk may be slow */
#define TELL_MS      200

/* ---- the folder ---- */

struct file {
	uint64_t size;
	int64_t mtime_ns;
	mode_t mode;
	bool there; /* the volume has it as it is */
};

static struct file file_of(const struct stat *st)
{
	int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;

	return (struct file){.size = (uint64_t)st->st_size, .mtime_ns = ns < 0 ? 0 : ns, .mode = st->st_mode & 0111 ? 0755 : 0644};
}

/* Links and special files have no counterpart in the lake either. */
static int note_file(void *arg, const char *below, const struct stat *st)
{
	const char *slash = strrchr(below, '/');
	struct file *f;

	if (mill_starts_with(slash ? slash + 1 : below, ".data-mill-tmp"))
		return S_ISDIR(st->st_mode);
	if (!S_ISREG(st->st_mode))
		return 0;
	if (strlen(below) > PATH_LEN_MAX)
		return -ENAMETOOLONG;
	f = mill_xmalloc(sizeof(*f));
	*f = file_of(st);
	mill_map_set(arg, below, f);
	return 0;
}

/* ---- kubectl exec ---- */

struct stream {
	struct mill_kube *k;
	const struct mill_kube_fill *fill;
	struct mill_proc proc;
	int in, out, log_fd; /* -1: closed */
	struct mill_strbuf said, log;
	uint64_t told_ns, bytes, bytes_total;
	size_t files, files_total;
};

static int broken(struct stream *s, struct mill_error *err)
{
	return mill_kube_explain(s->k, "fill the data volume", s->log.len ? s->log.data : "kubectl exec ended early", err);
}

/* Takes what is there to read now. */
static void hear(int *fd, short events, struct mill_strbuf *into)
{
	char buf[32 << 10];
	ssize_t n = events ? mill_read_retry(*fd, buf, sizeof(buf)) : -EAGAIN;

	if (n > 0)
		mill_strbuf_add(into, buf, (size_t)n);
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		close(*fd);
		*fd = -1;
	}
}

/* Until something happened; 1: `in` takes bytes.  -ECANCELED, -ETIMEDOUT, -EPIPE once it has ended. */
static int turn(struct stream *s, bool writing, struct mill_error *err)
{
	struct pollfd p[] = {{.fd = s->out, .events = POLLIN}, {.fd = s->log_fd, .events = POLLIN},
			     {.fd = s->fill->cancel_fd, .events = POLLIN}, {.fd = writing ? s->in : -1, .events = POLLOUT}};

	if (s->out < 0 && s->log_fd < 0)
		return -EPIPE;
	if (poll(p, MILL_ARRAY_LEN(p), SILENCE_MS) <= 0)
		return mill_fail(err, ETIMEDOUT, "fill the data volume: the cluster takes nothing any more");
	if (p[2].revents)
		return mill_fail(err, ECANCELED, "cancelled while the data volume was filled");
	hear(&s->out, p[0].revents, &s->said);
	hear(&s->log_fd, p[1].revents, &s->log);
	return p[3].revents ? 1 : 0;
}

static int say(struct stream *s, const char *data, size_t len, struct mill_error *err)
{
	while (len) {
		int r = turn(s, true, err);
		ssize_t n;

		if (r < 0)
			return r == -EPIPE ? broken(s, err) : r;
		if (r == 0)
			continue;
		n = send(s->in, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) { /* why is about to be said */
			while ((r = turn(s, false, err)) >= 0)
				;
			return r == -EPIPE ? broken(s, err) : r;
		}
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void close_all(const int fds[3])
{
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_stream(struct stream *s, const char *pod, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	const char *const tail[] = {"exec", "--stdin", pod, "--", MILL_IMAGE_ENTRY, "mirror", MILL_POD_DATA};
	int in[2] = {-1, -1}, out[2] = {-1, -1}, log[2] = {-1, -1}, r;

	mill_kube_prefix(s->k, &words);
	mill_strv_addf(&words, "--namespace=%s", s->k->namespace);
	for (size_t i = 0; i < MILL_ARRAY_LEN(tail); i++)
		mill_strv_add(&words, tail[i]);
	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(log, O_CLOEXEC) < 0 ?
		    mill_fail_errno(err, errno, "pipe") : 0;
	const struct mill_spawn spawn = {.argv = mill_strv_argv(&words), .stdin_fd = in[1], .stdout_fd = out[1], .stderr_fd = log[1],
					 .new_group = true, .parent_death_signal = SIGTERM};
	if (r == 0)
		r = mill_proc_spawn(&spawn, &s->proc, err);
	close_all((const int[]){in[1], out[1], log[1]});
	s->in = in[0];
	s->out = out[0];
	s->log_fd = log[0];
	return r;
}

static void close_stream(struct stream *s, bool well)
{
	int status;

	if (s->proc.pid > 0) {
		if (!well)
			(void)mill_proc_signal(&s->proc, SIGTERM);
		if (mill_proc_wait(&s->proc, 5000, -1, &status) < 0) {
			(void)mill_proc_signal(&s->proc, SIGKILL);
			(void)mill_proc_wait(&s->proc, -1, -1, &status);
		}
	}
	mill_proc_release(&s->proc);
	close_all((const int[]){s->in, s->out, s->log_fd});
	mill_strbuf_release(&s->said);
	mill_strbuf_release(&s->log);
}

/* ---- what is there ---- */

/* Until the empty record: "SIZE MTIME_NS PATH\0" .. "\0". */
static int read_listing(struct stream *s, struct mill_error *err)
{
	const struct mill_strbuf *b = &s->said;

	for (;;) {
		int r;

		if (b->overflow)
			return mill_fail(err, EFBIG, "the data volume has more files than can be compared");
		if (b->len && !b->data[b->len - 1] && (b->len == 1 || !b->data[b->len - 2]))
			return 0;
		r = turn(s, false, err);
		if (r < 0)
			return r == -EPIPE ? broken(s, err) : r;
	}
}

/* A file system that keeps times less exactly than ours cuts them off. */
static bool same_time(int64_t ours, int64_t theirs)
{
	static const int64_t grains[] = {1, 100, 1000, 1000000, 1000000000};

	for (size_t i = 0; i < MILL_ARRAY_LEN(grains); i++)
		if (theirs == ours - ours % grains[i])
			return true;
	return false;
}

/* "SIZE MTIME_NS PATH", which is cut up; the path, "" when it is none. */
static const char *parse(char *record, uint64_t *ret_size, int64_t *ret_mtime_ns)
{
	char *time = strchr(record, ' '), *path = time ? strchr(time + 1, ' ') : NULL;

	if (!path)
		return "";
	*time++ = '\0';
	*path++ = '\0';
	return mill_parse_u64(record, ret_size) < 0 || mill_parse_i64(time, ret_mtime_ns) < 0 ? "" : path;
}

/* Marks what is as it should be, and asks for the removal of what should not be. */
static int compare(struct stream *s, struct mill_map *files, struct mill_kube_filled *ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf removals = MILL_STRBUF_INIT_MAX(SAID_MAX);
	int r;

	for (char *at = s->said.data, *next; *at; at = next) {
		uint64_t size = 0;
		int64_t mtime_ns = 0;
		const char *path;
		struct file *f;

		next = at + strlen(at) + 1;
		path = parse(at, &size, &mtime_ns);
		if (!*path)
			return mill_fail(err, EPROTO, "fill the data volume: what it says of itself is not understood");
		f = mill_map_get(files, path);
		if (f && f->size == size && same_time(f->mtime_ns, mtime_ns)) {
			f->there = true;
			ret->unchanged++;
		} else if (!f) {
			mill_strbuf_addstr(&removals, "del ");
			mill_strbuf_add(&removals, path, strlen(path) + 1);
			ret->removed++;
		}
	}
	mill_strbuf_reset(&s->said);
	for (size_t i = 0; i < files->n; i++) {
		const struct file *f = files->entries[i].value;

		if (f && !f->there) {
			s->files_total++;
			s->bytes_total += f->size;
		}
	}
	if (!s->files_total && !ret->removed)
		return 0;
	r = s->fill->before_change ? s->fill->before_change(s->fill->arg, err) : 0;
	return r < 0 ? r : say(s, removals.data, removals.len, err);
}

/* ---- sending ---- */

static void tell(struct stream *s, bool last)
{
	uint64_t now = mill_now_ns();
	char done[32], total[32];
	_cleanup_free_ char *text = NULL;

	if (!s->fill->on_progress || (!last && now - s->told_ns < TELL_MS * MILL_MS))
		return;
	s->told_ns = now;
	text = mill_xasprintf("volume: %zu of %zu files, %s of %s", s->files, s->files_total,
			      mill_format_size(s->bytes, done, sizeof(done)), mill_format_size(s->bytes_total, total, sizeof(total)));
	s->fill->on_progress(s->fill->arg, s->bytes_total ? (double)s->bytes / (double)s->bytes_total : -1, text);
}

static int send_bytes(struct stream *s, const char *path, int fd, uint64_t size, char *block, struct mill_error *err)
{
	while (size) {
		ssize_t n = mill_read_retry(fd, block, size < BLOCK ? (size_t)size : BLOCK);
		int r;

		if (n <= 0) {
			mill_fail(err, n ? (int)-n : EAGAIN, "%s: %s", path, n ? strerror((int)-n) : "it became shorter while it was read");
			return mill_error_hint(err, "run the same command again: what is there is not sent twice");
		}
		r = say(s, block, (size_t)n, err);
		if (r < 0)
			return r;
		size -= (uint64_t)n;
		s->bytes += (uint64_t)n;
		tell(s, false);
	}
	return 0;
}

static int send_file(struct stream *s, const char *folder, const char *below, char *block, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(folder, below);
	_cleanup_close_ int fd = mill_open_regular(path);
	struct mill_strbuf head = MILL_STRBUF_INIT_MAX(PATH_LEN_MAX + 128);
	struct stat st;
	struct file now;
	int r;

	if (fd == -ENOENT)
		return 0; /* gone meanwhile: the next time removes it */
	if (fd < 0)
		return mill_fail_errno(err, -fd, "%s", path);
	if (fstat(fd, &st) < 0)
		return mill_fail_errno(err, errno, "%s", path);
	now = file_of(&st);
	mill_strbuf_printf(&head, "put %llu %lld %u %s", (unsigned long long)now.size, (long long)now.mtime_ns, (unsigned)now.mode, below);
	r = say(s, head.data, head.len + 1, err);
	mill_strbuf_release(&head);
	return r < 0 ? r : send_bytes(s, path, fd, now.size, block, err);
}

static int send_all(struct stream *s, const char *folder, const struct mill_map *files, struct mill_error *err)
{
	_cleanup_free_ char *block = mill_xmalloc(BLOCK);
	int r = 0;

	for (size_t i = 0; i < files->n && r == 0; i++) {
		const struct file *f = files->entries[i].value;

		if (!f || f->there)
			continue;
		r = send_file(s, folder, files->entries[i].key, block, err);
		s->files++;
		tell(s, false);
	}
	tell(s, true);
	return r < 0 ? r : say(s, "end", 4, err);
}

static int finish(struct stream *s, struct mill_error *err)
{
	int status, r;

	(void)shutdown(s->in, SHUT_WR);
	while ((r = turn(s, false, err)) >= 0)
		;
	if (r != -EPIPE)
		return r;
	r = mill_proc_wait(&s->proc, SILENCE_MS, -1, &status);
	if (r == 0 && status == 0 && s->said.len == 5 && memcmp(s->said.data, "done", 5) == 0)
		return 0;
	return broken(s, err);
}

int mill_kube_fill_pod(struct mill_kube *k, const char *pod, const struct mill_kube_fill *fill, struct mill_kube_filled *ret,
		       struct mill_error *err)
{
	_cleanup_map_ struct mill_map files = {.free_value = free};
	struct stream s = {.k = k, .fill = fill, .proc = MILL_PROC_INIT, .in = -1, .out = -1, .log_fd = -1,
			   .said = MILL_STRBUF_INIT_MAX(SAID_MAX), .log = MILL_STRBUF_INIT_MAX(LOG_MAX)};
	uint64_t total = 0;
	int r = mill_walk(fill->folder, note_file, &files, err);

	for (size_t i = 0; i < files.n; i++)
		total += ((const struct file *)files.entries[i].value)->size;
	if (r == 0 && total > fill->room_bytes) {
		char is[32], room[32];

		mill_fail(err, ENOSPC, "%s holds %s, and the data volume has room for %s", fill->folder,
			  mill_format_size(total, is, sizeof(is)), mill_format_size(fill->room_bytes, room, sizeof(room)));
		return mill_error_hint(err, "`data: {storage: ...}` of the target says how large it is, and `data: {mount: false}` that there is none");
	}
	if (r == 0)
		r = open_stream(&s, pod, err);
	if (r == 0)
		r = read_listing(&s, err);
	if (r == 0)
		r = compare(&s, &files, ret, err);
	if (r == 0)
		r = send_all(&s, fill->folder, &files, err);
	if (r == 0)
		r = finish(&s, err);
	ret->sent = s.files;
	ret->bytes = s.bytes;
	close_stream(&s, r == 0);
	return r;
}
