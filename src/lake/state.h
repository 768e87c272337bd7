/*
 * The mirror's state file (private to this module): JSON Lines, a header and
 * then one array a path; a later line replaces an earlier one of the same path,
 * so that a run appends as it goes and what was done survives a kill.  A last
 * line without newline was cut off and is dropped.  At the end of a run the
 * file is written anew beside, synced and renamed.
 *
 *   {"v": 1, "folder": "/abs", "bucket": "b", "prefix": "p/"}
 *   ["path", size, mtime_ns, inode, "etag", "sha256"]      the same on both sides
 *   ["path"]                                               no longer
 *   ["path", size, mtime_ns, inode, "upload id", part_size, "upload"]   unfinished
 */
#ifndef MILL_LAKE_STATE_H
#define MILL_LAKE_STATE_H

#include "base/map.h"
#include "lake/s3.h"

#define MILL_LAKE_STATE_MAX  ((size_t)1 << 30)
#define MILL_LAKE_STATE_FLUSH ((size_t)64 << 10)

struct mill_lake_record {
	bool known; /* the following were the same on both sides */
	uint64_t size, ino;
	int64_t mtime_ns;
	char *etag, *sha256; /* owned */
	/* an unfinished multipart upload of a file with these */
	char *upload_id; /* owned or NULL */
	uint64_t upload_size, upload_ino, upload_part_size;
	int64_t upload_mtime_ns;
};

struct mill_lake_state {
	char *path; /* NULL: nothing is kept */
	char *folder, *bucket, *prefix;
	struct mill_map records;
	bool same_folder; /* the records' sizes, times and inodes are of this folder */
	bool rewrite;     /* the file is absent, cut off or another folder's */
	bool changed;
	int fd, lock_fd;
	struct mill_strbuf pending;
	uint64_t synced_ns;
};

/* For writing: takes the lock (-EBUSY names its holder).  A newer version of the file is refused. */
int mill_lake_state_open(struct mill_lake_state *s, const char *path, const char *folder,
			 const char *bucket, const char *prefix, bool for_writing,
			 struct mill_error *err);
/* Borrowed; NULL: none.  A record may hold an unfinished upload only (known is false). */
struct mill_lake_record *mill_lake_state_get(const struct mill_lake_state *s, const char *path);
void mill_lake_state_set(struct mill_lake_state *s, const char *path, uint64_t size,
			 int64_t mtime_ns, uint64_t ino, const char *etag, const char *sha256);
void mill_lake_state_forget(struct mill_lake_state *s, const char *path);
void mill_lake_state_upload(struct mill_lake_state *s, const char *path, uint64_t size,
			    int64_t mtime_ns, uint64_t ino, const char *upload_id,
			    uint64_t part_size);
/* Writes what is pending when it is much or a second old; call it now and then. */
int mill_lake_state_flush(struct mill_lake_state *s, bool force, struct mill_error *err);
/* Writes the file anew, durably, if anything changed. */
int mill_lake_state_save(struct mill_lake_state *s, struct mill_error *err);
void mill_lake_state_release(struct mill_lake_state *s);

#endif
