#include <fcntl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/clock.h"
#include "lake/fetch.h"
#include "lake/mirror.h"

struct pull {
	struct mill_lake_mirror m;
	struct mill_lake_fetch_set set;
};

/* Under the set's lock. */
static void on_done(void *arg, struct mill_lake_fetch *f)
{
	struct pull *p = arg;
	const struct mill_lake_entry *e = f->user;
	if (f->result == 0) {
		mill_lake_state_set(&p->m.state, e->path, f->new_size, f->mtime_ns, f->ino,
				    f->new_etag, f->content.sha256);
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_DOWNLOAD, f->new_size, NULL);
		p->m.report->bytes += f->new_size;
	} else if (f->result == -EEXIST) {
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_CONFLICT, f->size,
				      "changed in the folder while this run was at work");
	} else if (f->result != -ECANCELED) {
		mill_lake_mirror_note(&p->m, e->path, MILL_LAKE_FAIL, f->size, f->err.message);
	}
}

static void on_tick(void *arg)
{
	struct pull *p = arg;
	p->m.progress.files_done = atomic_load(&p->set.files_done);
	p->m.progress.bytes_done = atomic_load(&p->set.bytes_done);
	mill_lake_mirror_progress(&p->m, "transfer", atomic_load(&p->set.current), false);
}

/* Keys that no folder can hold: bad paths, and files that other keys need as folders. */
static void refuse(struct mill_lake_mirror *m)
{
	_cleanup_map_ struct mill_map files = {0};
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].object)
			mill_map_set(&files, m->entries[i].path, m);
	for (size_t i = 0; i < m->n; i++) {
		struct mill_lake_entry *e = &m->entries[i];
		if (e->action != MILL_LAKE_DOWNLOAD)
			continue;
		const char *why = mill_lake_path_refused(e->path);
		_cleanup_free_ char *part = mill_xstrdup(e->path);
		char *slash = part;
		while (!why && (slash = strchr(slash, '/'))) {
			*slash = '\0';
			if (mill_map_has(&files, part))
				why = "the lake has an object that is named like the folder above";
			*slash++ = '/';
		}
		if (why) {
			e->action = MILL_LAKE_FAIL;
			e->detail = why;
		}
	}
}

static void add_fetch(struct pull *p, struct mill_lake_entry *e)
{
	struct mill_lake_fetch *f = &p->set.items[p->set.n++];
	f->key = e->key;
	f->path = e->path;
	f->etag = e->object->etag;
	f->size = e->object->size;
	f->guarded = !p->m.opts->force;
	f->had_file = e->file;
	if (e->file) {
		f->old_size = e->file->size;
		f->old_ino = e->file->ino;
		f->old_mtime_ns = e->file->mtime_ns;
	}
	f->user = e;
	p->m.progress.bytes_total += f->size;
}

static int fetch(struct pull *p, struct mill_error *err)
{
	struct mill_lake_mirror *m = &p->m;
	p->set = (struct mill_lake_fetch_set){.bucket = m->opts->bucket, .dir_fd = m->dir_fd,
					      .on_done = on_done, .on_tick = on_tick, .arg = p};
	p->set.items = mill_xcalloc(m->n, sizeof(*p->set.items));
	for (size_t i = 0; i < m->n; i++)
		if (m->entries[i].action == MILL_LAKE_DOWNLOAD)
			add_fetch(p, &m->entries[i]);
	m->progress.files_total = p->set.n;
	mill_lake_mirror_progress(m, "transfer", NULL, true);
	int r = p->set.n ? mill_lake_fetch_all(m->lake, &p->set, err) : 0;
	for (size_t i = 0; i < p->set.n; i++)
		mill_error_release(&p->set.items[i].err);
	free(p->set.items);
	/* The state must not say more than the disk holds. */
	if (p->set.n && m->dir_fd >= 0)
		syncfs(m->dir_fd);
	return r;
}

/* The folders above a deleted file, as far as they are empty now. */
static void remove_empty_parents(const struct mill_lake_mirror *m, const char *path)
{
	_cleanup_free_ char *dir = mill_xstrdup(path);
	char *slash;
	while ((slash = strrchr(dir, '/'))) {
		const char *name;
		_cleanup_close_ int fd = -1;
		*slash = '\0';
		if (mill_lake_open_parent(m->dir_fd, dir, false, &fd, &name) < 0 ||
		    unlinkat(fd, name, AT_REMOVEDIR) < 0)
			return;
	}
}

static int delete_file(const struct mill_lake_mirror *m, const struct mill_lake_entry *e)
{
	const char *name;
	struct stat st;
	_cleanup_close_ int fd = -1;
	int r = mill_lake_open_parent(m->dir_fd, e->path, false, &fd, &name);
	if (r < 0)
		return r;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((uint64_t)st.st_size != e->file->size || st.st_ino != e->file->ino ||
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != e->file->mtime_ns)
		return -ESTALE;
	if (unlinkat(fd, name, 0) < 0)
		return -errno;
	remove_empty_parents(m, e->path);
	return 0;
}

static void remove_extra(struct pull *p)
{
	struct mill_lake_mirror *m = &p->m;
	for (size_t i = 0; i < m->n; i++) {
		const struct mill_lake_entry *e = &m->entries[i];
		if (e->action != MILL_LAKE_DELETE)
			continue;
		char text[128];
		int r = delete_file(m, e);
		if (r == 0)
			mill_lake_state_forget(&m->state, e->path);
		mill_lake_mirror_note(m, e->path, r == 0 ? MILL_LAKE_DELETE : MILL_LAKE_FAIL,
				      e->file->size,
				      r == 0 ? NULL : strerror_r(-r, text, sizeof(text)));
	}
}

static void note_rest(struct mill_lake_mirror *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct mill_lake_entry *e = &m->entries[i];
		bool work = e->action == MILL_LAKE_DOWNLOAD || e->action == MILL_LAKE_DELETE;
		uint64_t size = e->object ? e->object->size : e->file ? e->file->size : 0;
		char text[128];
		if (e->action == MILL_LAKE_FAIL)
			mill_lake_mirror_note(m, e->path, e->action, size,
					      e->detail ? e->detail
							: strerror_r(-e->hash_error, text,
								     sizeof(text)));
		else if (work && m->opts->dry_run)
			mill_lake_mirror_note(m, e->path, e->action, size, NULL);
		else if (!work)
			mill_lake_mirror_note_idle(m, e);
	}
}

int mill_lake_pull(struct mill_lake *lake, const struct mill_lake_sync *s,
		   struct mill_lake_report *ret, struct mill_error *err)
{
	uint64_t began = mill_now_ns();
	struct pull p = {0};
	struct mill_lake_mirror *m = &p.m;
	*ret = (struct mill_lake_report){.dry_run = s->dry_run};
	int r = mill_lake_mirror_open(m, lake, s, !s->dry_run, true, mill_lake_decide_pull, ret, err);
	if (r == 0) {
		refuse(m);
		note_rest(m);
		if (!s->dry_run)
			r = fetch(&p, err);
		if (r == 0 && !s->dry_run)
			remove_extra(&p);
		r = mill_lake_mirror_finish(m, r, err);
	}
	mill_lake_mirror_release(m);
	ret->elapsed_ns = mill_now_ns() - began;
	return r;
}
