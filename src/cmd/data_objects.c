/* data ls, cat, mb, rm. */
#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/lake_session.h"

static int finish(struct mill_lake_session *s, int r, struct mill_error *err)
{
	r = mill_context_end(&s->ctx, r, err);
	mill_lake_session_end(s);
	return r;
}

static void print_listing(const struct mill_ui *ui, const struct mill_lake_listing *l, bool buckets)
{
	_cleanup_json_ json_t *all = json_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct mill_lake_object *o = &l->items[i];
		_cleanup_strbuf_ struct mill_strbuf name = MILL_STRBUF_INIT;
		char when[MILL_RFC3339_LEN] = "-", size[32];

		if (o->modified_ms)
			mill_format_rfc3339(o->modified_ms, when);
		if (ui->json) {
			json_array_append_new(all, json_pack("{s:s, s:I, s:s, s:b, s:s}", "name", o->key, "size",
							     (json_int_t)o->size, "modified", when, "prefix",
							     (int)o->is_prefix, "etag", o->etag ? o->etag : ""));
			continue;
		}
		mill_text_safe(&name, o->key);
		if (buckets || o->is_prefix)
			mill_outf("%-24s %10s  %s%s\n", buckets ? when : "", "", name.data, buckets ? "/" : "");
		else
			mill_outf("%-24s %10s  %s\n", when, mill_format_size(o->size, size, sizeof(size)), name.data);
	}
	if (ui->json) {
		_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
	}
}

int mill_data_ls(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_lake_session s;
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	_cleanup_listing_ struct mill_lake_listing l = {0};
	bool all = mill_opt_on(inv, "recursive");
	int r = mill_arg(inv, 0) ? mill_lake_target_parse(mill_arg(inv, 0), &t, err) : 0;

	if (r < 0)
		return r;
	r = mill_lake_session_open(&s, inv, err);
	if (r == 0)
		r = t.bucket ? s.net->list(s.lake, t.bucket, t.prefix, all ? NULL : "/", 0, &l, err)
			     : s.net->buckets(s.lake, &l, err);
	if (r == 0)
		print_listing(inv->ui, &l, t.bucket == NULL);
	return finish(&s, r, err);
}

int mill_data_cat(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_lake_session s;
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	int r = mill_lake_key(mill_arg(inv, 0), &t, err);

	if (r < 0)
		return r;
	r = mill_lake_session_open(&s, inv, err);
	fflush(stdout);
	if (r == 0)
		r = s.net->cat(s.lake, t.bucket, t.prefix, STDOUT_FILENO, err);
	return finish(&s, r, err);
}

int mill_data_mb(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_lake_session s;
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	bool existed = false;
	int r = mill_lake_target_parse(mill_arg(inv, 0), &t, err);

	if (r == 0 && *t.prefix)
		r = mill_fail_usage(err, "data mb: '%s' is no bucket's name", mill_arg(inv, 0));
	if (r < 0)
		return r;
	r = mill_lake_session_open(&s, inv, err);
	if (r == 0)
		r = s.net->make_bucket(s.lake, t.bucket, &existed, err);
	if (r == 0)
		mill_note(inv->ui, "bucket %s %s", t.bucket, existed ? "is there already" : "is made");
	return finish(&s, r, err);
}

/* Everything below a prefix; the bucket too when that is all that was named. */
static int remove_below(struct mill_lake_session *s, const struct mill_lake_target *t,
			struct mill_error *err)
{
	_cleanup_listing_ struct mill_lake_listing l = {0};
	_cleanup_strv_ struct mill_strv keys = {0};
	_cleanup_free_ char *question = NULL;
	uint64_t bytes = 0;
	char size[32];
	int r = s->net->list(s->lake, t->bucket, t->prefix, NULL, 0, &l, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l.n; i++) {
		bytes += l.items[i].size;
		mill_strv_add(&keys, l.items[i].key);
	}
	question = mill_xasprintf("This deletes %zu objects, %s, below %s/%s for good.", l.n,
				  mill_format_size(bytes, size, sizeof(size)), t->bucket, t->prefix);
	r = mill_ui_confirm(s->ctx.ui, question, t->bucket, err);
	if (r == 0 && keys.n)
		r = s->net->remove(s->lake, t->bucket, keys.items, keys.n, err);
	if (r == 0 && !*t->prefix)
		r = s->net->remove_bucket(s->lake, t->bucket, err);
	if (r == 0)
		mill_note(s->ctx.ui, "%zu objects deleted", keys.n);
	return r;
}

static int remove_one(struct mill_lake_session *s, const char *text, bool recursive,
		      struct mill_error *err)
{
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	_cleanup_(mill_lake_object_release) struct mill_lake_object found = {0};
	int r = mill_lake_target_parse(text, &t, err);

	if (r < 0)
		return r;
	if (recursive)
		return remove_below(s, &t, err);
	if (!*t.prefix) {
		mill_fail_usage(err, "data rm: %s is a bucket", text);
		return mill_error_hint(err, "-r deletes it with all that is in it");
	}
	r = s->net->head(s->lake, t.bucket, t.prefix, &found, err);
	return r < 0 ? r : s->net->remove(s->lake, t.bucket, &t.prefix, 1, err);
}

int mill_data_rm(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_lake_session s;
	int r = mill_lake_session_open(&s, inv, err);

	for (size_t i = 0; i < inv->args.n && r == 0; i++)
		r = remove_one(&s, inv->args.items[i], mill_opt_on(inv, "recursive"), err);
	return finish(&s, r, err);
}
