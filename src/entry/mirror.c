/*
 * entry mirror FOLDER: makes the folder what its sender has (runtime/kubernetes/data.c), in one exchange.
 *
 *	out:  "SIZE MTIME_NS PATH\0" of each file that is there, then "\0"
 *	in:   "del PATH\0" | "put SIZE MTIME_NS MODE PATH\0" and SIZE bytes; then "end\0"
 *	out:  "done\0", once all of it is on disk
 *
 * A file is written beside its place and renamed: who reads the folder meanwhile sees the old or the new one, whole. A path that leaves the
 * folder, through a link or by its name, is refused. Input that ends before "end" is an error; what came whole until then stays.
 */
#include "entry/entry.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/parse.h"

#define PATH_LEN_MAX 4096
#define HEAD_MAX     (PATH_LEN_MAX + 128)
#define BLOCK        ((size_t)256 << 10)
#define TEMP         ".data-mill-tmp"

struct mirror {
	const char *folder;
	int fd;
	/* what was read and is not used yet: from..to of buf */
	char *buf;
	size_t from, to;
};

/* ---- what is there ---- */

static int tell_file(void *arg, const char *below, const struct stat *st)
{
	const char *slash = strrchr(below, '/');
	const struct mirror *m = arg;

	if (S_ISDIR(st->st_mode))
		return mill_streq(below, "lost+found"); /* the file system's own */
	if (mill_streq(slash ? slash + 1 : below, TEMP)) {
		(void)unlinkat(m->fd, below, 0); /* of somebody who was killed: we hold the lock */
		return 0;
	}
	if (S_ISREG(st->st_mode))
		printf("%lld %lld %s%c", (long long)st->st_size, (long long)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec, below, 0);
	return 0;
}

static int tell_all(struct mirror *m, struct mill_error *err)
{
	int r = mill_walk(m->folder, tell_file, m, err);

	if (r == 0 && (putchar('\0') == EOF || fflush(stdout) == EOF))
		r = mill_fail_errno(err, errno, "standard output");
	return r;
}

/* ---- what is said ---- */

static int fill(struct mirror *m, struct mill_error *err)
{
	ssize_t n = mill_read_retry(0, m->buf, BLOCK);

	if (n < 0)
		return mill_fail_errno(err, (int)-n, "standard input");
	if (n == 0)
		return mill_fail(err, EPIPE, "what was sent ends in the middle");
	m->from = 0;
	m->to = (size_t)n;
	return 0;
}

/* Up to the next NUL. */
static int read_head(struct mirror *m, char *head, struct mill_error *err)
{
	for (size_t len = 0; len < HEAD_MAX; len++) {
		int r = m->from == m->to ? fill(m, err) : 0;

		if (r < 0)
			return r;
		head[len] = m->buf[m->from++];
		if (!head[len])
			return 0;
	}
	return mill_fail(err, EPROTO, "a line of what was sent is too long");
}

/* ---- places ---- */

static bool good_path(const char *path)
{
	size_t len = strlen(path);

	if (!len || len > PATH_LEN_MAX || path[0] == '/' || path[len - 1] == '/')
		return false;
	for (const char *part = path; part; part = strchr(part, '/'), part = part ? part + 1 : NULL) {
		size_t n = strcspn(part, "/");

		if (!n || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
	}
	return true;
}

/* The folder that holds the path's last part, made with `make`; an fd, or -errno.  No link is followed. */
static int open_parent(const struct mirror *m, char *path, bool make, const char **ret_name)
{
	int fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 3);
	char *part = path, *slash;

	if (fd < 0)
		return -errno;
	while (fd >= 0 && (slash = strchr(part, '/'))) {
		int next;

		*slash = '\0';
		if (make && mkdirat(fd, part, 0755) < 0 && errno != EEXIST)
			next = -errno;
		else if ((next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
			next = -errno;
		*slash = '/';
		close(fd);
		fd = next;
		part = slash + 1;
	}
	*ret_name = part;
	return fd;
}

static int drop(const struct mirror *m, char *path, struct mill_error *err)
{
	const char *name;
	int fd = open_parent(m, path, false, &name), r = 0;
	char *slash;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return mill_fail_errno(err, -fd, "%s", path);
	if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		r = mill_fail_errno(err, errno, "remove %s", path);
	close(fd);
	/* Folders come and go with what is in them. */
	while (r == 0 && (slash = strrchr(path, '/'))) {
		*slash = '\0';
		if (unlinkat(m->fd, path, AT_REMOVEDIR) < 0)
			break;
	}
	return r;
}

static int receive(struct mirror *m, int fd, uint64_t size, struct mill_error *err)
{
	while (size) {
		size_t have = m->to - m->from, n = have < size ? have : (size_t)size;
		int r = n ? mill_write_all(fd, m->buf + m->from, n) : fill(m, err);

		if (r < 0)
			return n ? mill_fail_errno(err, -r, "write") : r;
		m->from += n;
		size -= n;
	}
	return 0;
}

static int put(struct mirror *m, char *path, uint64_t size, int64_t mtime_ns, mode_t mode, struct mill_error *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime_ns / 1000000000, .tv_nsec = mtime_ns % 1000000000}};
	const char *name;
	int dir = open_parent(m, path, true, &name), fd, r;

	if (dir < 0)
		return mill_fail_errno(err, -dir, "%s", path);
	fd = openat(dir, TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? mill_fail_errno(err, errno, "make a file") : receive(m, fd, size, err);
	if (r == 0 && (fchmod(fd, mode) < 0 || futimens(fd, times) < 0))
		r = mill_fail_errno(err, errno, "mode and time");
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = mill_fail_errno(err, errno, "write");
	if (r == 0 && renameat(dir, TEMP, dir, name) < 0)
		r = mill_fail_errno(err, errno, "rename");
	if (r < 0) {
		mill_error_wrap(err, "%s", path);
		(void)unlinkat(dir, TEMP, 0);
	}
	close(dir);
	return r;
}

/* ---- the exchange ---- */

/* The next word of *at, which is moved behind it; "" when there is none. */
static const char *word(char **at)
{
	char *begin = *at, *end = begin + strcspn(begin, " ");

	*at = *end ? end + 1 : end;
	*end = '\0';
	return begin;
}

/* 1: it was the end. */
static int obey(struct mirror *m, char *head, struct mill_error *err)
{
	char *at = head;
	const char *verb = word(&at);
	uint64_t size = 0, mode = 0;
	int64_t mtime_ns = 0;

	if (mill_streq(verb, "end"))
		return 1;
	if (mill_streq(verb, "del") && good_path(at))
		return drop(m, at, err);
	if (!mill_streq(verb, "put") || mill_parse_u64(word(&at), &size) < 0 || mill_parse_i64(word(&at), &mtime_ns) < 0 || mtime_ns < 0 ||
	    mill_parse_u64(word(&at), &mode) < 0 || mode > 0777 || !good_path(at))
		return mill_fail(err, EPROTO, "what was sent is not understood");
	return put(m, at, size, mtime_ns, (mode_t)mode, err);
}

static int exchange(struct mirror *m, struct mill_error *err)
{
	char head[HEAD_MAX];
	int r;

	if (flock(m->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return mill_fail(err, EBUSY, "%s: somebody else fills it just now", m->folder);
	r = tell_all(m, err);
	while (r == 0) {
		r = read_head(m, head, err);
		if (r == 0)
			r = obey(m, head, err);
	}
	if (r < 0)
		return r;
	if (syncfs(m->fd) < 0)
		return mill_fail_errno(err, errno, "%s: sync", m->folder);
	return mill_write_all(1, "done", 5) < 0 ? mill_fail(err, EPIPE, "standard output") : 0;
}

int mill_entry_mirror(const char *folder, struct mill_error *err)
{
	struct mirror m = {.folder = folder, .fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int r;

	if (m.fd < 0)
		return mill_fail_errno(err, errno, "%s", folder);
	umask(022); /* whoever mounts it reads it */
	m.buf = mill_xmalloc(BLOCK);
	r = exchange(&m, err);
	free(m.buf);
	close(m.fd);
	return r;
}
