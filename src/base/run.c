#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/proc.h"

#define DEFAULT_OUTPUT_MAX ((size_t)1 << 20)
#define LINE_MAX_BYTES ((size_t)64 << 10)
#define KILL_GRACE_NS (2 * MILL_SEC)
/* How long the pipes may stay open behind the program's end (a child of it has them). */
#define LINGER_NS (MILL_SEC / 2)

struct stream {
	int fd; /* our end of the pipe; -1 at its end */
	struct mill_strbuf *keep;
	size_t max;
	struct mill_strbuf line;
};

struct run {
	const struct mill_run *r;
	struct mill_proc proc;
	struct stream streams[2];
	uint64_t deadline; /* of what happens next; 0: none */
	int reason;        /* ETIMEDOUT, ECANCELED: we are ending it */
	bool exited;       /* a zombie now; reaped at the end */
};

/* Appends, keeping the last `max` bytes.  Some slack makes the moving rare. */
static void keep_tail(struct stream *s, const char *data, size_t n)
{
	struct mill_strbuf *b = s->keep;
	if (!b)
		return;
	if (n > s->max) {
		data += n - s->max;
		n = s->max;
	}
	size_t ceiling = b->max ? b->max : MILL_STRBUF_MAX;
	size_t slack = ceiling / 2 >= s->max ? s->max : 0;
	if (b->len + n > s->max + slack)
		mill_strbuf_consume(b, b->len + n - s->max);
	mill_strbuf_add(b, data, n);
}

static void flush_line(struct run *run, struct stream *s)
{
	if (s->line.len && s->line.data[s->line.len - 1] == '\r')
		mill_strbuf_truncate(&s->line, s->line.len - 1);
	run->r->on_line(run->r->on_line_arg, s->line.data);
	mill_strbuf_reset(&s->line);
}

static void feed_lines(struct run *run, struct stream *s, const char *data, size_t n)
{
	while (n) {
		const char *newline = memchr(data, '\n', n);
		size_t part = newline ? (size_t)(newline - data) : n;
		size_t room = LINE_MAX_BYTES - s->line.len;
		if (part > room) {
			mill_strbuf_add(&s->line, data, room);
			flush_line(run, s); /* an endless line comes in pieces */
			data += room;
			n -= room;
			continue;
		}
		mill_strbuf_add(&s->line, data, part);
		if (newline)
			flush_line(run, s);
		part += newline != NULL;
		data += part;
		n -= part;
	}
}

static void close_stream(struct run *run, struct stream *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	if (run->r->on_line && s->line.len)
		flush_line(run, s);
}

/* Reads once; false when there is nothing (more) now. */
static bool read_stream(struct run *run, struct stream *s)
{
	char buf[32 << 10];
	ssize_t n = mill_read_retry(s->fd, buf, sizeof(buf));
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		close_stream(run, s);
		return false;
	}
	if (run->r->log_fd >= 0)
		(void)mill_write_all(run->r->log_fd, buf, (size_t)n);
	keep_tail(s, buf, (size_t)n);
	if (run->r->on_line)
		feed_lines(run, s, buf, (size_t)n);
	return true;
}

/* Session of a process: field 6 of its stat, or -1. */
static pid_t session_of(const char *pid)
{
	char path[300], text[1024];
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : mill_read_retry(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	int parent, group, session;
	char *s = strrchr(text, ')');
	if (!s || sscanf(s + 1, " %*c %d %d %d", &parent, &group, &session) != 3)
		return -1;
	return session;
}

/* Others of the session that left the group (job control, setpgid). */
static void signal_session(const struct mill_proc *leader, int sig)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	while (d && (e = readdir(d))) {
		int pid;
		uint64_t start;
		struct mill_proc p = MILL_PROC_INIT;
		if (mill_parse_int(e->d_name, 2, INT32_MAX, &pid) < 0 || pid == leader->pid ||
		    mill_proc_start_time(pid, &start) < 0 ||
		    session_of(e->d_name) != leader->pid)
			continue;
		if (mill_proc_open(pid, start, &p) == 0) {
			(void)mill_proc_signal(&p, sig);
			mill_proc_release(&p);
		}
	}
	if (d)
		closedir(d);
}

/*
 * The leader is not reaped before the last call of this, so its number cannot
 * have become another group's.
 */
static void signal_all(struct run *run, int sig)
{
	kill(-run->proc.pid, sig);
	if (run->r->spawn.new_session || !run->r->spawn.new_group)
		signal_session(&run->proc, sig);
}

static void end_it(struct run *run, int reason)
{
	run->reason = reason;
	run->deadline = mill_now_ns() + KILL_GRACE_NS;
	signal_all(run, SIGTERM);
	signal_all(run, SIGCONT); /* a stopped one would not see it */
}

static void on_deadline(struct run *run)
{
	if (run->exited) {
		/* What still holds the pipes is not ours to wait for. */
		close_stream(run, &run->streams[0]);
		close_stream(run, &run->streams[1]);
	} else if (run->reason) {
		signal_all(run, SIGKILL);
		run->deadline = mill_now_ns() + KILL_GRACE_NS;
	} else {
		end_it(run, ETIMEDOUT);
	}
}

static void loop(struct run *run)
{
	struct stream *out = &run->streams[0], *err = &run->streams[1];
	while (!run->exited || out->fd >= 0 || err->fd >= 0) {
		struct pollfd fds[4] = {
			{.fd = out->fd, .events = POLLIN},
			{.fd = err->fd, .events = POLLIN},
			{.fd = run->exited ? -1 : run->proc.pidfd, .events = POLLIN},
			{.fd = run->reason || run->exited ? -1 : run->r->cancel_fd, .events = POLLIN},
		};
		int timeout = -1;
		if (run->deadline) {
			uint64_t now = mill_now_ns();
			timeout = now >= run->deadline
					  ? 0
					  : (int)((run->deadline - now) / MILL_MS) + 1;
		}
		int n = poll(fds, 4, timeout);
		if (n < 0 && errno != EINTR)
			BUG("poll: %s", strerror(errno));
		if (n > 0 && fds[0].revents)
			read_stream(run, out);
		if (n > 0 && fds[1].revents)
			read_stream(run, err);
		if (n > 0 && fds[2].revents) {
			run->exited = true;
			run->deadline = mill_now_ns() + LINGER_NS;
			if (run->reason)
				signal_all(run, SIGKILL);
		}
		if (n > 0 && fds[3].revents)
			end_it(run, ECANCELED);
		if (run->deadline && mill_now_ns() >= run->deadline)
			on_deadline(run);
	}
}

/*
 * Input goes through a memory file: the child reads it at its own pace, and
 * no write of ours can block or raise SIGPIPE.
 */
static int open_input(const struct mill_run *r)
{
	int fd = memfd_create("data-mill input", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = mill_write_all(fd, r->input, r->input_len);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int open_stream(struct stream *s, struct mill_strbuf *keep, size_t max, int *ret_write)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* Only our end: O_NONBLOCK on the child's would surprise it. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*s = (struct stream){.fd = fds[0], .keep = keep, .max = max, .line = MILL_STRBUF_INIT};
	*ret_write = fds[1];
	return 0;
}

static void finish_stream(struct run *run, struct stream *s)
{
	close_stream(run, s);
	if (s->keep && s->keep->len > s->max)
		mill_strbuf_consume(s->keep, s->keep->len - s->max);
	mill_strbuf_release(&s->line);
}

static int start(struct run *run, struct mill_strbuf *out, struct mill_strbuf *err_out,
		 struct mill_error *err)
{
	const struct mill_run *r = run->r;
	struct mill_spawn spawn = r->spawn;
	size_t max = r->output_max ? r->output_max : DEFAULT_OUTPUT_MAX;
	_cleanup_close_ int in_fd = -1;
	_cleanup_close_ int out_fd = -1;
	_cleanup_close_ int err_fd = -1;
	if (r->input) {
		in_fd = open_input(r);
		if (in_fd < 0)
			return mill_fail_errno(err, -in_fd, "run %s: input", spawn.argv[0]);
		spawn.stdin_fd = in_fd;
	}
	int rc = open_stream(&run->streams[0], out, max, &out_fd);
	if (rc == 0 && !r->merge_stderr)
		rc = open_stream(&run->streams[1], err_out, max, &err_fd);
	if (rc < 0)
		return mill_fail_errno(err, -rc, "run %s: pipe", spawn.argv[0]);
	spawn.stdout_fd = out_fd;
	spawn.stderr_fd = r->merge_stderr ? out_fd : err_fd;
	/* So that it can be ended with all that it starts. */
	if (!spawn.new_group)
		spawn.new_session = true;
	return mill_proc_spawn(&spawn, &run->proc, err);
}

int mill_run(const struct mill_run *r, struct mill_strbuf *out, struct mill_strbuf *err_out,
	     int *ret_status, struct mill_error *err)
{
	struct run run = {.r = r,
			  .proc = MILL_PROC_INIT,
			  .streams = {{.fd = -1, .line = MILL_STRBUF_INIT},
				      {.fd = -1, .line = MILL_STRBUF_INIT}}};
	if (!r->spawn.argv || !r->spawn.argv[0])
		return mill_fail(err, EINVAL, "no program to run");
	int rc = start(&run, out, err_out, err);
	int status = 0;
	if (rc == 0) {
		if (r->timeout_ms > 0)
			run.deadline = mill_now_ns() + (uint64_t)r->timeout_ms * MILL_MS;
		loop(&run);
		rc = mill_proc_wait(&run.proc, -1, -1, &status);
		if (rc < 0)
			mill_fail_errno(err, -rc, "wait for %s", r->spawn.argv[0]);
	}
	finish_stream(&run, &run.streams[0]);
	finish_stream(&run, &run.streams[1]);
	mill_proc_release(&run.proc);
	if (rc < 0)
		return rc;
	if (ret_status)
		*ret_status = status;
	if (run.reason == ECANCELED)
		return mill_fail(err, ECANCELED, "%s: interrupted", r->spawn.argv[0]);
	if (run.reason == ETIMEDOUT) {
		char text[32];
		return mill_fail(err, ETIMEDOUT, "%s: not done after %s", r->spawn.argv[0],
				 mill_format_duration((uint64_t)r->timeout_ms * MILL_MS, text,
						      sizeof(text)));
	}
	return 0;
}
