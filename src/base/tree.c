/* Walks over folders: disk usage, chown, copies.  Links are never followed. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/map.h"

#define DEPTH_MAX 200

/* One entry, before the entries below it. */
typedef int (*visit_fn)(void *arg, int dir, const char *name, const struct stat *st);

struct walk {
	visit_fn visit;
	void *arg;
	struct mill_strbuf path; /* of the entry at hand, for messages */
};

static int walk_entry(struct walk *w, int dir, const char *name, unsigned depth);

static int walk_children(struct walk *w, int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		int code = errno;
		close(fd);
		return -code;
	}
	size_t len = w->path.len;
	struct dirent *e;
	int r = 0;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (mill_streq(e->d_name, ".") || mill_streq(e->d_name, ".."))
			continue;
		mill_strbuf_printf(&w->path, "/%s", e->d_name);
		r = walk_entry(w, dirfd(d), e->d_name, depth);
		if (r == 0)
			mill_strbuf_truncate(&w->path, len);
	}
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	return r;
}

static int walk_entry(struct walk *w, int dir, const char *name, unsigned depth)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		/* Gone while we walk: below the top that is no error. */
		return errno == ENOENT && depth ? 0 : -errno;
	int r = w->visit(w->arg, dir, name, &st);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	if (depth >= DEPTH_MAX)
		return -ELOOP;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && depth ? 0 : -errno;
	return walk_children(w, fd, depth + 1);
}

static int walk(const char *path, visit_fn visit, void *arg, const char *doing,
		struct mill_error *err)
{
	struct walk w = {.visit = visit, .arg = arg, .path = MILL_STRBUF_INIT};
	mill_strbuf_addstr(&w.path, path);
	int r = walk_entry(&w, AT_FDCWD, path, 0);
	if (r < 0)
		mill_fail_errno(err, -r, "%s %s", doing, w.path.data);
	mill_strbuf_release(&w.path);
	return r;
}

struct usage {
	uint64_t bytes;
	struct mill_map seen; /* files with several links count once */
};

static int add_usage(void *arg, int dir, const char *name, const struct stat *st)
{
	struct usage *u = arg;
	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode)) {
		char key[64];
		snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
			 (unsigned long long)st->st_ino);
		if (mill_map_has(&u->seen, key))
			return 0;
		mill_map_set(&u->seen, key, NULL);
	}
	u->bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

int mill_disk_usage(const char *path, uint64_t *ret_bytes, struct mill_error *err)
{
	struct usage u = {0};
	int r = walk(path, add_usage, &u, "disk usage of", err);
	mill_map_release(&u.seen);
	if (r == 0)
		*ret_bytes = u.bytes;
	return r;
}

struct owner {
	uid_t uid;
	gid_t gid;
};

static int change_owner(void *arg, int dir, const char *name, const struct stat *st)
{
	const struct owner *o = arg;
	if (st->st_uid == o->uid && st->st_gid == o->gid)
		return 0;
	return fchownat(dir, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int mill_chown_r(const char *path, uid_t uid, gid_t gid, struct mill_error *err)
{
	struct owner o = {uid, gid};
	return walk(path, change_owner, &o, "change the owner of", err);
}

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
