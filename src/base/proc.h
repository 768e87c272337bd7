/*
 * Child processes.  A process is (pid, pidfd, start time, boot id): it is
 * signalled through the pidfd and never by a bare pid.  An exec failure comes
 * back exactly, through a CLOEXEC error pipe (git's run-command).  No shell.
 *
 * Safe in a threaded program: between fork and exec only async-signal-safe
 * calls are made.  All fds but 0-2 (and keep_fds) are closed in the child; its
 * signal mask and dispositions are the defaults.
 */
#ifndef MILL_BASE_PROC_H
#define MILL_BASE_PROC_H

#include "base/strbuf.h"

struct mill_proc {
	pid_t pid;
	int pidfd;           /* owned, CLOEXEC; -1 when none */
	uint64_t start_time; /* /proc/PID/stat field 22, clock ticks since boot */
};
#define MILL_PROC_INIT {.pid = -1, .pidfd = -1}

struct mill_spawn {
	char *const *argv; /* argv[0] is looked up in PATH of `env` unless it has a slash */
	char *const *env;  /* NULL: ours */
	const char *cwd;   /* NULL: ours */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null; borrowed */
	bool set_ids;      /* setgroups, setgid, setuid to the following */
	uid_t uid;
	gid_t gid;
	bool new_session;   /* setsid */
	bool new_group;     /* setpgid(0, 0): terminal's Ctrl-C does not reach it */
	int parent_death_signal; /* 0: none; applies to the spawning THREAD */
	bool no_new_privs;
	mode_t umask;       /* 0: inherit */
	const int *keep_fds;
	size_t n_keep_fds;
};

int mill_proc_spawn(const struct mill_spawn *s, struct mill_proc *ret, struct mill_error *err);
/* Waits for a child of ours.  timeout_ms -1: for ever.  cancel_fd >= 0: readable = give up
 * with -ECANCELED (child still running).  0: *ret_status is a wait(2) status. */
int mill_proc_wait(struct mill_proc *p, int timeout_ms, int cancel_fd, int *ret_status);
int mill_proc_signal(const struct mill_proc *p, int sig); /* 0, -ESRCH */
void mill_proc_release(struct mill_proc *p); /* closes the pidfd */

/* Opens a process that need not be our child, if it still is the one with this start time. -ESRCH */
int mill_proc_open(pid_t pid, uint64_t start_time, struct mill_proc *ret);
bool mill_proc_alive(const struct mill_proc *p);
/* /proc/PID/stat, field 22.  -ESRCH: no such process, or one that has ended. */
int mill_proc_start_time(pid_t pid, uint64_t *ret);
/* "exit code 3", "signal 9 (KILL)": into buf. */
const char *mill_status_text(int status, char *buf, size_t len);
/* Processors that are on line, at least 1. */
unsigned mill_processors(void);
/* /proc/sys/kernel/random/boot_id without newline; static, read once. */
const char *mill_boot_id(void);

/* ---- run to the end and keep the output ---- */
struct mill_run {
	struct mill_spawn spawn;  /* stdout/stderr fds are ignored */
	const char *input;        /* standard input, or NULL */
	size_t input_len;
	size_t output_max;        /* ceiling of stdout and of stderr each; 0: 1 MiB; more is dropped from the front (tail is kept) */
	bool merge_stderr;        /* stderr goes to stdout's buffer */
	int timeout_ms;           /* -1 or 0: none; past it: TERM, 2 s, KILL of the group, -ETIMEDOUT */
	int cancel_fd;            /* -1: none; readable: same, -ECANCELED */
	int log_fd;               /* >= 0: everything is written here too, as it comes */
	void (*on_line)(void *arg, const char *line); /* optional: each line of both streams */
	void *on_line_arg;
};
#define MILL_RUN_INIT {.spawn = {.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1}, .cancel_fd = -1, .log_fd = -1}
/* 0 whatever the exit status; *ret_status is the wait status.  out, err_out: caller's, may be NULL. */
int mill_run(const struct mill_run *r, struct mill_strbuf *out, struct mill_strbuf *err_out,
	     int *ret_status, struct mill_error *err);

#endif
