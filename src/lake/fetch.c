#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "lake/compare.h"
#include "lake/fetch.h"

#define BATCH 8 /* large objects at once */

const char *mill_lake_path_refused(const char *path)
{
	size_t len = strlen(path);
	if (len == 0 || path[0] == '/')
		return "the key is no relative path";
	if (mill_utf8_check(path, len) != len)
		return "the key is not UTF-8";
	for (const char *at = path;; at++) {
		size_t n = strcspn(at, "/");
		if (n == 0)
			return "the key has an empty part";
		if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
			return "the key leads out of the folder";
		if (n > 255)
			return "a part of the key is longer than a file's name may be";
		at += n;
		if (!*at)
			return NULL;
	}
}

int mill_lake_open_parent(int dir_fd, const char *path, bool make, int *ret_fd,
			  const char **ret_name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_free_ char *copy = mill_xstrdup(path);
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	char *at = copy, *slash;
	if (fd < 0)
		return -errno;
	while ((slash = strchr(at, '/'))) {
		*slash = '\0';
		int next = openat(fd, at, flags);
		if (next < 0 && errno == ENOENT && make) {
			if (mkdirat(fd, at, 0777) == 0 || errno == EEXIST)
				next = openat(fd, at, flags);
		}
		int code = errno;
		close(fd);
		if (next < 0)
			return -code;
		fd = next;
		at = slash + 1;
	}
	*ret_fd = fd;
	*ret_name = path + (at - copy);
	return 0;
}

static int place_error(const struct mill_lake_fetch *f, int r, struct mill_error *err)
{
	switch (-r) {
	case ENOTDIR:
		return mill_fail(err, ENOTDIR, "%s: a file is in the way of a folder", f->path);
	case ELOOP:
		return mill_fail(err, ELOOP, "%s: a symbolic link is in the way", f->path);
	case EISDIR:
		return mill_fail(err, EISDIR, "%s: a folder is in the way of the file", f->path);
	default:
		return mill_fail_errno(err, -r, "write %s", f->path);
	}
}

/* The file beside its place, open; its folder too. */
static int open_temp(struct mill_lake_fetch_set *set, struct mill_lake_fetch *f,
		     struct mill_error *err)
{
	const char *name;
	struct stat st;
	int r = mill_lake_open_parent(set->dir_fd, f->path, true, &f->dir_fd, &name);
	if (r < 0)
		return place_error(f, r, err);
	mode_t mode = 0666;
	if (fstatat(f->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return place_error(f, -EISDIR, err);
		if (S_ISLNK(st.st_mode))
			return place_error(f, -ELOOP, err);
	}
	unsigned char random[12];
	char hex[25];
	mill_random_bytes(random, sizeof(random));
	mill_s3_hex(random, sizeof(random), hex);
	snprintf(f->temp, sizeof(f->temp), MILL_LAKE_TEMP_PREFIX "%s", hex);
	f->fd = openat(f->dir_fd, f->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (f->fd < 0) {
		f->temp[0] = '\0';
		return place_error(f, -errno, err);
	}
	return 0;
}

static bool same_file(const struct mill_lake_fetch *f, const struct stat *st)
{
	return (uint64_t)st->st_size == f->old_size && st->st_ino == f->old_ino &&
	       (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec == f->old_mtime_ns;
}

/*
 * Is the file what the ETag says?  The ranges of a large one were hashed as
 * they came; if the object was sent in parts of the same size that settles it,
 * otherwise the file is read back.
 */
static int verify(struct mill_lake_fetch_set *set, struct mill_lake_fetch *f,
		  struct mill_s3_hasher *h, uint64_t size, const char *etag,
		  enum mill_lake_same *ret_same)
{
	if (f->digests && f->n_ranges > 1) {
		mill_s3_content_join(h, f->digests, f->n_ranges, set->conf->part_size, &f->content);
		*ret_same = SAME_YES;
		if (strcasecmp(f->content.etag, etag) == 0)
			return 0;
	}
	return mill_lake_compare_etag(h, f->fd, size, etag, set->conf->part_size, &f->content,
				      ret_same);
}

/* Compares with the ETag and renames into place. */
static int install(struct mill_lake_fetch_set *set, struct mill_lake_fetch *f,
		   struct mill_s3_hasher *h, const char *etag, bool encrypted,
		   struct mill_error *err)
{
	struct stat st, old;
	enum mill_lake_same same;
	if (fstat(f->fd, &st) < 0)
		return mill_fail_errno(err, errno, "stat %s", f->path);
	int r = verify(set, f, h, (uint64_t)st.st_size, etag, &same);
	if (r < 0)
		return mill_fail_errno(err, -r, "read back %s", f->path);
	if (same == SAME_NO && !encrypted) {
		mill_fail(err, EBADMSG, "%s is damaged: what came does not match its ETag %s", f->key,
			  etag);
		return mill_error_hint(err, "try again; if it stays, the object is damaged in the lake");
	}
	const char *slash = strrchr(f->path, '/');
	const char *name = slash ? slash + 1 : f->path;
	bool there = fstatat(f->dir_fd, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	if (f->guarded && (there != f->had_file || (there && !same_file(f, &old))))
		return mill_fail(err, EEXIST, "%s changed while it was fetched", f->path);
	if (there && S_ISREG(old.st_mode))
		fchmod(f->fd, old.st_mode & 0777);
	if (renameat(f->dir_fd, f->temp, f->dir_fd, name) < 0)
		return place_error(f, -errno, err);
	f->temp[0] = '\0';
	f->new_size = (uint64_t)st.st_size;
	f->ino = st.st_ino;
	f->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	snprintf(f->new_etag, sizeof(f->new_etag), "%s", etag);
	return 0;
}

static void finish(struct mill_lake_fetch_set *set, struct mill_lake_fetch *f, int result,
		   struct mill_error *err)
{
	if (f->temp[0])
		unlinkat(f->dir_fd, f->temp, 0);
	f->temp[0] = '\0';
	if (f->fd >= 0)
		close(f->fd);
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	f->fd = f->dir_fd = -1;
	free(f->digests);
	f->digests = NULL;
	f->result = result;
	if (result < 0) {
		f->err = *err;
		*err = (struct mill_error){0};
	}
	atomic_fetch_add(&set->files_done, 1);
	if (set->on_done) {
		pthread_mutex_lock(&set->lock);
		set->on_done(set->arg, f);
		pthread_mutex_unlock(&set->lock);
	}
}

/* ---- small ones ---- */

static int small_next(void *arg, struct mill_s3_call *c)
{
	struct mill_lake_fetch_set *set = arg;
	struct mill_lake_fetch *f = &set->items[c->task];
	_cleanup_error_ struct mill_error err = {0};
	atomic_store(&set->current, f->path);
	if (f->size > set->conf->part_size) {
		pthread_mutex_lock(&set->lock);
		MILL_GROW(set->large, set->n_large, set->cap_large);
		set->large[set->n_large++] = c->task;
		pthread_mutex_unlock(&set->lock);
		return 0;
	}
	int r = open_temp(set, f, &err);
	if (r < 0) {
		finish(set, f, r, &err);
		return 0;
	}
	c->method = "GET";
	c->bucket = set->bucket;
	c->key = f->key;
	c->out_fd = f->fd;
	c->user = f;
	return 1;
}

static bool small_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct mill_lake_fetch_set *set = arg;
	struct mill_lake_fetch *f = c->user;
	if (result == 0)
		result = install(set, f, c->hasher, c->etag, c->encrypted, err);
	if (result == 0)
		atomic_fetch_add(&set->bytes_done, f->new_size);
	finish(set, f, result, err);
	return false;
}

/* ---- large ones ---- */

struct range_batch {
	struct mill_lake_fetch_set *set;
	struct mill_lake_fetch *items[BATCH];
	size_t n;
};

static int range_next(void *arg, struct mill_s3_call *c)
{
	struct range_batch *b = arg;
	size_t k = c->task, i = 0;
	while (k >= b->items[i]->n_ranges)
		k -= b->items[i++]->n_ranges;
	struct mill_lake_fetch *f = b->items[i];
	uint64_t part = b->set->conf->part_size;
	if (atomic_load(&f->failed))
		return 0;
	atomic_store(&b->set->current, f->path);
	c->method = "GET";
	c->bucket = b->set->bucket;
	c->key = f->key;
	c->range_first = k * part;
	c->range_last = c->range_first + part < f->size ? c->range_first + part - 1 : f->size - 1;
	mill_s3_call_header(c, "If-Match", mill_s3_call_text(c, "\"%s\"", f->etag));
	c->out_fd = f->fd;
	c->out_offset = c->range_first;
	c->task = k;
	c->user = f;
	return 1;
}

static bool range_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct range_batch *b = arg;
	struct mill_lake_fetch *f = c->user;
	if (result == 0 && c->received != c->range_last - c->range_first + 1)
		result = mill_fail(err, EBADMSG, "%s: a range came incomplete", f->key);
	if (c->status == 412)
		result = mill_fail(err, EBADMSG, "%s changed in the lake while it was fetched", f->key);
	if (result == 0) {
		result = mill_s3_hash_range(c->hasher, f->fd, c->range_first, c->received,
					    &f->digests[c->task]);
		if (result < 0)
			result = mill_fail_errno(err, -result, "read back %s", f->path);
	}
	if (result < 0) {
		if (!atomic_exchange(&f->failed, true))
			f->result = result, f->err = *err, *err = (struct mill_error){0};
		return false;
	}
	atomic_fetch_add(&b->set->bytes_done, c->received);
	if (atomic_fetch_sub(&f->ranges_left, 1) == 1 && !atomic_load(&f->failed)) {
		result = install(b->set, f, c->hasher, f->etag, c->encrypted, err);
		finish(b->set, f, result, err);
	}
	return false;
}

static void tick(void *arg)
{
	struct mill_lake_fetch_set *set = arg;
	if (set->on_tick)
		set->on_tick(set->arg);
}

static void range_tick(void *arg)
{
	tick(((struct range_batch *)arg)->set);
}

static int fetch_batch(struct mill_lake *lake, struct range_batch *b, struct mill_error *err)
{
	struct mill_s3_work w = {
		.next = range_next, .done = range_done, .tick = range_tick, .arg = b};
	size_t total = 0;
	for (size_t i = 0; i < b->n; i++)
		total += b->items[i]->n_ranges;
	int r = mill_s3_pool_run(lake, total, &w, err);
	for (size_t i = 0; i < b->n; i++) {
		struct mill_lake_fetch *f = b->items[i];
		if (f->fd < 0)
			continue; /* concluded */
		_cleanup_error_ struct mill_error why = f->err;
		f->err = (struct mill_error){0};
		if (!why.code)
			mill_fail(&why, ECANCELED, "cancelled");
		finish(b->set, f, -why.code, &why);
	}
	return r;
}

static int fetch_large(struct mill_lake *lake, struct mill_lake_fetch_set *set,
		       struct mill_error *err)
{
	int r = 0;
	for (size_t at = 0; at < set->n_large && r == 0;) {
		struct range_batch b = {.set = set};
		for (; at < set->n_large && b.n < BATCH; at++) {
			struct mill_lake_fetch *f = &set->items[set->large[at]];
			_cleanup_error_ struct mill_error failed = {0};
			int opened = open_temp(set, f, &failed);
			if (opened == 0 && ftruncate(f->fd, (off_t)f->size) < 0)
				opened = place_error(f, -errno, &failed);
			if (opened < 0) {
				finish(set, f, opened, &failed);
				continue;
			}
			uint64_t part = set->conf->part_size;
			f->n_ranges = (size_t)((f->size + part - 1) / part);
			f->digests = mill_xcalloc(f->n_ranges, sizeof(*f->digests));
			atomic_store(&f->ranges_left, f->n_ranges);
			b.items[b.n++] = f;
		}
		if (b.n)
			r = fetch_batch(lake, &b, err);
	}
	return r;
}

int mill_lake_fetch_all(struct mill_lake *lake, struct mill_lake_fetch_set *set,
			struct mill_error *err)
{
	struct mill_s3_work w = {.next = small_next, .done = small_done, .tick = tick, .arg = set};
	set->conf = &lake->conf;
	pthread_mutex_init(&set->lock, NULL);
	for (size_t i = 0; i < set->n; i++)
		set->items[i].fd = set->items[i].dir_fd = -1;
	int r = mill_s3_pool_run(lake, set->n, &w, err);
	if (r == 0 && set->n_large)
		r = fetch_large(lake, set, err);
	free(set->large);
	set->large = NULL;
	set->n_large = set->cap_large = 0;
	pthread_mutex_destroy(&set->lock);
	return r;
}

int mill_lake_get_file(struct mill_lake *lake, const char *bucket, const char *key,
		       const char *path, struct mill_error *err)
{
	struct mill_lake_object o = {0};
	int r = mill_lake_head(lake, bucket, key, &o, err);
	if (r < 0)
		return r;
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = slash ? mill_xstrndup(path, (size_t)(slash - path) + 1)
					 : mill_xstrdup(".");
	_cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0) {
		r = mill_fail_errno(err, errno, "open the folder %s", dir);
		mill_lake_object_release(&o);
		return r;
	}
	struct mill_lake_fetch f = {.key = key, .path = slash ? slash + 1 : path, .etag = o.etag,
				    .size = o.size};
	struct mill_lake_fetch_set set = {.bucket = bucket, .dir_fd = dir_fd, .items = &f, .n = 1};
	r = mill_lake_fetch_all(lake, &set, err);
	mill_lake_object_release(&o);
	if (r == 0 && f.result < 0) {
		r = f.result;
		if (err) {
			mill_error_release(err);
			*err = f.err;
			return r;
		}
	}
	mill_error_release(&f.err);
	return r;
}
