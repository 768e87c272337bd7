/*
 * The event log: one JSON line an event in run/events.jsonl, numbered without
 * gaps across daemons, rotated once at 4 MiB to events.1.jsonl; and the same
 * line to whoever listens.  A full disk loses lines of the file, nothing else.
 */
#ifndef MILL_DAEMON_JOURNAL_H
#define MILL_DAEMON_JOURNAL_H

#include "base/json.h"

#define MILL_JOURNAL_MAX ((off_t)4 << 20)

struct mill_journal {
	char *path, *old_path;
	int fd;
	off_t size, max;
	uint64_t seq; /* of the last event */
	void (*listen)(void *arg, const char *line, size_t len); /* with its newline */
	void *arg;
};

/* Continues the numbers of what is there. */
int mill_journal_open(struct mill_journal *j, const char *platform_dir, struct mill_error *err);
void mill_journal_close(struct mill_journal *j);
/*
 * Writes {"seq", "time", "event", "service"?, ..}: `fill` adds the rest (may be NULL).
 */
void mill_journal_write(struct mill_journal *j, const char *event, const char *service,
			void (*fill)(struct mill_json_writer *w, const void *arg), const void *arg);
/* The sequence number of a line of ours, or 0. */
uint64_t mill_journal_line_seq(const char *line, size_t len);

#endif
