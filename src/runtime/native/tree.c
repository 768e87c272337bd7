#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "runtime/native/tree.h"

#include "runtime/native/seal.h"
#include "runtime/native/store.h"

static int hash_fd(int fd, char out[MILL_SHA256_HEX], uint64_t *ret_size)
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	uint64_t size = 0;
	char buf[65536];
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int code = errno;
			mill_hash_finish(h, out);
			return -code;
		}
		if (n == 0)
			break;
		mill_hash_update(h, buf, (size_t)n);
		size += (uint64_t)n;
	}
	mill_hash_finish(h, out);
	*ret_size = size;
	return 0;
}

static int emit(struct mill_tree *t, const struct mill_tree_item *item, struct mill_error *err)
{
	if (++t->items > MILL_TREE_ITEMS_MAX)
		return mill_fail(err, EFBIG, "more than %u files", MILL_TREE_ITEMS_MAX);
	return t->on_item ? t->on_item(t->arg, item, err) : 0;
}

static int walk_file(struct mill_tree *t, int dir, const char *name, const char *path,
		     struct mill_error *err)
{
	/* A file without read permission is ours to change unless we are root, who needs none. */
	if (t->seal && faccessat(dir, name, R_OK, AT_EACCESS) < 0 && errno == EACCES)
		(void)fchmodat(dir, name, 0600, 0);
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return mill_fail_errno(err, errno, "open %s", path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return mill_fail_errno(err, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return mill_fail(err, EINVAL, "%s changed while it was read", path);
	struct mill_tree_item item = {.path = path, .type = 'f', .mode = st.st_mode & 07777};
	if (t->seal) {
		item.mode = st.st_mode & 0111 ? 0555 : 0444; /* no set-id bits survive either */
		if ((t->to_root && fchown(fd, 0, 0) < 0) || fchmod(fd, item.mode) < 0)
			return mill_fail_errno(err, errno, "make %s read-only", path);
	}
	int r = hash_fd(fd, item.sha256, &item.size);
	if (r < 0)
		return mill_fail_errno(err, -r, "read %s", path);
	t->bytes += item.size;
	t->files++;
	return emit(t, &item, err);
}

static int walk_link(struct mill_tree *t, int dir, const char *name, const char *path,
		     struct mill_error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n < 0)
		return mill_fail_errno(err, errno, "read the link %s", path);
	target[n] = '\0';
	if (t->seal && t->to_root && fchownat(dir, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
		return mill_fail_errno(err, errno, "change the owner of %s", path);
	struct mill_tree_item item = {.path = path, .type = 'l', .target = target};
	return emit(t, &item, err);
}

static int list_names(int dir, struct mill_strv *names)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0)
		return -errno;
	DIR *d = fdopendir(copy);
	if (!d) {
		int code = errno;
		close(copy);
		return -code;
	}
	struct dirent *e;
	errno = 0;
	while ((e = readdir(d)))
		if (!mill_streq(e->d_name, ".") && !mill_streq(e->d_name, ".."))
			mill_strv_add(names, e->d_name);
	int code = errno;
	closedir(d);
	mill_strv_sort(names);
	return -code;
}

static int walk_dir(struct mill_tree *t, int dir, const char *path, unsigned depth,
		    struct mill_error *err);

static int walk_entry(struct mill_tree *t, int dir, const char *name, const char *path,
		      unsigned depth, struct mill_error *err)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return mill_fail_errno(err, errno, "stat %s", path);
	if (S_ISREG(st.st_mode))
		return walk_file(t, dir, name, path, err);
	if (S_ISLNK(st.st_mode))
		return walk_link(t, dir, name, path, err);
	if (!S_ISDIR(st.st_mode))
		return mill_fail(err, EINVAL, "%s is a device, a pipe or a socket", path);
	if (depth >= MILL_TREE_DEPTH_MAX)
		return mill_fail(err, ELOOP, "%s: folders nested more than %d deep", path,
				 MILL_TREE_DEPTH_MAX);
	struct mill_tree_item item = {.path = path, .type = 'd', .mode = st.st_mode & 07777};
	int r = emit(t, &item, err);
	if (r < 0)
		return r;
	_cleanup_close_ int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return mill_fail_errno(err, errno, "open %s", path);
	r = walk_dir(t, sub, path, depth + 1, err);
	if (r == 0 && t->seal && fchmod(sub, 0555) < 0)
		r = mill_fail_errno(err, errno, "make %s read-only", path);
	return r;
}

static int walk_dir(struct mill_tree *t, int dir, const char *path, unsigned depth,
		    struct mill_error *err)
{
	/* Taken over before it is listed, so that nobody else can change what we see. */
	if (t->seal && ((t->to_root && fchown(dir, 0, 0) < 0) || fchmod(dir, 0755) < 0))
		return mill_fail_errno(err, errno, "take over %s", path[0] ? path : "the folder");
	_cleanup_strv_ struct mill_strv names = {0};
	int r = list_names(dir, &names);
	if (r < 0)
		return mill_fail_errno(err, -r, "list %s", path[0] ? path : "the folder");
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.items[i];
		if (depth == 0 && (mill_streq(name, MILL_STORE_COMPLETE) || mill_streq(name, MILL_SEAL_TREE)))
			continue;
		_cleanup_free_ char *sub =
			path[0] ? mill_xasprintf("%s/%s", path, name) : mill_xstrdup(name);
		r = walk_entry(t, dir, name, sub, depth, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int mill_tree_walk(struct mill_tree *t, const char *root, struct mill_error *err)
{
	_cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return mill_fail_errno(err, errno, "open %s", root);
	return walk_dir(t, dir, "", 0, err);
}
