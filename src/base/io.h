/*
 * Files: whole-file reads with a ceiling, durable atomic writes (write beside,
 * fsync, rename, fsync the folder: after redis and s6), folders, safe removal,
 * file locks.
 */
#ifndef MILL_BASE_IO_H
#define MILL_BASE_IO_H

#include "base/strbuf.h"

struct stat;

enum mill_write_flags {
	MILL_WRITE_DURABLE = 1 << 0,   /* fsync file and folder */
	MILL_WRITE_EXCLUSIVE = 1 << 1, /* -EEXIST when the path exists */
};

/* Owned, NUL-terminated bytes in *ret_data; -EFBIG past max. */
int mill_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len,
		   struct mill_error *err);
/*
 * Opens for reading what somebody else may have put there: a regular file and
 * nothing else (no link is followed, no FIFO blocks).  The fd, or -errno.
 */
int mill_open_regular(const char *path);
/* Replaces path atomically with `mode` (umask does not apply). */
int mill_write_file(const char *path, const void *data, size_t len, mode_t mode, unsigned flags,
		    struct mill_error *err);
/* Writes all, retries EINTR and short writes. */
int mill_write_all(int fd, const void *data, size_t len);
ssize_t mill_read_retry(int fd, void *buf, size_t len);
/* mkdir -p; the last folder gets `mode`, parents 0755; existing ones keep theirs. */
int mill_mkdir_p(const char *path, mode_t mode, struct mill_error *err);
/* rm -rf that never follows a link, restores u+rwx on folders as it goes, and
 * does nothing when path is absent. */
int mill_rm_rf(const char *path, struct mill_error *err);
/* Copies one regular file (reflink or copy_file_range where possible). */
int mill_copy_file(const char *from, const char *to, mode_t mode, struct mill_error *err);
/* Copies a tree of folders, files and relative links that stay inside it. */
int mill_copy_tree(const char *from, const char *to, struct mill_error *err);
/*
 * Every entry below the folder, a folder before what is in it; links are not followed.  visit gets the path below the folder and
 * what lstat(2) says; negative ends the walk, 1 leaves a folder out.
 */
int mill_walk(const char *path, int (*visit)(void *arg, const char *below, const struct stat *st), void *arg, struct mill_error *err);
bool mill_exists(const char *path);
/* The file holds exactly these bytes. */
bool mill_file_is(const char *path, const void *data, size_t len);
bool mill_is_dir(const char *path);
bool mill_is_file(const char *path);
/* Sorted names in a folder, without . and ..; -ENOENT when absent. */
int mill_list_dir(const char *path, struct mill_strv *ret_names, struct mill_error *err);
/* Bytes on disk below path (blocks * 512). */
int mill_disk_usage(const char *path, uint64_t *ret_bytes, struct mill_error *err);
/* Free bytes for this user on the file system that holds path (or its nearest existing parent). */
int mill_disk_free(const char *path, uint64_t *ret_bytes, struct mill_error *err);
/* chown -R without following links. */
int mill_chown_r(const char *path, uid_t uid, gid_t gid, struct mill_error *err);

/* ---- paths ---- */
char *mill_path_join(const char *a, const char *b);     /* owned; b absolute: b */
char *mill_path_dirname(const char *path);              /* owned */
const char *mill_path_basename(const char *path);       /* borrowed */
/* Absolute and normalised (., .., //) as text, no links resolved; owned. */
char *mill_path_absolute(const char *path);
/* True when the relative path stays inside its folder (no .., not absolute, not empty). */
bool mill_path_is_inside(const char *relative);
/* $PATH lookup; owned or NULL. */
char *mill_path_find_program(const char *name, const char *path_env);

/* ---- locks ---- */
/*
 * flock(2) on a file made 0600 when absent.  The holder writes "pid command"
 * into it, so that a waiter can say who holds it.  The fd is CLOEXEC; closing
 * it unlocks.
 */
int mill_lock_try(const char *path, bool shared, int *ret_fd, struct mill_error *err); /* -EWOULDBLOCK: held */
/* Waits up to timeout_ms (-1: for ever); -ETIMEDOUT names the holder. */
int mill_lock_wait(const char *path, bool shared, int timeout_ms, int *ret_fd, struct mill_error *err);
/* "pid 123 (data-mill up)" or NULL; owned. */
char *mill_lock_holder(const char *path);

#endif
