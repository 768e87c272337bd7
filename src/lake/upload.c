#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/base.h"
#include "lake/upload.h"

#define IN_MEMORY_MAX ((uint64_t)256 << 10) /* read whole, sent in one system call with its head */
#define READ_TRIES    3

const char *mill_lake_content_type(const char *key)
{
	static const char *const types[][2] = {
		{".csv", "text/csv"},	       {".tsv", "text/tab-separated-values"},
		{".txt", "text/plain"},	       {".md", "text/markdown"},
		{".html", "text/html"},	       {".json", "application/json"},
		{".jsonl", "application/jsonl"}, {".ipynb", "application/x-ipynb+json"},
		{".yaml", "application/yaml"}, {".yml", "application/yaml"},
		{".xml", "application/xml"},   {".parquet", "application/vnd.apache.parquet"},
		{".png", "image/png"},	       {".jpg", "image/jpeg"},
		{".jpeg", "image/jpeg"},       {".svg", "image/svg+xml"},
		{".pdf", "application/pdf"},   {".gz", "application/gzip"},
		{".zip", "application/zip"},   {".py", "text/x-python"},
	};
	const char *dot = strrchr(key, '.');
	for (size_t i = 0; dot && i < MILL_ARRAY_LEN(types); i++)
		if (strcasecmp(dot, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

void mill_lake_upload_headers(struct mill_s3_call *c, const struct mill_lake_upload *u)
{
	if (!u->conditional)
		return;
	if (u->expected)
		mill_s3_call_header(c, "If-Match", mill_s3_call_text(c, "\"%s\"", u->expected));
	else
		mill_s3_call_header(c, "If-None-Match", "*");
}

void mill_lake_upload_probe(struct mill_s3_call *c, const struct mill_lake_upload_set *set,
			    struct mill_lake_upload *u)
{
	u->probing = true;
	mill_s3_call_reset(c);
	c->method = "HEAD";
	c->bucket = set->bucket;
	c->key = u->key;
}

void mill_lake_upload_finish(struct mill_lake_upload_set *set, struct mill_lake_upload *u,
			     int result, struct mill_error *err)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	u->result = result;
	if (err) {
		u->err = *err;
		*err = (struct mill_error){0};
	}
	atomic_fetch_add(&set->files_done, 1);
	if (set->on_done) {
		pthread_mutex_lock(&set->lock);
		set->on_done(set->arg, u);
		pthread_mutex_unlock(&set->lock);
	}
}

static void note_stat(struct mill_lake_upload *u, const struct stat *st)
{
	u->size = (uint64_t)st->st_size;
	u->ino = st->st_ino;
	u->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool same_stat(const struct mill_lake_upload *u, const struct stat *st)
{
	struct mill_lake_upload now = {0};
	note_stat(&now, st);
	return now.size == u->size && now.ino == u->ino && now.mtime_ns == u->mtime_ns;
}

int mill_lake_upload_open(struct mill_lake_upload_set *set, struct mill_lake_upload *u,
			  struct mill_error *err)
{
	struct stat st;
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (set->follow ? 0 : O_NOFOLLOW);
	u->fd = openat(set->dir_fd, u->path, flags);
	if (u->fd < 0)
		return mill_fail_errno(err, errno, "open %s", u->path);
	if (fstat(u->fd, &st) < 0)
		return mill_fail_errno(err, errno, "stat %s", u->path);
	if (!S_ISREG(st.st_mode))
		return mill_fail(err, EINVAL, "%s is no longer a regular file", u->path);
	note_stat(u, &st);
	return 0;
}

/* The whole of a small file, seen unchanged from before the read to after it. */
static int read_small(struct mill_lake_upload *u, struct mill_s3_call *c, struct mill_error *err)
{
	for (int try = 0; try < READ_TRIES; try++) {
		struct stat st;
		mill_strbuf_reset(c->buffer);
		size_t want = (size_t)u->size + 1, got = 0; /* one more shows that it grew */
		char *to = mill_strbuf_reserve(c->buffer, want);
		ssize_t n = 1;
		while (got < u->size && n > 0) {
			n = pread(u->fd, to + got, want - got, (off_t)got);
			if (n < 0 && errno == EINTR)
				n = 1;
			else if (n < 0)
				return mill_fail_errno(err, errno, "read %s", u->path);
			else
				got += (size_t)n;
		}
		if (fstat(u->fd, &st) < 0)
			return mill_fail_errno(err, errno, "stat %s", u->path);
		if (got == u->size && same_stat(u, &st)) {
			mill_strbuf_advance(c->buffer, got);
			c->body = c->buffer->data;
			c->body_len = got;
			return 0;
		}
		note_stat(u, &st);
		if (u->size > IN_MEMORY_MAX)
			break;
	}
	return mill_fail(err, ESTALE, "%s changes while it is read", u->path);
}

static int fill_put(struct mill_lake_upload_set *set, struct mill_lake_upload *u,
		    struct mill_s3_call *c, struct mill_error *err)
{
	struct mill_s3_digest d;
	c->method = "PUT";
	c->bucket = set->bucket;
	c->key = u->key;
	if (u->size <= IN_MEMORY_MAX) {
		int r = read_small(u, c, err);
		if (r < 0)
			return r;
		close(u->fd);
		u->fd = -1;
		mill_s3_hash(c->hasher, c->body, c->body_len, &d);
	} else {
		int r = mill_s3_hash_range(c->hasher, u->fd, 0, u->size, &d);
		if (r < 0)
			return mill_fail_errno(err, -r, "read %s", u->path);
		c->body_fd = u->fd;
		c->body_len = u->size;
	}
	mill_s3_hex(d.sha256, 32, u->content.sha256);
	mill_s3_hex(d.md5, 16, u->content.etag);
	memcpy(c->payload_sha256, u->content.sha256, 65);
	char md5[25];
	mill_s3_base64_md5(d.md5, md5);
	mill_s3_call_header(c, "Content-Type", mill_lake_content_type(u->key));
	mill_s3_call_header(c, "Content-MD5", mill_s3_call_text(c, "%s", md5));
	mill_lake_upload_headers(c, u);
	return 0;
}

static int small_next(void *arg, struct mill_s3_call *c)
{
	struct mill_lake_upload_set *set = arg;
	struct mill_lake_upload *u = &set->items[c->task];
	_cleanup_error_ struct mill_error err = {0};
	atomic_store(&set->current, u->path);
	u->fd = -1;
	u->started = true;
	int r = mill_lake_upload_open(set, u, &err);
	if (r == 0 && u->size > set->conf->part_size) {
		close(u->fd);
		u->fd = -1;
		pthread_mutex_lock(&set->lock);
		MILL_GROW(set->large, set->n_large, set->cap_large);
		set->large[set->n_large++] = c->task;
		pthread_mutex_unlock(&set->lock);
		return 0;
	}
	if (r == 0)
		r = fill_put(set, u, c, &err);
	if (r < 0) {
		mill_lake_upload_finish(set, u, r, &err);
		return 0;
	}
	c->user = u;
	return 1;
}

/* An ETag that is an MD5: 32 hex digits. */
static bool is_md5(const char *etag)
{
	return strlen(etag) == 32 && strspn(etag, "0123456789abcdefABCDEF") == 32;
}

static int check_etag(const struct mill_lake_upload *u, const struct mill_s3_call *c,
		      struct mill_error *err)
{
	if (c->encrypted || !is_md5(c->etag) || strcasecmp(c->etag, u->content.etag) == 0)
		return 0;
	mill_fail(err, EBADMSG, "%s: the server stored something else: its ETag %s is not the MD5 %s",
		  u->key, c->etag, u->content.etag);
	return mill_error_hint(err, "push again; if it stays, the server or a proxy is damaged");
}

/* The file changed between its hash and its sending: said so, instead of the server's words. */
static int explain(const struct mill_lake_upload *u, const struct mill_s3_call *c, int result,
		   struct mill_error *err)
{
	if (u->fd < 0 || (!mill_streq(c->error.code, "XAmzContentSHA256Mismatch") &&
			  !mill_streq(c->error.code, "BadDigest")))
		return result;
	return mill_fail(err, ESTALE, "%s changed while it was read", u->path);
}

static bool small_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct mill_lake_upload_set *set = arg;
	struct mill_lake_upload *u = c->user;
	if (result == -ECANCELED) {
		mill_lake_upload_finish(set, u, result, err);
		return false;
	}
	if (u->probing) {
		bool same = result == 0 && strcasecmp(c->etag, u->content.etag) == 0;
		result = same ? 0 : mill_fail(err, EEXIST, "%s: the object changed in the lake", u->key);
	} else if (c->status == 412) {
		mill_lake_upload_probe(c, set, u);
		c->user = u;
		return true;
	} else if (c->status == 501 && u->conditional && result == -EOPNOTSUPP) {
		/* A server without conditional writes: the comparison before has to do. */
		u->conditional = false;
		mill_s3_call_reset(c);
		_cleanup_error_ struct mill_error failed = {0};
		result = mill_lake_upload_open(set, u, &failed);
		if (result == 0)
			result = fill_put(set, u, c, &failed);
		c->user = u;
		if (result == 0)
			return true;
		mill_error_release(err);
		*err = failed;
		failed = (struct mill_error){0};
	} else if (result == 0) {
		result = check_etag(u, c, err);
	} else {
		result = explain(u, c, result, err);
	}
	if (result == 0) {
		memcpy(u->etag, c->etag, sizeof(u->etag));
		atomic_fetch_add(&set->bytes_done, u->size);
	}
	mill_lake_upload_finish(set, u, result, err);
	return false;
}

static void tick(void *arg)
{
	struct mill_lake_upload_set *set = arg;
	if (set->on_tick)
		set->on_tick(set->arg);
}

int mill_lake_upload_all(struct mill_lake *lake, struct mill_lake_upload_set *set,
			 struct mill_error *err)
{
	struct mill_s3_work w = {
		.next = small_next, .done = small_done, .tick = tick, .arg = set};
	set->conf = &lake->conf;
	pthread_mutex_init(&set->lock, NULL);
	int r = mill_s3_pool_run(lake, set->n, &w, err);
	if (r == 0 && set->n_large)
		r = mill_lake_upload_large(lake, set, err);
	free(set->large);
	set->large = NULL;
	set->n_large = set->cap_large = 0;
	pthread_mutex_destroy(&set->lock);
	return r;
}
