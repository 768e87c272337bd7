/*
 * Mirroring between a folder and bucket[/prefix], after rsync.
 *
 * What is compared.  A state file (one per platform, bucket and prefix, named
 * by the caller) records for every path what was last the same on both sides:
 * size, mtime and inode of the file, SHA-256 of its content, ETag of the
 * object.  A file whose size, mtime and inode are the recorded ones is taken
 * as unchanged without reading it; otherwise its content is hashed.  An object
 * is unchanged when its ETag is the recorded one.
 *
 * push, per path (pull is the mirror image):
 *   file, no object             upload
 *   neither changed             skip
 *   only the file changed       upload, on condition that the object still is the recorded one
 *   same content, no record     skip, and record it
 *   object changed, or present
 *   without a record            CONFLICT: listed and kept; uploaded with `force`
 *   object, no file             kept; with `delete` removed if it is the one that we
 *                               pushed, otherwise kept and listed; with `delete` and `force` removed
 *
 * `exclude` patterns (fnmatch against the path and against each of its last
 * components; a match of a folder excludes what is below) hide files and
 * objects from both sides, so an excluded object is never deleted.
 * Symbolic links are not followed: they, and sockets, devices and pipes, are
 * skipped and listed.  Empty folders have no counterpart in the lake.
 *
 * An interrupted run leaves whole objects, whole files and a state file that
 * says so; the next run goes on from there, with the parts of an unfinished
 * multipart upload that the server has.
 */
#ifndef MILL_LAKE_SYNC_H
#define MILL_LAKE_SYNC_H

#include "lake/lake.h"

enum mill_lake_action {
	MILL_LAKE_UPLOAD,
	MILL_LAKE_DOWNLOAD,
	MILL_LAKE_DELETE,    /* removed from the side that is written */
	MILL_LAKE_KEEP,      /* extra on the side that is written, kept */
	MILL_LAKE_CONFLICT,  /* kept on both sides; detail says why */
	MILL_LAKE_SKIP,      /* a link, a special file; detail says what */
	MILL_LAKE_FAIL,      /* detail says why */
	MILL_LAKE_UNCHANGED, /* counted, never listed */
};
/* "upload", "conflict", ... */
const char *mill_lake_action_name(enum mill_lake_action a);

struct mill_lake_item {
	char *path; /* relative to folder and prefix; owned */
	char *detail; /* owned or NULL */
	enum mill_lake_action action;
	uint64_t size;
};
struct mill_lake_report {
	struct mill_lake_item *items; /* sorted by path */
	size_t n, cap;
	uint64_t count[MILL_LAKE_UNCHANGED + 1]; /* by action; done ones (planned ones in a dry run) */
	uint64_t bytes;                          /* transferred */
	uint64_t retries;
	uint64_t elapsed_ns;
	bool dry_run;
};
void mill_lake_report_release(struct mill_lake_report *r);
#define _cleanup_report_ __attribute__((cleanup(mill_lake_report_release)))

struct mill_lake_progress {
	const char *phase; /* "scan", "compare", "transfer", "delete" */
	const char *path;  /* one of those in work, or NULL */
	uint64_t files_done, files_total, bytes_done, bytes_total;
};

struct mill_lake_sync {
	const char *folder;     /* of this machine */
	const char *bucket;
	const char *prefix;     /* "" or NULL: the whole bucket; a missing final slash is added */
	const char *state_path; /* NULL: no state: every difference without it is a conflict */
	bool make_bucket;       /* push: make the bucket when it is absent */
	bool remove_extra;      /* --delete */
	bool dry_run;
	bool force;
	char *const *exclude; /* NULL-terminated, or NULL */
	/* Called on the caller's thread, at most ten times a second; may be NULL. */
	void (*on_progress)(void *arg, const struct mill_lake_progress *p);
	void *arg;
};

/*
 * 0 when everything asked for was done; the report is filled in any case and
 * is the caller's to release.  Conflicts and failed files make -EEXIST and
 * -EIO (after all others were done); -EBUSY another run holds the state file.
 */
int mill_lake_push(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err);
int mill_lake_pull(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err);
/*
 * What differs, changing nothing: UPLOAD only the folder has it or changed it,
 * DOWNLOAD only the lake has it or changed it, CONFLICT both did, or who did is
 * not known.  0 whatever it finds.
 */
int mill_lake_diff(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err);

#endif
