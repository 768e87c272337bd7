/*
 * The control socket: JSON Lines over a unix stream socket, 0600, peers of our
 * uid (or root) only.  Ceilings: request size, number of clients, output that a
 * client does not read (it is dropped; an event reader gets a notice first).
 */
#ifndef MILL_DAEMON_CONTROL_H
#define MILL_DAEMON_CONTROL_H

#include "base/json.h"
#include "daemon/request.h"

struct mill_daemon;
struct mill_control;

#define MILL_CLIENTS_MAX 64
#define MILL_CLIENT_OUTPUT_MAX ((size_t)1 << 20)

int mill_control_open(struct mill_daemon *d, struct mill_control **ret, struct mill_error *err);
struct mill_control *mill_control_close(struct mill_control *c); /* removes the socket */
const char *mill_control_path(const struct mill_control *c);

/* {"id": request, "ok": true, .. left open for more keys. */
void mill_control_begin_answer(struct mill_json_writer *w, struct mill_strbuf *b, int64_t request);
/* Closes the object and sends it; a client that has gone is fine. */
void mill_control_send(struct mill_control *c, uint64_t client, struct mill_json_writer *w);
void mill_control_send_error(struct mill_control *c, uint64_t client, int64_t request, const char *code,
			     const char *message);
/* Turns the client into an event reader: since (-1: none) from the files, then live. */
void mill_control_subscribe(struct mill_control *c, uint64_t client, int64_t since);
/* A new line of the journal. */
void mill_control_publish(struct mill_control *c, const char *line, size_t len);
/* No output is pending any more (or everybody has gone). */
bool mill_control_is_drained(const struct mill_control *c);

/* ops.c: does what the request asks, now or through a job. */
void mill_ops_handle(struct mill_daemon *d, uint64_t client, const struct mill_request *r);

#endif
