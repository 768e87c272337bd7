/*
 * What the daemon tells a shim: one argv of key=value words.  The shim's
 * parent process never parses JSON (memory); its forked child reads spec.json.
 *
 * The shim answers over the report pipe, a line each:
 *	R <pid> <start>		the service was executed
 *	B			another process holds run/lock: nothing was started
 *	F <text>		could not start, for the reason given
 *	T <text>		as F, but worth another try (no memory, no processes)
 *	N			the service sent READY=1
 *	X <code> <signal> <leftover> <lines lost from the log>	it ended
 *
 * Signals that a shim understands: TERM or INT = stop the service (its stop
 * signal, then KILL for everything when the grace is over); QUIT = KILL now.
 */
#ifndef MILL_SHIM_ARGS_H
#define MILL_SHIM_ARGS_H

#include "base/strbuf.h"

#define MILL_SHIM_PROTOCOL 1
#define MILL_SHIM_LOCKS_MAX 32

struct mill_shim_args {
	const char *id, *dir, *platform_dir, *fingerprint;
	const char *daemon; /* path of data-mill-daemon, started again when the running one dies */
	pid_t daemon_pid;
	uint64_t daemon_start;
	uint64_t log_max_bytes;
	unsigned log_keep;
	uint32_t line_max;
	int stop_signal;
	uint32_t grace_ms;
	bool set_ids;
	uid_t uid;
	gid_t gid;
	const char *notify; /* path of the notify socket, or NULL */
	int report_fd;      /* -1: none */
	const char *locks[MILL_SHIM_LOCKS_MAX]; /* lock files of store entries, held shared */
	size_t n_locks;
};

/* All strings point into argv.  0, or -EINVAL with *ret_bad the word at fault. */
int mill_shim_args_parse(int argc, char **argv, struct mill_shim_args *ret, const char **ret_bad);
/* argv[0] is `program`. */
void mill_shim_args_build(const struct mill_shim_args *a, const char *program, struct mill_strv *ret_argv);

#endif
