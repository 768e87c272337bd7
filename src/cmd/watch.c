#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "cmd/interrupt.h"
#include "cmd/watch.h"

static void print_json(const char *id, const char *state, const char *reason)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	char now[MILL_RFC3339_LEN];

	mill_json_writer_init(&w, &out, false);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "time", mill_format_rfc3339(mill_wall_ms(), now));
	mill_json_kv_string(&w, "service", id);
	mill_json_kv_string(&w, "state", state);
	mill_json_kv_string(&w, "reason", reason);
	mill_json_end_object(&w);
	mill_outf("%s\n", out.data);
	fflush(stdout);
}

static void on_state(void *arg, const char *id, const char *state, const char *reason)
{
	struct mill_watch *w = arg;

	if (w->ui->json)
		print_json(id, state, reason);
	else if (reason && *reason)
		mill_note(w->ui, "%s: %s: %s", id, state, reason);
	else
		mill_note(w->ui, "%s: %s", id, state);
}

int mill_watch_init(struct mill_watch *w, const struct mill_ui *ui, struct mill_error *err)
{
	int fd = mill_interrupt_fd(err);

	*w = (struct mill_watch){.ops = {.cancel_fd = fd, .on_state = on_state, .arg = w}, .ui = ui};
	return fd < 0 ? fd : 0;
}
