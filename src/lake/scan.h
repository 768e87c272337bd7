/* The files of a folder, and what --exclude hides (private to this module). */
#ifndef MILL_LAKE_SCAN_H
#define MILL_LAKE_SCAN_H

#include "base/arena.h"
#include "lake/sync.h"

#define MILL_LAKE_DEPTH_MAX 128
#define MILL_LAKE_KEY_MAX   1024 /* bytes, S3's limit */

struct mill_lake_file {
	const char *path; /* relative, in the arena */
	uint64_t size, ino;
	int64_t mtime_ns;
};
struct mill_lake_scan {
	struct mill_arena arena;
	struct mill_lake_file *files; /* sorted by path, as bytes */
	size_t n, cap;
	char *const *exclude;
	size_t key_max; /* of a path: MILL_LAKE_KEY_MAX less the prefix */
	/* Links, special files, names that cannot be keys; may be NULL. */
	void (*on_skip)(void *arg, const char *path, enum mill_lake_action why, const char *detail);
	void *arg;
	int cancel_fd;
};
/* dir_fd stays the caller's.  -ECANCELED; an unreadable folder below is told through on_skip. */
int mill_lake_scan(struct mill_lake_scan *s, int dir_fd, struct mill_error *err);
void mill_lake_scan_release(struct mill_lake_scan *s);

/* The rule of sync.h.  is_dir: a pattern that ends in '/' matches folders only. */
bool mill_lake_excluded(char *const *patterns, const char *path, bool is_dir);

#endif
