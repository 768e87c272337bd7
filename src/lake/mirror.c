#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "lake/compare.h"
#include "lake/mirror.h"

#define PROGRESS_NS (100 * MILL_MS)

void mill_lake_mirror_note(struct mill_lake_mirror *m, const char *path,
			   enum mill_lake_action action, uint64_t size, const char *text)
{
	struct mill_lake_report *r = m->report;
	r->count[action]++;
	if (action == MILL_LAKE_UNCHANGED)
		return;
	MILL_GROW(r->items, r->n, r->cap);
	r->items[r->n++] = (struct mill_lake_item){.path = mill_xstrdup(path),
						   .detail = text ? mill_xstrdup(text) : NULL,
						   .action = action,
						   .size = size};
}

void mill_lake_mirror_note_idle(struct mill_lake_mirror *m, const struct mill_lake_entry *e)
{
	uint64_t size = e->file ? e->file->size : e->object ? e->object->size : 0;
	if (e->action == MILL_LAKE_KEEP && !m->opts->remove_extra)
		return;
	if (e->finding == FOUND_NOTHING) {
		if (!m->opts->dry_run)
			mill_lake_state_forget(&m->state, e->path);
		return;
	}
	mill_lake_mirror_note(m, e->path, e->action, size, e->detail);
	if (e->action != MILL_LAKE_UNCHANGED || m->opts->dry_run)
		return;
	const struct mill_lake_record *r = e->record;
	bool fresh = r && r->known && r->size == e->file->size && r->ino == e->file->ino &&
		     r->mtime_ns == e->file->mtime_ns && mill_streq(r->etag, e->object->etag);
	const char *sha256 = e->content.sha256[0] ? e->content.sha256 : r ? r->sha256 : NULL;
	if (!fresh && sha256) {
		_cleanup_free_ char *copy = mill_xstrdup(sha256);
		mill_lake_state_set(&m->state, e->path, e->file->size, e->file->mtime_ns,
				    e->file->ino, e->object->etag, copy);
	}
}

void mill_lake_mirror_progress(struct mill_lake_mirror *m, const char *phase, const char *path,
			       bool now)
{
	uint64_t t = mill_now_ns();
	if (!m->opts->on_progress || (!now && t - m->progressed_ns < PROGRESS_NS))
		return;
	m->progressed_ns = t;
	m->progress.phase = phase;
	m->progress.path = path;
	m->opts->on_progress(m->opts->arg, &m->progress);
}

static void on_skip(void *arg, const char *path, enum mill_lake_action why, const char *detail)
{
	mill_lake_mirror_note(arg, path, why, 0, detail);
}

/* ---- the two sides ---- */

static int open_folder(struct mill_lake_mirror *m, bool make, struct mill_error *err)
{
	m->folder = mill_path_absolute(m->opts->folder);
	if (make) {
		int r = mill_mkdir_p(m->folder, 0755, err);
		if (r < 0)
			return r;
	}
	m->dir_fd = open(m->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir_fd < 0 && errno == ENOENT && m->pulling)
		return 0; /* a dry run of a pull into a new folder */
	if (m->dir_fd < 0) {
		int code = errno;
		mill_fail_errno(err, code, "open the folder %s", m->folder);
		if (err)
			err->usage = true;
		return -code;
	}
	return 0;
}

static int read_folder(struct mill_lake_mirror *m, struct mill_error *err)
{
	m->scan.exclude = m->opts->exclude;
	m->scan.cancel_fd = m->lake->conf.cancel_fd;
	m->scan.on_skip = on_skip;
	m->scan.arg = m;
	m->scan.key_max = MILL_LAKE_KEY_MAX - strlen(m->prefix);
	if (m->dir_fd < 0)
		return 0;
	return mill_lake_scan(&m->scan, m->dir_fd, err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct mill_lake_object *)a)->key,
		      ((const struct mill_lake_object *)b)->key);
}

static int read_lake(struct mill_lake_mirror *m, struct mill_error *err)
{
	_cleanup_error_ struct mill_error local = {0};
	int r = mill_lake_list(m->lake, m->opts->bucket, m->prefix, NULL, 0, &m->listing, &local);
	if (r == -ENOENT && m->opts->make_bucket && !m->pulling) {
		m->bucket_absent = true;
		r = m->opts->dry_run
			    ? 0
			    : mill_lake_make_bucket(m->lake, m->opts->bucket, NULL, err);
		return r;
	}
	if (r < 0) {
		if (err) {
			mill_error_release(err);
			*err = local;
			local = (struct mill_error){0};
		}
		return r;
	}
	bool sorted = true;
	for (size_t i = 1; i < m->listing.n && sorted; i++)
		sorted = by_key(&m->listing.items[i - 1], &m->listing.items[i]) < 0;
	if (!sorted)
		qsort(m->listing.items, m->listing.n, sizeof(*m->listing.items), by_key);
	return 0;
}

/* The path of an object that takes part, or NULL: a folder's marker, an excluded one. */
static const char *object_path(const struct mill_lake_mirror *m, const struct mill_lake_object *o)
{
	size_t skip = strlen(m->prefix), len = strlen(o->key);
	if (len <= skip || strncmp(o->key, m->prefix, skip) != 0 || o->key[len - 1] == '/')
		return NULL;
	const char *path = o->key + skip;
	return mill_lake_excluded(m->opts->exclude, path, false) ? NULL : path;
}

static void add_entry(struct mill_lake_mirror *m, const char *path, const struct mill_lake_file *f,
		      const struct mill_lake_object *o)
{
	struct mill_lake_record *r = mill_lake_state_get(&m->state, path);
	MILL_GROW(m->entries, m->n, m->cap);
	m->entries[m->n++] = (struct mill_lake_entry){
		.path = path,
		.key = o ? o->key : mill_arena_printf(&m->arena, "%s%s", m->prefix, path),
		.file = f,
		.object = o,
		.record = r};
}

/* Both lists are sorted by path: one walk. */
static void merge(struct mill_lake_mirror *m)
{
	size_t i = 0, j = 0;
	while (i < m->scan.n || j < m->listing.n) {
		const char *there = NULL;
		while (j < m->listing.n && !(there = object_path(m, &m->listing.items[j])))
			j++;
		if (i == m->scan.n && !there)
			break;
		int c = i == m->scan.n ? 1 : !there ? -1 : strcmp(m->scan.files[i].path, there);
		const struct mill_lake_file *f = c <= 0 ? &m->scan.files[i++] : NULL;
		const struct mill_lake_object *o = c >= 0 ? &m->listing.items[j++] : NULL;
		add_entry(m, f ? f->path : there, f, o);
	}
}

/* Records of what is on neither side any more. */
static void add_gone(struct mill_lake_mirror *m)
{
	_cleanup_map_ struct mill_map seen = {0};
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].record)
			mill_map_set(&seen, m->entries[i].path, m);
	if (seen.n == m->state.records.n)
		return;
	for (size_t i = 0; i < m->state.records.n; i++) {
		const struct mill_map_entry *e = &m->state.records.entries[i];
		if (mill_map_has(&seen, e->key) || mill_lake_excluded(m->opts->exclude, e->key, false))
			continue;
		MILL_GROW(m->entries, m->n, m->cap);
		m->entries[m->n++] =
			(struct mill_lake_entry){.path = mill_arena_strdup(&m->arena, e->key)};
	}
}

int mill_lake_mirror_open(struct mill_lake_mirror *m, struct mill_lake *lake,
			  const struct mill_lake_sync *s, bool for_writing, bool pulling,
			  mill_lake_decide_fn decide, struct mill_lake_report *report,
			  struct mill_error *err)
{
	*m = (struct mill_lake_mirror){.lake = lake, .opts = s, .report = report, .dir_fd = -1,
				       .pulling = pulling, .state = {.fd = -1, .lock_fd = -1}};
	const char *p = s->prefix ? s->prefix : "";
	size_t n = strlen(p);
	m->prefix = mill_xasprintf("%s%s", p, n && p[n - 1] != '/' ? "/" : "");
	if (n >= MILL_LAKE_KEY_MAX)
		return mill_fail_usage(err, "the prefix is longer than a key may be");
	int r = open_folder(m, pulling && for_writing, err);
	if (r == 0)
		r = mill_lake_state_open(&m->state, s->state_path, m->folder, s->bucket, m->prefix,
					 for_writing, err);
	mill_lake_mirror_progress(m, "scan", NULL, true);
	if (r == 0)
		r = read_folder(m, err);
	if (r == 0)
		r = read_lake(m, err);
	if (r < 0)
		return r;
	merge(m);
	m->progress.files_total = m->n;
	mill_lake_mirror_progress(m, "compare", NULL, true);
	r = mill_lake_compare(m, err);
	if (r < 0)
		return r;
	struct mill_lake_policy policy = {.remove_extra = s->remove_extra, .force = s->force};
	for (size_t i = 0; i < m->n; i++) {
		struct mill_lake_entry *e = &m->entries[i];
		if (e->hash_error)
			e->action = MILL_LAKE_FAIL;
		else
			e->action = decide(e->finding, &policy, &e->detail);
	}
	if (for_writing)
		add_gone(m);
	return 0;
}

void mill_lake_mirror_release(struct mill_lake_mirror *m)
{
	mill_lake_scan_release(&m->scan);
	mill_lake_listing_release(&m->listing);
	mill_lake_state_release(&m->state);
	mill_arena_release(&m->arena);
	if (m->dir_fd >= 0)
		close(m->dir_fd);
	free(m->entries);
	free(m->folder);
	free(m->prefix);
}

static int item_order(const void *a, const void *b)
{
	return strcmp(((const struct mill_lake_item *)a)->path,
		      ((const struct mill_lake_item *)b)->path);
}

int mill_lake_mirror_finish(struct mill_lake_mirror *m, int result, struct mill_error *err)
{
	struct mill_lake_report *r = m->report;
	if (r->n)
		qsort(r->items, r->n, sizeof(*r->items), item_order);
	r->retries = atomic_load(&m->lake->conf.retries);
	if (!m->opts->dry_run && m->state.lock_fd >= 0) {
		_cleanup_error_ struct mill_error local = {0};
		int saved = mill_lake_state_save(&m->state, result < 0 ? &local : err);
		if (result == 0 && saved < 0)
			return saved;
	}
	if (result < 0)
		return result;
	unsigned long long failed = r->count[MILL_LAKE_FAIL], conflicts = r->count[MILL_LAKE_CONFLICT];
	if (failed)
		return mill_fail(err, EIO, "%llu of %zu files failed", failed, m->n);
	if (conflicts) {
		mill_fail(err, EEXIST, "%llu conflicts were kept as they are", conflicts);
		return mill_error_hint(err, "look at them with 'data-mill data diff'; --force %s",
				       m->pulling ? "replaces the files" : "replaces the objects");
	}
	return 0;
}
