#include <inttypes.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "cmd/since.h"

static const struct mill_option options[] = {
	{.name = "follow", .help = "go on printing what happens until Ctrl-C"},
	{.name = "since", .arg = "TIME", .help = "only what is younger: 10m, or 2026-11-24T04:00:00.000Z"},
	{0},
};

struct printer {
	const struct mill_ui *ui;
	uint64_t since_ms;
};

/* What the kinds of docs/internals/state.md carry; an unknown one is named. */
static void describe(const json_t *e, struct mill_strbuf *out)
{
	const char *kind = mill_json_get_string(e, "event", "?");
	const char *reason = mill_json_get_string(e, "reason", "");

	if (mill_streq(kind, "state")) {
		mill_strbuf_printf(out, "%s -> %s  %s", mill_json_get_string(e, "from", "?"), mill_json_get_string(e, "to", "?"), reason);
	} else if (mill_streq(kind, "probe")) {
		mill_strbuf_printf(out, "%s probe: %s  %s", mill_json_get_string(e, "probe", "?"),
				   mill_json_get_string(e, "result", "?"), reason);
	} else if (mill_streq(kind, "log")) {
		mill_strbuf_printf(out, "%" PRId64 " log lines were lost", mill_json_get_int(e, "lost_lines", 0));
	} else if (mill_streq(kind, "daemon") && mill_streq(mill_json_get_string(e, "what", ""), "exiting")) {
		mill_strbuf_printf(out, "exiting, services %s", json_is_true(json_object_get(e, "services_go_on")) ? "go on" : "are stopped");
	} else if (mill_streq(kind, "daemon")) {
		mill_strbuf_printf(out, "started, version %s, %" PRId64 " running services adopted",
				   mill_json_get_string(e, "version", "?"), mill_json_get_int(e, "adopted", 0));
	} else {
		mill_strbuf_addstr(out, kind);
	}
}

static void print_event(void *arg, const json_t *e)
{
	const struct printer *p = arg;
	const char *when = mill_json_get_string(e, "time", "?");
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT, safe = MILL_STRBUF_INIT;
	uint64_t ms;

	if (p->since_ms && mill_parse_rfc3339(when, &ms) == 0 && ms < p->since_ms)
		return;
	if (p->ui->json) {
		_cleanup_free_ char *text = json_dumps(e, JSON_COMPACT);

		mill_outf("%s\n", text);
		fflush(stdout);
		return;
	}
	mill_strbuf_printf(&line, "%s  %s  ", when, mill_json_get_string(e, "service", "daemon"));
	describe(e, &line);
	mill_text_safe(&safe, line.data);
	mill_outf("%s\n", safe.data);
	fflush(stdout);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct printer p = {.ui = inv->ui};
	bool follow = mill_opt_on(inv, "follow");
	int cancel = -1;
	int r = mill_parse_since(mill_opt(inv, "since"), &p.since_ms, err);

	if (r == 0)
		r = mill_context_platform(&ctx, err);
	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0 && follow)
		r = cancel = mill_interrupt_fd(err);
	if (r < 0)
		return r;
	r = mill_ops_events(ctx.native, 0, follow, cancel, print_event, &p, err);
	if (r < 0)
		return r;
	return mill_interrupted() ? MILL_EXIT_INTERRUPTED : MILL_EXIT_OK;
}

const struct mill_command mill_cmd_events = {
	.name = "events",
	.group = "Services",
	.summary = "what happened: starts, stops, crashes, recoveries",
	.usage = "",
	.description = "Prints the platform's events, oldest first: every change of a service's state with its reason, "
		       "what probes found, the daemon's own comings and goings.",
	.examples = "data-mill events --since 10m\n"
		    "data-mill events --follow --json",
	.options = options,
	.run = run,
};
