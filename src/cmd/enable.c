/*
 * enable, disable: a systemd unit that starts the platform at boot (a user unit
 * with linger; as root a system unit).  The files are written by us, so that it
 * works before systemd runs, as in an image that is being built.
 */
#include <pwd.h>

#include "base/base.h"
#include "base/io.h"
#include "base/proc.h"
#include "cmd/commands.h"
#include "cmd/context.h"

struct unit {
	char *name;   /* data-mill-native.data-mill.service */
	char *path;
	char *wanted; /* the link that enables it */
	char *text;
	bool root;
};

static void unit_release(struct unit *u)
{
	free(u->name);
	free(u->path);
	free(u->wanted);
	free(u->text);
}

/* A word in systemd's syntax: quotes, no specifiers, no variables (systemd.service(5)). */
static void add_word(struct mill_strbuf *out, const char *word)
{
	mill_strbuf_addch(out, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			mill_strbuf_addch(out, '\\');
		if (*word == '%' || *word == '$')
			mill_strbuf_addch(out, *word);
		mill_strbuf_addch(out, *word);
	}
	mill_strbuf_addch(out, '"');
}

static void add_environment(struct mill_strbuf *out)
{
	static const char *const names[] = {"DATA_MILL_HOME",  "DATA_MILL_STORE", "DATA_MILL_CACHE",
					    "DATA_MILL_ROOT",  "XDG_DATA_HOME",	  "XDG_CACHE_HOME",
					    "XDG_STATE_HOME", "XDG_CONFIG_HOME"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);
		_cleanup_free_ char *pair = value && *value ? mill_xasprintf("%s=%s", names[i], value) : NULL;

		if (!pair)
			continue;
		mill_strbuf_addstr(out, "Environment=");
		add_word(out, pair);
		mill_strbuf_addch(out, '\n');
	}
}

static int write_text(struct unit *u, const char *full, struct mill_error *err)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return mill_fail_errno(err, errno, "enable: /proc/self/exe");
	exe[n] = 0;
	mill_strbuf_printf(&out, "# written by `data-mill enable`; `data-mill disable` removes it\n"
				 "[Unit]\nDescription=Data-Mill platform %s\nAfter=network.target\n\n"
				 "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=infinity\n"
				 "TimeoutStopSec=10min\n", full);
	add_environment(&out);
	mill_strbuf_addstr(&out, "ExecStart=");
	add_word(&out, exe);
	mill_strbuf_printf(&out, " start --platform %s\nExecStop=", full);
	add_word(&out, exe);
	mill_strbuf_printf(&out, " down --platform %s\n\n[Install]\nWantedBy=%s\n", full,
			   u->root ? "multi-user.target" : "default.target");
	u->text = mill_strbuf_steal(&out);
	return 0;
}

static int describe(const struct mill_context *ctx, struct unit *u, struct mill_error *err)
{
	_cleanup_free_ char *full = mill_xasprintf("%s.%s", ctx->platform->target, ctx->platform->name);
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	_cleanup_free_ char *folder = NULL;

	u->root = ctx->layout.root;
	if (u->root)
		folder = mill_xstrdup("/etc/systemd/system");
	else if (config && config[0] == '/')
		folder = mill_xasprintf("%s/systemd/user", config);
	else if (home && home[0] == '/')
		folder = mill_xasprintf("%s/.config/systemd/user", home);
	else
		return mill_fail_usage(err, "enable: HOME is not set");
	u->name = mill_xasprintf("data-mill-%s.service", full);
	u->path = mill_path_join(folder, u->name);
	u->wanted = mill_xasprintf("%s/%s.wants/%s", folder, u->root ? "multi-user.target" : "default.target",
				   u->name);
	return write_text(u, full, err);
}

static bool systemd_runs(void)
{
	return mill_is_dir("/run/systemd/system");
}

/* Runs one of systemd's tools; a failure is told, and stops nothing. */
static bool tool(const struct mill_ui *ui, char *const *argv)
{
	struct mill_run run = MILL_RUN_INIT;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_error_ struct mill_error err = {0};
	int status = 0;
	char text[64];

	run.spawn.argv = argv;
	run.merge_stderr = true;
	run.timeout_ms = 30000;
	if (mill_run(&run, &out, NULL, &status, &err) < 0)
		mill_warn(ui, "%s: %s", argv[0], err.message);
	else if (status != 0)
		mill_warn(ui, "%s %s: %s %s", argv[0], argv[1], mill_status_text(status, text, sizeof(text)), out.data);
	else
		return true;
	return false;
}

static void reload(const struct mill_ui *ui, bool root)
{
	char *user[] = {"systemctl", "--user", "daemon-reload", NULL};
	char *machine[] = {"systemctl", "daemon-reload", NULL};

	tool(ui, root ? machine : user);
}

static void linger(const struct mill_ui *ui)
{
	const struct passwd *pw = getpwuid(getuid());
	char *argv[] = {"loginctl", "enable-linger", pw ? pw->pw_name : NULL, NULL};

	if (!pw)
		mill_warn(ui, "user %d has no name: it starts at the first login, not at boot", (int)getuid());
	else if (tool(ui, argv))
		mill_note(ui, "linger is on for %s, so that it starts without a login", pw->pw_name);
	else
		mill_warn(ui, "without linger it starts at the first login of %s, not at boot", pw->pw_name);
}

static int enable(const struct mill_context *ctx, const struct unit *u, struct mill_error *err)
{
	_cleanup_free_ char *folder = mill_path_dirname(u->wanted);
	int r = mill_mkdir_p(folder, 0755, err);

	if (r == 0)
		r = mill_write_file(u->path, u->text, strlen(u->text), 0644, MILL_WRITE_DURABLE, err);
	if (r < 0)
		return r;
	if (symlink(u->path, u->wanted) < 0 && errno != EEXIST)
		return mill_fail_errno(err, errno, "%s", u->wanted);
	mill_outf("%s\n%s\n", u->path, u->wanted);
	if (!systemd_runs()) {
		mill_note(ctx->ui, "systemd does not run here: the unit is written and counts once it does; until then "
				   "`data-mill start` brings the platform back after a boot");
		return MILL_EXIT_OK;
	}
	reload(ctx->ui, u->root);
	if (!u->root)
		linger(ctx->ui);
	mill_note(ctx->ui, "platform %s.%s is enabled", ctx->platform->target, ctx->platform->name);
	return MILL_EXIT_OK;
}

static int disable(const struct mill_context *ctx, const struct unit *u, struct mill_error *err)
{
	bool was = mill_exists(u->path);

	if (unlink(u->wanted) < 0 && errno != ENOENT)
		return mill_fail_errno(err, errno, "%s", u->wanted);
	if (unlink(u->path) < 0 && errno != ENOENT)
		return mill_fail_errno(err, errno, "%s", u->path);
	if (was && systemd_runs())
		reload(ctx->ui, u->root);
	mill_note(ctx->ui, was ? "removed %s; what runs goes on running" : "%s is not there: it was not enabled", u->path);
	return MILL_EXIT_OK;
}

static int run(struct mill_invocation *inv, bool on, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_(unit_release) struct unit u = {0};
	int r = mill_context_platform(&ctx, err);

	if (r < 0)
		return r;
	mill_context_announce(&ctx);
	r = describe(&ctx, &u, err);
	if (r < 0)
		return r;
	return on ? enable(&ctx, &u, err) : disable(&ctx, &u, err);
}

static int run_enable(struct mill_invocation *inv, struct mill_error *err)
{
	return run(inv, true, err);
}

static int run_disable(struct mill_invocation *inv, struct mill_error *err)
{
	return run(inv, false, err);
}

const struct mill_command mill_cmd_enable = {
	.name = "enable",
	.group = "Platform",
	.summary = "start the platform at boot, by systemd",
	.usage = "",
	.description = "Writes a systemd user unit for the platform and lets it start without a login (linger); as root a "
		       "system unit. It prints the files that it wrote.",
	.examples = "data-mill enable\n"
		    "data-mill disable",
	.run = run_enable,
};

const struct mill_command mill_cmd_disable = {
	.name = "disable",
	.group = "Platform",
	.summary = "do not start the platform at boot any more",
	.usage = "",
	.description = "Removes the unit that `enable` wrote. What runs goes on running.",
	.examples = "data-mill disable",
	.run = run_disable,
};
