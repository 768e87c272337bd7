/* data push, pull, diff: mirroring, and how its report is shown. */
#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/lake_session.h"
#include "cmd/progress.h"

typedef int operation(struct mill_lake *lake, const struct mill_lake_sync *s,
		      struct mill_lake_report *ret, struct mill_error *err);

static void on_progress(void *arg, const struct mill_lake_progress *p)
{
	char done[32], total[32];
	_cleanup_free_ char *text =
		mill_xasprintf("%s: %llu of %llu files, %s of %s", p->phase, (unsigned long long)p->files_done,
			       (unsigned long long)p->files_total, mill_format_size(p->bytes_done, done, sizeof(done)),
			       mill_format_size(p->bytes_total, total, sizeof(total)));

	mill_view_status(arg, text, p->bytes_total ? (double)p->bytes_done / (double)p->bytes_total : -1);
}

/* ---- the report ---- */

static void report_json(const struct mill_lake_report *r)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;

	mill_json_writer_init(&w, &out, true);
	mill_json_begin_object(&w);
	mill_json_kv_bool(&w, "dry_run", r->dry_run);
	mill_json_kv_int(&w, "bytes", (int64_t)r->bytes);
	mill_json_kv_int(&w, "retries", (int64_t)r->retries);
	mill_json_kv_int(&w, "elapsed_ms", (int64_t)(r->elapsed_ns / MILL_MS));
	for (int a = 0; a <= MILL_LAKE_UNCHANGED; a++)
		mill_json_kv_int(&w, mill_lake_action_name((enum mill_lake_action)a), (int64_t)r->count[a]);
	mill_json_key(&w, "items");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < r->n; i++) {
		mill_json_begin_object(&w);
		mill_json_kv_string(&w, "path", r->items[i].path);
		mill_json_kv_string(&w, "action", mill_lake_action_name(r->items[i].action));
		mill_json_kv_int(&w, "size", (int64_t)r->items[i].size);
		mill_json_kv_string(&w, "detail", r->items[i].detail);
		mill_json_end_object(&w);
	}
	mill_json_end_array(&w);
	mill_json_end_object(&w);
	mill_outf("%s\n", out.data);
}

static void report_item(const struct mill_ui *ui, const struct mill_lake_item *item, bool diff)
{
	static const char *const signs[] = {
		[MILL_LAKE_UPLOAD] = ">", [MILL_LAKE_DOWNLOAD] = "<", [MILL_LAKE_CONFLICT] = "!"};
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;

	if (diff && (size_t)item->action < MILL_ARRAY_LEN(signs) && signs[item->action])
		mill_strbuf_printf(&line, "%s  ", signs[item->action]);
	else
		mill_strbuf_printf(&line, "%-9s ", mill_lake_action_name(item->action));
	mill_text_safe(&line, item->path);
	if (item->detail && *item->detail) {
		mill_strbuf_addstr(&line, "  (");
		mill_text_safe(&line, item->detail);
		mill_strbuf_addch(&line, ')');
	}
	mill_outf("%s\n", line.data);
}

static void report_text(const struct mill_ui *ui, const struct mill_lake_report *r, bool diff)
{
	char size[32], took[32];

	for (size_t i = 0; i < r->n; i++) {
		enum mill_lake_action a = r->items[i].action;

		/* What went as asked is only counted, unless somebody wants to know. */
		if (diff || r->dry_run || ui->verbose || a == MILL_LAKE_CONFLICT || a == MILL_LAKE_FAIL ||
		    a == MILL_LAKE_SKIP)
			report_item(ui, &r->items[i], diff);
	}
	if (diff)
		return;
	mill_note(ui, "%s%llu sent, %llu fetched, %llu deleted, %llu unchanged, %llu conflicts, %s in %s",
		  r->dry_run ? "would be: " : "", (unsigned long long)r->count[MILL_LAKE_UPLOAD],
		  (unsigned long long)r->count[MILL_LAKE_DOWNLOAD], (unsigned long long)r->count[MILL_LAKE_DELETE],
		  (unsigned long long)r->count[MILL_LAKE_UNCHANGED],
		  (unsigned long long)r->count[MILL_LAKE_CONFLICT], mill_format_size(r->bytes, size, sizeof(size)),
		  mill_format_duration(r->elapsed_ns / MILL_MS * MILL_MS, took, sizeof(took)));
}

/* ---- the work ---- */

static int mirror(struct mill_lake_session *s, operation *what, const char *folder,
		  const struct mill_lake_target *t, bool push, struct mill_error *err)
{
	struct mill_invocation *inv = s->ctx.inv;
	bool diff = strcmp(inv->command->name, "diff") == 0;
	const struct mill_strv *exclude = mill_opt_list(inv, "exclude");
	_cleanup_free_ char *state = mill_lake_session_state(s, t);
	_cleanup_free_ char *state_dir = mill_path_dirname(state);
	_cleanup_report_ struct mill_lake_report report = {0};
	struct mill_lake_sync sync = {
		.folder = folder,
		.bucket = t->bucket,
		.prefix = t->prefix,
		.state_path = state,
		.make_bucket = push && !diff,
		.remove_extra = !diff && mill_opt_on(inv, "delete"),
		.dry_run = !diff && mill_opt_on(inv, "dry-run"),
		.force = !diff && mill_opt_on(inv, "force"),
		.exclude = exclude ? exclude->items : NULL,
		.on_progress = on_progress,
	};
	int r = mill_mkdir_p(state_dir, 0700, err);

	if (r < 0)
		return r;
	if (push && !mill_is_dir(folder))
		return mill_fail_usage(err, "data: %s: no such folder", folder);
	sync.arg = mill_view_new(s->ctx.ui);
	r = what(s->lake, &sync, &report, err);
	mill_view_free(sync.arg);
	if (s->ctx.ui->json)
		report_json(&report);
	else
		report_text(s->ctx.ui, &report, diff);
	if (r == -EEXIST)
		return mill_error_hint(err, "data-mill data diff shows both sides; --force overwrites");
	return r;
}

static int finish(struct mill_lake_session *s, int r, struct mill_error *err)
{
	r = mill_context_end(&s->ctx, r, err);
	mill_lake_session_end(s);
	return r;
}

/* FOLDER and BUCKET as given, or the flavour's data folder and its bucket. */
static int choose_sides(struct mill_lake_session *s, char **ret_folder, struct mill_lake_target *t,
			struct mill_error *err)
{
	struct mill_invocation *inv = s->ctx.inv;
	const char *folder = mill_arg(inv, 0), *bucket = mill_arg(inv, 1);
	_cleanup_free_ char *absolute = folder ? mill_path_absolute(folder) : NULL;
	int r;

	if (folder && !bucket)
		bucket = mill_path_basename(absolute);
	if (!folder) {
		r = s->ctx.model ? 0 : mill_context_model(&s->ctx, false, err);
		if (r < 0)
			return r;
		if (!s->ctx.model->project.data_folder)
			return mill_fail_usage(err, "data %s: the flavour has no data_folder; name FOLDER and BUCKET",
					       inv->command->name);
		absolute = mill_xstrdup(s->ctx.model->project.data_folder);
		bucket = s->ctx.model->project.data_bucket;
	}
	r = mill_lake_target_parse(bucket, t, err);
	if (r == 0)
		*ret_folder = MILL_TAKE(absolute);
	return r;
}

static bool is_whole_folder(const struct mill_lake_session *s)
{
	const struct mill_invocation *inv = s->ctx.inv;
	const struct mill_strv *exclude = mill_opt_list(inv, "exclude");

	return s->ctx.kube && !mill_arg(inv, 0) && !mill_opt_on(inv, "dry-run") && (!exclude || !exclude->n);
}

static void on_volume(void *arg, double fraction, const char *text)
{
	mill_view_status(arg, text, fraction);
}

/* On a cluster the flavour's data folder is a volume, too, which is made exactly what the folder is. */
static int push_volume(struct mill_lake_session *s, const char *folder, struct mill_error *err)
{
	struct mill_plan_host host;
	struct mill_kube_filled done = {0};
	struct mill_view *view;
	char digest[65], size[32];
	int r;

	mill_plan_host_init(&host, s->ctx.platform);
	host.pods = true;
	r = host.folder_digest(&host, folder, digest, err);
	if (r < 0)
		return r;
	view = mill_view_new(s->ctx.ui);
	r = mill_kube_data_push(s->ctx.kube, folder, digest, s->cancel_fd, on_volume, view, &done, err);
	mill_view_free(view);
	if (r == 0 && !done.none)
		mill_note(s->ctx.ui, "volume: %zu files sent, %zu removed, %zu unchanged, %s", done.sent, done.removed, done.unchanged,
			  mill_format_size(done.bytes, size, sizeof(size)));
	return r;
}

static int run_push(struct mill_invocation *inv, bool diff, struct mill_error *err)
{
	struct mill_lake_session s;
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	_cleanup_free_ char *folder = NULL;
	int r = mill_lake_session_open(&s, inv, err);

	if (r == 0)
		r = choose_sides(&s, &folder, &t, err);
	if (r == 0)
		r = mirror(&s, diff ? s.net->diff : s.net->push, folder, &t, true, err);
	/* What the lake keeps of its own (-EEXIST) is no reason for the volume to stay behind. */
	if ((r == 0 || r == -EEXIST) && !diff && is_whole_folder(&s)) {
		int volume = push_volume(&s, folder, r == 0 ? err : NULL);

		r = r == 0 ? volume : r;
	}
	return finish(&s, r, err);
}

int mill_data_push(struct mill_invocation *inv, struct mill_error *err)
{
	return run_push(inv, false, err);
}

int mill_data_diff(struct mill_invocation *inv, struct mill_error *err)
{
	return run_push(inv, true, err);
}

int mill_data_pull(struct mill_invocation *inv, struct mill_error *err)
{
	struct mill_lake_session s;
	_cleanup_(mill_lake_target_release) struct mill_lake_target t = {0};
	_cleanup_free_ char *folder = mill_path_absolute(mill_arg(inv, 1));
	int r = mill_lake_target_parse(mill_arg(inv, 0), &t, err);

	if (r < 0)
		return r;
	r = mill_lake_session_open(&s, inv, err);
	if (r == 0)
		r = mill_mkdir_p(folder, 0755, err);
	if (r == 0)
		r = mirror(&s, s.net->pull, folder, &t, false, err);
	return finish(&s, r, err);
}
