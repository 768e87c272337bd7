#include "daemon/daemon.h"

#include <malloc.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/control.h"
#include "daemon/jobs.h"
#include "daemon/paths.h"
#include "daemon/status.h"
#include "daemon/survivors.h"
#include "shim/sys.h"

#define DESIRED_MAX ((size_t)4 << 20)
#define DESIRED_VERSION 1
#define DRAIN_MAX_MS 1000

/* ---- the table ---- */

struct mill_service *mill_daemon_find(struct mill_daemon *d, const char *id)
{
	for (size_t i = 0; i < d->n_services; i++) {
		if (mill_streq(d->services[i]->id, id))
			return d->services[i];
	}
	return NULL;
}

static struct mill_service *add_service(struct mill_daemon *d, const char *id)
{
	struct mill_service *s = mill_daemon_find(d, id);
	if (s)
		return s;
	MILL_GROW(d->services, d->n_services, d->cap_services);
	return d->services[d->n_services++] = mill_service_new(d, id);
}

struct mill_service *mill_daemon_know(struct mill_daemon *d, const char *id)
{
	_cleanup_free_ char *spec = mill_xasprintf("%s/services/%s/spec.json", d->platform_dir, id);
	struct mill_service *s = mill_daemon_find(d, id);
	if (s || !mill_is_file(spec))
		return s;
	return add_service(d, id);
}

/* What is neither wanted nor running is forgotten; jobs point at services, so only between jobs. */
static void forget_unlisted(struct mill_daemon *d)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->n_services; i++) {
		struct mill_service *s = d->services[i];
		if (!d->jobs && !s->in_desired && mill_sm_is_down(s->sm.state) && s->pidfd < 0)
			mill_service_free(s);
		else
			d->services[kept++] = s;
	}
	d->n_services = kept;
}

static void read_entry(struct mill_daemon *d, const json_t *entry)
{
	const char *id = mill_json_get_string(entry, "id", NULL);
	size_t i;
	json_t *after;
	if (!mill_spec_id_is_valid(id))
		return;
	struct mill_service *s = add_service(d, id);
	s->in_desired = true;
	s->wanted_up = mill_streq(mill_json_get_string(entry, "wanted", "up"), "up");
	mill_strv_release(&s->after);
	json_array_foreach(json_object_get(entry, "after"), i, after)
	{
		if (json_is_string(after))
			mill_strv_add(&s->after, json_string_value(after));
	}
}

int mill_daemon_read_desired(struct mill_daemon *d, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(d->platform_dir, "desired.json");
	_cleanup_json_ json_t *root = NULL;
	_cleanup_error_ struct mill_error own = {0};
	size_t i;
	json_t *entry;
	int rc = mill_json_load(path, DESIRED_MAX, &root, &own);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return mill_fail(err, -rc, "%s", own.message);
	if (mill_json_get_int(root, "v", 1) > DESIRED_VERSION)
		return mill_fail(err, EPROTO, "%s was written by a newer data-mill", path);
	for (i = 0; i < d->n_services; i++)
		d->services[i]->in_desired = false;
	json_array_foreach(json_object_get(root, "services"), i, entry)
		read_entry(d, entry);
	forget_unlisted(d);
	return 0;
}

/* ---- the start ---- */

static bool adopt_one(struct mill_service *s)
{
	_cleanup_free_ char *lock = mill_path_join(s->dir, "run/lock");
	struct mill_status st = {0};
	if (mill_shimctl_adopt(s))
		return true;
	bool unclean = mill_status_read(s->dir, &st, NULL) == 0 && st.this_boot &&
		       (st.state == MILL_STATUS_RUNNING || st.state == MILL_STATUS_STARTING);
	mill_status_release(&st);
	if (unclean || mill_lock_is_held(lock))
		mill_shimctl_clear_survivors(s);
	if (unclean)
		s->reason = mill_xstrdup("its shim ended while no daemon ran");
	return false;
}

static bool ran_before(const struct mill_service *s)
{
	_cleanup_free_ char *path = mill_path_join(s->dir, "run/status.json");
	return mill_exists(path);
}

static void know_folders(struct mill_daemon *d)
{
	_cleanup_free_ char *path = mill_path_join(d->platform_dir, "services");
	_cleanup_strv_ struct mill_strv names = {0};
	if (mill_list_dir(path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		if (mill_spec_id_is_valid(names.items[i]))
			mill_daemon_know(d, names.items[i]);
	}
}

static void write_started(struct mill_json_writer *w, const void *arg)
{
	mill_json_kv_string(w, "what", "started");
	mill_json_kv_string(w, "version", MILL_VERSION);
	mill_json_kv_int(w, "adopted", *(const int *)arg);
}

void mill_daemon_adopt(struct mill_daemon *d, bool adopt_only)
{
	_cleanup_strv_ struct mill_strv start = {0}, stop = {0};
	int adopted = 0;
	know_folders(d);
	for (size_t i = 0; i < d->n_services; i++) {
		struct mill_service *s = d->services[i];
		if (adopt_one(s)) {
			adopted++;
			if (s->in_desired && !s->wanted_up)
				mill_strv_add(&stop, s->id);
		} else if (s->in_desired && s->wanted_up && ran_before(s)) {
			/* What never ran is left to the plan: it may not be configured yet. */
			mill_strv_add(&start, s->id);
		}
	}
	mill_journal_write(&d->journal, "daemon", NULL, write_started, &adopted);
	if (!adopt_only && start.n)
		mill_job_add(d, MILL_JOB_START, &start, 0, 0, 0);
	if (!adopt_only && stop.n)
		mill_job_add(d, MILL_JOB_STOP, &stop, 0, 0, 0);
	forget_unlisted(d);
	malloc_trim(0);
}

/* ---- the loop ---- */

static void maybe_exit(struct mill_daemon *d)
{
	struct timeval tv = {.tv_sec = DRAIN_MAX_MS / 1000};
	if (d->leaving && mill_control_is_drained(d->control))
		event_base_loopbreak(d->base);
	else if (d->leaving)
		event_base_loopexit(d->base, &tv); /* a client that does not read must not keep us */
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct mill_daemon *d = arg;
	(void)fd;
	(void)what;
	mill_jobs_look(d);
	maybe_exit(d);
}

void mill_daemon_touch(struct mill_daemon *d)
{
	if (d->look)
		event_active(d->look, EV_TIMEOUT, 0);
}

void mill_daemon_leave(struct mill_daemon *d)
{
	d->leaving = true;
	mill_daemon_touch(d);
}

static void publish(void *arg, const char *line, size_t len)
{
	struct mill_daemon *d = arg;
	if (d->control)
		mill_control_publish(d->control, line, len);
}

int mill_daemon_init(struct mill_daemon *d, const char *platform_dir, const char *shim, struct mill_error *err)
{
	struct mill_sys_stat st;
	struct event_config *config = event_config_new();
	*d = (struct mill_daemon){.pid = getpid(), .started_ms = mill_wall_ms(), .journal = {.fd = -1}};
	d->start = mill_sys_stat(d->pid, &st) == 0 ? st.start : 0;
	d->platform_dir = mill_xstrdup(platform_dir);
	d->shim = mill_xstrdup(shim);
	d->exe = mill_xcalloc(1, 4096);
	if (readlink("/proc/self/exe", d->exe, 4095) < 0)
		return mill_fail_errno(err, errno, "/proc/self/exe");
	/* Milliseconds of delay count in the restarts we promise. */
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
	d->base = event_base_new_with_config(config);
	event_config_free(config);
	d->look = d->base ? event_new(d->base, -1, 0, on_look, d) : NULL;
	if (!d->look)
		return mill_fail(err, ENOMEM, "event loop: no memory");
	int rc = mill_journal_open(&d->journal, platform_dir, err);
	if (rc < 0)
		return rc;
	d->journal.listen = publish;
	d->journal.arg = d;
	rc = mill_daemon_read_desired(d, err);
	return rc < 0 ? rc : mill_control_open(d, &d->control, err);
}

void mill_daemon_release(struct mill_daemon *d)
{
	struct event *look = d->look;
	d->look = NULL;
	d->control = mill_control_close(d->control);
	mill_jobs_release(d);
	for (size_t i = 0; i < d->n_services; i++)
		mill_service_free(d->services[i]);
	free(d->services);
	mill_journal_close(&d->journal);
	if (look)
		event_free(look);
	if (d->base)
		event_base_free(d->base);
	free(d->platform_dir);
	free(d->shim);
	free(d->exe);
	memset(d, 0, sizeof(*d));
}
