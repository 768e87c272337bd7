/* start, stop, restart: services of a recorded platform. */
#include "base/base.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/watch.h"

static const struct mill_option options[] = {MILL_OPTION_WAIT_LOCK, {0}};

typedef int operation(struct mill_native *n, const char *const *names, size_t n_names,
		      const struct mill_ops_watch *w, struct mill_error *err);

static void list_dependents(const struct mill_context *ctx, const struct mill_strv *names)
{
	_cleanup_strv_ struct mill_strv ids = {0};
	_cleanup_free_ char *list = NULL;

	if (mill_ops_dependents(ctx->native, (const char *const *)names->items, names->n, &ids, NULL) < 0 ||
	    ids.n == 0)
		return;
	list = mill_strv_join(&ids, ", ");
	mill_note(ctx->ui, "these depend on it and are stopped, too: %s", list);
}

static int run(struct mill_invocation *inv, operation *what, bool all_by_default,
	       struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	struct mill_watch watch;
	int r;

	mill_context_names(&ctx, &names);
	if (names.n == 0 && !all_by_default) {
		mill_fail_usage(err, "%s: SERVICE... is missing", inv->command->name);
		return mill_error_hint(err, "data-mill status lists the services; data-mill down stops all");
	}
	r = mill_context_change(&ctx, err);
	if (r == 0)
		r = mill_watch_init(&watch, inv->ui, err);
	if (r < 0)
		return r;
	if (what == mill_ops_stop)
		list_dependents(&ctx, &names);
	r = what(ctx.native, (const char *const *)names.items, names.n, &watch.ops, err);
	return mill_context_end(&ctx, r, err);
}

static int run_start(struct mill_invocation *inv, struct mill_error *err)
{
	return run(inv, mill_ops_start, true, err);
}

static int run_stop(struct mill_invocation *inv, struct mill_error *err)
{
	return run(inv, mill_ops_stop, false, err);
}

static int run_restart(struct mill_invocation *inv, struct mill_error *err)
{
	return run(inv, mill_ops_restart, false, err);
}

const struct mill_command mill_cmd_start = {
	.name = "start",
	.group = "Services",
	.summary = "start services that are installed",
	.usage = "[SERVICE...]",
	.description = "Starts the named services or components and what they need, or all of the platform, in the order of "
		       "their dependencies, and waits until they are ready. It uses what the last `up` recorded: no flavour "
		       "is read, nothing is installed.",
	.examples = "data-mill start                 # everything, as -l -s\n"
		    "data-mill start minio",
	.options = options,
	.word = MILL_WORD_SERVICE,
	.max_args = -1,
	.run = run_start,
};

const struct mill_command mill_cmd_stop = {
	.name = "stop",
	.group = "Services",
	.summary = "stop services, and what depends on them",
	.usage = "SERVICE...",
	.description = "Stops the named services or components. What depends on them is listed and stopped first. Data "
		       "is kept. They stay stopped until `start` or `up`. To stop everything: `data-mill down`.",
	.examples = "data-mill stop prometheus\n"
		    "data-mill stop minio.server",
	.options = options,
	.word = MILL_WORD_SERVICE,
	.max_args = -1,
	.run = run_stop,
};

const struct mill_command mill_cmd_restart = {
	.name = "restart",
	.group = "Services",
	.summary = "restart services, and only these",
	.usage = "SERVICE...",
	.description = "Restarts the named services or components and waits until they are ready. What depends on "
		       "them goes on running.",
	.examples = "data-mill restart minio",
	.options = options,
	.word = MILL_WORD_SERVICE,
	.max_args = -1,
	.run = run_restart,
};
