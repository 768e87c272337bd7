#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "net/unpack.h"

#include "base/io.h"
#include "base/strbuf.h"
#include "base/confine.h"

#define BYTES_DEFAULT ((uint64_t)16 << 30)
#define ENTRIES_DEFAULT 1000000u
#define RATIO_DEFAULT 200u
#define RATIO_FROM ((uint64_t)64 << 20) /* small archives may compress as they like */
#define BLOCK ((size_t)256 << 10)
#define PATH_LEN_MAX 4000

struct unpack {
	const struct mill_net_unpack *u;
	struct archive *in, *out;
	uint64_t max_bytes, max_entries, bytes, entries, total;
	unsigned max_ratio;
};

static int fail_archive(struct archive *a, const char *what, struct mill_error *err)
{
	int code = archive_errno(a);
	const char *text = archive_error_string(a);
	/* libarchive's own codes are negative or small "format" ones; the system's are kept. */
	if (code != ENOSPC && code != EDQUOT && code != EFBIG && code != EACCES && code != EROFS)
		code = EBADMSG;
	return mill_fail(err, code, "%s: %s", what, text ? text : "unreadable");
}

/*
 * Where a link points, as text: a relative target resolved against the folder
 * that holds the link must stay inside.  Each component is counted, so that
 * `a/../../x` is seen.
 */
static bool target_inside(const char *entry, const char *target)
{
	int depth = 0;
	for (const char *p = entry; (p = strchr(p, '/')); p++)
		depth++;
	for (const char *p = target; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (n && !(n == 1 && p[0] == '.'))
			depth++;
		if (depth < 0)
			return false;
		p += n;
		p += strspn(p, "/");
	}
	return true;
}

/* "/usr/x" in the entry a/b/link becomes "../../usr/x": the same place below dest. */
static char *rebase_target(const char *entry, const char *target)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	for (const char *p = entry; (p = strchr(p, '/')); p++)
		mill_strbuf_addstr(&b, "../");
	mill_strbuf_addstr(&b, target + strspn(target, "/"));
	if (b.len == 0)
		mill_strbuf_addch(&b, '.');
	return mill_strbuf_steal(&b);
}

/* Normalises a name: drops "./" and the first `strip` folders.  NULL: nothing is left; "" : refused. */
static char *clean_name(const char *name, unsigned strip, bool *ret_bad)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	*ret_bad = name[0] == '/';
	for (const char *p = name; *p && !*ret_bad;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			*ret_bad = true;
		} else if (n && !(n == 1 && p[0] == '.')) {
			if (strip) {
				strip--;
			} else {
				if (b.len)
					mill_strbuf_addch(&b, '/');
				mill_strbuf_add(&b, p, n);
			}
		}
		p += n;
		p += strspn(p, "/");
	}
	*ret_bad |= b.len > PATH_LEN_MAX;
	return *ret_bad || b.len == 0 ? NULL : mill_strbuf_steal(&b);
}

static int check_symlink(const struct unpack *s, struct archive_entry *e, const char *name,
			 struct mill_error *err)
{
	const char *target = archive_entry_symlink(e);
	if (!target || !*target)
		return mill_fail(err, EBADMSG, "%s: a link without a target", name);
	if (target[0] == '/') {
		if (!s->u->rebase_links)
			return mill_fail(err, EPERM, "%s: a link to the absolute path %s", name, target);
		_cleanup_free_ char *relative = rebase_target(name, target);
		if (!target_inside(name, relative))
			return mill_fail(err, EPERM, "%s: a link that leaves the folder (%s)", name, target);
		archive_entry_set_symlink(e, relative);
		return 0;
	}
	if (!target_inside(name, target))
		return mill_fail(err, EPERM, "%s: a link that leaves the folder (%s)", name, target);
	return 0;
}

static bool omitted(const struct mill_net_unpack *u, const char *name)
{
	for (const char *const *o = u->omit; o && *o; o++) {
		size_t n = strlen(*o);
		if (strncmp(name, *o, n) == 0 && (name[n] == '/' || name[n] == '\0'))
			return true;
	}
	return false;
}

/* Checks one header and makes it ours.  1: skip it. */
static int check_entry(struct unpack *s, struct archive_entry *e, struct mill_error *err)
{
	const char *raw = archive_entry_pathname(e);
	if (!raw)
		return mill_fail(err, EBADMSG, "an entry without a readable name");
	bool bad;
	_cleanup_free_ char *name = clean_name(raw, s->u->strip, &bad);
	if (bad)
		return mill_fail(err, EPERM, "an entry that leaves the folder: %s", raw);
	if (!name || omitted(s->u, name))
		return 1;
	if (++s->entries > s->max_entries)
		return mill_fail(err, EFBIG, "more than %llu entries", (unsigned long long)s->max_entries);
	const char *hard = archive_entry_hardlink(e);
	if (hard) {
		_cleanup_free_ char *target = clean_name(hard, s->u->strip, &bad);
		if (bad || !target)
			return mill_fail(err, EPERM, "%s: a hard link that leaves the folder (%s)", name, hard);
		archive_entry_set_hardlink(e, target);
	} else {
		mode_t type = archive_entry_filetype(e);
		int r = type == AE_IFLNK ? check_symlink(s, e, name, err) : 0;
		if (r < 0)
			return r;
		if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
			return mill_fail(err, EPERM, "%s: a device, a pipe or a socket", name);
		mode_t perm = archive_entry_perm(e);
		archive_entry_set_perm(e, type == AE_IFDIR || (perm & 0111) ? 0755 : 0644);
	}
	archive_entry_set_pathname(e, name);
	return 0;
}

static int over_limit(struct unpack *s, struct mill_error *err)
{
	if (s->bytes > s->max_bytes)
		return mill_fail(err, EFBIG, "it unpacks to more than %llu bytes",
				 (unsigned long long)s->max_bytes);
	int64_t in = archive_filter_bytes(s->in, -1);
	if (s->bytes > RATIO_FROM && in > 0 && s->bytes / (uint64_t)in > s->max_ratio)
		return mill_fail(err, EFBIG, "it expands more than %u-fold: refused as a bomb", s->max_ratio);
	struct pollfd p = {.fd = s->u->cancel_fd, .events = POLLIN};
	if (s->u->cancel_fd >= 0 && poll(&p, 1, 0) > 0)
		return mill_fail(err, ECANCELED, "unpacking was cancelled");
	if (s->u->on_progress)
		s->u->on_progress(s->u->arg, in > 0 ? (uint64_t)in : 0, s->total);
	return 0;
}

static int copy_data(struct unpack *s, const char *name, struct mill_error *err)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	for (;;) {
		int r = archive_read_data_block(s->in, &block, &len, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_OK)
			return fail_archive(s->in, name, err);
		s->bytes += len;
		int limit = over_limit(s, err);
		if (limit < 0)
			return limit;
		/* A sparse entry may claim any offset: a ceiling there too. */
		if (offset < 0 || (uint64_t)offset > s->max_bytes)
			return mill_fail(err, EFBIG, "%s is larger than allowed", name);
		if (archive_write_data_block(s->out, block, len, offset) < ARCHIVE_OK)
			return fail_archive(s->out, name, err);
	}
}

static int unpack_all(struct unpack *s, struct mill_error *err)
{
	struct archive_entry *e;
	for (;;) {
		int r = archive_read_next_header(s->in, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return fail_archive(s->in, "a damaged archive", err);
		if (archive_entry_is_encrypted(e))
			return mill_fail(err, EBADMSG, "an encrypted archive");
		r = check_entry(s, e, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		const char *name = archive_entry_pathname(e);
		if (archive_write_header(s->out, e) < ARCHIVE_WARN)
			return fail_archive(s->out, name, err);
		/* Not by the declared size: a zip that streams declares none. */
		if (!archive_entry_hardlink(e) && archive_entry_filetype(e) == AE_IFREG) {
			r = copy_data(s, name, err);
			if (r < 0)
				return r;
		}
		r = over_limit(s, err);
		if (r < 0)
			return r;
		if (archive_write_finish_entry(s->out) < ARCHIVE_WARN)
			return fail_archive(s->out, name, err);
	}
}

/* The reader is read to its end: a cut archive is an error, not a short tree. */
static int unpack_opened(const struct mill_net_unpack *u, struct archive *in, uint64_t total,
			 struct mill_error *err)
{
	struct unpack s = {.u = u, .in = in, .total = total};
	s.max_bytes = u->max_bytes ? u->max_bytes : BYTES_DEFAULT;
	s.max_entries = u->max_entries ? u->max_entries : ENTRIES_DEFAULT;
	s.max_ratio = u->max_ratio ? u->max_ratio : RATIO_DEFAULT;
	s.out = archive_write_disk_new();
	if (!s.out)
		return mill_fail(err, ENOMEM, "start libarchive");
	/* Names are relative: this thread's working folder is dest (see confine.h). */
	archive_write_disk_set_options(s.out, ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
						      ARCHIVE_EXTRACT_SECURE_SYMLINKS |
						      ARCHIVE_EXTRACT_SECURE_NODOTDOT |
						      ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS |
						      ARCHIVE_EXTRACT_UNLINK);
	int r = unpack_all(&s, err);
	if (archive_write_close(s.out) < ARCHIVE_WARN && r == 0)
		r = fail_archive(s.out, u->archive, err);
	archive_write_free(s.out);
	return r;
}

static struct archive *reader(bool deb)
{
	struct archive *in = archive_read_new();
	if (!in)
		return NULL;
	if (deb) {
		archive_read_support_format_ar(in);
		archive_read_support_filter_none(in);
		return in;
	}
	archive_read_support_filter_all(in);
	archive_read_support_format_tar(in);
	archive_read_support_format_gnutar(in);
	archive_read_support_format_cpio(in);
	archive_read_support_format_zip_seekable(in);
	archive_read_support_format_7zip(in);
	return in;
}

static int open_archive(struct archive *in, int fd, const char *name, struct mill_error *err)
{
	if (!in)
		return mill_fail(err, ENOMEM, "start libarchive");
	if (archive_read_open_fd(in, fd, BLOCK) != ARCHIVE_OK)
		return fail_archive(in, name, err);
	return 0;
}

/* The members of an ar archive are read through to the inner tar, without a copy on disk. */
struct member {
	struct archive *outer;
};

static la_ssize_t read_member(struct archive *a, void *arg, const void **block)
{
	struct member *m = arg;
	size_t len = 0;
	la_int64_t offset;
	for (;;) {
		int r = archive_read_data_block(m->outer, block, &len, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_OK) {
			archive_set_error(a, EBADMSG, "%s", archive_error_string(m->outer));
			return -1;
		}
		if (len)
			return (la_ssize_t)len;
	}
}

static int unpack_deb(const struct mill_net_unpack *u, struct archive *outer, uint64_t total,
		      struct mill_error *err)
{
	struct archive_entry *e;
	int r;
	while ((r = archive_read_next_header(outer, &e)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(e);
		if (!name || !mill_starts_with(name, "data.tar"))
			continue;
		struct member m = {.outer = outer};
		struct archive *in = reader(false);
		if (!in)
			return mill_fail(err, ENOMEM, "start libarchive");
		if (archive_read_open(in, &m, NULL, read_member, NULL) != ARCHIVE_OK)
			r = fail_archive(in, name, err);
		else
			r = unpack_opened(u, in, total, err);
		archive_read_free(in);
		return r;
	}
	if (r == ARCHIVE_EOF)
		return mill_fail(err, EBADMSG, "no data.tar in it: not a Debian package");
	return fail_archive(outer, "a damaged package", err);
}

static int unpack_here(void *arg, struct mill_error *err)
{
	const struct mill_net_unpack *u = arg;
	_cleanup_close_ int fd = open(u->archive, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return mill_fail_errno(err, errno, "open %s", u->archive);
	struct archive *in = reader(u->deb);
	int r = open_archive(in, fd, u->archive, err);
	if (r == 0)
		r = u->deb ? unpack_deb(u, in, (uint64_t)st.st_size, err)
			   : unpack_opened(u, in, (uint64_t)st.st_size, err);
	if (in)
		archive_read_free(in);
	return r;
}

int mill_net_unpack(const struct mill_net_unpack *u, struct mill_error *err)
{
	int r = mill_confined(&(struct mill_confine){.cwd = u->dest, .set_ids = u->set_ids,
							     .uid = u->uid, .gid = u->gid},
				  unpack_here, (void *)u, err);
	if (r < 0) {
		mill_error_wrap(err, "unpack %s", mill_path_basename(u->archive));
		return r;
	}
	return 0;
}
