/* A service as the control protocol shows it. */
#include <fcntl.h>

#include "base/io.h"
#include "daemon/daemon.h"

#define TAIL_MAX 8192

void mill_service_write_status(const struct mill_service *s, struct mill_json_writer *w)
{
	bool up = s->main_pid != 0;
	mill_json_begin_object(w);
	mill_json_kv_string(w, "id", s->id);
	mill_json_kv_string(w, "state", mill_service_state_name(s));
	mill_json_kv_string(w, "wanted", s->wanted_up ? "up" : "down");
	if (up)
		mill_json_kv_int(w, "pid", s->main_pid);
	mill_json_kv_int(w, "since_ms", (int64_t)s->since_ms);
	if (up)
		mill_json_kv_int(w, "started_ms", (int64_t)s->started_ms);
	mill_json_kv_int(w, "restarts", s->sm.restarts);
	if (s->fingerprint)
		mill_json_kv_string(w, "fingerprint", s->fingerprint);
	mill_json_kv_bool(w, "ready", s->sm.state == MILL_SM_READY);
	if (!up && s->end.known && s->end.signal)
		mill_json_kv_int(w, "signal", s->end.signal);
	else if (!up && s->end.known)
		mill_json_kv_int(w, "exit_code", s->end.exit_code);
	_cleanup_free_ char *waits = mill_service_waits_for(s);
	if (waits || s->reason)
		mill_json_kv_string(w, "reason", waits ? waits : s->reason);
	if (s->retry_ms)
		mill_json_kv_int(w, "retry_ms", (int64_t)s->retry_ms);
	mill_json_end_object(w);
}

void mill_service_write_log(const struct mill_service *s, struct mill_json_writer *w, unsigned lines)
{
	_cleanup_free_ char *path = mill_path_join(s->dir, "log/current");
	_cleanup_close_ int fd = mill_open_regular(path);
	char buf[TAIL_MAX + 1];
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
	ssize_t n = size > 0 ? pread(fd, buf, TAIL_MAX, from) : 0;
	char *p = buf, *start;
	if (n < 0)
		n = 0;
	buf[n] = '\0';
	for (ssize_t i = 0; i < n; i++) {
		if (!buf[i])
			buf[i] = ' ';
	}
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	/* Back over `lines` line ends. */
	start = p + strlen(p);
	while (start > p && lines) {
		start--;
		lines -= *start == '\n';
	}
	if (*start == '\n')
		start++;
	else if (from > 0 && strchr(start, '\n'))
		start = strchr(start, '\n') + 1; /* the first one was cut by the window */
	mill_json_begin_array(w);
	while (*start) {
		char *end = strchr(start, '\n');
		if (end)
			*end = '\0';
		mill_json_string(w, start);
		if (!end)
			break;
		start = end + 1;
	}
	mill_json_end_array(w);
}
