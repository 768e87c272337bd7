#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "cmd/since.h"
#include "runtime/native/logs.h"

static const struct mill_option options[] = {
	{.letter = 'f', .name = "follow", .help = "go on printing until Ctrl-C"},
	{.name = "since", .arg = "TIME", .help = "only what is younger: 10m, or 2026-11-24T04:00:00.000Z"},
	{.name = "tail", .arg = "N", .value = MILL_VALUE_COUNT,
	 .help = "only the last N lines; default: 100, all with --since"},
	{.name = "timestamps", .help = "with the time of each line"},
	{0},
};

struct printer {
	const struct mill_ui *ui;
	bool timestamps, names;
	size_t width;
};

static void print_json(const struct mill_log_line *l)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	char stream[2] = {l->stream, 0};
	struct mill_json_writer w;

	mill_json_writer_init(&w, &out, false);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "time", l->stamp);
	mill_json_kv_string(&w, "service", l->id);
	mill_json_kv_string(&w, "stream", stream);
	mill_json_kv_string(&w, "text", l->text);
	mill_json_end_object(&w);
	mill_outf("%s\n", out.data);
}

static int print_line(void *arg, const struct mill_log_line *l)
{
	const struct printer *p = arg;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	if (p->ui->json) {
		print_json(l);
		return ferror(stdout);
	}
	if (p->timestamps)
		mill_strbuf_printf(&out, "%s ", l->stamp);
	if (p->names) {
		mill_look_add(&out, p->ui->out_colour, MILL_LOOK_NAME, l->id);
		mill_strbuf_printf(&out, "%*s", (int)(p->width - strlen(l->id) + 1), "");
	}
	if (l->stream == 'm')
		mill_strbuf_addstr(&out, "-- ");
	/* Bytes go to a file as they are; on a terminal they must not steer it. */
	if (p->ui->out_tty)
		mill_text_safe(&out, l->text);
	else
		mill_strbuf_addstr(&out, l->text);
	mill_outf("%s\n", out.data);
	/* Following a pipe or a terminal: each line is wanted now. */
	return fflush(stdout) != 0;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0}, ids = {0};
	struct printer p = {.ui = inv->ui, .timestamps = mill_opt_on(inv, "timestamps")};
	struct mill_logs logs = {.cancel_fd = -1, .on_line = print_line, .arg = &p,
				 .follow = mill_opt_on(inv, "follow")};
	int r = mill_parse_since(mill_opt(inv, "since"), &logs.since_ms, err);

	if (r == 0)
		r = mill_context_platform(&ctx, err);
	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	r = mill_ops_expand(ctx.native, (const char *const *)names.items, names.n, &ids, err);
	if (r < 0)
		return r;
	logs.ids = (const char *const *)ids.items;
	logs.n_ids = ids.n;
	logs.tail = mill_opt_count(inv, "tail", logs.since_ms ? UINT32_MAX : 100);
	if (logs.tail == UINT32_MAX)
		logs.tail = SIZE_MAX;
	for (size_t i = 0; i < ids.n; i++)
		p.width = strlen(ids.items[i]) > p.width ? strlen(ids.items[i]) : p.width;
	p.names = ids.n > 1;
	if (logs.follow)
		logs.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_ops_logs(ctx.native, &logs, err);
	if (r < 0)
		return r;
	return mill_interrupted() ? MILL_EXIT_INTERRUPTED : MILL_EXIT_OK;
}

const struct mill_command mill_cmd_logs = {
	.name = "logs",
	.group = "Services",
	.summary = "what services wrote",
	.usage = "[SERVICE...]",
	.description = "Prints the log lines of the named services or components, or of all, in order of time. Rotated "
		       "files are read, too. `-f` is --follow here: to name a flavour, write --flavour.",
	.examples = "data-mill logs minio -f\n"
		    "data-mill logs --since 10m --timestamps\n"
		    "data-mill logs prometheus.server --tail 20 --json",
	.options = options,
	.word = MILL_WORD_SERVICE,
	.max_args = -1,
	.run = run,
};
