#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/io.h"

int mill_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t mill_read_retry(int fd, void *buf, size_t len)
{
	ssize_t n;
	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int mill_open_regular(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

int mill_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len,
		   struct mill_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return mill_fail_errno(err, errno, "open %s", path);
	/* Size is a hint only: /proc says 0, and a file may grow while we read. */
	struct stat st;
	size_t hint = 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		hint = (size_t)st.st_size;
	if (hint > max)
		return mill_fail(err, EFBIG, "%s: %zu bytes, more than the %zu allowed", path, hint,
				 max);
	if (max >= SIZE_MAX / 2)
		max = SIZE_MAX / 2;
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT_MAX(max + 1);
	for (;;) {
		size_t room = hint + 1 > b.len ? hint + 1 - b.len : 0;
		if (room < 4096)
			room = 4096;
		if (room > max + 1 - b.len)
			room = max + 1 - b.len;
		char *to = mill_strbuf_reserve(&b, room);
		ssize_t n = mill_read_retry(fd, to, room);
		if (n < 0)
			return mill_fail_errno(err, (int)-n, "read %s", path);
		if (n == 0)
			break;
		mill_strbuf_advance(&b, (size_t)n);
		if (b.len > max)
			return mill_fail(err, EFBIG, "%s: more than the %zu bytes allowed", path,
					 max);
	}
	if (ret_len)
		*ret_len = b.len;
	*ret_data = mill_strbuf_steal(&b);
	return 0;
}

/* A new file in the folder, under a name that nobody else uses. */
static int open_temporary(int dir, char *name, size_t size)
{
	static unsigned sequence;
	for (int tries = 0; tries < 100; tries++) {
		snprintf(name, size, ".mill-%d-%u-%x.tmp", (int)getpid(),
			 __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED),
			 (unsigned)(mill_now_ns() >> 10));
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				0600);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

static int rename_exclusive(int dir, const char *from, const char *to)
{
	if (syscall(SYS_renameat2, dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* File systems without the flag (NFS, some FUSE) have hard links. */
	if (linkat(dir, from, dir, to, 0) < 0)
		return -errno;
	unlinkat(dir, from, 0);
	return 0;
}

static int fill(int fd, const void *data, size_t len, mode_t mode, unsigned flags)
{
	int r = mill_write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && (flags & MILL_WRITE_DURABLE) && fsync(fd) < 0)
		r = -errno;
	return r;
}

int mill_write_file(const char *path, const void *data, size_t len, mode_t mode, unsigned flags,
		    struct mill_error *err)
{
	_cleanup_free_ char *parent = mill_path_dirname(path);
	const char *name = mill_path_basename(path);
	char temporary[64];
	if (!*name)
		return mill_fail_errno(err, EISDIR, "write %s", path);
	_cleanup_close_ int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mill_fail_errno(err, errno, "write %s: folder %s", path, parent);
	int fd = open_temporary(dir, temporary, sizeof(temporary));
	if (fd < 0)
		return mill_fail_errno(err, -fd, "write %s", path);
	int r = fill(fd, data, len, mode, flags);
	/* NFS tells of a full disk only here. */
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	if (r == 0 && (flags & MILL_WRITE_EXCLUSIVE))
		r = rename_exclusive(dir, temporary, name);
	else if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, temporary, 0);
		return mill_fail_errno(err, -r, "write %s", path);
	}
	if ((flags & MILL_WRITE_DURABLE) && fsync(dir) < 0)
		return mill_fail_errno(err, errno, "sync folder %s", parent);
	return 0;
}

/* One folder of a path: *dir becomes it.  Links that exist are followed. */
static int enter(int *dir, const char *name, mode_t mode)
{
	bool made = mkdirat(*dir, name, mode) == 0;
	if (!made && errno != EEXIST) {
		int code = errno;
		/* EACCES, EROFS and the like also where the folder is there already. */
		struct stat st;
		if (fstatat(*dir, name, &st, 0) < 0 || !S_ISDIR(st.st_mode))
			return -code;
	}
	int flags = made ? O_RDONLY | O_NOFOLLOW : O_PATH;
	int next = openat(*dir, name, flags | O_DIRECTORY | O_CLOEXEC);
	if (next < 0)
		return -errno;
	if (made && fchmod(next, mode) < 0) {
		int code = errno;
		close(next);
		return -code;
	}
	if (*dir >= 0)
		close(*dir);
	*dir = next;
	return 0;
}

int mill_mkdir_p(const char *path, mode_t mode, struct mill_error *err)
{
	_cleanup_close_ int dir = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mill_fail_errno(err, errno, "make folder %s", path);
	if (!*path)
		return mill_fail_errno(err, ENOENT, "make a folder without a name");
	const char *s = path;
	while (*s == '/')
		s++;
	while (*s) {
		size_t n = strcspn(s, "/");
		_cleanup_free_ char *name = mill_xstrndup(s, n);
		s += n;
		while (*s == '/')
			s++;
		int r = enter(&dir, name, *s ? 0755 : mode);
		if (r < 0)
			return mill_fail_errno(err, -r, "make folder %.*s", (int)(s - path), path);
	}
	return 0;
}

int mill_list_dir(const char *path, struct mill_strv *ret_names, struct mill_error *err)
{
	DIR *d = opendir(path);
	if (!d)
		return mill_fail_errno(err, errno, "list %s", path);
	struct dirent *e;
	int code;
	while ((errno = 0, e = readdir(d)))
		if (!mill_streq(e->d_name, ".") && !mill_streq(e->d_name, ".."))
			mill_strv_add(ret_names, e->d_name);
	code = errno;
	closedir(d);
	if (code)
		return mill_fail_errno(err, code, "list %s", path);
	mill_strv_sort(ret_names);
	return 0;
}

int mill_disk_free(const char *path, uint64_t *ret_bytes, struct mill_error *err)
{
	_cleanup_free_ char *at = mill_path_absolute(path);
	struct statvfs st;
	while (statvfs(at, &st) < 0) {
		if ((errno != ENOENT && errno != ENOTDIR) || mill_streq(at, "/"))
			return mill_fail_errno(err, errno, "free space at %s", at);
		char *up = mill_path_dirname(at);
		free(at);
		at = up;
	}
	*ret_bytes = (uint64_t)st.f_bavail * (st.f_frsize ? st.f_frsize : st.f_bsize);
	return 0;
}
