/* demo: the platform, the order of the steps, the end. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/demo.h"
#include "cmd/interrupt.h"
#include "cmd/words.h"

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
		_cleanup_(mill_demo_release) struct mill_demo demo = {0};
		size_t steps = 0;

		if (mill_demo_load(l, inv->ui, names.items[i], &demo, &err) < 0)
			continue;
		MILL_SEQ_EACH (step, demo.steps)
			steps += step != NULL;
		mill_table_add(&t, MILL_LOOK_NAME, demo.name);
		mill_table_addf(&t, MILL_LOOK_PLAIN, "%zu", steps);
		mill_table_add(&t, MILL_LOOK_PLAIN, mill_demo_text(demo.doc->root, "title", NULL));
		json_array_append_new(all, json_pack("{s:s, s:s*, s:s*, s:i, s:s}", "name", demo.name, "title",
						     mill_demo_text(demo.doc->root, "title", NULL), "summary",
						     mill_demo_text(demo.doc->root, "summary", NULL), "steps", (int)steps,
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

bool mill_story_has(const json_t *status, const char *name)
{
	const char *state = mill_json_get_string(component(status, name), "state", "");

	return strcmp(state, "ready") == 0 || strcmp(state, "installed") == 0;
}

int mill_story_status(struct mill_story *s, json_t **ret, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(&s->where);
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	return r < 0 ? r : mill_ops_status(ctx.native, false, ret, err);
}

/* The platform that runs, when all that the steps need is ready on it. */
static bool use_running(struct mill_story *s)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *status = NULL;

	if (mill_story_status(s, &status, &err) < 0)
		return false;
	MILL_SEQ_EACH (step, s->demo.steps)
		MILL_SEQ_EACH (name, mill_node_get(step, "needs"))
			if (!mill_story_has(status, mill_node_text(name) ? mill_node_text(name) : ""))
				return false;
	s->status = MILL_TAKE(status);
	return true;
}

static int bring_up(struct mill_story *s, struct mill_error *err)
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
	return r < 0 ? r : mill_story_status(s, &s->status, err);
}

static int prepare(struct mill_story *s, struct mill_error *err)
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
		r = mill_story_status(s, &s->status, err);
	return r;
}

/* ---- the whole ---- */

static void show_links(struct mill_story *s)
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

static void show_json(struct mill_story *s)
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

static int tell_all(struct mill_story *s, struct mill_error *err)
{
	const char *from = mill_opt(s->inv, "from");
	bool skip = from != NULL, found = !from;
	int r = 0;

	MILL_SEQ_EACH (step, s->demo.steps)
		found = found || mill_streq(from, mill_demo_text(step, "name", ""));
	if (!found)
		return mill_fail_usage(err, "demo %s has no step '%s'", s->demo.name, from);
	if (mill_interrupt_fd(err) < 0)
		return -err->code;
	MILL_SEQ_EACH (step, s->demo.steps) {
		skip = skip && !mill_streq(from, mill_demo_text(step, "name", ""));
		if (!skip && r == 0 && s->failed == 0)
			r = mill_story_tell(s, step, err);
	}
	return r;
}

static int run_demo(struct mill_story *s, const struct mill_layout *l, struct mill_error *err)
{
	int r = mill_demo_load(l, s->inv->ui, mill_arg(s->inv, 0), &s->demo, err);

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
	struct mill_story s = {.inv = inv, .results = json_array()};
	int r = mill_context_layout(&ctx, err);

	if (r == 0 && (mill_opt_on(inv, "list") || !mill_arg(inv, 0)))
		r = list(inv, &ctx.layout);
	else if (r == 0)
		r = run_demo(&s, &ctx.layout, err);
	mill_demo_release(&s.demo);
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
