#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "cmd/status_table.h"
#include "cmd/watch.h"

static const struct mill_option options[] = {
	{.name = "memory", .help = "with the memory that each service uses now"},
	{0},
};

/* For scripts: the services of all components in one flat list, beside the tree. */
static void flatten(json_t *status)
{
	json_t *flat = json_array();
	const json_t *component, *service;
	size_t i, k;

	json_array_foreach(json_object_get(status, "components"), i, component)
	{
		json_array_foreach(json_object_get(component, "services"), k, service)
		{
			json_t *copy = json_copy((json_t *)service);

			json_object_set(copy, "component", json_object_get(component, "name"));
			json_array_append_new(flat, copy);
		}
	}
	json_object_set_new(status, "services", flat);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *status = NULL;
	bool memory = mill_opt_on(inv, "memory");
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0)
		r = mill_ops_status(ctx.native, memory, &status, err);
	if (r < 0)
		return r;
	if (inv->ui->json) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		struct mill_json_writer w;

		flatten(status);
		mill_json_writer_init(&w, &out, true);
		mill_json_value(&w, status);
		mill_outf("%s\n", out.data);
		return MILL_EXIT_OK;
	}
	mill_status_show(status, inv->ui, memory);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_status = {
	.name = "status",
	.group = "Platform",
	.summary = "what runs, where to reach it, how it fares",
	.usage = "",
	.description = "Shows every component of the platform with its services: state, since when, restarts, address. "
		       "What it shows is asked of the running processes; no flavour is read.",
	.examples = "data-mill status\n"
		    "data-mill status --json\n"
		    "data-mill status --memory",
	.options = options,
	.run = run,
};

static const struct mill_option wait_options[] = {
	{.name = "for", .arg = "STATE", .choices = "ready|stopped", .help = "what to wait for; default: ready"},
	{.name = "timeout", .arg = "TIME", .value = MILL_VALUE_DURATION,
	 .help = "give up after this time, exit code 1; default: 5m"},
	{0},
};

static int run_wait(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	const char *what = mill_opt(inv, "for");
	uint64_t timeout = mill_opt_duration_ns(inv, "timeout", 300 * MILL_SEC) / MILL_MS;
	struct mill_watch watch;
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0)
		r = mill_watch_init(&watch, inv->ui, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	r = mill_ops_wait(ctx.native, (const char *const *)names.items, names.n, what ? what : "ready",
			  timeout > INT32_MAX ? INT32_MAX : (int)timeout, &watch.ops, err);
	return mill_context_end(&ctx, r, err);
}

const struct mill_command mill_cmd_wait = {
	.name = "wait",
	.group = "Platform",
	.summary = "wait until services are ready, or stopped",
	.usage = "[SERVICE...]",
	.description = "Waits for the named services or components, or for all. A service that failed for good ends the "
		       "wait at once, exit code 1.",
	.examples = "data-mill wait minio --timeout 30s\n"
		    "data-mill wait --for stopped",
	.options = wait_options,
	.word = MILL_WORD_SERVICE,
	.max_args = -1,
	.run = run_wait,
};
