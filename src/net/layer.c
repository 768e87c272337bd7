/*
 * Two archives in a row: the tar writer hands its bytes to a hash and on to a
 * "raw" writer with the zstd filter, whose bytes are hashed and go to the file.
 */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "net/layer.h"

#include "base/io.h"

#define BLOCK ((size_t)1 << 20)

struct mill_net_layer {
	struct archive *tar, *file;
	struct mill_hash *inner, *outer;
	uint64_t inner_bytes, outer_bytes;
	int fd;
	/*
	 * errno of what went wrong in a callback, ECANCELED when it is given up.  The callbacks never say so themselves: a
	 * writer that failed does not free what its client made (libarchive 3.6); they swallow what comes after.
	 */
	int code;
	char *path;
	char *block;
};

static la_ssize_t write_file(struct archive *a, void *arg, const void *data, size_t len)
{
	struct mill_net_layer *l = arg;
	(void)a;
	int r = l->code ? 0 : mill_write_all(l->fd, data, len);
	if (r < 0)
		l->code = -r;
	if (l->code)
		return (la_ssize_t)len;
	mill_hash_update(l->outer, data, len);
	l->outer_bytes += len;
	return (la_ssize_t)len;
}

static la_ssize_t write_tar(struct archive *a, void *arg, const void *data, size_t len)
{
	struct mill_net_layer *l = arg;
	(void)a;
	if (l->code)
		return (la_ssize_t)len;
	mill_hash_update(l->inner, data, len);
	l->inner_bytes += len;
	return archive_write_data(l->file, data, len) == (la_ssize_t)len ? (la_ssize_t)len : -1;
}

static int failed(const struct mill_net_layer *l, struct archive *a, const char *what, struct mill_error *err)
{
	if (l->code)
		return mill_fail_errno(err, l->code, "write %s", l->path);
	const char *why = archive_error_string(l->file) ? archive_error_string(l->file) : archive_error_string(a);
	return mill_fail(err, EIO, "write %s: %s: %s", l->path, what, why ? why : "the archive library failed");
}

/* One "file" without a name or an end: its bytes are the archive. */
static int open_file(struct mill_net_layer *l, struct mill_error *err)
{
	l->file = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "layer");
	bool ok = archive_write_set_format_raw(l->file) == ARCHIVE_OK && archive_write_add_filter_zstd(l->file) == ARCHIVE_OK &&
		  archive_write_set_bytes_per_block(l->file, 0) == ARCHIVE_OK &&
		  archive_write_open(l->file, l, NULL, write_file, NULL) == ARCHIVE_OK &&
		  archive_write_header(l->file, e) == ARCHIVE_OK;
	archive_entry_free(e);
	return ok ? 0 : failed(l, l->file, "begin", err);
}

/* GNU's long names carry any bytes, whatever the locale is. */
static int open_tar(struct mill_net_layer *l, struct mill_error *err)
{
	l->tar = archive_write_new();
	bool ok = archive_write_set_format_gnutar(l->tar) == ARCHIVE_OK && archive_write_add_filter_none(l->tar) == ARCHIVE_OK &&
		  archive_write_set_bytes_per_block(l->tar, 10240) == ARCHIVE_OK &&
		  archive_write_open(l->tar, l, NULL, write_tar, NULL) == ARCHIVE_OK;
	return ok ? 0 : failed(l, l->tar, "begin", err);
}

int mill_net_layer_begin(const char *path, struct mill_net_layer **ret, struct mill_error *err)
{
	struct mill_net_layer *l = mill_xcalloc(1, sizeof(*l));
	l->path = mill_xstrdup(path);
	l->inner = mill_hash_new(MILL_SHA256);
	l->outer = mill_hash_new(MILL_SHA256);
	l->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = l->fd < 0 ? mill_fail_errno(err, errno, "make %s", path) : open_file(l, err);
	if (r == 0)
		r = open_tar(l, err);
	if (r < 0) {
		(void)mill_net_layer_end(l, NULL, NULL);
		return r;
	}
	*ret = l;
	return 0;
}

static int add_source(struct mill_net_layer *l, const struct mill_net_layer_item *item, struct mill_error *err)
{
	_cleanup_close_ int fd = mill_open_regular(item->source);
	uint64_t left = item->size;
	if (fd < 0)
		return mill_fail_errno(err, -fd, "open %s", item->source);
	if (!l->block)
		l->block = mill_xmalloc(BLOCK);
	while (left) {
		ssize_t n = mill_read_retry(fd, l->block, left < BLOCK ? (size_t)left : BLOCK);
		if (n < 0)
			return mill_fail_errno(err, (int)-n, "read %s", item->source);
		if (n == 0)
			return mill_fail(err, EIO, "%s became shorter while it was read", item->source);
		if (archive_write_data(l->tar, l->block, (size_t)n) != n || l->code)
			return failed(l, l->tar, item->path, err);
		left -= (uint64_t)n;
	}
	return 0;
}

static bool is_sound(const struct mill_net_layer_item *item)
{
	bool known = item->type == 'd' || item->type == 'f' || (item->type == 'l' && item->target && *item->target);
	/* The sticky bit of /tmp is the only one beyond rwx. */
	return known && mill_path_is_inside(item->path) && (item->mode & ~(mode_t)(item->type == 'd' ? 01777 : 0777)) == 0;
}

int mill_net_layer_add(struct mill_net_layer *l, const struct mill_net_layer_item *item, struct mill_error *err)
{
	if (!is_sound(item))
		return mill_fail(err, EPERM, "%s (type %c, mode %04o) has no place in a layer", item->path, item->type,
				 (unsigned)item->mode);
	struct archive_entry *e = archive_entry_new();
	archive_entry_set_pathname(e, item->path);
	archive_entry_set_filetype(e, item->type == 'd' ? AE_IFDIR : item->type == 'l' ? AE_IFLNK : AE_IFREG);
	archive_entry_set_perm(e, item->type == 'l' ? 0777 : item->mode);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	archive_entry_set_mtime(e, item->mtime, 0);
	archive_entry_set_size(e, item->type == 'f' ? (la_int64_t)item->size : 0);
	if (item->type == 'l')
		archive_entry_set_symlink(e, item->target);
	int r = archive_write_header(l->tar, e) == ARCHIVE_OK && !l->code ? 0 : failed(l, l->tar, item->path, err);
	archive_entry_free(e);
	if (r < 0 || item->type != 'f' || item->size == 0)
		return r;
	if (item->source)
		return add_source(l, item, err);
	bool whole = archive_write_data(l->tar, item->data, item->size) == (la_ssize_t)item->size;
	return whole && !l->code ? 0 : failed(l, l->tar, item->path, err);
}

static int close_archives(struct mill_net_layer *l, struct mill_error *err)
{
	if (archive_write_close(l->tar) != ARCHIVE_OK || l->code)
		return failed(l, l->tar, "end", err);
	if (archive_write_finish_entry(l->file) != ARCHIVE_OK || archive_write_close(l->file) != ARCHIVE_OK || l->code)
		return failed(l, l->file, "end", err);
	return fsync(l->fd) < 0 ? mill_fail_errno(err, errno, "sync %s", l->path) : 0;
}

int mill_net_layer_end(struct mill_net_layer *l, struct mill_net_layer_result *ret, struct mill_error *err)
{
	char inner[MILL_SHA256_HEX], outer[MILL_SHA256_HEX];
	int r = 0;
	if (ret)
		r = close_archives(l, err);
	if (!l->code && !ret)
		l->code = ECANCELED;
	if (l->tar)
		archive_write_free(l->tar);
	if (l->file)
		archive_write_free(l->file);
	mill_hash_finish(l->inner, inner);
	mill_hash_finish(l->outer, outer);
	if (r == 0 && ret) {
		*ret = (struct mill_net_layer_result){.bytes = l->outer_bytes, .unpacked = l->inner_bytes};
		snprintf(ret->digest, sizeof(ret->digest), "%s", outer);
		snprintf(ret->diff_id, sizeof(ret->diff_id), "%s", inner);
	}
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	free(l->block);
	free(l);
	return r;
}
