/* doctor: what this machine lacks, and how the platforms fare. */
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "plan/plan.h"

struct findings {
	struct mill_table table;
	json_t *json;
	size_t errors, warnings;
};

static void MILL_PRINTF(4, 5)
	add(struct findings *f, const char *level, const char *name, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	f->errors += strcmp(level, "error") == 0;
	f->warnings += strcmp(level, "warning") == 0;
	mill_table_add(&f->table,
		       strcmp(level, "ok") == 0	     ? MILL_LOOK_GOOD
		       : strcmp(level, "error") == 0 ? MILL_LOOK_BAD
						     : MILL_LOOK_WARN,
		       level);
	mill_table_add(&f->table, MILL_LOOK_NAME, name);
	mill_table_add(&f->table, MILL_LOOK_PLAIN, text);
	json_array_append_new(f->json, json_pack("{s:s, s:s, s:s}", "level", level, "name", name, "text", text));
}

static void check_kernel(struct findings *f)
{
	struct utsname u;
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U);

	if (uname(&u) < 0)
		return;
	if (fd >= 0)
		add(f, "ok", "kernel", "%s %s %s", u.sysname, u.release, u.machine);
	else
		add(f, "error", "kernel", "%s has no pidfd_open; Linux 5.3 or newer is needed", u.release);
	if (fd >= 0)
		close(fd);
	if (landlock > 0)
		add(f, "ok", "landlock", "version %ld: services can be confined to their folders", landlock);
	else
		add(f, "warning", "landlock", "not offered here; services are not confined to their folders");
}

/* The nearest parent that exists must let us write. */
static bool can_write(const char *path)
{
	_cleanup_free_ char *at = mill_path_absolute(path);

	while (!mill_exists(at) && strcmp(at, "/") != 0) {
		char *up = mill_path_dirname(at);

		free(at);
		at = up;
	}
	return access(at, W_OK) == 0;
}

static void check_folder(struct findings *f, const char *name, const char *path, bool must)
{
	uint64_t free_bytes = 0;
	char size[32];

	if (!can_write(path)) {
		add(f, must ? "error" : "warning", name, "%s cannot be written", path);
		return;
	}
	mill_disk_free(path, &free_bytes, NULL);
	mill_format_size(free_bytes, size, sizeof(size));
	if (free_bytes < (UINT64_C(2) << 30))
		add(f, "warning", name, "%s: only %s free", path, size);
	else
		add(f, "ok", name, "%s: %s free", path, size);
}

static void check_programs(struct findings *f)
{
	static const char *const parts[] = {"data-mill-daemon", "data-mill-shim"};
	static const char *const tools[] = {"go", "python3", "node", "java", "mvn", "uv"};
	_cleanup_strbuf_ struct mill_strbuf have = MILL_STRBUF_INIT;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	_cleanup_free_ char *dir = NULL;

	exe[n > 0 ? n : 0] = 0;
	dir = mill_path_dirname(exe);
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++) {
		_cleanup_free_ char *path = mill_path_join(dir, parts[i]);

		if (!mill_exists(path))
			add(f, "error", "programs", "%s is missing: build or install data-mill as a whole", path);
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(tools); i++) {
		_cleanup_free_ char *path = mill_path_find_program(tools[i], getenv("PATH"));

		if (path)
			mill_strbuf_printf(&have, "%s%s", have.len ? ", " : "", tools[i]);
	}
	add(f, "ok", "tool chains", "%s on this machine; others are installed when needed",
	    have.len ? have.data : "none");
}

static void check_budget(struct findings *f, const char *name, struct mill_native *native)
{
	_cleanup_free_ char *title = mill_xasprintf("%s disk", name);
	_cleanup_json_ json_t *disk = NULL;

	if (mill_ops_disk(native, &disk, NULL) == 0 && mill_json_get_int(disk, "budget", 0))
		add(f, mill_json_get_bool(disk, "warn", false) ? "warning" : "ok", title, "%s",
		    mill_json_get_string(disk, "text", ""));
}

static void check_platforms(struct findings *f, struct mill_context *ctx)
{
	_cleanup_strv_ struct mill_strv names = {0};

	if (mill_platform_list(&ctx->layout, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_json_ json_t *status = NULL;
		struct mill_platform *p = NULL;
		struct mill_native *native = NULL;
		size_t socket;

		if (!mill_starts_with(names.items[i], "native.")) {
			add(f, "ok", names.items[i], "on a cluster: data-mill status --platform %s asks it", names.items[i]);
			continue;
		}
		if (mill_platform_choose(&ctx->layout, names.items[i], &p, &err) < 0 ||
		    mill_native_open(&ctx->layout, p, &native, &err) < 0 ||
		    mill_ops_status(native, false, &status, &err) < 0) {
			add(f, "error", names.items[i], "%s", err.message);
		} else {
			const json_t *total = json_object_get(status, "services");
			int64_t ready = mill_json_get_int(status, "ready", 0);
			bool daemon = json_is_object(json_object_get(status, "daemon"));

			socket = strlen(p->dir) + strlen("/run/daemon.sock");
			add(f, "ok", names.items[i], "%lld of %lld services ready%s%s", (long long)ready,
			    (long long)json_integer_value(total), daemon ? "" : ", no daemon runs",
			    socket > 107 ? "; its path is long, so its socket lies in XDG_RUNTIME_DIR" : "");
			check_budget(f, names.items[i], native);
		}
		mill_native_close(native);
		mill_platform_close(p);
	}
}

/* Preflight of the flavour in force, without a change; a flavour that does not load is one finding. */
static void check_flavour(struct findings *f, struct mill_context *ctx)
{
	_cleanup_error_ struct mill_error err = {0};
	struct mill_plan_host host;
	struct mill_plan_options options = {0};
	struct mill_plan *plan = NULL;
	struct mill_preflight *found = NULL;
	int r;

	ctx->hold_warnings = ctx->hold_errors = true;
	r = mill_context_plan_model(ctx, &err);
	if (r == 0)
		r = mill_context_model_platform(ctx, &err);
	if (r == 0)
		r = mill_context_runtime(ctx, &err);
	if (r == 0) {
		mill_plan_host_init(&host, ctx->platform);
		if (ctx->kube)
			mill_kube_host(ctx->kube, &host);
		else
			mill_native_host(ctx->native, &host);
		r = mill_plan_make(ctx->model, ctx->platform, &host, &options, &plan, &err);
	}
	if (r == 0 && ctx->kube)
		r = mill_kube_preflight(ctx->kube, plan, &err);
	else if (r == 0)
		r = mill_preflight(ctx->model, ctx->platform, &host, plan, &found, &err);
	if (r < 0)
		add(f, "warning", "flavour", "%s", err.message ? err.message : "does not load");
	for (size_t i = 0; found && i < found->n; i++)
		add(f, found->checks[i].level, found->checks[i].name, "%s%s%s", found->checks[i].text,
		    found->checks[i].hint ? "; " : "", found->checks[i].hint ? found->checks[i].hint : "");
	for (size_t i = 0; ctx->model && i < ctx->model->n_selected; i++) {
		const struct mill_component *c = ctx->model->selected[i];

		if (c->upstream_status && strcmp(c->upstream_status, "maintained") != 0)
			add(f, "warning", c->name, "upstream is %s%s%s", c->upstream_status,
			    c->upstream_note ? ": " : "", c->upstream_note ? c->upstream_note : "");
	}
	mill_preflight_free(found);
	mill_plan_free(plan);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"", "CHECK", "FOUND", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *json = json_array();
	struct findings f = {.json = json};
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	mill_table_init(&f.table, headers);
	f.table.no_header = true;
	check_kernel(&f);
	check_programs(&f);
	check_folder(&f, "store", ctx.layout.store, false);
	check_folder(&f, "platforms", ctx.layout.platforms, true);
	check_folder(&f, "cache", ctx.layout.cache, false);
	add(&f, mill_is_dir("/run/systemd/system") ? "ok" : "warning", "systemd", "%s",
	    mill_is_dir("/run/systemd/system") ? "runs: `data-mill enable` starts a platform at boot"
					       : "does not run here: platforms do not start at boot by themselves");
	check_platforms(&f, &ctx);
	check_flavour(&f, &ctx);
	if (inv->ui->json) {
		_cleanup_free_ char *text = json_dumps(json, JSON_INDENT(2));

		mill_outf("%s\n", text);
	} else {
		mill_table_show(&f.table, inv->ui);
		mill_outf("%zu errors, %zu warnings\n", f.errors, f.warnings);
	}
	mill_table_release(&f.table);
	return f.errors ? MILL_EXIT_FAILED : MILL_EXIT_OK;
}

const struct mill_command mill_cmd_doctor = {
	.name = "doctor",
	.group = "Program",
	.summary = "what this machine lacks, and how platforms fare",
	.usage = "",
	.description = "Looks at the kernel, the folders, the tool chains, the flavour's needs (memory, disk, ports), the "
		       "state of each platform, and components whose upstream is frozen or dead. Changes nothing. Exit "
		       "code 1 when something stands in the way.",
	.examples = "data-mill doctor\n"
		    "data-mill doctor -f datalake --json",
	.run = run,
};
