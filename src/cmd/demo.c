/*
 * demo: a story told by scripts, over a whole platform.
 *
 * A demo is data: demos/<name>/demo.yaml names a flavour and steps, each a
 * script that runs in a data-science environment with the platform's
 * variables, as `exec -e` does.  The last line that it prints is
 * {"message": "...", "counts": {...}}; exit code 77 means that it was skipped.
 */
#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "cmd/commands.h"
#include "cmd/environment.h"
#include "cmd/interrupt.h"
#include "cmd/words.h"
#include "model/read.h"
#include "yaml/node.h"

#define STEP_TIMEOUT_NS (10 * 60 * MILL_SEC)
#define TAIL_LINES 15
#define SKIPPED 77

struct demo {
	char *name, *dir, *flavour; /* flavour: a path, or the name of one */
	struct mill_document *doc;
	const struct mill_node *steps;
};

struct story {
	struct mill_invocation *inv;  /* the command's own */
	struct mill_invocation where; /* chooses the platform */
	struct demo demo;
	char *work;       /* where the steps keep what the next ones need */
	json_t *status;   /* the platform's */
	json_t *results;
	size_t ok, failed, skipped;
};

static const char *text(const struct mill_node *map, const char *key, const char *fallback)
{
	const char *value = mill_node_text(mill_node_get(map, key));

	return value ? value : fallback;
}

/* ---- the demo's file ---- */

static bool check_step(const struct mill_node *step, const char *dir, struct mill_diags *d)
{
	static const char *const keys[] = {"name", "title", "run", "environment", "component", "needs", "timeout"};
	static const char *const required[] = {"name", "title", "run"};
	_cleanup_free_ char *path = NULL;

	if (!mill_node_expect(step, d, "a step", MILL_NODE_MAP))
		return false;
	mill_node_check_keys(step, d, "a step", keys, MILL_ARRAY_LEN(keys));
	for (size_t i = 0; i < MILL_ARRAY_LEN(required); i++)
		if (!text(step, required[i], NULL)) {
			mill_diag_error(d, step->mark, "a step needs `%s`", required[i]);
			return false;
		}
	path = mill_path_join(dir, text(step, "run", ""));
	if (!mill_path_is_inside(text(step, "run", "")) || !mill_is_file(path))
		mill_diag_error(d, mill_node_get(step, "run")->mark, "there is no script '%s' beside the demo",
				text(step, "run", ""));
	return true;
}

static void check(const struct demo *demo, struct mill_diags *d)
{
	static const char *const keys[] = {"title", "summary", "flavour", "environment", "steps"};
	const struct mill_node *root = demo->doc->root;

	if (!mill_node_expect(root, d, "a demo", MILL_NODE_MAP))
		return;
	mill_node_check_keys(root, d, "a demo", keys, MILL_ARRAY_LEN(keys));
	if (!mill_node_is(mill_node_get(root, "steps"), MILL_NODE_SEQ))
		mill_diag_error(d, root->mark, "a demo needs a list of `steps`");
	MILL_SEQ_EACH (step, mill_node_get(root, "steps"))
		if (!check_step(step, demo->dir, d))
			return;
}

static void print_diags(const struct mill_ui *ui, struct mill_diags *d)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_diags_render(d, &out, ui->err_colour);
	fputs(out.data, stderr);
}

static void demo_release(struct demo *demo)
{
	free(demo->name);
	free(demo->dir);
	free(demo->flavour);
	mill_document_free(demo->doc);
	*demo = (struct demo){0};
}

static int demo_load(const struct mill_layout *l, const struct mill_ui *ui, const char *name, struct demo *ret,
		     struct mill_error *err)
{
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	const char *const roots[] = {l->project, l->resources};
	_cleanup_free_ char *path = NULL, *beside = NULL;
	const char *flavour;

	for (size_t i = 0; i < MILL_ARRAY_LEN(roots) && !ret->dir; i++) {
		_cleanup_free_ char *dir = roots[i] ? mill_xasprintf("%s/demos/%s", roots[i], name) : NULL;

		free(path);
		path = dir ? mill_path_join(dir, "demo.yaml") : NULL;
		if (path && mill_is_file(path))
			ret->dir = MILL_TAKE(dir);
	}
	if (!ret->dir || !mill_path_is_inside(name)) {
		mill_fail_usage(err, "there is no demo '%s'", name);
		return mill_error_hint(err, "data-mill demo --list");
	}
	ret->name = mill_xstrdup(name);
	if (mill_document_load(path, path, &diags, &ret->doc) == 0 && ret->doc)
		check(ret, &diags);
	if (diags.n_errors || !ret->doc || !ret->doc->root) {
		print_diags(ui, &diags);
		return mill_fail_usage(err, "demo %s: its file has errors", name);
	}
	ret->steps = mill_node_get(ret->doc->root, "steps");
	flavour = text(ret->doc->root, "flavour", "default");
	beside = mill_path_join(ret->dir, flavour);
	ret->flavour = mill_is_file(beside) ? MILL_TAKE(beside) : mill_xstrdup(flavour);
	return 0;
}

static int list(struct mill_invocation *inv, const struct mill_layout *l)
{
	static const char *const headers[] = {"DEMO", "STEPS", "WHAT IT TELLS", NULL};
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *all = json_array();

	mill_words_list(MILL_WORD_DEMO, &names);
	mill_table_init(&t, headers);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_error_ struct mill_error err = {0};
		_cleanup_(demo_release) struct demo demo = {0};
		size_t steps = 0;

		if (demo_load(l, inv->ui, names.items[i], &demo, &err) < 0)
			continue;
		MILL_SEQ_EACH (step, demo.steps)
			steps += step != NULL;
		mill_table_add(&t, MILL_LOOK_NAME, demo.name);
		mill_table_addf(&t, MILL_LOOK_PLAIN, "%zu", steps);
		mill_table_add(&t, MILL_LOOK_PLAIN, text(demo.doc->root, "title", NULL));
		json_array_append_new(all, json_pack("{s:s, s:s*, s:s*, s:i, s:s}", "name", demo.name, "title",
						     text(demo.doc->root, "title", NULL), "summary",
						     text(demo.doc->root, "summary", NULL), "steps", (int)steps,
						     "flavour", demo.flavour));
	}
	if (inv->ui->json) {
		_cleanup_free_ char *dump = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", dump);
	} else {
		mill_table_show(&t, inv->ui);
	}
	return MILL_EXIT_OK;
}

/* ---- the platform ---- */

static int parse(struct mill_strv *words, struct mill_ui *ui, struct mill_invocation *ret, struct mill_error *err)
{
	int r = mill_cmdline_parse((int)words->n, mill_strv_argv(words), ret, err);

	ret->ui = ui;
	return r;
}

static const json_t *component(const json_t *status, const char *name)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(status, "components"), i, c)
	{
		if (mill_streq(mill_json_get_string(c, "name", NULL), name) ||
		    mill_streq(mill_json_get_string(c, "stands_for", NULL), name))
			return c;
	}
	return NULL;
}

static bool is_ready(const json_t *status, const char *name)
{
	const char *state = mill_json_get_string(component(status, name), "state", "");

	return strcmp(state, "ready") == 0 || strcmp(state, "installed") == 0;
}

static int read_status(struct story *s, json_t **ret, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(&s->where);
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	return r < 0 ? r : mill_ops_status(ctx.native, false, ret, err);
}

/* The platform that runs, when all that the steps need is ready on it. */
static bool use_running(struct story *s)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *status = NULL;

	if (read_status(s, &status, &err) < 0)
		return false;
	MILL_SEQ_EACH (step, s->demo.steps)
		MILL_SEQ_EACH (name, mill_node_get(step, "needs"))
			if (!is_ready(status, mill_node_text(name) ? mill_node_text(name) : ""))
				return false;
	s->status = MILL_TAKE(status);
	return true;
}

static int bring_up(struct story *s, struct mill_error *err)
{
	_cleanup_invocation_ struct mill_invocation up = {0};
	_cleanup_strv_ struct mill_strv words = {0};
	const char *given = mill_opt(s->inv, "flavour");
	int r;

	mill_strv_add(&words, "up");
	mill_strv_add(&words, "-f");
	mill_strv_add(&words, given ? given : s->demo.flavour);
	r = parse(&words, s->inv->ui, &up, err);
	if (r == 0)
		r = up.command->run(&up, err);
	if (r != MILL_EXIT_OK)
		return r;
	mill_invocation_release(&s->where);
	mill_strv_release(&words);
	mill_strv_add(&words, "status");
	mill_strv_add(&words, "-f");
	mill_strv_add(&words, given ? given : s->demo.flavour);
	r = parse(&words, s->inv->ui, &s->where, err);
	return r < 0 ? r : read_status(s, &s->status, err);
}

static int prepare(struct story *s, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv words = {0};
	static const char *const chosen[] = {"flavour", "platform"};
	int r;

	mill_strv_add(&words, "status");
	for (size_t i = 0; i < MILL_ARRAY_LEN(chosen); i++)
		if (mill_opt(s->inv, chosen[i]))
			mill_strv_addf(&words, "--%s=%s", chosen[i], mill_opt(s->inv, chosen[i]));
	r = parse(&words, s->inv->ui, &s->where, err);
	if (r < 0)
		return r;
	if (use_running(s))
		mill_note(s->inv->ui, "on platform %s, which has all that it needs",
			  mill_json_get_string(s->status, "platform", "?"));
	else if (!mill_opt_on(s->inv, "no-up"))
		r = bring_up(s, err);
	else
		r = read_status(s, &s->status, err);
	return r;
}

/* ---- a step ---- */

/* Our own environment, the platform's, the data-science environment's, and where the step is. */
static int make_environment(struct story *s, const struct mill_node *step, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(&s->where), bare = MILL_CONTEXT_INIT(s->inv);
	_cleanup_json_ json_t *env = NULL;
	char self[4096] = "";
	struct mill_environment e = {0};
	const char *name;
	json_t *value;
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r == 0)
		r = mill_ops_env(ctx.native, &env, err);
	if (r == 0)
		r = mill_environment_find(&bare, text(step, "environment", text(s->demo.doc->root, "environment", "python-env")),
					  &e, err);
	if (r == 0)
		r = mill_environment_build(&bare, &e, err);
	if (r == 0)
		r = mill_environment_variables(&bare, &e, env, err);
	mill_environment_release(&e);
	if (r < 0)
		return r;
	for (char **p = environ; *p; p++)
		mill_strv_add(ret, *p);
	json_object_foreach(env, name, value)
		mill_strv_setenv(ret, name, json_string_value(value) ? json_string_value(value) : "");
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return mill_fail_errno(err, errno, "/proc/self/exe");
	mill_strv_setenv(ret, "DATA_MILL", self);
	mill_strv_setenv(ret, "DEMO_DIR", s->demo.dir);
	mill_strv_setenv(ret, "DEMO_PLATFORM", mill_json_get_string(s->status, "platform", ""));
	mill_strv_setenv(ret, "DEMO_PLATFORM_DIR", mill_json_get_string(s->status, "dir", ""));
	mill_strv_setenv(ret, "DEMO_ENVIRONMENT", text(step, "environment", text(s->demo.doc->root, "environment", "python-env")));
	mill_strv_setenv(ret, "PYTHONUNBUFFERED", "1");
	mill_strv_setenv(ret, "PYTHONWARNINGS", "ignore");
	return 0;
}

/* The last line of a text that looks like an object; or one with the last line as its message. */
static json_t *answer_of(const char *out)
{
	_cleanup_strv_ struct mill_strv lines = {0};

	mill_strv_split(&lines, out, "\n");
	for (size_t i = lines.n; i-- > 0;) {
		json_t *answer = lines.items[i][0] == '{' ? json_loads(lines.items[i], 0, NULL) : NULL;

		if (json_is_object(answer))
			return answer;
		json_decref(answer);
	}
	return json_pack("{s:s}", "message", lines.n ? lines.items[lines.n - 1] : "");
}

static char *tail_of(const char *log)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_strv_split(&lines, log, "\n");
	for (size_t i = lines.n > TAIL_LINES ? lines.n - TAIL_LINES : 0; i < lines.n; i++)
		mill_strbuf_printf(&out, "%s%s", out.len ? "\n" : "", lines.items[i]);
	return mill_strbuf_steal(&out);
}

static int run_script(struct story *s, const struct mill_node *step, json_t **ret, char **ret_log, int *ret_status,
		      struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv env = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, log = MILL_STRBUF_INIT;
	_cleanup_free_ char *script = mill_path_join(s->demo.dir, text(step, "run", ""));
	char *argv[] = {"python", script, NULL};
	struct mill_run run = MILL_RUN_INIT;
	int r = make_environment(s, step, &env, err);

	if (r < 0)
		return r;
	run.spawn.argv = argv;
	run.spawn.env = mill_strv_argv(&env);
	run.spawn.cwd = s->work;
	run.timeout_ms = (int)(mill_read_duration(step, "timeout", STEP_TIMEOUT_NS) / MILL_MS);
	run.cancel_fd = mill_interrupt_fd(NULL);
	r = mill_run(&run, &out, &log, ret_status, err);
	*ret = answer_of(out.data);
	*ret_log = tail_of(log.data);
	return r;
}

static void say_failed(struct story *s, const struct mill_node *step, const char *why, const char *log)
{
	_cleanup_error_ struct mill_error e = {0};
	const char *name = text(step, "name", "?"), *who = text(step, "component", NULL);

	mill_fail(&e, EIO, "demo %s: step %s (%s)%s%s: %s", s->demo.name, name, text(step, "title", ""), who ? ", component " : "",
		  who ? who : "", why);
	if (log && *log)
		mill_error_detail(&e, log);
	if (who)
		mill_error_hint(&e, "data-mill logs %s; then data-mill demo %s --from %s", who, s->demo.name, name);
	else
		mill_error_hint(&e, "data-mill demo %s --from %s", s->demo.name, name);
	mill_ui_error(s->inv->ui, &e);
}

/* Takes the answer. */
static void told(struct story *s, const struct mill_node *step, const char *word, json_t *answer, uint64_t took)
{
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;
	const struct mill_ui *ui = s->inv->ui;
	enum mill_look look = strcmp(word, "ok") == 0 ? MILL_LOOK_GOOD : strcmp(word, "skipped") == 0 ? MILL_LOOK_DIM : MILL_LOOK_BAD;
	char duration[32];

	s->ok += look == MILL_LOOK_GOOD;
	s->skipped += look == MILL_LOOK_DIM;
	s->failed += look == MILL_LOOK_BAD;
	json_object_set_new(answer, "step", json_string(text(step, "name", "?")));
	json_object_set_new(answer, "title", json_string(text(step, "title", "")));
	json_object_set_new(answer, "result", json_string(word));
	json_object_set_new(answer, "elapsed_ms", json_integer((json_int_t)(took / MILL_MS)));
	if (!ui->json) {
		mill_look_add(&line, ui->out_colour, look, word);
		mill_strbuf_printf(&line, "%*s%-12s %6s  ", (int)(9 - strlen(word)), "", text(step, "name", "?"),
				   mill_format_duration(took, duration, sizeof(duration)));
		mill_text_safe(&line, mill_json_get_string(answer, "message", ""));
		mill_outf("%s\n", line.data);
		fflush(stdout);
	}
	json_array_append_new(s->results, answer);
}

static int tell(struct story *s, const struct mill_node *step, struct mill_error *err)
{
	_cleanup_free_ char *log = NULL;
	uint64_t began = mill_now_ns();
	json_t *answer = NULL;
	char how[64];
	int status = 0, r;

	MILL_SEQ_EACH (name, mill_node_get(step, "needs"))
		if (!is_ready(s->status, mill_node_text(name) ? mill_node_text(name) : "")) {
			_cleanup_free_ char *why = mill_xasprintf("there is no %s here", mill_node_text(name));

			told(s, step, "skipped", json_pack("{s:s}", "message", why), 0);
			return 0;
		}
	mill_note(s->inv->ui, "%s ...", text(step, "title", ""));
	r = run_script(s, step, &answer, &log, &status, err);
	if (r == -ECANCELED) {
		json_decref(answer);
		return r;
	}
	if (r == 0 && WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED)) {
		told(s, step, WEXITSTATUS(status) ? "skipped" : "ok", answer, mill_now_ns() - began);
		return 0;
	}
	if (!answer)
		answer = json_object();
	const char *message = mill_json_get_string(answer, "message", "");
	_cleanup_free_ char *why = r < 0 ? mill_xstrdup(err->message ? err->message : "could not be run")
					 : mill_xasprintf("%s%s%s", mill_status_text(status, how, sizeof(how)), *message ? ": " : "", message);

	mill_error_release(err);
	json_object_set_new(answer, "message", json_string(why));
	json_object_set_new(answer, "log", json_string(log ? log : ""));
	told(s, step, "failed", answer, mill_now_ns() - began);
	say_failed(s, step, why, log);
	return 0;
}

/* ---- the whole ---- */

static void show_links(struct story *s)
{
	static const char *const headers[] = {"COMPONENT", "PAGE", "ADDRESS", "SIGN IN", NULL};
	_cleanup_table_ struct mill_table t = {0};
	const json_t *c, *link;
	size_t n, i;

	mill_table_init(&t, headers);
	json_array_foreach(json_object_get(s->status, "components"), n, c)
	{
		json_array_foreach(json_object_get(c, "links"), i, link)
		{
			mill_table_add(&t, MILL_LOOK_NAME, mill_json_get_string(c, "name", "?"));
			mill_table_add(&t, MILL_LOOK_PLAIN, mill_json_get_string(link, "title", NULL));
			mill_table_add(&t, MILL_LOOK_PLAIN, mill_json_get_string(link, "url", NULL));
			if (mill_json_get_string(link, "secret", NULL))
				mill_table_addf(&t, MILL_LOOK_DIM, "data-mill credentials %s", mill_json_get_string(c, "name", "?"));
			else
				mill_table_add(&t, MILL_LOOK_DIM, NULL);
		}
	}
	mill_out("\n");
	mill_table_show(&t, s->inv->ui);
}

static void show_json(struct story *s)
{
	_cleanup_json_ json_t *links = json_array();
	const json_t *c;
	json_t *link;
	size_t n, i;

	json_array_foreach(json_object_get(s->status, "components"), n, c)
	{
		json_array_foreach(json_object_get(c, "links"), i, link)
			json_array_append(links, link);
	}
	_cleanup_json_ json_t *all = json_pack("{s:s, s:s, s:O, s:i, s:i, s:i, s:O}", "demo", s->demo.name, "platform",
					       mill_json_get_string(s->status, "platform", ""), "steps", s->results, "ok",
					       (int)s->ok, "failed", (int)s->failed, "skipped", (int)s->skipped, "links", links);
	_cleanup_free_ char *dump = json_dumps(all, JSON_COMPACT);

	mill_outf("%s\n", dump);
}

static int tell_all(struct story *s, struct mill_error *err)
{
	const char *from = mill_opt(s->inv, "from");
	bool skip = from != NULL, found = !from;
	int r = 0;

	MILL_SEQ_EACH (step, s->demo.steps)
		found = found || mill_streq(from, text(step, "name", ""));
	if (!found)
		return mill_fail_usage(err, "demo %s has no step '%s'", s->demo.name, from);
	if (mill_interrupt_fd(err) < 0)
		return -err->code;
	MILL_SEQ_EACH (step, s->demo.steps) {
		skip = skip && !mill_streq(from, text(step, "name", ""));
		if (!skip && r == 0 && s->failed == 0)
			r = tell(s, step, err);
	}
	return r;
}

static int run_demo(struct story *s, const struct mill_layout *l, struct mill_error *err)
{
	int r = demo_load(l, s->inv->ui, mill_arg(s->inv, 0), &s->demo, err);

	if (r == 0)
		r = prepare(s, err);
	if (r != 0)
		return r;
	s->work = mill_xasprintf("%s/demos/%s/%s", l->state, mill_json_get_string(s->status, "platform", "x"), s->demo.name);
	r = mill_mkdir_p(s->work, 0700, err);
	if (r == 0)
		r = tell_all(s, err);
	if (r < 0)
		return r;
	if (s->inv->ui->json) {
		show_json(s);
	} else {
		if (!s->failed)
			show_links(s);
		mill_outf("%zu ok, %zu failed, %zu skipped\n", s->ok, s->failed, s->skipped);
	}
	return s->failed ? MILL_EXIT_FAILED : MILL_EXIT_OK;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct story s = {.inv = inv, .results = json_array()};
	int r = mill_context_layout(&ctx, err);

	if (r == 0 && (mill_opt_on(inv, "list") || !mill_arg(inv, 0)))
		r = list(inv, &ctx.layout);
	else if (r == 0)
		r = run_demo(&s, &ctx.layout, err);
	demo_release(&s.demo);
	mill_invocation_release(&s.where);
	free(s.work);
	json_decref(s.status);
	json_decref(s.results);
	return r < 0 ? mill_context_end(&ctx, r, err) : r;
}

static const struct mill_option options[] = {
	{.name = "list", .help = "the demos that there are"},
	{.name = "from", .arg = "STEP", .help = "begin with this step; what the ones before it made is still there"},
	{.name = "no-up", .help = "change nothing on the platform first; what a step does not find, it is skipped for"},
	{0},
};

const struct mill_command mill_cmd_demo = {
	.name = "demo",
	.group = "Use",
	.summary = "a story told over the whole platform",
	.usage = "[NAME]",
	.description = "Runs the steps of a demo in order, each a script below demos/NAME, with the platform's variables in a "
		       "data-science environment. Prints a line a step with what it proved, and the pages to look at. The platform "
		       "that runs is used if it has all components that the steps need; otherwise the demo's flavour is brought "
		       "up first. The first step that fails ends it, exit code 1; --from goes on from there. Without a name: the "
		       "demos that there are.",
	.examples = "data-mill demo --list\n"
		    "data-mill demo sensors\n"
		    "data-mill demo sensors --from train --json",
	.options = options,
	.word = MILL_WORD_DEMO,
	.max_args = 1,
	.run = run,
};
