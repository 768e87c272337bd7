/* Who listens on a port: /proc/net/tcp{,6} give the socket's inode and user, /proc/PID/fd the process. */
#include <dirent.h>
#include <pwd.h>

#include "platform/platform.h"

#include "base/io.h"
#include "base/parse.h"

#define TCP_LISTEN 0x0A

struct listener {
	unsigned long inode;
	unsigned uid;
	bool found;
};

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 45123 ..." */
static void parse_line(const char *line, uint16_t port, struct listener *ret)
{
	unsigned number, state, uid;
	unsigned long inode;
	if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %u %*d %lu", &number, &state, &uid,
		   &inode) == 4 &&
	    number == port && state == TCP_LISTEN) {
		*ret = (struct listener){.inode = inode, .uid = uid, .found = true};
	}
}

static void find_listener(const char *path, uint16_t port, struct listener *ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[512];
	while (f && !ret->found && fgets(line, sizeof(line), f))
		parse_line(line, port, ret);
}

static bool process_has(const char *pid, const char *wanted)
{
	_cleanup_free_ char *dir = mill_xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(dir);
	if (!d)
		return false;
	bool found = false;
	const struct dirent *e;
	while (!found && (e = readdir(d))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	closedir(d);
	return found;
}

static char *find_process(unsigned long inode)
{
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	DIR *d = opendir("/proc");
	char *ret = NULL;
	const struct dirent *e;
	while (d && !ret && (e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || !process_has(e->d_name, wanted))
			continue;
		_cleanup_free_ char *path = mill_xasprintf("/proc/%s/comm", e->d_name);
		_cleanup_free_ char *comm = NULL;
		size_t len;
		if (mill_read_file(path, 64, &comm, &len, NULL) < 0)
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		ret = mill_xasprintf("pid %s (%s)", e->d_name, comm);
	}
	if (d)
		closedir(d);
	return ret;
}

char *mill_port_holder(uint16_t port)
{
	struct listener l = {0};
	find_listener("/proc/net/tcp", port, &l);
	if (!l.found)
		find_listener("/proc/net/tcp6", port, &l);
	if (!l.found)
		return NULL;
	char *process = find_process(l.inode);
	if (process)
		return process;
	const struct passwd *pw = getpwuid(l.uid);
	if (pw)
		return mill_xasprintf("a process of user %s", pw->pw_name);
	return mill_xasprintf("a process of user %u", l.uid);
}
