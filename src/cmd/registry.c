/* The local image registry: a native platform of its own, run by the commands that run every platform. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "image/image.h"
#include "image/wire.h"

#define PLATFORM "native." MILL_REGISTRY_PLATFORM
#define FLAVOUR "registry/flavour.yaml"

/* Runs another command as if it had been typed, with the same way of printing. */
static int call(const struct mill_invocation *inv, struct mill_strv *words, struct mill_error *err)
{
	_cleanup_invocation_ struct mill_invocation sub = {0};
	int r = mill_cmdline_parse((int)words->n, words->items, &sub, err);

	if (r < 0)
		return r;
	sub.ui = inv->ui;
	return sub.command->run(&sub, err);
}

static int call_words(const struct mill_invocation *inv, const char *const *words, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv list = {0};

	for (; *words; words++)
		mill_strv_add(&list, *words);
	return call(inv, &list, err);
}

/* ---- start ---- */

/* What is asked for beside the shipped flavour is a flavour of its own, which the platform's record then names. */
static int write_flavour(const struct mill_context *ctx, bool share, unsigned port, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(ctx->layout.state, "registry"), *path = mill_path_join(dir, "flavour.yaml");
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	int r = mill_mkdir_p(dir, 0755, err);

	mill_strbuf_addstr(&text, "# Written by `data-mill registry start`.\n"
				  "project: {k8s_namespace: " MILL_REGISTRY_PLATFORM ", flavour: registry, "
				  "k8s_default_config: native.yaml}\nregistry:\n");
	mill_strbuf_printf(&text, "  share: %s\n", share ? "true" : "false");
	if (port)
		mill_strbuf_printf(&text, "  ports: {server.api: %u}\n", port);
	if (r == 0)
		r = mill_write_file(path, text.data, text.len, 0644, 0, err);
	if (r == 0)
		*ret = MILL_TAKE(path);
	return r;
}

static int run_start(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_free_ char *flavour = NULL, *host = NULL;
	bool share = mill_opt_on(inv, "share");
	unsigned port = mill_opt_count(inv, "port", 0);
	int r = mill_context_layout(&ctx, err);

	if (r == 0 && port > UINT16_MAX)
		return mill_fail_usage(err, "--port: %u is no port", port);
	if (r == 0 && (share || port))
		r = write_flavour(&ctx, share, port, &flavour, err);
	else if (r == 0)
		flavour = mill_path_join(ctx.layout.resources, FLAVOUR);
	if (r < 0)
		return r;
	if (share)
		mill_warn(inv->ui, "the registry has no login: who reaches this machine may pull and push");
	r = call_words(inv, (const char *const[]){"up", "-l", "-f", flavour, "--no-data", NULL}, err);
	host = mill_registry_local(&ctx.layout);
	if (r == MILL_EXIT_OK && host)
		mill_note(inv->ui, "images are pushed to %s; `data-mill registry config KIND` says how nodes pull from it", host);
	return r;
}

/* ---- stop, status, uninstall ---- */

static int run_stop(struct mill_invocation *inv, struct mill_error *err)
{
	return call_words(inv, (const char *const[]){"down", "--platform", PLATFORM, NULL}, err);
}

static int run_status(struct mill_invocation *inv, struct mill_error *err)
{
	return call_words(inv, (const char *const[]){"status", "--platform", PLATFORM, NULL}, err);
}

static int run_uninstall(struct mill_invocation *inv, struct mill_error *err)
{
	bool data = mill_opt_on(inv, "delete-data");

	return call_words(inv, (const char *const[]){"destroy", "--platform", PLATFORM, data ? "--delete-data" : NULL, NULL}, err);
}

/* ---- gc ---- */

/* The registry's own collector, which wants that nobody writes: with the service stopped, as its user. */
static int collect(struct mill_context *ctx, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_platform_service_dir(ctx->platform, "registry", "server");
	_cleanup_free_ char *spec_path = mill_path_join(dir, "spec.json"), *data = mill_path_join(dir, "data");
	_cleanup_free_ char *config = mill_path_join(dir, "config/registry.yml");
	_cleanup_json_ json_t *spec = NULL;
	struct mill_run run = MILL_RUN_INIT;
	char text[64];
	int status = 0, r = mill_json_load(spec_path, MILL_JSON_FILE_MAX, &spec, err);
	const char *program;

	if (r < 0)
		return r;
	program = json_string_value(json_array_get(json_object_get(spec, "command"), 0));
	if (!program)
		return mill_fail(err, EBADMSG, "%s names no program", spec_path);
	char *argv[] = {(char *)program, (char *)"garbage-collect", (char *)"--delete-untagged", config, NULL};
	char *env[] = {(char *)"OTEL_TRACES_EXPORTER=none", (char *)"PATH=/usr/bin:/bin", NULL};

	run.spawn.argv = argv;
	run.spawn.env = env;
	run.spawn.cwd = data;
	run.spawn.set_ids = ctx->layout.root;
	run.spawn.uid = ctx->layout.uid;
	run.spawn.gid = ctx->layout.gid;
	run.merge_stderr = true;
	run.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_run(&run, out, NULL, &status, err);
	if (r == 0 && status != 0) {
		r = mill_fail(err, EIO, "registry garbage-collect: %s", mill_status_text(status, text, sizeof(text)));
		mill_error_detail(err, out->data);
	}
	return r;
}

static uint64_t used(const struct mill_context *ctx)
{
	_cleanup_free_ char *dir = mill_platform_service_dir(ctx->platform, "registry", "server"), *data = mill_path_join(dir, "data");
	uint64_t bytes = 0;

	(void)mill_disk_usage(data, &bytes, NULL);
	return bytes;
}

static int run_gc(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	static const char *const service[] = {"registry"};
	struct mill_ops_watch watch = {.cancel_fd = mill_interrupt_fd(NULL)};
	char size[32];
	uint64_t before, after;
	int r = mill_context_layout(&ctx, err);
	int started;

	if (r == 0)
		r = mill_platform_choose(&ctx.layout, PLATFORM, &ctx.platform, err);
	if (r == 0)
		r = mill_context_lock(&ctx, err);
	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0)
		r = mill_ops_stop(ctx.native, service, 1, &watch, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	before = used(&ctx);
	r = collect(&ctx, &out, err);
	after = used(&ctx);
	/* It runs again whatever came of it. */
	started = mill_ops_start(ctx.native, service, 1, &watch, r < 0 ? NULL : err);
	if (r == 0)
		r = started;
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	mill_note(inv->ui, "freed %s", mill_format_size(before > after ? before - after : 0, size, sizeof(size)));
	return MILL_EXIT_OK;
}

/* ---- config ---- */

static int run_config(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *host = NULL;
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	host = mill_registry_local(&ctx.layout);
	r = mill_registry_wire_text(&(struct mill_registry_wire){.kind = mill_arg(inv, 0), .registry = host ? host : "127.0.0.1:5000",
								 .address = mill_opt(inv, "address")},
				    &out, err);
	if (r < 0)
		return r;
	mill_out(out.data);
	return MILL_EXIT_OK;
}

/* ---- the table ---- */

static const struct mill_option start_options[] = {
	{.name = "share", .help = "listen on every address of the machine, for nodes that are other hosts; there is no login"},
	{.name = "port", .arg = "N", .value = MILL_VALUE_COUNT, .help = "this port; default: 5000, or the next that is free"},
	MILL_OPTION_WAIT_LOCK,
	{0},
};
static const struct mill_option uninstall_options[] = {
	{.name = "delete-data", .help = "delete the images in it, too"},
	{0},
};
static const struct mill_option gc_options[] = {MILL_OPTION_WAIT_LOCK, {0}};
static const struct mill_option config_options[] = {
	{.name = "address", .arg = "HOST:PORT", .help = "where nodes reach this machine; default: the usual of that kind of cluster"},
	{0},
};
static const struct mill_command start = {
	.name = "start", .summary = "install and start it", .usage = "", .options = start_options, .run = run_start,
};
static const struct mill_command stop = {.name = "stop", .summary = "stop it; images stay", .usage = "", .run = run_stop};
static const struct mill_command status = {.name = "status", .summary = "whether it runs, and where", .usage = "", .run = run_status};
static const struct mill_command gc = {
	.name = "gc", .summary = "free what no tag names; it is stopped meanwhile", .usage = "", .options = gc_options, .run = run_gc,
};
static const struct mill_command uninstall = {
	.name = "uninstall", .summary = "remove it; with --delete-data its images, too", .usage = "", .options = uninstall_options,
	.run = run_uninstall,
};
static const struct mill_command config = {
	.name = "config", .summary = "how the nodes of a cluster are told to pull from it",
	.usage = "containerd|kind|k3d|microk8s|minikube", .examples = "data-mill registry config kind",
	.options = config_options, .choices = "containerd|kind|k3d|microk8s|minikube", .min_args = 1, .max_args = 1, .run = run_config,
};
static const struct mill_command *const subcommands[] = {&start, &stop, &status, &gc, &uninstall, &config, NULL};

const struct mill_command mill_cmd_registry = {
	.name = "registry",
	.group = "Software",
	.summary = "the local image registry",
	.usage = "",
	.description = "A registry on this machine for the images that clusters here pull. It is a platform of its own, "
		       "supervised like any other; other platforms are not touched.",
	.examples = "data-mill registry start\n"
		    "data-mill registry status\n"
		    "data-mill image push minio\n"
		    "data-mill registry config kind\n"
		    "data-mill registry gc\n"
		    "data-mill registry stop\n"
		    "data-mill registry uninstall --delete-data",
	.subcommands = subcommands,
};
