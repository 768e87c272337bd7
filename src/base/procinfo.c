#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/parse.h"
#include "base/proc.h"

int mill_proc_start_time(pid_t pid, uint64_t *ret)
{
	char path[40], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t n = mill_read_retry(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n == 0 ? -ESRCH : (int)n;
	text[n] = '\0';
	/* Field 2 is the name in parentheses and may hold anything: count from the last ')'. */
	char *s = strrchr(text, ')');
	if (!s)
		return -EINVAL;
	s++;
	if (s[0] == ' ' && (s[1] == 'Z' || s[1] == 'X')) /* ended; only its parent has not asked yet */
		return -ESRCH;
	for (int field = 3; field <= 22; field++) {
		if (*s != ' ')
			return -EINVAL;
		s++;
		size_t len = strcspn(s, " \n");
		if (field == 22) {
			s[len] = '\0';
			return mill_parse_u64(s, ret);
		}
		s += len;
	}
	return -EINVAL;
}

const char *mill_status_text(int status, char *buf, size_t len)
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));
		snprintf(buf, len, "signal %d (%s)%s", WTERMSIG(status), name ? name : "?",
			 WCOREDUMP(status) ? ", core dumped" : "");
	} else {
		snprintf(buf, len, "exit code %d", WEXITSTATUS(status));
	}
	return buf;
}

static char boot_id[64];

static void read_boot_id(void)
{
	_cleanup_free_ char *text = NULL;
	if (mill_read_file("/proc/sys/kernel/random/boot_id", 63, &text, NULL, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(boot_id, sizeof(boot_id), "%s", text);
}

const char *mill_boot_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, read_boot_id);
	return boot_id;
}
