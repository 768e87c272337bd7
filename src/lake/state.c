#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "lake/state.h"

#define STATE_VERSION 1
#define SYNC_NS	      (5 * MILL_SEC)

static void free_record(void *p)
{
	struct mill_lake_record *r = p;
	if (!r)
		return;
	free(r->etag);
	free(r->sha256);
	free(r->upload_id);
	free(r);
}

static struct mill_lake_record *record_of(struct mill_lake_state *s, const char *path)
{
	struct mill_lake_record *r = mill_map_get(&s->records, path);
	if (!r) {
		r = mill_xcalloc(1, sizeof(*r));
		mill_map_set(&s->records, path, r);
	}
	return r;
}

static void replace(char **to, const char *value)
{
	char *copy = value ? mill_xstrdup(value) : NULL;
	free(*to);
	*to = copy;
}

static void set_known(struct mill_lake_state *s, const char *path, uint64_t size, int64_t mtime_ns,
		      uint64_t ino, const char *etag, const char *sha256)
{
	struct mill_lake_record *r = record_of(s, path);
	r->known = true;
	r->size = size;
	r->mtime_ns = mtime_ns;
	r->ino = ino;
	replace(&r->etag, etag);
	replace(&r->sha256, sha256);
	replace(&r->upload_id, NULL);
}

static void set_upload(struct mill_lake_state *s, const char *path, uint64_t size, int64_t mtime_ns,
		       uint64_t ino, const char *id, uint64_t part_size)
{
	struct mill_lake_record *r = record_of(s, path);
	r->upload_size = size;
	r->upload_mtime_ns = mtime_ns;
	r->upload_ino = ino;
	r->upload_part_size = part_size;
	replace(&r->upload_id, id);
}

static void set_unknown(struct mill_lake_state *s, const char *path)
{
	struct mill_lake_record *r = mill_map_get(&s->records, path);
	if (!r)
		return;
	r->known = false;
	replace(&r->upload_id, NULL);
}

/* ---- reading ---- */

static int damaged(const struct mill_lake_state *s, size_t line, struct mill_error *err)
{
	mill_fail(err, EBADMSG, "%s:%zu: not a line of a state file", s->path, line);
	return mill_error_hint(err, "remove the file: the next run compares contents instead");
}

static bool take_line(struct mill_lake_state *s, const json_t *a)
{
	const char *path = json_string_value(json_array_get(a, 0));
	size_t n = json_array_size(a);
	if (!path || !*path)
		return false;
	if (n == 1) {
		set_unknown(s, path);
		return true;
	}
	uint64_t size = (uint64_t)json_integer_value(json_array_get(a, 1));
	int64_t mtime_ns = json_integer_value(json_array_get(a, 2));
	uint64_t ino = (uint64_t)json_integer_value(json_array_get(a, 3));
	const char *text = json_string_value(json_array_get(a, 4));
	const json_t *last = json_array_get(a, 5);
	if (!text)
		return false;
	if (n == 6 && json_is_string(last))
		set_known(s, path, size, mtime_ns, ino, text, json_string_value(last));
	else if (n == 7 && json_is_integer(last))
		set_upload(s, path, size, mtime_ns, ino, text, (uint64_t)json_integer_value(last));
	else
		return false;
	return true;
}

static int take_header(struct mill_lake_state *s, const json_t *o, struct mill_error *err)
{
	if (!json_is_object(o))
		return damaged(s, 1, err);
	int64_t version = mill_json_get_int(o, "v", 0);
	if (version > STATE_VERSION) {
		mill_fail(err, ENOTSUP, "%s was written by a newer data-mill (version %lld of the file)",
			  s->path, (long long)version);
		return mill_error_hint(err, "use that data-mill");
	}
	if (version < 1 || !mill_streq(mill_json_get_string(o, "bucket", NULL), s->bucket) ||
	    !mill_streq(mill_json_get_string(o, "prefix", NULL), s->prefix))
		return mill_fail(err, EINVAL, "%s is the state of another bucket or prefix", s->path);
	s->same_folder = mill_streq(mill_json_get_string(o, "folder", NULL), s->folder);
	s->rewrite = !s->same_folder;
	return 0;
}

static int load(struct mill_lake_state *s, struct mill_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, line = 0;
	s->rewrite = true;
	int r = mill_exists(s->path) ? mill_read_file(s->path, MILL_LAKE_STATE_MAX, &text, &len, err)
				     : -ENOENT;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (char *at = text, *end; at < text + len; at = end + 1) {
		end = memchr(at, '\n', (size_t)(text + len - at));
		if (!end) {
			s->rewrite = true;
			break; /* cut off while it was written */
		}
		line++;
		_cleanup_json_ json_t *j = json_loadb(at, (size_t)(end - at), 0, NULL);
		if (line == 1) {
			r = take_header(s, j, err);
			if (r < 0)
				return r;
		} else if (!json_is_array(j) || !take_line(s, j)) {
			return damaged(s, line, err);
		}
	}
	/* Times and inodes of another folder say nothing about this one's files. */
	for (size_t i = 0; !s->same_folder && i < s->records.n; i++)
		((struct mill_lake_record *)s->records.entries[i].value)->ino = 0;
	return 0;
}

static int lock(struct mill_lake_state *s, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_dirname(s->path);
	_cleanup_free_ char *name = mill_xasprintf("%s.lock", s->path);
	int r = mill_mkdir_p(dir, 0700, err);
	if (r < 0)
		return r;
	r = mill_lock_try(name, false, &s->lock_fd, err);
	if (r != -EWOULDBLOCK)
		return r;
	_cleanup_free_ char *holder = mill_lock_holder(name);
	mill_fail(err, EBUSY, "another run works on this folder and bucket (%s)",
		  holder ? holder : "unknown");
	return mill_error_hint(err, "wait until it has ended");
}

int mill_lake_state_open(struct mill_lake_state *s, const char *path, const char *folder,
			 const char *bucket, const char *prefix, bool for_writing,
			 struct mill_error *err)
{
	*s = (struct mill_lake_state){.fd = -1, .lock_fd = -1, .synced_ns = mill_now_ns(),
				      .records = {.free_value = free_record}};
	mill_strbuf_init(&s->pending, 0);
	s->folder = mill_xstrdup(folder);
	s->bucket = mill_xstrdup(bucket);
	s->prefix = mill_xstrdup(prefix);
	if (!path)
		return 0;
	s->path = mill_xstrdup(path);
	int r = for_writing ? lock(s, err) : 0;
	return r < 0 ? r : load(s, err);
}

struct mill_lake_record *mill_lake_state_get(const struct mill_lake_state *s, const char *path)
{
	return mill_map_get(&s->records, path);
}

/* ---- writing ---- */

static void add_path(struct mill_strbuf *b, const char *path)
{
	mill_strbuf_addstr(b, "[\"");
	mill_json_escape(b, path, strlen(path));
	mill_strbuf_addch(b, '"');
}

static void add_known(struct mill_strbuf *b, const char *path, const struct mill_lake_record *r)
{
	add_path(b, path);
	mill_strbuf_printf(b, ",%lld,%lld,%lld,\"", (long long)r->size, (long long)r->mtime_ns,
			   (long long)r->ino);
	mill_json_escape(b, r->etag, strlen(r->etag));
	mill_strbuf_printf(b, "\",\"%s\"]\n", r->sha256);
}

static void add_upload(struct mill_strbuf *b, const char *path, const struct mill_lake_record *r)
{
	add_path(b, path);
	mill_strbuf_printf(b, ",%lld,%lld,%lld,\"", (long long)r->upload_size,
			   (long long)r->upload_mtime_ns, (long long)r->upload_ino);
	mill_json_escape(b, r->upload_id, strlen(r->upload_id));
	mill_strbuf_printf(b, "\",%lld,\"upload\"]\n", (long long)r->upload_part_size);
}

static void add_header(struct mill_strbuf *b, const struct mill_lake_state *s)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, b, false);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "v", STATE_VERSION);
	mill_json_kv_string(&w, "folder", s->folder);
	mill_json_kv_string(&w, "bucket", s->bucket);
	mill_json_kv_string(&w, "prefix", s->prefix);
	mill_json_end_object(&w);
	if (b->len == 0 || b->data[b->len - 1] != '\n')
		mill_strbuf_addch(b, '\n');
}

static int write_anew(struct mill_lake_state *s, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT_MAX(MILL_LAKE_STATE_MAX);
	add_header(&b, s);
	for (size_t i = 0; i < s->records.n; i++) {
		const struct mill_map_entry *e = &s->records.entries[i];
		const struct mill_lake_record *r = e->value;
		if (r->known)
			add_known(&b, e->key, r);
		if (r->upload_id)
			add_upload(&b, e->key, r);
	}
	if (b.overflow)
		return mill_fail(err, EFBIG, "%s would be larger than 1 GiB", s->path);
	int r = mill_write_file(s->path, b.data, b.len, 0600, MILL_WRITE_DURABLE, err);
	if (r < 0)
		return r;
	s->rewrite = false;
	mill_strbuf_reset(&s->pending);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return 0;
}

void mill_lake_state_set(struct mill_lake_state *s, const char *path, uint64_t size,
			 int64_t mtime_ns, uint64_t ino, const char *etag, const char *sha256)
{
	if (!s->path)
		return;
	set_known(s, path, size, mtime_ns, ino, etag, sha256);
	add_known(&s->pending, path, mill_lake_state_get(s, path));
	s->changed = true;
}

void mill_lake_state_forget(struct mill_lake_state *s, const char *path)
{
	if (!s->path || !mill_lake_state_get(s, path))
		return;
	set_unknown(s, path);
	add_path(&s->pending, path);
	mill_strbuf_addstr(&s->pending, "]\n");
	s->changed = true;
}

void mill_lake_state_upload(struct mill_lake_state *s, const char *path, uint64_t size,
			    int64_t mtime_ns, uint64_t ino, const char *upload_id,
			    uint64_t part_size)
{
	if (!s->path)
		return;
	set_upload(s, path, size, mtime_ns, ino, upload_id, part_size);
	if (upload_id)
		add_upload(&s->pending, path, mill_lake_state_get(s, path));
	s->changed = true;
}

int mill_lake_state_flush(struct mill_lake_state *s, bool force, struct mill_error *err)
{
	uint64_t now = mill_now_ns();
	bool old = now - s->synced_ns >= SYNC_NS;
	if (!s->path || s->pending.len == 0 ||
	    (!force && s->pending.len < MILL_LAKE_STATE_FLUSH && !old))
		return 0;
	if (s->rewrite)
		return write_anew(s, err);
	if (s->fd < 0)
		s->fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (s->fd < 0)
		return mill_fail_errno(err, errno, "append to %s", s->path);
	int r = mill_write_all(s->fd, s->pending.data, s->pending.len);
	if (r == 0 && (old || force) && fdatasync(s->fd) < 0)
		r = -errno;
	if (old)
		s->synced_ns = now;
	mill_strbuf_reset(&s->pending);
	return r < 0 ? mill_fail_errno(err, -r, "append to %s", s->path) : 0;
}

int mill_lake_state_save(struct mill_lake_state *s, struct mill_error *err)
{
	if (!s->path || !(s->changed || s->rewrite))
		return 0;
	s->changed = false;
	return write_anew(s, err);
}

void mill_lake_state_release(struct mill_lake_state *s)
{
	mill_map_release(&s->records);
	mill_strbuf_release(&s->pending);
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s->folder);
	free(s->bucket);
	free(s->prefix);
}
