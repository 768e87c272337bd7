/*
 * rm -rf.  Every step is relative to an open folder and follows no link, so
 * that nobody who can write in the tree can lead us out of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"

/* Folders open at once.  What is nested deeper is first moved up. */
#define DEPTH_MAX 64

struct removal {
	int top; /* the folder that is being removed; -1 at first */
	unsigned moved;
	int first_error;           /* errno of the first failure */
	struct mill_strbuf path;   /* where we are, for messages */
	struct mill_strbuf failed; /* path of the first failure */
};

static void note(struct removal *r, int code)
{
	if (r->first_error)
		return;
	r->first_error = code;
	mill_strbuf_addstr(&r->failed, r->path.data);
}

/* Opens a folder for reading and makes it ours to change. */
static int open_folder(int dir, const char *name)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, O_RDONLY | flags);
	if (fd < 0 && errno == EACCES) {
		int at = openat(dir, name, O_PATH | flags);
		if (at < 0)
			return -errno;
		/* fchmod refuses O_PATH; its name in /proc leads to just this folder. */
		char self[64];
		snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
		int r = chmod(self, 0700);
		close(at);
		if (r < 0)
			return -EACCES;
		fd = openat(dir, name, O_RDONLY | flags);
	}
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700); /* where it matters, unlinkat will say so */
	return fd;
}

static void remove_entry(struct removal *r, int dir, const char *name, unsigned depth);

static void remove_children(struct removal *r, int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		note(r, errno);
		close(fd);
		return;
	}
	size_t len = r->path.len;
	struct dirent *e;
	while ((errno = 0, e = readdir(d))) {
		if (mill_streq(e->d_name, ".") || mill_streq(e->d_name, ".."))
			continue;
		mill_strbuf_printf(&r->path, "/%s", e->d_name);
		remove_entry(r, dirfd(d), e->d_name, depth);
		mill_strbuf_truncate(&r->path, len);
	}
	if (errno)
		note(r, errno);
	closedir(d);
}

/* A folder nested too deep goes to the top, where a later round finds it. */
static bool move_up(struct removal *r, int dir, const char *name)
{
	char fresh[48];
	snprintf(fresh, sizeof(fresh), ".mill-removing-%d-%u", (int)getpid(), r->moved++);
	return renameat(dir, name, r->top, fresh) == 0;
}

static void remove_entry(struct removal *r, int dir, const char *name, unsigned depth)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return;
	int why = errno;
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			note(r, errno);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		note(r, why);
		return;
	}
	int fd = open_folder(dir, name);
	if (fd < 0) {
		if (fd != -ENOENT)
			note(r, -fd);
		return;
	}
	if (depth >= DEPTH_MAX) {
		close(fd);
		if (!move_up(r, dir, name))
			note(r, errno);
		return;
	}
	bool is_top = r->top < 0;
	if (is_top)
		r->top = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	unsigned moved;
	do {
		moved = r->moved;
		int again = fd >= 0 ? fd : openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd = -1;
		if (again < 0) {
			note(r, errno);
			break;
		}
		remove_children(r, again, depth + 1);
	} while (is_top && r->moved != moved && !r->first_error);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		note(r, errno);
}

int mill_rm_rf(const char *path, struct mill_error *err)
{
	_cleanup_free_ char *parent = mill_path_dirname(path);
	_cleanup_free_ char *clean = mill_xstrdup(path);
	for (size_t n = strlen(clean); n > 1 && clean[n - 1] == '/'; n--)
		clean[n - 1] = '\0'; /* "link/" means the link, not what it leads to */
	const char *name = mill_path_basename(clean);
	if (!*name || mill_streq(name, ".") || mill_streq(name, ".."))
		return mill_fail_errno(err, EINVAL, "remove '%s'", path);
	_cleanup_close_ int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == EACCES)
		dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : mill_fail_errno(err, errno, "remove %s", path);
	_cleanup_strbuf_ struct mill_strbuf failed = MILL_STRBUF_INIT;
	struct removal r = {.top = -1, .path = MILL_STRBUF_INIT, .failed = failed};
	mill_strbuf_addstr(&r.path, clean);
	remove_entry(&r, dir, name, 0);
	if (r.top >= 0)
		close(r.top);
	mill_strbuf_release(&r.path);
	failed = r.failed;
	if (r.first_error)
		return mill_fail_errno(err, r.first_error, "remove %s", failed.data);
	return 0;
}
