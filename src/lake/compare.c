#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/parse.h"
#include "lake/compare.h"

static void classify(struct mill_lake_entry *e)
{
	const struct mill_lake_record *r = e->record && e->record->known ? e->record : NULL;
	struct mill_lake_view v = {
		.local = e->file,
		.remote = e->object,
		.record = r,
		.local_record = e->local_record,
		.remote_record = r && e->object && mill_streq(r->etag, e->object->etag) ? SAME_YES
											: SAME_NO,
		.local_remote = e->local_remote};
	e->finding = mill_lake_classify(&v);
}

/* What stat and sizes tell. */
static void look(struct mill_lake_entry *e)
{
	const struct mill_lake_record *r = e->record && e->record->known ? e->record : NULL;
	if (e->file && r) {
		bool same_size = r->size == e->file->size;
		bool same_stat = same_size && r->mtime_ns == e->file->mtime_ns && r->ino == e->file->ino;
		e->local_record = same_stat ? SAME_YES : same_size ? SAME_UNKNOWN : SAME_NO;
	}
	if (e->file && e->object && e->file->size != e->object->size)
		e->local_remote = SAME_NO;
	classify(e);
}

/* "hex-N": N, else 0 (a single MD5) or -1 (something else). */
static int64_t etag_parts(const char *etag)
{
	uint64_t n;
	if (strspn(etag, "0123456789abcdefABCDEF") != 32)
		return -1;
	if (etag[32] == '\0')
		return 0;
	if (etag[32] != '-' || mill_parse_u64(etag + 33, &n) < 0 || n == 0 || n > 10000)
		return -1;
	return (int64_t)n;
}

int mill_lake_compare_etag(struct mill_s3_hasher *h, int fd, uint64_t size, const char *etag,
			   uint64_t part_size, struct mill_s3_content *ret_content,
			   enum mill_lake_same *ret_same)
{
	static const uint64_t mib[] = {8, 16, 5, 10, 15, 25, 32, 50, 64, 100, 128, 256, 512};
	int64_t parts = etag_parts(etag);
	if (parts <= 0) {
		int r = mill_s3_content_file(h, fd, size, UINT64_MAX, ret_content);
		*ret_same = parts < 0 ? SAME_UNKNOWN
			    : strcasecmp(ret_content->etag, etag) == 0 ? SAME_YES : SAME_NO;
		return r;
	}
	bool hashed = false;
	*ret_same = SAME_UNKNOWN;
	for (size_t i = 0; i <= MILL_ARRAY_LEN(mib) && *ret_same != SAME_YES; i++) {
		uint64_t p = i == 0 ? mill_s3_part_size(part_size, size) : mib[i - 1] << 20;
		if (p >= size || (size + p - 1) / p != (uint64_t)parts)
			continue;
		int r = mill_s3_content_file(h, fd, size, p, ret_content);
		if (r < 0)
			return r;
		hashed = true;
		if (strcasecmp(ret_content->etag, etag) == 0)
			*ret_same = SAME_YES;
	}
	return hashed ? 0 : mill_s3_content_file(h, fd, size, UINT64_MAX, ret_content);
}

static int hash_entry(struct mill_lake_mirror *m, struct mill_lake_entry *e,
		      struct mill_s3_hasher *h)
{
	int fd = openat(m->dir_fd, e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	int r = 0;
	struct stat st;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->file->size)
		r = -ESTALE;
	if (r == 0 && e->local_record == SAME_UNKNOWN && e->record && e->record->known) {
		const char *dash = strchr(e->record->sha256, '-');
		uint64_t part_size = UINT64_MAX;
		if (dash && (mill_parse_u64(dash + 1, &part_size) < 0 || part_size < 1024))
			part_size = UINT64_MAX;
		r = mill_s3_content_file(h, fd, e->file->size, part_size, &e->content);
		if (r == 0)
			e->local_record = mill_streq(e->content.sha256, e->record->sha256) ? SAME_YES
											   : SAME_NO;
		classify(e);
	}
	if (r == 0 && e->finding == FOUND_HASH_NEEDED) {
		r = mill_lake_compare_etag(h, fd, e->file->size, e->object->etag,
					   m->lake->conf.part_size, &e->content, &e->local_remote);
		if (e->local_remote != SAME_YES)
			e->local_remote = SAME_NO; /* not known to be the same protects both */
	}
	close(fd);
	classify(e);
	return r;
}

struct work {
	struct mill_lake_mirror *m;
	atomic_size_t next, done;
	atomic_bool stop;
};

static void *hash_some(void *arg)
{
	struct work *w = arg;
	struct mill_s3_hasher *h = mill_s3_hasher_new();
	size_t i;
	while (!atomic_load(&w->stop) && (i = atomic_fetch_add(&w->next, 1)) < w->m->n) {
		struct mill_lake_entry *e = &w->m->entries[i];
		if (e->finding == FOUND_HASH_NEEDED) {
			e->hash_error = hash_entry(w->m, e, h);
			struct pollfd p = {.fd = w->m->lake->conf.cancel_fd, .events = POLLIN};
			if (p.fd >= 0 && poll(&p, 1, 0) > 0)
				atomic_store(&w->stop, true);
		}
	}
	mill_s3_hasher_free(h);
	return NULL;
}

int mill_lake_compare(struct mill_lake_mirror *m, struct mill_error *err)
{
	size_t needed = 0;
	for (size_t i = 0; i < m->n; i++) {
		look(&m->entries[i]);
		needed += m->entries[i].finding == FOUND_HASH_NEEDED;
	}
	if (needed == 0)
		return 0;
	struct work w = {.m = m};
	pthread_t threads[MILL_S3_THREADS_MAX];
	unsigned n = 0, want = m->lake->conf.threads - 1;
	if (want > needed / 4)
		want = (unsigned)(needed / 4);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (n < want && pthread_create(&threads[n], NULL, hash_some, &w) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	hash_some(&w);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	if (atomic_load(&w.stop))
		return mill_fail(err, ECANCELED, "cancelled");
	return 0;
}
