#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "runtime/native/store.h"

static const char *state_of(const struct mill_store_entry *e, const struct mill_strv *live)
{
	if (!e->complete)
		return e->in_use ? "being built" : "half built";
	if (e->in_use)
		return "running";
	return mill_strv_contains(live, e->key) ? "in use" : "unused";
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"NAME", "VERSION", "STATE", "SIZE", "FILES", "KEY", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_strv_ struct mill_strv live = {0};
	_cleanup_json_ json_t *all = json_array();
	struct mill_store_list list = {0};
	struct mill_store *store = NULL;
	uint64_t total = 0;
	char size[32];
	int r = mill_context_store(&ctx, &store, err);

	if (r == 0)
		r = mill_ops_store_live(&ctx.layout, &live, err);
	if (r == 0)
		r = mill_store_list(store, &list, err);
	mill_store_close(store);
	if (r < 0)
		return r;
	mill_table_init(&t, headers);
	for (size_t i = 0; i < list.n; i++) {
		const struct mill_store_entry *e = &list.items[i];
		const char *state = state_of(e, &live);

		total += e->bytes;
		mill_table_add(&t, MILL_LOOK_NAME, e->name);
		mill_table_add(&t, MILL_LOOK_PLAIN, e->version);
		mill_table_add(&t, e->complete ? MILL_LOOK_PLAIN : MILL_LOOK_WARN, state);
		mill_table_add(&t, MILL_LOOK_PLAIN, mill_format_size(e->bytes, size, sizeof(size)));
		mill_table_addf(&t, MILL_LOOK_PLAIN, "%llu", (unsigned long long)e->files);
		mill_table_add(&t, MILL_LOOK_DIM, e->key);
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I}", "key", e->key, "name",
						     e->name, "version", e->version, "state", state, "complete",
						     (int)e->complete, "bytes", (json_int_t)e->bytes, "files",
						     (json_int_t)e->files));
	}
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
	} else {
		mill_table_show(&t, inv->ui);
		mill_note(inv->ui, "%zu entries, %s in %s", list.n, mill_format_size(total, size, sizeof(size)),
			  ctx.layout.store);
	}
	mill_store_list_release(&list);
	return MILL_EXIT_OK;
}

/* Keys that start with what was typed, or entries of that name; no argument: all complete ones. */
static bool is_meant(const struct mill_invocation *inv, const struct mill_store_entry *e)
{
	for (size_t i = 0; i < inv->args.n; i++)
		if (mill_starts_with(e->key, inv->args.items[i]) || strcmp(e->name, inv->args.items[i]) == 0)
			return true;
	return inv->args.n == 0;
}

static int verify_all(struct mill_invocation *inv, const struct mill_store *store,
		      const struct mill_store_list *list, struct mill_error *err)
{
	const bool repair = mill_opt_on(inv, "repair");
	size_t seen = 0, bad = 0, removed = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct mill_store_entry *e = &list->items[i];
		_cleanup_strv_ struct mill_strv problems = {0};
		int r;

		if (!e->complete || !is_meant(inv, e))
			continue;
		seen++;
		r = mill_store_verify(store, e->key, &problems, err);
		if (r < 0 && r != -EBADMSG)
			return r;
		mill_outf("%-8s %s\n", r < 0 ? "DAMAGED" : "ok", e->key);
		for (size_t k = 0; k < problems.n; k++)
			mill_outf("         %s\n", problems.items[k]);
		bad += r < 0;
		mill_error_release(err);
		if (r < 0 && repair) {
			r = mill_store_remove(store, e->key, err);
			if (r < 0)
				return mill_error_hint(err, "`data-mill down` the platforms that run it, then again");
			removed++;
		}
	}
	if (seen == 0 && inv->args.n)
		return mill_fail_usage(err, "store verify: the store has no '%s'", inv->args.items[0]);
	if (!bad)
		return MILL_EXIT_OK;
	if (removed == bad) {
		mill_note(inv->ui, "removed %zu damaged of %zu entries; `data-mill up` installs them again", removed, seen);
		return MILL_EXIT_OK;
	}
	mill_fail(err, EBADMSG, "%zu of %zu entries are damaged", bad, seen);
	return mill_error_hint(err, "`data-mill store verify --repair` removes them, `data-mill up` installs them again");
}

static int run_verify(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct mill_store_list list = {0};
	struct mill_store *store = NULL;
	int r = mill_context_store(&ctx, &store, err);

	if (r == 0)
		r = mill_store_list(store, &list, err);
	if (r == 0)
		r = verify_all(inv, store, &list, err);
	mill_store_list_release(&list);
	mill_store_close(store);
	return r;
}

static const struct mill_option gc_options[] = {
	{.name = "dry-run", .help = "only show what would go"},
	{0},
};

static int run_gc(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv live = {0}, removed = {0};
	bool dry_run = mill_opt_on(inv, "dry-run");
	struct mill_store *store = NULL;
	uint64_t bytes = 0;
	char size[32];
	int r = mill_context_store(&ctx, &store, err);

	if (r == 0)
		r = mill_ops_store_live(&ctx.layout, &live, err);
	if (r == 0)
		r = mill_store_gc(store, &live, dry_run, &removed, &bytes, err);
	mill_store_close(store);
	for (size_t i = 0; i < removed.n; i++)
		mill_outf("%s\n", removed.items[i]);
	if (r < 0)
		return r;
	mill_note(inv->ui, "%s%zu entries, %s", dry_run ? "would remove " : "removed ", removed.n,
		  mill_format_size(bytes, size, sizeof(size)));
	return MILL_EXIT_OK;
}

static const struct mill_command list = {
	.name = "list", .summary = "list what is installed, and who uses it", .usage = "", .run = run_list,
};
static const struct mill_option verify_options[] = {
	{.name = "repair", .help = "remove what is damaged, so that the next `up` installs it again"},
	{0},
};
static const struct mill_command verify = {
	.name = "verify", .summary = "compare every file with what was installed", .usage = "[KEY|NAME...]",
	.options = verify_options, .max_args = -1, .run = run_verify,
};
static const struct mill_command gc = {
	.name = "gc", .summary = "remove what no platform uses, and half-built entries", .usage = "",
	.options = gc_options, .run = run_gc,
};
static const struct mill_command *const subcommands[] = {&list, &verify, &gc, NULL};

const struct mill_command mill_cmd_store = {
	.name = "store",
	.group = "Software",
	.summary = "the installed software",
	.usage = "",
	.description = "The store holds every component's software, each in a folder of its own that never changes; "
		       "platforms share it.",
	.examples = "data-mill store list\n"
		    "data-mill store verify minio\n"
		    "data-mill store gc --dry-run",
	.subcommands = subcommands,
};
