/*
 * Who changed what: the pure part of the mirror (private to this module).
 *
 * classify() compares file, object and record of one path; the tables below
 * it turn the finding into an action, one a direction.  No system call inside.
 */
#ifndef MILL_LAKE_DECIDE_H
#define MILL_LAKE_DECIDE_H

#include "lake/sync.h"

enum mill_lake_same { SAME_UNKNOWN, SAME_YES, SAME_NO }; /* unknown: hash the file and ask again */

struct mill_lake_view {
	bool local, remote, record;
	enum mill_lake_same local_record;  /* the file and what was recorded; used with both */
	enum mill_lake_same remote_record; /* YES or NO: the ETags */
	enum mill_lake_same local_remote;  /* content and ETag; NO when the sizes differ */
};

enum mill_lake_finding {
	FOUND_HASH_NEEDED,
	FOUND_NOTHING, /* neither file nor object */
	FOUND_EQUAL,
	FOUND_LOCAL_RECORDED, /* only the file, as recorded: the object was removed */
	FOUND_LOCAL_CHANGED,  /* only the file, changed since */
	FOUND_LOCAL_NEW,      /* only the file, no record */
	FOUND_REMOTE_RECORDED,
	FOUND_REMOTE_CHANGED,
	FOUND_REMOTE_NEW,
	FOUND_BOTH_LOCAL_CHANGED, /* both are there, only the file changed */
	FOUND_BOTH_REMOTE_CHANGED,
	FOUND_BOTH_CHANGED,
	FOUND_BOTH_NO_RECORD, /* they differ, and nothing says who changed */
};

enum mill_lake_finding mill_lake_classify(const struct mill_lake_view *v);

struct mill_lake_policy {
	bool remove_extra, force;
};
/* *ret_detail: why, for conflicts and what is kept; static. */
enum mill_lake_action mill_lake_decide_push(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail);
enum mill_lake_action mill_lake_decide_pull(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail);
enum mill_lake_action mill_lake_decide_diff(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail);

#endif
