/*
 * Files above the part size: create the upload (or take up an unfinished one),
 * send the parts of several files from one list, complete each when its last
 * part is there.  A file that fails is aborted, so that the server keeps no
 * parts of it; a cancelled one stays, to be resumed.
 */
#include <strings.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/parse.h"
#include "lake/upload.h"

#define BATCH	       8 /* large files at once */
#define COMPLETE_STALL 600

enum step { STEP_RESUME, STEP_CREATE, STEP_PART, STEP_COMPLETE };

struct part {
	struct mill_s3_digest digest;
	char etag[MILL_S3_ETAG_MAX];
	bool sent;
};

struct mill_lake_large {
	struct mill_lake_upload *u;
	enum step step;
	uint64_t part_size;
	struct part *parts;
	size_t n_parts;
	struct mill_lake_listing there; /* parts that the server has already */
	char *marker;			/* owned: next page of them */
	struct mill_strbuf manifest;	/* the body of the completion */
	atomic_size_t left;
	atomic_bool failed;
};

struct batch {
	struct mill_lake_upload_set *set;
	struct mill_lake_large large[BATCH];
	size_t n;
};

static int open_large(struct mill_lake_upload_set *set, struct mill_lake_large *l,
		      struct mill_lake_upload *u, struct mill_error *err)
{
	l->u = u;
	u->large = l;
	int r = mill_lake_upload_open(set, u, err);
	if (r < 0)
		return r;
	if (u->size == 0)
		return mill_fail(err, ESTALE, "%s changed while it was read", u->path);
	l->part_size = mill_s3_part_size(u->upload_id ? u->resume_part_size : set->conf->part_size,
					 u->size);
	l->n_parts = (size_t)((u->size + l->part_size - 1) / l->part_size);
	l->parts = mill_xcalloc(l->n_parts, sizeof(*l->parts));
	l->step = u->upload_id ? STEP_RESUME : STEP_CREATE;
	mill_strbuf_init(&l->manifest, 0);
	atomic_store(&l->left, l->n_parts);
	return 0;
}

static void release_large(struct mill_lake_large *l)
{
	free(l->parts);
	free(l->marker);
	mill_lake_listing_release(&l->there);
	mill_strbuf_release(&l->manifest);
	l->u->large = NULL;
}

/* The first failure of a file is the one that is told. */
static void fail_large(struct batch *b, struct mill_lake_large *l, int result,
		       struct mill_error *err)
{
	if (!atomic_exchange(&l->failed, true))
		mill_lake_upload_finish(b->set, l->u, result, err);
}

/* ---- create or resume ---- */

static void fill_begin(struct batch *b, struct mill_lake_large *l, struct mill_s3_call *c)
{
	mill_s3_call_reset(c);
	c->bucket = b->set->bucket;
	c->key = l->u->key;
	c->user = l;
	if (l->step == STEP_CREATE) {
		c->method = "POST";
		mill_s3_call_query(c, "uploads", "");
		mill_s3_call_header(c, "Content-Type", mill_lake_content_type(l->u->key));
	} else {
		c->method = "GET";
		mill_s3_call_query(c, "uploadId", l->u->upload_id);
		if (l->marker)
			mill_s3_call_query(c, "part-number-marker", l->marker);
	}
}

static int begin_next(void *arg, struct mill_s3_call *c)
{
	struct batch *b = arg;
	struct mill_lake_large *l = &b->large[c->task];
	if (atomic_load(&l->failed))
		return 0;
	fill_begin(b, l, c);
	return 1;
}

/* A page of the parts that are there; true when another one is to be fetched. */
static bool take_page(struct mill_lake_large *l, struct mill_s3_call *c, int *result,
		      struct mill_error *err)
{
	struct mill_s3xml_page page = {0};
	*result = mill_s3xml_parts(c->response.data, c->response.len, &l->there, &page, err);
	free(l->marker);
	l->marker = page.token;
	return *result == 0 && page.truncated && l->marker && l->there.n <= l->n_parts;
}

static bool begin_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct batch *b = arg;
	struct mill_lake_large *l = c->user;
	if (l->step == STEP_RESUME && result == -ENOENT) {
		/* It was completed, aborted or swept away: begin anew. */
		free(l->u->upload_id);
		l->u->upload_id = NULL;
		l->step = STEP_CREATE;
		fill_begin(b, l, c);
		return true;
	}
	if (result == 0 && l->step == STEP_RESUME && take_page(l, c, &result, err)) {
		fill_begin(b, l, c);
		return true;
	}
	if (result == 0 && l->step == STEP_CREATE)
		result = mill_s3xml_upload_id(c->response.data, c->response.len, &l->u->upload_id, err);
	if (result < 0) {
		fail_large(b, l, result, err);
	} else if (l->step == STEP_CREATE && b->set->on_started) {
		pthread_mutex_lock(&b->set->lock);
		b->set->on_started(b->set->arg, l->u, l->part_size);
		pthread_mutex_unlock(&b->set->lock);
	}
	return false;
}

/* ---- parts ---- */

static void locate_part(const struct batch *b, size_t task, size_t *ret_file, size_t *ret_part)
{
	size_t f = 0;
	while (task >= b->large[f].n_parts)
		task -= b->large[f++].n_parts;
	*ret_file = f;
	*ret_part = task;
}

static bool is_there(const struct mill_lake_large *l, size_t part, uint64_t len, const char *md5)
{
	for (size_t i = 0; i < l->there.n; i++) {
		const struct mill_lake_object *o = &l->there.items[i];
		uint64_t number;
		if (mill_parse_u64(o->key, &number) == 0 && number == part + 1)
			return o->size == len && strcasecmp(o->etag, md5) == 0;
	}
	return false;
}

static int fill_complete(struct batch *b, struct mill_lake_large *l, struct mill_s3_call *c,
			 struct mill_error *err)
{
	struct stat st;
	struct mill_lake_upload *u = l->u;
	if (fstat(u->fd, &st) < 0 || (uint64_t)st.st_size != u->size ||
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != u->mtime_ns)
		return mill_fail(err, ESTALE, "%s changed while it was read", u->path);
	struct mill_s3_digest *all = mill_xcalloc(l->n_parts, sizeof(*all));
	mill_strbuf_reset(&l->manifest);
	mill_strbuf_addstr(&l->manifest, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < l->n_parts; i++) {
		all[i] = l->parts[i].digest;
		mill_strbuf_printf(&l->manifest, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		mill_s3xml_escape(&l->manifest, l->parts[i].etag);
		mill_strbuf_addstr(&l->manifest, "</ETag></Part>");
	}
	mill_strbuf_addstr(&l->manifest, "</CompleteMultipartUpload>");
	mill_s3_content_join(c->hasher, all, l->n_parts, l->part_size, &u->content);
	free(all);
	mill_s3_call_reset(c);
	l->step = STEP_COMPLETE;
	c->method = "POST";
	c->bucket = b->set->bucket;
	c->key = u->key;
	c->user = l;
	c->body = l->manifest.data;
	c->body_len = l->manifest.len;
	c->stall_s = COMPLETE_STALL;
	mill_s3_call_query(c, "uploadId", u->upload_id);
	mill_s3_call_header(c, "Content-Type", "application/xml");
	mill_lake_upload_headers(c, u);
	return 0;
}

/* One part less to go; 1 when the call now is the completion. */
static int part_ready(struct batch *b, struct mill_lake_large *l, struct mill_s3_call *c)
{
	if (atomic_fetch_sub(&l->left, 1) != 1 || atomic_load(&l->failed))
		return 0;
	_cleanup_error_ struct mill_error err = {0};
	int r = fill_complete(b, l, c, &err);
	if (r < 0)
		fail_large(b, l, r, &err);
	return r < 0 ? 0 : 1;
}

static int part_next(void *arg, struct mill_s3_call *c)
{
	struct batch *b = arg;
	size_t f, k;
	locate_part(b, c->task, &f, &k);
	struct mill_lake_large *l = &b->large[f];
	struct part *p = &l->parts[k];
	if (atomic_load(&l->failed))
		return 0;
	uint64_t at = k * l->part_size;
	uint64_t len = l->u->size - at < l->part_size ? l->u->size - at : l->part_size;
	char md5[33];
	int r = mill_s3_hash_range(c->hasher, l->u->fd, at, len, &p->digest);
	if (r < 0) {
		_cleanup_error_ struct mill_error err = {0};
		mill_fail_errno(&err, -r, "read %s", l->u->path);
		fail_large(b, l, r, &err);
		return 0;
	}
	atomic_store(&b->set->current, l->u->path);
	mill_s3_hex(p->digest.md5, 16, md5);
	if (is_there(l, k, len, md5)) {
		memcpy(p->etag, md5, sizeof(md5));
		atomic_fetch_add(&b->set->bytes_done, len);
		return part_ready(b, l, c);
	}
	c->method = "PUT";
	c->bucket = b->set->bucket;
	c->key = l->u->key;
	c->user = l;
	c->task = k;
	mill_s3_call_query(c, "partNumber", mill_s3_call_text(c, "%zu", k + 1));
	mill_s3_call_query(c, "uploadId", l->u->upload_id);
	c->body_fd = l->u->fd;
	c->body_offset = at;
	c->body_len = (size_t)len;
	mill_s3_hex(p->digest.sha256, 32, c->payload_sha256);
	return 1;
}

static bool complete_done(struct batch *b, struct mill_lake_large *l, struct mill_s3_call *c,
			  int result, struct mill_error *err)
{
	struct mill_lake_upload *u = l->u;
	_cleanup_free_ char *etag = NULL;
	if (u->probing) {
		if (result == 0 && strcasecmp(c->etag, u->content.etag) == 0)
			etag = mill_xstrdup(c->etag);
		else
			result = mill_fail(err, EEXIST, "%s: the object changed in the lake", u->key);
	} else if (c->status == 412 || (result == -ENOENT && mill_streq(c->error.code, "NoSuchUpload"))) {
		/* Changed meanwhile; or our own completion, whose answer was lost. */
		mill_lake_upload_probe(c, b->set, u);
		c->user = l;
		return true;
	} else if (c->status == 501 && u->conditional) {
		u->conditional = false;
		result = fill_complete(b, l, c, err);
		if (result == 0)
			return true;
	} else if (result == 0) {
		result = mill_s3xml_completed(c->response.data, c->response.len, &etag, err);
		if (result == 0 && strlen(etag) >= sizeof(u->etag))
			result = mill_fail(err, EBADMSG, "%s: an ETag of %zu bytes", u->key, strlen(etag));
	}
	if (result < 0) {
		fail_large(b, l, result, err);
		return false;
	}
	memcpy(u->etag, etag, strlen(etag) + 1);
	free(u->upload_id);
	u->upload_id = NULL;
	mill_lake_upload_finish(b->set, u, 0, NULL);
	return false;
}

static bool part_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct batch *b = arg;
	struct mill_lake_large *l = c->user;
	if (result == -ECANCELED) {
		fail_large(b, l, result, err);
		return false;
	}
	if (l->step == STEP_COMPLETE)
		return complete_done(b, l, c, result, err);
	struct part *p = &l->parts[c->task];
	char md5[33];
	mill_s3_hex(p->digest.md5, 16, md5);
	if (result == 0 && strlen(c->etag) == 32 && !c->encrypted && strcasecmp(c->etag, md5) != 0)
		result = mill_fail(err, EBADMSG, "%s: the server stored another part %zu", l->u->key,
				   c->task + 1);
	if (result < 0) {
		if (mill_streq(c->error.code, "XAmzContentSHA256Mismatch"))
			result = mill_fail(err, ESTALE, "%s changed while it was read", l->u->path);
		fail_large(b, l, result, err);
		return false;
	}
	memcpy(p->etag, c->etag, sizeof(p->etag));
	atomic_fetch_add(&b->set->bytes_done, c->body_len);
	return part_ready(b, l, c) == 1;
}

static void batch_tick(void *arg)
{
	struct batch *b = arg;
	if (b->set->on_tick)
		b->set->on_tick(b->set->arg);
}

/* ---- the end of a batch ---- */

struct abort_request {
	const char *bucket, *key, *upload_id;
};

static void fill_abort(void *arg, struct mill_s3_call *c)
{
	const struct abort_request *a = arg;
	c->method = "DELETE";
	c->bucket = a->bucket;
	c->key = a->key;
	mill_s3_call_query(c, "uploadId", a->upload_id);
}

void mill_lake_upload_abort(struct mill_lake *lake, const char *bucket, const char *key,
			    const char *upload_id)
{
	struct abort_request a = {bucket, key, upload_id};
	mill_s3_engine_one(mill_s3_first_engine(lake), fill_abort, &a, NULL, NULL);
}

/* Leaves no parts behind of what failed for good; best effort, the cause was told already. */
static void abort_failed(struct mill_lake *lake, struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct mill_lake_large *l = &b->large[i];
		if (!l->u->upload_id || l->u->result == 0 || l->u->result == -ECANCELED)
			continue;
		mill_lake_upload_abort(lake, b->set->bucket, l->u->key, l->u->upload_id);
		free(l->u->upload_id);
		l->u->upload_id = NULL;
	}
}

static int run_batch(struct mill_lake *lake, struct batch *b, struct mill_error *err)
{
	struct mill_s3_work begin = {
		.next = begin_next, .done = begin_done, .tick = batch_tick, .arg = b};
	struct mill_s3_work parts = {
		.next = part_next, .done = part_done, .tick = batch_tick, .arg = b};
	size_t total = 0;
	int r = mill_s3_pool_run(lake, b->n, &begin, err);
	for (size_t i = 0; i < b->n; i++)
		total += b->large[i].n_parts;
	if (r == 0)
		r = mill_s3_pool_run(lake, total, &parts, err);
	for (size_t i = 0; i < b->n; i++) {
		struct mill_lake_large *l = &b->large[i];
		if (l->u->fd >= 0) { /* cancelled before it was concluded */
			_cleanup_error_ struct mill_error cancelled = {0};
			mill_fail(&cancelled, ECANCELED, "cancelled");
			fail_large(b, l, -ECANCELED, &cancelled);
		}
	}
	if (r == 0)
		abort_failed(lake, b);
	for (size_t i = 0; i < b->n; i++)
		release_large(&b->large[i]);
	return r;
}

int mill_lake_upload_large(struct mill_lake *lake, struct mill_lake_upload_set *set,
			   struct mill_error *err)
{
	_cleanup_free_ struct batch *b = mill_xcalloc(1, sizeof(*b));
	int r = 0;
	for (size_t at = 0; at < set->n_large && r == 0;) {
		memset(b, 0, sizeof(*b));
		b->set = set;
		for (; at < set->n_large && b->n < BATCH; at++) {
			_cleanup_error_ struct mill_error failed = {0};
			struct mill_lake_upload *u = &set->items[set->large[at]];
			int opened = open_large(set, &b->large[b->n], u, &failed);
			if (opened < 0)
				mill_lake_upload_finish(set, u, opened, &failed);
			else
				b->n++;
		}
		r = run_batch(lake, b, err);
	}
	return r;
}
