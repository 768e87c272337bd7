#include "daemon/survivors.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "shim/sys.h"

#define ENVIRON_MAX ((size_t)256 << 10)

struct search {
	char *marker;
	struct stat lock;
	bool have_lock;
	char *buf; /* ENVIRON_MAX */
	pid_t self;
	unsigned found;
};

bool mill_lock_is_held(const char *lock_path)
{
	int fd = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	bool held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

static bool has_marker(pid_t pid, struct search *s)
{
	char path[48];
	size_t n = 0, want = strlen(s->marker) + 1;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	for (ssize_t got; n < ENVIRON_MAX && (got = read(fd, s->buf + n, ENVIRON_MAX - n)) > 0;)
		n += (size_t)got;
	close(fd);
	for (size_t at = 0; at + want <= n;) {
		if (memcmp(s->buf + at, s->marker, want) == 0)
			return true;
		const char *end = memchr(s->buf + at, '\0', n - at);
		if (!end)
			break;
		at = (size_t)(end - s->buf) + 1;
	}
	return false;
}

struct fd_search {
	struct search *s;
	pid_t pid;
};

static int same_file(uint64_t fd, void *arg)
{
	struct fd_search *f = arg;
	struct stat st;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/%llu", (int)f->pid, (unsigned long long)fd);
	return stat(path, &st) == 0 && st.st_ino == f->s->lock.st_ino && st.st_dev == f->s->lock.st_dev;
}

static bool holds_lock(pid_t pid, struct search *s)
{
	char path[48];
	struct fd_search f = {.s = s, .pid = pid};
	if (!s->have_lock)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return mill_sys_each_number(path, same_file, &f) == 1;
}

static int visit(uint64_t number, void *arg)
{
	struct search *s = arg;
	struct mill_sys_stat st;
	pid_t pid = (pid_t)number;
	if (pid == s->self || mill_sys_stat(pid, &st) < 0 || st.state == 'Z' || st.state == 'X')
		return 0;
	if (!has_marker(pid, s) && !holds_lock(pid, s))
		return 0;
	int fd = mill_sys_pidfd(pid, st.start);
	if (fd < 0)
		return 0;
	if (has_marker(pid, s) || holds_lock(pid, s)) {
		s->found++;
		mill_sys_pidfd_kill(fd, SIGKILL);
	}
	close(fd);
	return 0;
}

unsigned mill_survivors_kill(const char *platform_dir, const char *id, const char *lock_path)
{
	_cleanup_free_ char *marker = mill_xasprintf("DATA_MILL_SERVICE=%s/%s", platform_dir, id);
	_cleanup_free_ char *buf = mill_xmalloc(ENVIRON_MAX);
	struct search s = {.marker = marker, .buf = buf, .self = getpid()};
	s.have_lock = stat(lock_path, &s.lock) == 0;
	mill_sys_each_number("/proc", visit, &s);
	return s.found;
}
