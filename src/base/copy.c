/* Copies of files and trees, relative to open folders.  Links are never followed. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define DEPTH_MAX 200

static int copy_bytes(int in, int out)
{
	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	bool any = false;
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && any)
			return -errno;
		/* 0 at once: the end, or a file (of /proc) that only read() understands. */
		if (n < 0 || (n == 0 && !any))
			break;
		if (n == 0)
			return 0;
		any = true;
	}
	size_t size = (size_t)128 << 10;
	_cleanup_free_ char *buf = mill_xmalloc(size);
	ssize_t n;
	while ((n = mill_read_retry(in, buf, size)) > 0) {
		int r = mill_write_all(out, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return (int)n;
}

/* Written beside and renamed: a program that runs from `to` is not disturbed. */
static int copy_at(int from_dir, const char *from, int to_dir, const char *to, mode_t mode)
{
	static unsigned sequence;
	_cleanup_close_ int in = openat(from_dir, from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (in < 0)
		return -errno;
	struct stat st;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	char temporary[64];
	snprintf(temporary, sizeof(temporary), ".mill-%d-%u-%x.copy", (int)getpid(),
		 __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED),
		 (unsigned)(mill_now_ns() >> 10));
	int out = openat(to_dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			 0600);
	if (out < 0)
		return -errno;
	int r = copy_bytes(in, out);
	if (r == 0 && fchmod(out, mode) < 0)
		r = -errno;
	if (close(out) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	if (r == 0 && renameat(to_dir, temporary, to_dir, to) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(to_dir, temporary, 0);
	return r;
}

int mill_copy_file(const char *from, const char *to, mode_t mode, struct mill_error *err)
{
	_cleanup_free_ char *parent = mill_path_dirname(to);
	_cleanup_close_ int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mill_fail_errno(err, errno, "copy to %s: folder %s", to, parent);
	int r = copy_at(AT_FDCWD, from, dir, mill_path_basename(to), mode);
	return r < 0 ? mill_fail_errno(err, -r, "copy %s to %s", from, to) : 0;
}

/*
 * True when a link that lies `depth` folders below the top cannot lead out:
 * relative, with ".." only at its beginning and at most `depth` of them.  (A
 * ".." behind a name is refused, since the name may be a link itself.)
 */
static bool link_stays(const char *target, unsigned depth)
{
	bool named = false;
	if (!*target || *target == '/')
		return false;
	for (const char *s = target; *s;) {
		size_t n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.') {
			if (named || depth == 0)
				return false;
			depth--;
		} else if (!(n == 1 && s[0] == '.')) {
			named = true;
		}
		s += n;
		while (*s == '/')
			s++;
	}
	return true;
}

static int copy_link(int from, int to, const char *name, unsigned depth)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (!link_stays(target, depth))
		return -EXDEV;
	if (symlinkat(target, to, name) == 0)
		return 0;
	if (errno != EEXIST || unlinkat(to, name, 0) < 0 || symlinkat(target, to, name) < 0)
		return -errno;
	return 0;
}

/* Folder `from` into folder `to`; both fds are closed.  path: for messages. */
static int copy_folder(int from, int to, unsigned depth, struct mill_strbuf *path);

static int copy_subfolder(int from, int to, const char *name, mode_t mode, unsigned depth,
			  struct mill_strbuf *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (depth >= DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	int a = openat(from, name, flags);
	if (a < 0)
		return -errno;
	int b = openat(to, name, flags);
	if (b < 0) {
		int code = errno;
		close(a);
		return -code;
	}
	/* The mode last: a folder without w could not be filled. */
	_cleanup_close_ int keep = fcntl(b, F_DUPFD_CLOEXEC, 3);
	int r = copy_folder(a, b, depth + 1, path);
	if (r == 0 && fchmod(keep, mode & 0777) < 0)
		r = -errno;
	return r;
}

static int copy_entry(int from, int to, const char *name, unsigned depth, struct mill_strbuf *path)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_subfolder(from, to, name, st.st_mode, depth, path);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, depth);
	if (S_ISREG(st.st_mode))
		return copy_at(from, name, to, name, st.st_mode & 0777);
	return -EINVAL; /* sockets, devices: not what we ship */
}

static int copy_folder(int from, int to, unsigned depth, struct mill_strbuf *path)
{
	DIR *d = fdopendir(from);
	if (!d) {
		int code = errno;
		close(from);
		close(to);
		return -code;
	}
	size_t len = path->len;
	struct dirent *e;
	int r = 0;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (mill_streq(e->d_name, ".") || mill_streq(e->d_name, ".."))
			continue;
		mill_strbuf_printf(path, "/%s", e->d_name);
		r = copy_entry(dirfd(d), to, e->d_name, depth, path);
		if (r == 0)
			mill_strbuf_truncate(path, len);
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	close(to);
	return r;
}

int mill_copy_tree(const char *from, const char *to, struct mill_error *err)
{
	int a = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a < 0)
		return mill_fail_errno(err, errno, "copy %s", from);
	int r = mill_mkdir_p(to, 0755, err);
	int b = r < 0 ? -1 : open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b < 0) {
		if (r == 0)
			r = mill_fail_errno(err, errno, "copy to %s", to);
		close(a);
		return r;
	}
	_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;
	mill_strbuf_addstr(&path, from);
	r = copy_folder(a, b, 0, &path);
	if (r == -EXDEV)
		return mill_fail(err, EXDEV, "copy %s: the link leads out of %s", path.data, from);
	return r < 0 ? mill_fail_errno(err, -r, "copy %s", path.data) : 0;
}
