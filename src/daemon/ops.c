/* What each request of the control protocol does. */
#include "base/clock.h"
#include "base/proc.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/jobs.h"

static void answer_hello(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_control_begin_answer(&w, &b, r->id);
	mill_json_kv_int(&w, "protocol", MILL_CONTROL_PROTOCOL);
	mill_json_kv_string(&w, "version", MILL_VERSION);
	mill_json_kv_int(&w, "pid", d->pid);
	mill_json_kv_string(&w, "boot_id", mill_boot_id());
	mill_json_kv_int(&w, "started_ms", (int64_t)d->started_ms);
	mill_json_kv_string(&w, "exe", d->exe);
	mill_json_kv_int(&w, "seq", (int64_t)d->journal.seq);
	mill_control_send(d->control, client, &w);
}

static void answer_status(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_daemon_read_desired(d, NULL);
	mill_control_begin_answer(&w, &b, r->id);
	mill_json_key(&w, "services");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < d->n_services; i++) {
		if (r->services.n == 0 || mill_strv_contains(&r->services, d->services[i]->id))
			mill_service_write_status(d->services[i], &w);
	}
	mill_json_end_array(&w);
	mill_control_send(d->control, client, &w);
}

static void answer_reload(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_control_begin_answer(&w, &b, r->id);
	mill_json_key(&w, "results");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < r->services.n; i++) {
		_cleanup_error_ struct mill_error err = {0};
		struct mill_service *s = mill_daemon_find(d, r->services.items[i]);
		int rc = s ? mill_service_reload(s, &err) : mill_fail(&err, ENOENT, "there is no such service");
		mill_json_begin_object(&w);
		mill_json_kv_string(&w, "id", r->services.items[i]);
		mill_json_kv_bool(&w, "ok", rc == 0);
		if (rc < 0)
			mill_json_kv_string(&w, "error", err.message);
		mill_json_end_object(&w);
	}
	mill_json_end_array(&w);
	mill_control_send(d->control, client, &w);
}

static void answer_ok(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_control_begin_answer(&w, &b, r->id);
	mill_control_send(d->control, client, &w);
}

static void begin_down(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_strv_ struct mill_strv all = {0};
	for (size_t i = 0; i < d->n_services; i++)
		mill_strv_add(&all, d->services[i]->id);
	d->going_down = true;
	mill_job_add(d, MILL_JOB_DOWN, &all, 0, client, r->id);
}

void mill_ops_handle(struct mill_daemon *d, uint64_t client, const struct mill_request *r)
{
	_cleanup_error_ struct mill_error err = {0};
	bool changes = r->op == MILL_OP_START || r->op == MILL_OP_STOP || r->op == MILL_OP_RESTART || r->op == MILL_OP_DOWN;
	if (d->leaving || (d->going_down && (r->op == MILL_OP_START || r->op == MILL_OP_RESTART))) {
		mill_control_send_error(d->control, client, r->id, "busy", "the platform is going down");
		return;
	}
	if (changes && mill_daemon_read_desired(d, &err) < 0 && r->op == MILL_OP_START) {
		mill_control_send_error(d->control, client, r->id, "failed", err.message);
		return;
	}
	switch (r->op) {
	case MILL_OP_HELLO:
		answer_hello(d, client, r);
		break;
	case MILL_OP_STATUS:
		answer_status(d, client, r);
		break;
	case MILL_OP_START:
		mill_job_add(d, MILL_JOB_START, &r->services, r->timeout_ms, client, r->id);
		break;
	case MILL_OP_STOP:
		mill_job_add(d, MILL_JOB_STOP, &r->services, 0, client, r->id);
		break;
	case MILL_OP_RESTART:
		mill_job_add(d, MILL_JOB_RESTART, &r->services, r->timeout_ms, client, r->id);
		break;
	case MILL_OP_RELOAD:
		answer_reload(d, client, r);
		break;
	case MILL_OP_WAIT:
		mill_job_add(d, r->wait_stopped ? MILL_JOB_WAIT_STOPPED : MILL_JOB_WAIT_READY, &r->services,
			     r->timeout_ms, client, r->id);
		break;
	case MILL_OP_DOWN:
		begin_down(d, client, r);
		break;
	case MILL_OP_EVENTS:
		answer_ok(d, client, r);
		mill_control_subscribe(d->control, client, r->since);
		break;
	case MILL_OP_QUIT:
		answer_ok(d, client, r);
		mill_daemon_leave(d);
		break;
	}
}
