/* What push, pull and diff share: both sides read and compared (private to this module). */
#ifndef MILL_LAKE_MIRROR_H
#define MILL_LAKE_MIRROR_H

#include "lake/decide.h"
#include "lake/scan.h"
#include "lake/state.h"

struct mill_lake_entry {
	const char *path; /* borrowed from scan, listing or arena */
	const char *key;  /* prefix and path, in the arena; NULL without an object and before a push */
	const struct mill_lake_file *file;     /* NULL: not in the folder */
	const struct mill_lake_object *object; /* NULL: not in the lake */
	struct mill_lake_record *record;       /* NULL: none */
	struct mill_s3_content content;        /* "" until hashed */
	enum mill_lake_same local_record, local_remote;
	int hash_error; /* negative errno: the file could not be read */
	enum mill_lake_finding finding;
	enum mill_lake_action action;
	const char *detail; /* static or NULL */
};

struct mill_lake_mirror {
	struct mill_lake *lake;
	const struct mill_lake_sync *opts;
	struct mill_lake_report *report;
	char *folder, *prefix; /* absolute; "" or with a final slash */
	int dir_fd;
	bool bucket_absent;
	struct mill_lake_scan scan;
	struct mill_lake_listing listing;
	struct mill_lake_state state;
	struct mill_arena arena;
	struct mill_lake_entry *entries; /* sorted by path */
	size_t n, cap;
	struct mill_lake_progress progress;
	uint64_t progressed_ns;
	bool pulling;
};

typedef enum mill_lake_action (*mill_lake_decide_fn)(enum mill_lake_finding f,
						     const struct mill_lake_policy *p,
						     const char **ret_detail);

/* Reads both sides and decides for each path; nothing is changed but a new bucket. */
int mill_lake_mirror_open(struct mill_lake_mirror *m, struct mill_lake *lake,
			  const struct mill_lake_sync *s, bool for_writing, bool pulling,
			  mill_lake_decide_fn decide, struct mill_lake_report *report,
			  struct mill_error *err);
void mill_lake_mirror_release(struct mill_lake_mirror *m);
/* Counts and lists; text may be NULL. */
void mill_lake_mirror_note(struct mill_lake_mirror *m, const char *path,
			   enum mill_lake_action action, uint64_t size, const char *text);
/* Notes what is not work: unchanged ones (their records freshened), conflicts, kept ones. */
void mill_lake_mirror_note_idle(struct mill_lake_mirror *m, const struct mill_lake_entry *e);
void mill_lake_mirror_progress(struct mill_lake_mirror *m, const char *phase, const char *path,
			       bool now);
/* Sorts the report, saves the state, makes the outcome an error code. */
int mill_lake_mirror_finish(struct mill_lake_mirror *m, int result, struct mill_error *err);

#endif
