#include <dirent.h>
#include <fcntl.h>

#include "daemon/listener.h"

#include "base/base.h"
#include "shim/sys.h"

#define TCP_LISTEN 0x0A
#define SOCKETS_MAX 16 /* on one port: an address each, or SO_REUSEPORT */

struct search {
	unsigned long inodes[SOCKETS_MAX];
	size_t n;
	pid_t shim; /* 0: any process */
	pid_t found;
	bool blind; /* files of one that matters may not be read */
};

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 45123 ..." */
static void read_sockets(const char *path, uint16_t port, struct search *s)
{
	FILE *f = fopen(path, "re");
	char line[512];
	while (f && s->n < SOCKETS_MAX && fgets(line, sizeof(line), f)) {
		unsigned number, state;
		unsigned long inode;
		if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*d %lu", &number, &state, &inode) == 3 &&
		    number == port && state == TCP_LISTEN)
			s->inodes[s->n++] = inode;
	}
	if (f)
		fclose(f);
}

static bool is_one(const struct search *s, int dir, const char *name)
{
	char target[64];
	unsigned long inode;
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->inodes[i] == inode)
			return true;
	return false;
}

static int visit(uint64_t number, void *arg)
{
	struct search *s = arg;
	const pid_t pid = (pid_t)number;
	char path[48];
	if (s->shim && pid != s->shim && !mill_sys_is_descendant(pid, s->shim))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	if (!d) {
		s->blind = s->blind || errno == EACCES || errno == EPERM;
		return 0;
	}
	for (const struct dirent *e; !s->found && (e = readdir(d));)
		if (is_one(s, dirfd(d), e->d_name))
			s->found = pid;
	closedir(d);
	return s->found ? 1 : 0;
}

pid_t mill_listener_stranger(uint16_t port, pid_t shim)
{
	struct search s = {.shim = shim};
	read_sockets("/proc/net/tcp", port, &s);
	read_sockets("/proc/net/tcp6", port, &s);
	if (s.n == 0 || s.n == SOCKETS_MAX || shim <= 0)
		return 0;
	mill_sys_each_number("/proc", visit, &s);
	if (s.found || s.blind)
		return 0;
	s.shim = 0;
	mill_sys_each_number("/proc", visit, &s);
	return s.found;
}
