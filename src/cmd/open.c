#include <poll.h>

#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

static const struct mill_option options[] = {
	{.name = "print", .help = "print the address only"},
	{0},
};

static void show_all(const json_t *status, const struct mill_ui *ui)
{
	static const char *const headers[] = {"COMPONENT", "PAGE", "ADDRESS", "SIGN IN", NULL};
	_cleanup_table_ struct mill_table t = {0};
	const json_t *component, *link;
	size_t n, i;

	mill_table_init(&t, headers);
	json_array_foreach(json_object_get(status, "components"), n, component)
	{
		const char *name = mill_json_get_string(component, "name", "?");

		json_array_foreach(json_object_get(component, "links"), i, link)
		{
			mill_table_add(&t, MILL_LOOK_NAME, name);
			mill_table_add(&t, MILL_LOOK_PLAIN, mill_json_get_string(link, "title", NULL));
			mill_table_add(&t, MILL_LOOK_PLAIN, mill_json_get_string(link, "url", NULL));
			if (mill_json_get_string(link, "secret", NULL))
				mill_table_addf(&t, MILL_LOOK_DIM, "data-mill credentials %s", name);
			else
				mill_table_add(&t, MILL_LOOK_DIM, NULL);
		}
	}
	mill_table_show(&t, ui);
}

static const json_t *find_component(const json_t *status, const char *name)
{
	const json_t *component;
	size_t i;

	json_array_foreach(json_object_get(status, "components"), i, component)
	{
		if (mill_streq(mill_json_get_string(component, "name", NULL), name) ||
		    mill_streq(mill_json_get_string(component, "stands_for", NULL), name))
			return component;
	}
	return NULL;
}

static const json_t *find_link(const json_t *component, const char *title)
{
	const json_t *link;
	size_t i;

	json_array_foreach(json_object_get(component, "links"), i, link)
	{
		if (!title || strcasecmp(mill_json_get_string(link, "title", ""), title) == 0)
			return link;
	}
	return NULL;
}

/* Hands the address to the desktop.  Never an error: the address has been printed. */
static void open_in_browser(const struct mill_ui *ui, const char *url)
{
	_cleanup_free_ char *program = NULL;
	struct mill_proc proc = MILL_PROC_INIT;
	struct mill_spawn spawn = {.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .new_session = true};
	char *argv[] = {NULL, (char *)url, NULL};

	if (!ui->out_tty || (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY")))
		return;
	program = mill_path_find_program("xdg-open", getenv("PATH"));
	if (!program)
		return;
	argv[0] = program;
	spawn.argv = argv;
	if (mill_proc_spawn(&spawn, &proc, NULL) == 0)
		mill_proc_release(&proc);
}

/* The way in lasts as long as the command; while its pod is replaced it is made anew, at the same address. */
static int keep_open(struct mill_context *ctx, const char *url, struct mill_error *err)
{
	int fd = mill_interrupt_fd(err);
	bool lost = false;

	if (fd < 0)
		return fd;
	mill_note(ctx->ui, "Ctrl-C closes it");
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		_cleanup_error_ struct mill_error why = {0};
		_cleanup_free_ char *again = NULL;
		bool was_lost = lost;

		if (poll(&p, 1, 2000) > 0)
			return MILL_EXIT_INTERRUPTED;
		lost = mill_ops_reach(ctx->native, url, &again, &why) < 0;
		if (lost && !was_lost)
			mill_note(ctx->ui, "%s", why.message);
		else if (was_lost && !lost)
			mill_note(ctx->ui, "%s answers again", again);
	}
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *status = NULL;
	const json_t *component, *link;
	const char *url;
	_cleanup_free_ char *reached = NULL;
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0)
		r = mill_ops_status(ctx.native, false, &status, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	if (names.n == 0) {
		show_all(status, inv->ui);
		return MILL_EXIT_OK;
	}
	component = find_component(status, names.items[0]);
	link = find_link(component, names.n > 1 ? names.items[1] : NULL);
	url = mill_json_get_string(link, "url", NULL);
	if (!url) {
		if (component)
			mill_fail_usage(err, "open: %s has no page%s%s", names.items[0], names.n > 1 ? " " : "",
					names.n > 1 ? names.items[1] : "");
		else
			mill_fail_usage(err, "open: this platform has no component '%s'", names.items[0]);
		return mill_error_hint(err, "data-mill open     lists all pages");
	}
	r = mill_ops_reach(ctx.native, url, &reached, err);
	if (r < 0)
		return r;
	mill_outf("%s\n", reached);
	fflush(stdout);
	if (mill_json_get_string(link, "secret", NULL))
		mill_note(inv->ui, "to sign in: data-mill credentials %s",
			  mill_json_get_string(component, "name", "?"));
	if (!mill_opt_on(inv, "print"))
		open_in_browser(inv->ui, reached);
	return ctx.kube ? keep_open(&ctx, url, err) : MILL_EXIT_OK;
}

const struct mill_command mill_cmd_open = {
	.name = "open",
	.group = "Use",
	.summary = "open a component's page in the browser",
	.usage = "[COMPONENT [PAGE]]",
	.description = "Prints the address of a component's page and opens it in the desktop's browser when there is "
		       "one. Without a name it lists the pages of all components. On a cluster the page is forwarded to this "
		       "machine until Ctrl-C.",
	.examples = "data-mill open\n"
		    "data-mill open minio console\n"
		    "data-mill open prometheus --print",
	.options = options,
	.word = MILL_WORD_COMPONENT,
	.max_args = 2,
	.run = run,
};
