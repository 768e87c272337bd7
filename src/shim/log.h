/*
 * The shim's log writer: reads the service's standard output and error, and
 * appends lines "RFC3339 stream text" to log/current (stream: o, e, or m for a
 * line of ours).  Rotates by size: current -> 1 -> 2 .. -> keep.
 *
 * Invariants: what is written is whole lines; the folder never holds more than
 * (keep + 1) * max_bytes; nothing here ever blocks the service longer than
 * one write, and no error ends it: lines that cannot be written are dropped
 * and counted, and the next line that can be written is preceded by one that
 * marks the gap.  No heap: the buffers are static, touched only when used and
 * given back after a burst, so a process has one log.
 */
#ifndef MILL_SHIM_LOG_H
#define MILL_SHIM_LOG_H

#include "base/base.h"

enum { MILL_LOG_OUT, MILL_LOG_ERR, MILL_LOG_STREAMS };

struct mill_shim_log {
	int dir_fd;      /* the log folder, borrowed */
	int fd;          /* log/current, or -1: opened at the next line */
	int in[MILL_LOG_STREAMS]; /* read ends, non-blocking; -1: ended */
	size_t fill[MILL_LOG_STREAMS];
	size_t touched;  /* high-water mark of the buffers */
	uint64_t size, max_bytes;
	unsigned keep;
	uint32_t line_max;
	uint64_t gap_lines, gap_bytes; /* dropped since the last line that was written */
	int gap_errno;
	uint64_t lost_lines;           /* in all */
	uint64_t (*now_ms)(void);      /* wall clock; injected by tests */
};

void mill_shim_log_init(struct mill_shim_log *log, int dir_fd, uint64_t max_bytes, unsigned keep, uint32_t line_max);
/* Reads once from the stream and writes what is complete.  False: it has ended. */
bool mill_shim_log_read(struct mill_shim_log *log, int stream);
/* A line of ours. */
void mill_shim_log_note(struct mill_shim_log *log, const char *text);
/* Reads both streams dry (a bounded number of times) and writes what is left, complete or not. */
void mill_shim_log_drain(struct mill_shim_log *log);

#endif
