/* Walks over folders: disk usage, chown, whoever asks.  Links are never followed. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/map.h"

#define DEPTH_MAX 200

/* One entry, before the entries below it; 1: a folder that is not gone into. */
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
	if (r || !S_ISDIR(st.st_mode))
		return r < 0 ? r : 0;
	if (depth >= DEPTH_MAX)
		return -ELOOP;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && depth ? 0 : -errno;
	return walk_children(w, fd, depth + 1);
}

/* ret_walk is set before the first visit; may be NULL. */
static int walk(const char *path, visit_fn visit, void *arg, const struct walk **ret_walk, const char *doing,
		struct mill_error *err)
{
	struct walk w = {.visit = visit, .arg = arg, .path = MILL_STRBUF_INIT};
	if (ret_walk)
		*ret_walk = &w;
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
	int r = walk(path, add_usage, &u, NULL, "disk usage of", err);
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
	return walk(path, change_owner, &o, NULL, "change the owner of", err);
}

struct asked {
	int (*visit)(void *arg, const char *below, const struct stat *st);
	void *arg;
	const struct walk *walk;
	size_t top; /* bytes of the path that the asker knows */
};

static int hand_out(void *arg, int dir, const char *name, const struct stat *st)
{
	const struct asked *a = arg;
	const char *path = a->walk->path.data;

	return a->walk->path.len > a->top ? a->visit(a->arg, path + a->top + 1, st) : 0;
}

int mill_walk(const char *path, int (*visit)(void *arg, const char *below, const struct stat *st), void *arg, struct mill_error *err)
{
	struct asked a = {.visit = visit, .arg = arg, .top = strlen(path)};

	return walk(path, hand_out, &a, &a.walk, "read", err);
}
