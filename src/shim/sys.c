#include "shim/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

/* ---- text ---- */

void mill_text_addn(struct mill_text *t, const char *s, size_t n)
{
	size_t room = t->cap - t->len - 1;
	if (n > room)
		n = room;
	memcpy(t->data + t->len, s, n);
	t->len += n;
	t->data[t->len] = '\0';
}

void mill_text_add(struct mill_text *t, const char *s)
{
	mill_text_addn(t, s, strlen(s));
}

void mill_text_num(struct mill_text *t, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	mill_text_addn(t, digits + n, sizeof(digits) - n);
}

static void text_num_width(struct mill_text *t, unsigned v, unsigned width)
{
	char digits[8];
	for (unsigned i = width; i-- > 0; v /= 10)
		digits[i] = (char)('0' + v % 10);
	mill_text_addn(t, digits, width);
}

void mill_text_json(struct mill_text *t, const char *s)
{
	mill_text_add(t, "\"");
	for (; *s; s++) {
		char c = (unsigned char)*s < 0x20 || (unsigned char)*s > 0x7E ? '?' : *s;
		if (c == '"' || c == '\\')
			mill_text_add(t, "\\");
		mill_text_addn(t, &c, 1);
	}
	mill_text_add(t, "\"");
}

void mill_text_time(struct mill_text *t, uint64_t wall_ms)
{
	uint64_t seconds = wall_ms / 1000, days = seconds / 86400;
	unsigned in_day = (unsigned)(seconds % 86400);
	/* Days to a date by the 400-year cycle that starts on 1 March of year 0
	 * (the common proleptic Gregorian method: 146097 days a cycle). */
	uint64_t z = days + 719468;
	unsigned era_day = (unsigned)(z % 146097);
	unsigned era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	unsigned shifted = (5 * year_day + 2) / 153;
	unsigned day = year_day - (153 * shifted + 2) / 5 + 1;
	unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
	unsigned year = era_year + (unsigned)(z / 146097) * 400 + (month <= 2);
	text_num_width(t, year, 4);
	mill_text_add(t, "-");
	text_num_width(t, month, 2);
	mill_text_add(t, "-");
	text_num_width(t, day, 2);
	mill_text_add(t, "T");
	text_num_width(t, in_day / 3600, 2);
	mill_text_add(t, ":");
	text_num_width(t, in_day / 60 % 60, 2);
	mill_text_add(t, ":");
	text_num_width(t, in_day % 60, 2);
	mill_text_add(t, ".");
	text_num_width(t, (unsigned)(wall_ms % 1000), 3);
	mill_text_add(t, "Z");
}

/* ---- processes ---- */

static ssize_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -ESRCH;
	buf[n] = '\0';
	return n;
}

static uint64_t take_number(const char **p)
{
	uint64_t v = 0;
	while (**p == ' ')
		(*p)++;
	if (**p == '-')
		(*p)++;
	while (**p >= '0' && **p <= '9')
		v = v * 10 + (uint64_t)(*(*p)++ - '0');
	return v;
}

static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[48];
	struct mill_text t = MILL_TEXT(path);
	mill_text_add(&t, "/proc/");
	mill_text_num(&t, (uint64_t)pid);
	mill_text_add(&t, name);
	return pid <= 0 ? -ESRCH : read_small(path, buf, size);
}

/* "SigPnd:\t0000000000000100": is signal 9 in the mask? */
static bool kill_is_pending(const char *status, const char *key)
{
	const char *p = strstr(status, key);
	if (!p)
		return false;
	p += strlen(key) + strcspn(p + strlen(key), "\n"); /* the end of the line: the lowest digits */
	return p - status > 3 && p[-3] >= '0' && ((p[-3] <= '9' ? p[-3] - '0' : (p[-3] | 0x20) - 'a' + 10) & 1);
}

bool mill_sys_is_dying(pid_t pid)
{
	enum { EXITING = 0x4 }; /* PF_EXITING of linux/sched.h: field 9 of /proc/PID/stat */
	char buf[4096];
	if (read_proc(pid, "/stat", buf, sizeof(buf)) <= 0)
		return true;
	const char *p = strrchr(buf, ')');
	for (int field = 2; p && field < 9; field++)
		p = strchr(p + 1, ' ');
	if (p && take_number(&p) & EXITING)
		return true;
	if (read_proc(pid, "/status", buf, sizeof(buf)) <= 0)
		return true;
	return kill_is_pending(buf, "\nSigPnd:") || kill_is_pending(buf, "\nShdPnd:");
}

int mill_sys_stat(pid_t pid, struct mill_sys_stat *ret)
{
	char buf[1024];
	if (read_proc(pid, "/stat", buf, sizeof(buf)) <= 0)
		return -ESRCH;
	/* The name in parentheses may hold anything; the last ')' ends it (proc(5)). */
	const char *p = strrchr(buf, ')');
	if (!p || p[1] != ' ' || !p[2])
		return -ESRCH;
	p += 2;
	ret->state = *p++;
	ret->ppid = (pid_t)take_number(&p); /* field 4 */
	take_number(&p);
	ret->session = (pid_t)take_number(&p); /* field 6 */
	for (int field = 7; field < 22; field++)
		take_number(&p);
	ret->start = take_number(&p); /* field 22 */
	return 0;
}

bool mill_sys_pidfd_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

int mill_sys_pidfd(pid_t pid, uint64_t start)
{
	struct mill_sys_stat st;
	if (pid <= 0)
		return -ESRCH;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	/* Looked at after the open: the pidfd pins what the start time tells. */
	if (mill_sys_stat(pid, &st) < 0 || st.start != start || mill_sys_pidfd_ended(fd)) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

int mill_sys_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	unsigned char type;
	char name[];
};

int mill_sys_each_number(const char *path, int (*fn)(uint64_t number, void *arg), void *arg)
{
	char buf[2048] __attribute__((aligned(8)));
	int rc = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (rc == 0) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (long at = 0; rc == 0 && at < n;) {
			const struct dirent64_raw *e = (const struct dirent64_raw *)(buf + at);
			const char *p = e->name;
			at += e->reclen;
			if (*p >= '0' && *p <= '9')
				rc = fn(take_number(&p), arg);
		}
	}
	close(fd);
	return rc;
}

bool mill_sys_is_descendant(pid_t pid, pid_t ancestor)
{
	struct mill_sys_stat st;
	for (int depth = 0; depth < 128 && pid > 1; depth++) {
		if (mill_sys_stat(pid, &st) < 0)
			return false;
		if (st.ppid == ancestor)
			return true;
		pid = st.ppid;
	}
	return false;
}

void mill_sys_boot_id(char buf[MILL_BOOT_ID_LEN])
{
	if (read_small("/proc/sys/kernel/random/boot_id", buf, MILL_BOOT_ID_LEN) != MILL_BOOT_ID_LEN - 1)
		memcpy(buf, "unknown", 8);
}
