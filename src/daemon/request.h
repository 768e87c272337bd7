/*
 * A request of the control protocol: one line of JSON, checked here and
 * nowhere else.  Pure (the fuzz target fuzz_control feeds it).
 */
#ifndef MILL_DAEMON_REQUEST_H
#define MILL_DAEMON_REQUEST_H

#include "base/strbuf.h"

#define MILL_CONTROL_PROTOCOL 1
#define MILL_REQUEST_MAX ((size_t)64 << 10)
#define MILL_REQUEST_SERVICES_MAX 512

enum mill_op {
	MILL_OP_HELLO, MILL_OP_STATUS, MILL_OP_START, MILL_OP_STOP, MILL_OP_RESTART, MILL_OP_RELOAD,
	MILL_OP_WAIT, MILL_OP_DOWN, MILL_OP_EVENTS, MILL_OP_QUIT,
};

struct mill_request {
	int64_t id;
	enum mill_op op;
	struct mill_strv services; /* empty: none were given */
	bool wait_stopped;         /* wait: for "stopped", else "ready" */
	uint32_t timeout_ms;       /* wait; 0: none given */
	int64_t since;             /* events; -1: none given */
};

/*
 * line has no newline.  0; -EINVAL with err for the answer; *ret_id is the
 * request's id where one could be read, else 0.
 */
int mill_request_parse(const char *line, size_t len, struct mill_request *ret, int64_t *ret_id,
		       struct mill_error *err);
void mill_request_release(struct mill_request *r);
const char *mill_op_name(enum mill_op op);

#endif
