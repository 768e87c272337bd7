/* Runs the vendors' command lines. */
#include <ctype.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/parse.h"
#include "cluster/internal.h"

#define OUTPUT_MAX ((size_t)4 << 20)
#define DETAIL_LINES 15

void mill_cluster_note(const struct mill_cluster *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (!c->host.note)
		return;
	va_start(ap, fmt);
	text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	c->host.note(c->host.arg, text);
}

int mill_cluster_confirm(const struct mill_cluster *c, const char *question, const char *expected,
			 struct mill_error *err)
{
	if (c->host.confirm)
		return c->host.confirm(c->host.arg, question, expected, err);
	mill_fail_usage(err, "this must be confirmed, and nobody can be asked here; nothing was changed");
	mill_error_detail(err, question);
	return -err->code;
}

void mill_argv(struct mill_strv *argv, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, argv);
	while ((word = va_arg(ap, const char *)))
		mill_strv_add(argv, word);
	va_end(ap);
}

char *mill_call_text(const struct mill_strv *argv)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	for (size_t i = 0; i < argv->n; i++) {
		const char *s = argv->items[i];
		bool plain = *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%")] == 0;

		mill_strbuf_printf(&out, plain ? "%s%s" : "%s'%s'", i ? " " : "", s);
	}
	return mill_strbuf_steal(&out);
}

const char *mill_symptom_tool(char *const *argv)
{
	const char *name = mill_path_basename(argv[0]);

	return mill_streq(name, "sudo") && argv[1] ? mill_path_basename(argv[1]) : name;
}

/* "gcloud container clusters create": the tool and its subcommand, for messages. */
static char *short_name(const struct mill_cluster *c, char *const *argv)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int first = mill_streq(mill_path_basename(argv[0]), "sudo") ? 1 : 0;

	mill_strbuf_addstr(&out, mill_symptom_tool(argv));
	for (int i = first + 1; argv[i] && i <= first + 3 && islower((unsigned char)argv[i][0]) && !mill_streq(argv[i], c->name) &&
			!strpbrk(argv[i], "/.="); i++)
		mill_strbuf_printf(&out, " %s", argv[i]);
	return mill_strbuf_steal(&out);
}

static char *last_lines(const char *text)
{
	size_t n = strlen(text), lines = 0;

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	size_t from = n;
	while (from && lines < DETAIL_LINES) {
		from--;
		if (text[from] == '\n' && ++lines == DETAIL_LINES)
			from++;
	}
	return mill_xstrndup(text + from, n - from);
}

static int explain(struct mill_cluster *c, const struct mill_call *call, const char *name, int status,
		   const char *said, struct mill_error *err)
{
	const struct mill_symptom *s = mill_symptom_find(mill_symptom_tool(call->argv->items), said);
	_cleanup_free_ char *tail = last_lines(said);
	char text[64];

	c->last = s ? s->kind : MILL_SYMPTOM_NONE;
	if (call->ret_kind)
		*call->ret_kind = c->last;
	mill_status_text(status, text, sizeof(text));
	mill_fail(err, EIO, "%s: %s%s%s%s", name, s ? s->cause : text, s ? " (" : "", s ? text : "", s ? ")" : "");
	if (*tail)
		mill_error_detail(err, tail);
	if (s && s->next)
		mill_error_hint(err, "%s", s->next);
	return -EIO;
}

static int did_not_end(const struct mill_call *call, const char *name, int r, const char *said, struct mill_error *err)
{
	_cleanup_free_ char *tail = last_lines(said);
	char time[32];

	if (r == -ETIMEDOUT) {
		if (call->ret_kind)
			*call->ret_kind = MILL_SYMPTOM_TIMEOUT;
		mill_fail(err, ETIMEDOUT, "%s: no end after %s; it was stopped", name,
			  mill_format_duration((uint64_t)call->timeout_ms * 1000000, time, sizeof(time)));
	} else if (r == -ECANCELED) {
		mill_fail(err, ECANCELED, "%s: interrupted", name);
	} else {
		return mill_error_wrap(err, "%s", name);
	}
	if (*tail)
		mill_error_detail(err, tail);
	return r;
}


static void on_line(void *arg, const char *line)
{
	const struct mill_cluster *c = arg;

	if (c->host.output && *line)
		c->host.output(c->host.arg, line);
}

static void environment(const struct mill_cluster *c, struct mill_strv *env)
{
	extern char **environ;

	for (char **e = environ; *e; e++)
		mill_strv_add(env, *e);
	if (c->kubeconfig && !c->driver->foreign)
		mill_strv_setenv(env, "KUBECONFIG", c->kubeconfig);
	mill_strv_setenv(env, "NO_COLOR", "1");
	if (c->variable)
		mill_strv_setenv(env, c->variable, c->value);
}

int mill_call(struct mill_cluster *c, const struct mill_call *call, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX(OUTPUT_MAX), said = MILL_STRBUF_INIT_MAX(OUTPUT_MAX);
	_cleanup_strv_ struct mill_strv env = {0};
	_cleanup_free_ char *name = short_name(c, call->argv->items);
	struct mill_call limited = *call;
	struct mill_run run = MILL_RUN_INIT;
	int status = 0, r;

	c->last = MILL_SYMPTOM_NONE;
	if (c->host.timeout_ms > 0 && !call->quiet)
		limited.timeout_ms = c->host.timeout_ms;
	environment(c, &env);
	run.spawn.argv = mill_strv_argv(call->argv);
	run.spawn.env = mill_strv_argv(&env);
	run.input = call->input;
	run.input_len = call->input_len;
	run.output_max = OUTPUT_MAX;
	run.timeout_ms = limited.timeout_ms;
	run.cancel_fd = c->host.cancel_fd;
	run.on_line = call->quiet ? NULL : on_line;
	run.on_line_arg = c;
	if (call->what)
		mill_cluster_note(c, "%s", call->what);
	r = mill_run(&run, &out, &said, &status, err);
	if (call->out)
		mill_strbuf_add(call->out, out.data, out.len);
	if (call->said)
		mill_strbuf_add(call->said, said.data, said.len);
	mill_strbuf_add(&said, out.data, call->out ? 0 : out.len);
	if (r < 0)
		return did_not_end(&limited, name, r, said.data, err);
	if (call->ret_exit) {
		const struct mill_symptom *s = status ? mill_symptom_find(mill_symptom_tool(call->argv->items), said.data) : NULL;

		*call->ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (call->ret_kind)
			*call->ret_kind = s ? s->kind : MILL_SYMPTOM_NONE;
		return 0;
	}
	return status ? explain(c, call, name, status, said.data, err) : 0;
}

int mill_call_as_root(struct mill_cluster *c, struct mill_call *call, const char *why, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_free_ char *text = NULL, *question = NULL;
	struct mill_call as_root = *call;
	int r;

	if (geteuid() != 0)
		mill_strv_add(&argv, "sudo");
	for (size_t i = 0; i < call->argv->n; i++)
		mill_strv_add(&argv, call->argv->items[i]);
	text = mill_call_text(&argv);
	question = mill_xasprintf("%s This command does it:\n    %s", why, text);
	r = mill_cluster_confirm(c, question, "yes", err);
	if (r < 0)
		return mill_error_hint(err, "run it yourself, then this command again:\n%s\nor add --yes", text);
	as_root.argv = &argv;
	return mill_call(c, &as_root, err);
}
