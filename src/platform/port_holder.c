/* Who listens on a port, in words. */
#include <dirent.h>
#include <pwd.h>

#include "platform/platform.h"

#include "base/io.h"
#include "base/listeners.h"
#include "base/parse.h"

static char *find_process(const struct mill_listeners *l)
{
	DIR *d = opendir("/proc");
	char *ret = NULL;
	const struct dirent *e;
	while (d && !ret && (e = readdir(d))) {
		int pid;
		if (mill_parse_int(e->d_name, 1, INT32_MAX, &pid) < 0 || mill_listeners_held_by(l, pid) <= 0)
			continue;
		_cleanup_free_ char *path = mill_xasprintf("/proc/%d/comm", pid);
		_cleanup_free_ char *comm = NULL;
		size_t len;
		if (mill_read_file(path, 64, &comm, &len, NULL) < 0)
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		ret = mill_xasprintf("pid %d (%s)", pid, comm);
	}
	if (d)
		closedir(d);
	return ret;
}

char *mill_port_holder(uint16_t port)
{
	struct mill_listeners l;
	mill_listeners_find(port, &l);
	if (l.n == 0)
		return NULL;
	char *process = find_process(&l);
	if (process)
		return process;
	const struct passwd *pw = getpwuid(l.uid);
	if (pw)
		return mill_xasprintf("a process of user %s", pw->pw_name);
	return mill_xasprintf("a process of user %u", l.uid);
}
