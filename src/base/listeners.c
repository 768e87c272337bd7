#include <dirent.h>

#include "base/listeners.h"

#define TCP_LISTEN 0x0A

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 45123 ..." */
static void parse_line(const char *line, uint16_t port, struct mill_listeners *l)
{
	unsigned number, state, uid;
	unsigned long inode;
	if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %u %*d %lu", &number, &state, &uid, &inode) != 4 ||
	    number != port || state != TCP_LISTEN)
		return;
	if (l->n == 0)
		l->uid = uid;
	l->inodes[l->n++] = inode;
}

void mill_listeners_find(uint16_t port, struct mill_listeners *ret)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	*ret = (struct mill_listeners){0};
	for (size_t i = 0; i < MILL_ARRAY_LEN(tables); i++) {
		_cleanup_fclose_ FILE *f = fopen(tables[i], "re");
		char line[512];
		while (f && ret->n < MILL_LISTENERS_MAX && fgets(line, sizeof(line), f))
			parse_line(line, port, ret);
	}
}

static bool is_one(const struct mill_listeners *l, int dir, const char *name)
{
	char target[64];
	unsigned long inode;
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->inodes[i] == inode)
			return true;
	return false;
}

int mill_listeners_held_by(const struct mill_listeners *l, pid_t pid)
{
	char path[48];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	if (!d)
		return errno == EACCES || errno == EPERM ? -errno : 0;
	int found = 0;
	for (const struct dirent *e; !found && (e = readdir(d));)
		found = is_one(l, dirfd(d), e->d_name);
	closedir(d);
	return found;
}
