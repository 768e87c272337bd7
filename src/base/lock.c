#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"

#define HOLDER_MAX 256

/* "pid command", so that one who waits can say for whom. */
static void write_holder(int fd)
{
	char line[512];
	_cleanup_free_ char *args = NULL;
	size_t n = 0;
	if (mill_read_file("/proc/self/cmdline", 1 << 20, &args, &n, NULL) < 0)
		n = 0;
	const char *program = n ? mill_path_basename(args) : "?";
	size_t first = n ? strlen(args) + 1 : 0;
	/* The first argument is the subcommand; later ones may be anything. */
	const char *verb = first < n ? args + first : "";
	int len = snprintf(line, HOLDER_MAX, "%d %.100s%s%.60s\n", (int)getpid(), program,
			   *verb ? " " : "", verb);
	if (len > 0 && ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, line, (size_t)len < HOLDER_MAX ? (size_t)len : HOLDER_MAX - 1, 0);
}

static int open_lock(const char *path, bool shared)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	/* A read-only store can still be held. */
	if (fd < 0 && shared && (errno == EROFS || errno == EACCES))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Is the file that we hold still the one of that name? */
static bool still_there(int fd, const char *path)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

/* 0 and *ret_fd, or -errno (EWOULDBLOCK with LOCK_NB). */
static int acquire(const char *path, bool shared, int extra, int *ret_fd)
{
	for (;;) {
		int fd = open_lock(path, shared);
		if (fd < 0)
			return fd;
		if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | extra) < 0) {
			int code = errno;
			close(fd);
			return -code;
		}
		if (still_there(fd, path)) {
			write_holder(fd);
			*ret_fd = fd;
			return 0;
		}
		close(fd); /* removed and made anew meanwhile */
	}
}

static int held_error(const char *path, int code, struct mill_error *err)
{
	_cleanup_free_ char *holder = mill_lock_holder(path);
	return mill_fail(err, code, "%s is locked by %s", path,
			 holder ? holder : "another process");
}

int mill_lock_try(const char *path, bool shared, int *ret_fd, struct mill_error *err)
{
	int r = acquire(path, shared, LOCK_NB, ret_fd);
	if (r == -EWOULDBLOCK)
		return held_error(path, EWOULDBLOCK, err);
	return r < 0 ? mill_fail_errno(err, -r, "lock %s", path) : 0;
}

int mill_lock_wait(const char *path, bool shared, int timeout_ms, int *ret_fd,
		   struct mill_error *err)
{
	if (timeout_ms < 0) {
		/* A signal's handler (Ctrl-C) ends the wait: EINTR goes up. */
		int r = acquire(path, shared, 0, ret_fd);
		return r < 0 ? mill_fail_errno(err, -r, "lock %s", path) : 0;
	}
	uint64_t deadline = mill_now_ns() + (uint64_t)timeout_ms * MILL_MS;
	for (unsigned pause = 2;; pause = pause < 100 ? pause * 2 : 100) {
		int r = acquire(path, shared, LOCK_NB, ret_fd);
		if (r != -EWOULDBLOCK)
			return r < 0 ? mill_fail_errno(err, -r, "lock %s", path) : 0;
		uint64_t now = mill_now_ns();
		if (now >= deadline)
			return held_error(path, ETIMEDOUT, err);
		uint64_t left = (deadline - now) / MILL_MS + 1;
		mill_sleep_ms(left < pause ? (unsigned)left : pause);
	}
}

char *mill_lock_holder(const char *path)
{
	_cleanup_free_ char *text = NULL;
	if (mill_read_file(path, HOLDER_MAX, &text, NULL, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	char *blank = strchr(text, ' ');
	if (!blank)
		return NULL;
	*blank = '\0';
	int pid;
	if (mill_parse_int(text, 1, INT32_MAX, &pid) < 0)
		return NULL;
	for (char *c = blank + 1; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	char proc[32];
	snprintf(proc, sizeof(proc), "/proc/%d", pid);
	/* The fd may live on in a child. */
	return mill_xasprintf("pid %d (%s)%s", pid, blank + 1,
			      mill_exists(proc) ? "" : ", which has ended: a child of it holds on");
}
