#include "base/base.h"
#include "base/clock.h"
#include "lake/mirror.h"
#include "lake/remove.h"
#include "lake/upload.h"

struct push {
	struct mill_lake_mirror m;
	struct mill_lake_upload_set set;
	struct mill_error state_error; /* the first time the state could not be written */
	int state_result;
};

static void keep_state(struct push *p)
{
	_cleanup_error_ struct mill_error err = {0};
	int r = mill_lake_state_flush(&p->m.state, false, &err);
	if (r == 0 || p->state_result < 0)
		return;
	p->state_result = r;
	p->state_error = err;
	err = (struct mill_error){0};
}

/* Under the set's lock. */
static void on_done(void *arg, struct mill_lake_upload *u)
{
	struct push *p = arg;
	const struct mill_lake_entry *e = u->user;
	if (u->result == 0) {
		mill_lake_state_set(&p->m.state, e->path, u->size, u->mtime_ns, u->ino, u->etag,
				    u->content.sha256);
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_UPLOAD, u->size, NULL);
		p->m.report->bytes += u->size;
	} else if (u->result == -EEXIST) {
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_CONFLICT, u->size,
				      "changed in the lake while this run was at work");
	} else if (u->result != -ECANCELED) {
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_FAIL, u->size, u->err.message);
		mill_lake_state_upload(&p->m.state, e->path, 0, 0, 0, NULL, 0);
	}
	keep_state(p);
}

static void on_started(void *arg, struct mill_lake_upload *u, uint64_t part_size)
{
	struct push *p = arg;
	const struct mill_lake_entry *e = u->user;
	mill_lake_state_upload(&p->m.state, e->path, u->size, u->mtime_ns, u->ino, u->upload_id,
			       part_size);
	mill_lake_state_flush(&p->m.state, true, NULL);
}

static void on_tick(void *arg)
{
	struct push *p = arg;
	p->m.progress.files_done = atomic_load(&p->set.files_done);
	p->m.progress.bytes_done = atomic_load(&p->set.bytes_done);
	mill_lake_mirror_progress(&p->m, "transfer", atomic_load(&p->set.current), false);
}

static void add_upload(struct push *p, struct mill_lake_entry *e)
{
	const struct mill_lake_file *f = e->file;
	struct mill_lake_upload *u = &p->set.items[p->set.n++];
	*u = (struct mill_lake_upload){.path = e->path, .key = e->key, .size_hint = f->size,
				       .conditional = !p->m.opts->force, .fd = -1, .user = e,
				       .expected = e->object ? e->object->etag : NULL};
	const struct mill_lake_record *r = e->record;
	if (r && r->upload_id && r->upload_size == f->size && r->upload_ino == f->ino &&
	    r->upload_mtime_ns == f->mtime_ns) {
		u->upload_id = mill_xstrdup(r->upload_id);
		u->resume_part_size = r->upload_part_size;
	}
	p->m.progress.bytes_total += f->size;
}

/* Unfinished uploads of files that changed, went away or are not to be sent any more. */
static void abort_stale(struct push *p)
{
	struct mill_lake_state *state = &p->m.state;
	_cleanup_map_ struct mill_map resumed = {0};
	for (size_t i = 0; i < p->set.n; i++)
		if (p->set.items[i].upload_id)
			mill_map_set(&resumed, p->set.items[i].path, p);
	for (size_t i = 0; i < state->records.n; i++) {
		const struct mill_map_entry *e = &state->records.entries[i];
		const struct mill_lake_record *r = e->value;
		if (!r->upload_id || mill_map_has(&resumed, e->key))
			continue;
		_cleanup_free_ char *key = mill_xasprintf("%s%s", p->m.prefix, e->key);
		mill_lake_upload_abort(p->m.lake, p->m.opts->bucket, key, r->upload_id);
		mill_lake_state_upload(state, e->key, 0, 0, 0, NULL, 0);
	}
}

static int upload(struct push *p, struct mill_error *err)
{
	struct mill_lake_mirror *m = &p->m;
	p->set = (struct mill_lake_upload_set){.bucket = m->opts->bucket, .dir_fd = m->dir_fd,
					       .on_done = on_done, .on_started = on_started,
					       .on_tick = on_tick, .arg = p};
	p->set.items = mill_xcalloc(m->n, sizeof(*p->set.items));
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].action == MILL_LAKE_UPLOAD)
			add_upload(p, &m->entries[i]);
	abort_stale(p);
	m->progress.files_total = p->set.n;
	mill_lake_mirror_progress(m, "transfer", NULL, true);
	int r = p->set.n ? mill_lake_upload_all(m->lake, &p->set, err) : 0;
	for (size_t i = 0; i < p->set.n; i++) {
		free(p->set.items[i].upload_id);
		mill_error_release(&p->set.items[i].err);
	}
	free(p->set.items);
	return r;
}

static int remove_extra(struct push *p, struct mill_error *err)
{
	struct mill_lake_mirror *m = &p->m;
	_cleanup_free_ struct mill_lake_removal *items = mill_xcalloc(m->n, sizeof(*items));
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].action == MILL_LAKE_DELETE)
			items[n++] = (struct mill_lake_removal){.key = m->entries[i].key,
								.user = &m->entries[i]};
	if (n == 0)
		return 0;
	mill_lake_mirror_progress(m, "delete", NULL, true);
	int r = mill_lake_remove_each(m->lake, m->opts->bucket, items, n, err);
	for (size_t i = 0; i < n; i++) {
		const struct mill_lake_entry *e = items[i].user;
		if (!items[i].done && (r < 0 && !items[i].detail[0]))
			continue; /* cancelled before it was tried */
		if (items[i].done)
			mill_lake_state_forget(&m->state, e->path);
		mill_lake_mirror_note(m, e->path, items[i].done ? MILL_LAKE_DELETE : MILL_LAKE_FAIL,
				      e->object->size, items[i].done ? NULL : items[i].detail);
	}
	return r;
}

/* What is not to be done, or in a dry run all that would be. */
static void note_rest(struct mill_lake_mirror *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct mill_lake_entry *e = &m->entries[i];
		bool work = e->action == MILL_LAKE_UPLOAD || e->action == MILL_LAKE_DELETE;
		if (e->action == MILL_LAKE_FAIL) {
			char text[128];
			mill_lake_mirror_note(m, e->path, e->action, e->file->size,
					      strerror_r(-e->hash_error, text, sizeof(text)));
		} else if (work && m->opts->dry_run) {
			mill_lake_mirror_note(m, e->path, e->action,
					      e->file ? e->file->size : e->object->size, NULL);
		} else if (!work) {
			mill_lake_mirror_note_idle(m, e);
		}
	}
}

int mill_lake_push(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err)
{
	uint64_t began = mill_now_ns();
	struct push p = {0};
	struct mill_lake_mirror *m = &p.m;
	*ret = (struct mill_lake_report){.dry_run = s->dry_run};
	int r = mill_lake_mirror_open(m, lake, s, !s->dry_run, false, mill_lake_decide_push, ret, err);
	if (r == 0) {
		note_rest(m);
		if (!s->dry_run)
			r = upload(&p, err);
		if (r == 0 && !s->dry_run)
			r = remove_extra(&p, err);
		if (r == 0 && p.state_result < 0) {
			r = p.state_result;
			if (err) {
				mill_error_release(err);
				*err = p.state_error;
				p.state_error = (struct mill_error){0};
			}
		}
		r = mill_lake_mirror_finish(m, r, err);
	}
	mill_error_release(&p.state_error);
	mill_lake_mirror_release(m);
	ret->elapsed_ns = mill_now_ns() - began;
	return r;
}

int mill_lake_diff(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err)
{
	uint64_t began = mill_now_ns();
	struct mill_lake_mirror m;
	struct mill_lake_sync look = *s;
	look.dry_run = true;
	look.make_bucket = look.remove_extra = false;
	*ret = (struct mill_lake_report){.dry_run = true};
	int r = mill_lake_mirror_open(&m, lake, &look, false, false, mill_lake_decide_diff, ret, err);
	for (size_t i = 0; r == 0 && i < m.n; i++) {
		const struct mill_lake_entry *e = &m.entries[i];
		mill_lake_mirror_note(&m, e->path, e->action,
				      e->file ? e->file->size : e->object->size,
				      e->hash_error ? "cannot be read" : e->detail);
	}
	if (r == 0) {
		mill_lake_mirror_finish(&m, 0, NULL);
	}
	mill_lake_mirror_release(&m);
	ret->elapsed_ns = mill_now_ns() - began;
	return r;
}
