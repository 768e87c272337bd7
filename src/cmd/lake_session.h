/* A connection of a command to the platform's lake, and what `data` does with it. */
#ifndef MILL_CMD_LAKE_SESSION_H
#define MILL_CMD_LAKE_SESSION_H

#include "cmd/context.h"
#include "net/net.h"

struct mill_lake_session {
	struct mill_context ctx;
	const struct mill_net_api *net;
	struct mill_lake *lake;
	int cancel_fd;
};

/* Opens the platform, finds who provides s3, signs in.  The caller ends it in any case. */
int mill_lake_session_open(struct mill_lake_session *s, struct mill_invocation *inv,
			   struct mill_error *err);
void mill_lake_session_end(struct mill_lake_session *s);
/* Where the platform keeps what it knows of a mirror; owned. */
char *mill_lake_session_state(const struct mill_lake_session *s, const struct mill_lake_target *t);
/* "bucket/key": both parts must be there. */
int mill_lake_key(const char *text, struct mill_lake_target *ret, struct mill_error *err);

mill_command_fn mill_data_push, mill_data_pull, mill_data_diff, mill_data_ls, mill_data_cat,
	mill_data_mb, mill_data_rm;

#endif
