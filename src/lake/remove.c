#include "base/base.h"
#include "base/map.h"
#include "lake/remove.h"

#define BATCH 1000 /* keys of one DeleteObjects, S3's limit */

struct removals {
	const char *bucket;
	struct mill_lake_removal *items;
	size_t n;
	atomic_bool singly; /* the server has no DeleteObjects */
};

static size_t batch_len(const struct removals *q, size_t task)
{
	size_t left = q->n - task * BATCH;
	return left < BATCH ? left : BATCH;
}

static int batch_next(void *arg, struct mill_s3_call *c)
{
	struct removals *q = arg;
	struct mill_lake_removal *items = q->items + c->task * BATCH;
	struct mill_strbuf *b = c->buffer;
	size_t listed = 0;
	mill_strbuf_reset(b);
	mill_strbuf_addstr(b, "<Delete><Quiet>true</Quiet>");
	for (size_t i = 0; i < batch_len(q, c->task); i++) {
		size_t before = b->len;
		mill_strbuf_addstr(b, "<Object><Key>");
		if (mill_s3xml_escape(b, items[i].key)) {
			mill_strbuf_addstr(b, "</Key></Object>");
			listed++;
		} else {
			mill_strbuf_truncate(b, before); /* no place in XML: deleted singly */
		}
	}
	mill_strbuf_addstr(b, "</Delete>");
	if (listed == 0 || atomic_load(&q->singly))
		return 0;
	struct mill_s3_digest d;
	char md5[25];
	mill_s3_hash(c->hasher, b->data, b->len, &d);
	mill_s3_base64_md5(d.md5, md5);
	c->method = "POST";
	c->bucket = q->bucket;
	c->body = b->data;
	c->body_len = b->len;
	mill_s3_hex(d.sha256, 32, c->payload_sha256);
	mill_s3_call_query(c, "delete", "");
	mill_s3_call_header(c, "Content-Type", "application/xml");
	mill_s3_call_header(c, "Content-MD5", mill_s3_call_text(c, "%s", md5));
	return 1;
}

static void set_detail(struct mill_lake_removal *r, const char *text)
{
	snprintf(r->detail, sizeof(r->detail), "%s", text ? text : "failed");
}

static bool batch_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct removals *q = arg;
	struct mill_lake_removal *items = q->items + c->task * BATCH;
	size_t n = batch_len(q, c->task);
	if (c->status == 501 || mill_streq(c->error.code, "NotImplemented")) {
		atomic_store(&q->singly, true);
		return false;
	}
	_cleanup_listing_ struct mill_lake_listing failed = {0};
	if (result == 0)
		result = mill_s3xml_delete_errors(c->response.data, c->response.len, &failed, err);
	_cleanup_map_ struct mill_map by_key = {0};
	for (size_t i = 0; i < failed.n; i++)
		mill_map_set(&by_key, failed.items[i].key, failed.items[i].etag);
	_cleanup_strbuf_ struct mill_strbuf scratch = MILL_STRBUF_INIT;
	for (size_t i = 0; i < n; i++) {
		const char *why = mill_map_get(&by_key, items[i].key);
		mill_strbuf_reset(&scratch);
		if (result < 0)
			set_detail(&items[i], err->message);
		else if (why)
			set_detail(&items[i], why);
		else
			items[i].done = mill_s3xml_escape(&scratch, items[i].key);
	}
	return false;
}

static int single_next(void *arg, struct mill_s3_call *c)
{
	struct removals *q = arg;
	struct mill_lake_removal *r = &q->items[c->task];
	if (r->done || r->detail[0])
		return 0;
	c->method = "DELETE";
	c->bucket = q->bucket;
	c->key = r->key;
	return 1;
}

static bool single_done(void *arg, struct mill_s3_call *c, int result, struct mill_error *err)
{
	struct removals *q = arg;
	struct mill_lake_removal *r = &q->items[c->task];
	r->done = result == 0 || result == -ENOENT;
	if (!r->done)
		set_detail(r, err->message);
	return false;
}

int mill_lake_remove_each(struct mill_lake *lake, const char *bucket,
			  struct mill_lake_removal *items, size_t n, struct mill_error *err)
{
	struct removals q = {.bucket = bucket, .items = items, .n = n};
	struct mill_s3_work batches = {.next = batch_next, .done = batch_done, .arg = &q};
	struct mill_s3_work singles = {.next = single_next, .done = single_done, .arg = &q};
	int r = mill_s3_pool_run(lake, (n + BATCH - 1) / BATCH, &batches, err);
	return r < 0 ? r : mill_s3_pool_run(lake, n, &singles, err);
}

int mill_lake_remove(struct mill_lake *lake, const char *bucket, char *const *keys, size_t n,
		     struct mill_error *err)
{
	_cleanup_free_ struct mill_lake_removal *items = mill_xcalloc(n, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		items[i].key = keys[i];
	int r = mill_lake_remove_each(lake, bucket, items, n, err);
	for (size_t i = 0; i < n && r == 0; i++)
		if (!items[i].done)
			r = mill_fail(err, EIO, "delete %s/%s: %s", bucket, items[i].key,
				      items[i].detail);
	return r;
}
