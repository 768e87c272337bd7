#include <dirent.h>
#include <signal.h>

#include "runtime/native/processes.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "base/proc.h"

#define ENVIRON_MAX ((size_t)2 << 20)
#define ROUNDS 50 /* of 20 ms, for the kernel to end what was killed */

static char *proc_file(pid_t pid, const char *name, size_t max, size_t *ret_len)
{
	char path[64], *text = NULL;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return mill_read_file(path, max, &text, ret_len, NULL) < 0 ? NULL : text;
}

/* Field 4 of stat; the name before it may hold blanks and parentheses. */
static pid_t parent_of(pid_t pid)
{
	size_t len;
	int parent = 0;
	_cleanup_free_ char *stat = proc_file(pid, "stat", 4096, &len);
	const char *end = stat ? strrchr(stat, ')') : NULL;
	if (!end || sscanf(end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static void each_pid(void (*f)(void *arg, pid_t pid), void *arg)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	int pid;
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && mill_parse_int(e->d_name, 1, INT32_MAX, &pid) == 0)
			f(arg, pid);
	if (d)
		closedir(d);
}

static void add_process(void *arg, pid_t pid)
{
	struct mill_processes *p = arg;
	MILL_GROW(p->items, p->n, p->cap);
	p->items[p->n++] = (struct mill_process){.pid = pid, .parent = parent_of(pid)};
}

void mill_processes_read(struct mill_processes *ret)
{
	*ret = (struct mill_processes){0};
	each_pid(add_process, ret);
}

void mill_processes_release(struct mill_processes *p)
{
	free(p->items);
	*p = (struct mill_processes){0};
}

static void add_use(pid_t pid, struct mill_use *use)
{
	size_t len;
	unsigned long long pages = 0, kib = 0, utime, stime, cutime, cstime;
	_cleanup_free_ char *stat = proc_file(pid, "stat", 4096, &len);
	_cleanup_free_ char *statm = proc_file(pid, "statm", 256, &len);
	_cleanup_free_ char *rollup = proc_file(pid, "smaps_rollup", 16384, &len);
	if (statm && sscanf(statm, "%*s %llu", &pages) == 1)
		use->rss += (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	const char *line = rollup ? strstr(rollup, "\nPss:") : NULL;
	if (line && sscanf(line, "\nPss: %llu kB", &kib) == 1)
		use->pss += (uint64_t)kib * 1024;
	const char *end = stat ? strrchr(stat, ')') : NULL;
	if (end && sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &utime, &stime, &cutime,
			  &cstime) == 4)
		use->cpu_ms += (utime + stime + cutime + cstime) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

void mill_processes_use(const struct mill_processes *p, pid_t ancestor, struct mill_use *ret)
{
	*ret = (struct mill_use){0};
	bool *in = mill_xcalloc(p->n, sizeof(*in));
	for (bool grown = true; grown;) {
		grown = false;
		for (size_t i = 0; i < p->n; i++) {
			if (in[i])
				continue;
			bool child = p->items[i].parent == ancestor;
			for (size_t k = 0; k < p->n && !child; k++)
				child = in[k] && p->items[k].pid == p->items[i].parent;
			if (child) {
				in[i] = grown = true;
				add_use(p->items[i].pid, ret);
			}
		}
	}
	free(in);
}

/* ---- left over ---- */

struct search {
	char *marker; /* "DATA_MILL_SERVICE=<platform_dir>/" */
	bool kill;
	struct mill_strv *found;
};

static const char *marked(const char *block, size_t len, const char *marker)
{
	for (size_t at = 0; at < len; at += strlen(block + at) + 1)
		if (mill_starts_with(block + at, marker))
			return block + at + strlen(marker);
	return NULL;
}

static void look_at(void *arg, pid_t pid)
{
	const struct search *s = arg;
	struct mill_proc proc = MILL_PROC_INIT;
	uint64_t start;
	size_t len = 0, ignored;
	/* Opened first, looked at then: a pid that is reused meanwhile is another start time. */
	if (pid == getpid() || mill_proc_start_time(pid, &start) < 0 || mill_proc_open(pid, start, &proc) < 0)
		return;
	_cleanup_free_ char *block = proc_file(pid, "environ", ENVIRON_MAX, &len);
	const char *id = block ? marked(block, len, s->marker) : NULL;
	if (id && mill_proc_alive(&proc)) {
		_cleanup_free_ char *comm = proc_file(pid, "comm", 64, &ignored);
		if (comm)
			comm[strcspn(comm, "\n")] = '\0';
		if (s->kill)
			(void)mill_proc_signal(&proc, SIGKILL);
		mill_strv_addf(s->found, "pid %d (%s) of %s", (int)pid, comm ? comm : "?", id);
	}
	mill_proc_release(&proc);
}

void mill_processes_leftover(const char *platform_dir, bool kill_them, struct mill_strv *ret)
{
	_cleanup_free_ char *marker = mill_xasprintf("DATA_MILL_SERVICE=%s/", platform_dir);
	for (int round = 0;; round++) {
		_cleanup_strv_ struct mill_strv found = {0};
		struct search s = {.marker = marker, .kill = kill_them, .found = &found};
		each_pid(look_at, &s);
		if (found.n == 0)
			return;
		if (!kill_them || round == ROUNDS) {
			for (size_t i = 0; i < found.n; i++)
				mill_strv_add(ret, found.items[i]);
			return;
		}
		mill_sleep_ms(20);
	}
}
