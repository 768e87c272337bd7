#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>

#include "shim/shim.h"

uint64_t mill_shim_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t mill_shim_wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void mill_shim_report(const struct mill_shim *s, const char *line)
{
	if (s->args.report_fd < 0)
		return;
	/* Short, so atomic and never blocking in practice (PIPE_BUF). */
	ssize_t n = write(s->args.report_fd, line, strlen(line));
	(void)n;
}

static void add_number(struct mill_text *t, const char *key, uint64_t v)
{
	mill_text_add(t, ", \"");
	mill_text_add(t, key);
	mill_text_add(t, "\": ");
	mill_text_num(t, v);
}

static void add_process(struct mill_text *t, const char *key, pid_t pid, uint64_t start)
{
	mill_text_add(t, ", \"");
	mill_text_add(t, key);
	mill_text_add(t, "\": {\"pid\": ");
	mill_text_num(t, (uint64_t)pid);
	add_number(t, "start", start);
	mill_text_add(t, "}");
}

static void add_end(struct mill_text *t, const struct mill_shim *s)
{
	add_number(t, "ended_ms", s->ended_ms);
	if (WIFSIGNALED(s->wait_status))
		add_number(t, "signal", (uint64_t)WTERMSIG(s->wait_status));
	else
		add_number(t, "exit_code", (uint64_t)WEXITSTATUS(s->wait_status));
	add_number(t, "leftover", s->leftover);
}

int mill_shim_status_write(const struct mill_shim *s, const char *state)
{
	char buf[2048], boot[MILL_BOOT_ID_LEN];
	struct mill_text t = MILL_TEXT(buf);
	mill_sys_boot_id(boot);
	mill_text_add(&t, "{\"v\": 1, \"boot_id\": ");
	mill_text_json(&t, boot);
	mill_text_add(&t, ", \"state\": ");
	mill_text_json(&t, state);
	add_process(&t, "shim", s->pid, s->start);
	if (s->main_pid)
		add_process(&t, "main", s->main_pid, s->main_start);
	mill_text_add(&t, ", \"fingerprint\": ");
	mill_text_json(&t, s->args.fingerprint);
	if (s->started_ms)
		add_number(&t, "started_ms", s->started_ms);
	if (s->ended)
		add_end(&t, s);
	if (s->error) {
		mill_text_add(&t, ", \"error\": ");
		mill_text_json(&t, s->error);
	}
	if (s->log.lost_lines)
		add_number(&t, "lost_lines", s->log.lost_lines);
	mill_text_add(&t, s->notified ? ", \"notified\": true}\n" : "}\n");

	unlinkat(s->run_fd, "status.json.new", 0);
	int fd = openat(s->run_fd, "status.json.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, buf, t.len);
	close(fd);
	if (n != (ssize_t)t.len || renameat(s->run_fd, "status.json.new", s->run_fd, "status.json") < 0) {
		unlinkat(s->run_fd, "status.json.new", 0);
		return -EIO;
	}
	return 0;
}
