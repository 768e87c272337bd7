/*
 * Reading the services' logs: log/current and its older parts, whose lines are
 * "RFC3339 stream text" (docs/internals/state.md).  Several services are merged
 * by time; a line comes whole or not at all.  Following uses inotify and
 * survives rotation.
 */
#ifndef MILL_NATIVE_LOGS_H
#define MILL_NATIVE_LOGS_H

#include "base/strbuf.h"
#include "platform/platform.h"

struct mill_log_line {
	const char *id;    /* "minio.server" */
	uint64_t time_ms;  /* wall clock */
	const char *stamp; /* as written */
	char stream;       /* o, e or m (ours) */
	const char *text;
};

struct mill_logs {
	const char *const *ids;
	size_t n_ids;
	uint64_t since_ms;  /* wall clock; 0: from the beginning */
	size_t tail;        /* last lines (of all together); SIZE_MAX: all */
	bool follow;
	int cancel_fd;      /* -1: none; ends a follow with 0 */
	int (*on_line)(void *arg, const struct mill_log_line *line); /* non-zero ends it */
	void *arg;
};
int mill_logs_read(const struct mill_platform *p, const struct mill_logs *l, struct mill_error *err);
/* The last lines of one service, for errors: its text, ours after "data-mill: ".  Owned, may be "". */
char *mill_logs_last(const struct mill_platform *p, const char *id, size_t lines);

#endif
