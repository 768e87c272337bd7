#include "daemon/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/paths.h"

#define TAIL_MAX ((size_t)64 << 10)

uint64_t mill_journal_line_seq(const char *line, size_t len)
{
	static const char head[] = "{\"seq\":";
	uint64_t seq = 0;
	size_t at = sizeof(head) - 1;
	if (len < at || memcmp(line, head, at) != 0)
		return 0;
	while (at < len && line[at] == ' ')
		at++;
	for (; at < len && line[at] >= '0' && line[at] <= '9'; at++)
		seq = seq * 10 + (uint64_t)(line[at] - '0');
	return seq;
}

/* The number of the last whole line; a torn one at the end (killed while writing) is passed over. */
static uint64_t last_seq(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	if (size <= 0)
		return 0;
	size_t want = (uint64_t)size > TAIL_MAX ? TAIL_MAX : (size_t)size;
	_cleanup_free_ char *buf = mill_xmalloc(want + 1);
	ssize_t n = pread(fd, buf, want, size - (off_t)want);
	uint64_t seq = 0;
	for (char *p = buf, *end; n > 0 && (end = memchr(p, '\n', (size_t)(buf + n - p))); p = end + 1) {
		uint64_t line = mill_journal_line_seq(p, (size_t)(end - p));
		seq = line > seq ? line : seq;
	}
	return seq;
}

static int open_file(struct mill_journal *j, struct mill_error *err)
{
	struct stat st;
	char last = '\n';
	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return mill_fail_errno(err, errno, "%s", j->path);
	j->size = fstat(j->fd, &st) == 0 ? st.st_size : 0;
	/* A line that a killed daemon left torn is ended here. */
	if (j->size > 0 && pread(j->fd, &last, 1, j->size - 1) == 1 && last != '\n' && mill_write_all(j->fd, "\n", 1) == 0)
		j->size++;
	return 0;
}

int mill_journal_open(struct mill_journal *j, const char *platform_dir, struct mill_error *err)
{
	*j = (struct mill_journal){.fd = -1, .max = MILL_JOURNAL_MAX};
	j->path = mill_daemon_path(platform_dir, "events.jsonl");
	j->old_path = mill_daemon_path(platform_dir, "events.1.jsonl");
	j->seq = last_seq(j->path);
	if (!j->seq)
		j->seq = last_seq(j->old_path);
	return open_file(j, err);
}

void mill_journal_close(struct mill_journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	free(j->old_path);
	*j = (struct mill_journal){.fd = -1};
}

static void append(struct mill_journal *j, const char *line, size_t len)
{
	if (j->fd >= 0 && j->size + (off_t)len > j->max) {
		close(j->fd);
		j->fd = -1;
		rename(j->path, j->old_path);
	}
	if (j->fd < 0 && open_file(j, NULL) < 0)
		return;
	if (mill_write_all(j->fd, line, len) == 0)
		j->size += (off_t)len;
	else if (ftruncate(j->fd, j->size) < 0)
		j->size += (off_t)len;
}

void mill_journal_write(struct mill_journal *j, const char *event, const char *service,
			void (*fill)(struct mill_json_writer *w, const void *arg), const void *arg)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	char now[MILL_RFC3339_LEN];
	mill_json_writer_init(&w, &b, false);
	mill_json_begin_object(&w);
	mill_json_key(&w, "seq");
	mill_json_uint(&w, ++j->seq);
	mill_json_kv_string(&w, "time", mill_format_rfc3339(mill_wall_ms(), now));
	mill_json_kv_string(&w, "event", event);
	if (service)
		mill_json_kv_string(&w, "service", service);
	if (fill)
		fill(&w, arg);
	mill_json_end_object(&w);
	mill_strbuf_addch(&b, '\n');
	append(j, b.data, b.len);
	if (j->listen)
		j->listen(j->arg, b.data, b.len);
}
