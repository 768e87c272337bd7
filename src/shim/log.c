#include "shim/log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "shim/sys.h"

enum {
	BUFFER_SIZE = 65536, /* at least twice line_max */
	PAGE = 4096,
	BATCH_LINES = 64,
	DRAIN_READS = 256, /* 256 * 64 KiB: more than any pipe holds */
	CALM_BYTES = 8192, /* buffers touched past this are given back when the burst is over */
};

static char buffers[MILL_LOG_STREAMS][BUFFER_SIZE] __attribute__((aligned(PAGE)));

/* One batch: lines that share a time, written by one writev. */
struct batch {
	struct iovec iov[3 * BATCH_LINES + 1];
	int n;
	unsigned lines;
	size_t bytes, gap_bytes; /* with the mark of a gap; of that mark alone */
	char head[MILL_LOG_STREAMS][32], gap[160];
	size_t head_len;
};

static uint64_t wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void mill_shim_log_init(struct mill_shim_log *log, int dir_fd, uint64_t max_bytes, unsigned keep, uint32_t line_max)
{
	memset(log, 0, sizeof(*log));
	log->dir_fd = dir_fd;
	log->fd = -1;
	log->in[0] = log->in[1] = -1;
	log->max_bytes = max_bytes < 4096 ? 4096 : max_bytes;
	log->keep = keep;
	log->line_max = line_max < 64 ? 64 : line_max > BUFFER_SIZE / 2 ? BUFFER_SIZE / 2 : line_max;
	/* One line with its stamp and the mark of a gap fits into a file. */
	if (log->line_max > log->max_bytes - 256)
		log->line_max = (uint32_t)log->max_bytes - 256;
	log->now_ms = wall_ms;
}

/* ---- the file ---- */

/*
 * Opened so that a service, whose user may own the folder, cannot make us
 * write elsewhere: no links of either kind, nothing but a regular file.
 */
static int open_current(struct mill_shim_log *log)
{
	struct stat st;
	int fd = openat(log->dir_fd, "current", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		return -EPERM;
	}
	/* As root: the services' group reads it (rsyslog ships logs), nobody but us writes. */
	struct stat dir;
	if (geteuid() == 0 && fstat(log->dir_fd, &dir) == 0 && (dir.st_gid != st.st_gid || (st.st_mode & 0777) != 0640) &&
	    fchown(fd, (uid_t)-1, dir.st_gid) == 0)
		(void)fchmod(fd, 0640);
	log->fd = fd;
	log->size = (uint64_t)st.st_size;
	return 0;
}

static void name_of(char *buf, size_t cap, unsigned n)
{
	struct mill_text t = {.data = buf, .cap = cap};
	if (n == 0)
		mill_text_add(&t, "current");
	else
		mill_text_num(&t, n);
}

static void rotate(struct mill_shim_log *log)
{
	char from[16], to[16];
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	for (unsigned n = log->keep; n > 0; n--) {
		name_of(from, sizeof(from), n - 1);
		name_of(to, sizeof(to), n);
		renameat(log->dir_fd, from, log->dir_fd, to);
	}
	if (log->keep == 0)
		unlinkat(log->dir_fd, "current", 0);
}

static const char *errno_name(int e)
{
	switch (e) {
	case ENOSPC:
		return "no space left on device";
	case EDQUOT:
		return "disk quota exceeded";
	case EFBIG:
		return "file too large";
	case EROFS:
		return "read-only file system";
	case EIO:
		return "input/output error";
	case EACCES:
	case EPERM:
		return "permission denied";
	default:
		return "write error";
	}
}

/* Writes all of the batch or nothing of it: a partial write is cut off again. */
static int write_batch(struct mill_shim_log *log, struct batch *b)
{
	struct iovec iov[MILL_ARRAY_LEN(b->iov)];
	size_t done = 0;
	int at = 0;
	memcpy(iov, b->iov, sizeof(iov[0]) * (size_t)b->n);
	while (done < b->bytes) {
		ssize_t n = writev(log->fd, iov + at, b->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int e = n < 0 ? errno : EIO;
			if (done && ftruncate(log->fd, (off_t)log->size) < 0)
				log->size += done; /* a torn line is the worst that remains */
			return -e;
		}
		done += (size_t)n;
		while (at < b->n && (size_t)n >= iov[at].iov_len)
			n -= (ssize_t)iov[at++].iov_len;
		if (n) {
			iov[at].iov_base = (char *)iov[at].iov_base + n;
			iov[at].iov_len -= (size_t)n;
		}
	}
	log->size += b->bytes;
	return 0;
}

static void batch_start(struct mill_shim_log *log, struct batch *b)
{
	b->n = 0;
	b->lines = 0;
	b->bytes = b->gap_bytes = 0;
	for (int s = 0; s < MILL_LOG_STREAMS; s++) {
		struct mill_text t = MILL_TEXT(b->head[s]);
		mill_text_time(&t, log->now_ms());
		mill_text_add(&t, s == MILL_LOG_OUT ? " o " : " e ");
		b->head_len = t.len;
	}
	if (!log->gap_lines)
		return;
	struct mill_text t = MILL_TEXT(b->gap);
	mill_text_addn(&t, b->head[0], b->head_len - 2);
	mill_text_add(&t, "m ");
	mill_text_num(&t, log->gap_lines);
	mill_text_add(&t, " lines (");
	mill_text_num(&t, log->gap_bytes);
	mill_text_add(&t, " bytes) lost here: ");
	mill_text_add(&t, errno_name(log->gap_errno));
	mill_text_add(&t, "\n");
	b->iov[b->n++] = (struct iovec){b->gap, t.len};
	b->bytes = b->gap_bytes = t.len;
}

static void batch_flush(struct mill_shim_log *log, struct batch *b)
{
	if (b->lines == 0)
		return;
	int rc = 0;
	if (log->fd >= 0 && log->size && log->size + b->bytes > log->max_bytes)
		rotate(log);
	if (log->fd < 0)
		rc = open_current(log);
	if (rc == 0 && log->size && log->size + b->bytes > log->max_bytes) {
		rotate(log); /* a large file that was there before us */
		rc = open_current(log);
	}
	if (rc == 0)
		rc = write_batch(log, b);
	if (rc < 0) {
		log->gap_lines += b->lines;
		log->lost_lines += b->lines;
		log->gap_bytes += b->bytes - b->gap_bytes;
		log->gap_errno = -rc;
		if (rc == -EFBIG)
			rotate(log); /* the limit is on one file: the next can be written */
	} else {
		log->gap_lines = log->gap_bytes = 0;
	}
	batch_start(log, b);
}

static void batch_add(struct mill_shim_log *log, struct batch *b, const char *head, const char *text, size_t len,
		      bool has_newline)
{
	/* A batch stays below the size limit of a file, or rotation could not keep it. */
	if (b->lines >= BATCH_LINES || (b->lines && b->bytes + len + 64 > log->max_bytes))
		batch_flush(log, b);
	b->iov[b->n++] = (struct iovec){(void *)head, b->head_len};
	b->iov[b->n++] = (struct iovec){(void *)text, len + has_newline};
	if (!has_newline)
		b->iov[b->n++] = (struct iovec){(void *)"\n", 1};
	b->bytes += b->head_len + len + 1;
	b->lines++;
}

/* Writes the complete lines of a stream's buffer (with `all`, the rest too) and moves what is left to its front. */
static void write_lines(struct mill_shim_log *log, int stream, bool all)
{
	static struct batch b;
	const char *p = buffers[stream];
	size_t left = log->fill[stream];
	batch_start(log, &b);
	while (left) {
		size_t window = left < (size_t)log->line_max + 1 ? left : (size_t)log->line_max + 1;
		const char *newline = memchr(p, '\n', window);
		size_t len = newline ? (size_t)(newline - p) : window;
		if (!newline && len > log->line_max)
			len = log->line_max; /* too long: goes on in a line of its own */
		else if (!newline && !all)
			break;
		batch_add(log, &b, b.head[stream], p, len, newline != NULL);
		p += len + (newline != NULL);
		left -= len + (newline != NULL);
	}
	batch_flush(log, &b);
	memmove(buffers[stream], p, left);
	log->fill[stream] = left;
}

/* After a burst the pages go back to the kernel: an idle shim stays small. */
static void calm(struct mill_shim_log *log)
{
	if (log->touched <= CALM_BYTES || log->fill[0] > PAGE || log->fill[1] > PAGE)
		return;
	for (int s = 0; s < MILL_LOG_STREAMS; s++)
		madvise(buffers[s] + PAGE, BUFFER_SIZE - PAGE, MADV_DONTNEED);
	log->touched = 0;
}

bool mill_shim_log_read(struct mill_shim_log *log, int stream)
{
	size_t room = BUFFER_SIZE - log->fill[stream];
	ssize_t n = read(log->in[stream], buffers[stream] + log->fill[stream], room);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		write_lines(log, stream, true);
		return false;
	}
	log->fill[stream] += (size_t)n;
	if (log->fill[stream] > log->touched)
		log->touched = log->fill[stream];
	write_lines(log, stream, false);
	if ((size_t)n < PAGE)
		calm(log);
	return true;
}

void mill_shim_log_note(struct mill_shim_log *log, const char *text)
{
	static struct batch b;
	char head[32];
	batch_start(log, &b);
	struct mill_text t = MILL_TEXT(head);
	mill_text_addn(&t, b.head[0], b.head_len - 2);
	mill_text_add(&t, "m ");
	batch_add(log, &b, head, text, strlen(text), false);
	batch_flush(log, &b);
}

void mill_shim_log_drain(struct mill_shim_log *log)
{
	for (int s = 0; s < MILL_LOG_STREAMS; s++) {
		for (int i = 0; log->in[s] >= 0 && i < DRAIN_READS; i++) {
			size_t room = BUFFER_SIZE - log->fill[s];
			ssize_t n = read(log->in[s], buffers[s] + log->fill[s], room);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break;
			log->fill[s] += (size_t)n;
			write_lines(log, s, false);
		}
		if (log->fill[s])
			write_lines(log, s, true);
	}
}
