/* PUBLISH: the data folder into the lake. */
#include "runtime/native/actions.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "net/net.h"

#define LISTED_MAX 5

struct told {
	struct mill_progress *p;
};

static void on_progress(void *arg, const struct mill_lake_progress *lp)
{
	const struct told *t = arg;
	char done[32], total[32];
	double fraction = lp->bytes_total ? (double)lp->bytes_done / (double)lp->bytes_total : -1;
	mill_progress_report(t->p, fraction, "%s: %llu of %llu files, %s of %s", lp->phase,
			     (unsigned long long)lp->files_done, (unsigned long long)lp->files_total,
			     mill_format_size(lp->bytes_done, done, sizeof(done)),
			     mill_format_size(lp->bytes_total, total, sizeof(total)));
}

/* Names a few items of one kind, for the error's detail. */
static char *list_items(const struct mill_lake_report *r, enum mill_lake_action kind)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;
	size_t seen = 0;
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].action == kind && seen++ < LISTED_MAX)
			mill_strbuf_printf(&out, "%s%s: %s", out.len ? "\n" : "", r->items[i].path,
					   r->items[i].detail ? r->items[i].detail : mill_lake_action_name(kind));
	if (seen > LISTED_MAX)
		mill_strbuf_printf(&out, "\nand %zu more", seen - LISTED_MAX);
	return mill_strbuf_steal(&out);
}

static int push(struct mill_native *n, const struct mill_net_api *net, struct mill_lake *lake, const json_t *data,
		struct mill_progress *p, struct mill_error *err)
{
	const char *bucket = mill_json_get_string(data, "bucket", "");
	_cleanup_free_ char *dir = mill_path_join(n->p->dir, "lake");
	_cleanup_free_ char *state = mill_xasprintf("%s/%s.json", dir, bucket);
	_cleanup_report_ struct mill_lake_report report = {0};
	char size[32];
	struct told told = {p};
	int r = mill_mkdir_p(dir, 0700, err);
	if (r < 0)
		return r;
	const struct mill_lake_sync sync = {
		.folder = mill_json_get_string(data, "folder", ""),
		.bucket = bucket,
		.state_path = state,
		.make_bucket = true,
		.on_progress = on_progress,
		.arg = &told,
	};
	r = net->push(lake, &sync, &report, err);
	uint64_t conflicts = report.count[MILL_LAKE_CONFLICT];
	if (r == -EEXIST && report.count[MILL_LAKE_FAIL] == 0) { /* changed there since: theirs is kept, that is no failure */
		mill_error_release(err);
		mill_progress_report(p, 1, "%llu changed in the lake since and are kept (data-mill data diff)",
				     (unsigned long long)conflicts);
		return 0;
	}
	if (r < 0) {
		_cleanup_free_ char *list = list_items(&report, MILL_LAKE_FAIL);
		mill_error_wrap(err, "publish %s to bucket %s", sync.folder, bucket);
		if (*list)
			mill_error_detail(err, list);
		return r;
	}
	mill_progress_report(p, 1, "%llu files sent, %llu unchanged, %s",
			     (unsigned long long)report.count[MILL_LAKE_UPLOAD],
			     (unsigned long long)report.count[MILL_LAKE_UNCHANGED],
			     mill_format_size(report.bytes, size, sizeof(size)));
	return 0;
}

int mill_action_publish(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err)
{
	const struct mill_net_api *net;
	struct mill_lake *lake = NULL;
	_cleanup_wipe_ json_t *data = NULL;
	int r = mill_native_resolve(n, a->data, &data, err);
	if (r == 0)
		r = mill_net_load(&net, err);
	if (r < 0)
		return r;
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	o.endpoint = mill_json_get_string(data, "endpoint", "");
	o.access_key = mill_json_get_string(data, "access_key", "");
	o.secret_key = mill_json_get_string(data, "secret_key", "");
	o.region = mill_json_get_string(data, "region", NULL);
	o.cancel_fd = mill_progress_cancel_fd(p);
	r = net->lake_open(&o, &lake, err);
	if (r < 0)
		return r;
	r = push(n, net, lake, data, p, err);
	net->lake_close(lake);
	const char *id = mill_json_get_string(data, "id", NULL), *fp = mill_json_get_string(data, "fingerprint", NULL);
	if (r == 0 && id && fp)
		r = mill_native_task_done(n, id, fp, err);
	return r;
}
