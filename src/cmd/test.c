/* Runs the components' smoke tests. */
#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

static enum mill_look look_of(const char *result)
{
	return strcmp(result, "ok") == 0       ? MILL_LOOK_GOOD
	       : strcmp(result, "skipped") == 0 ? MILL_LOOK_DIM
						: MILL_LOOK_BAD;
}

/* Components of the platform that the names mean (a stood-in name means who stands in). */
static int choose(const struct mill_context *ctx, const struct mill_strv *names,
		  struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *status = NULL;
	const json_t *c;
	size_t i;
	int r = mill_ops_status(ctx->native, false, &status, err);

	if (r < 0)
		return r;
	for (size_t k = 0; k < names->n; k++) {
		bool found = false;

		json_array_foreach(json_object_get(status, "components"), i, c)
		{
			const char *name = mill_json_get_string(c, "name", "");

			if (strcmp(name, names->items[k]) == 0 ||
			    mill_streq(mill_json_get_string(c, "stands_for", NULL), names->items[k])) {
				mill_strv_add(ret, name);
				found = true;
			}
		}
		if (!found) {
			mill_fail_usage(err, "test: platform %s.%s has no component '%s'", ctx->platform->target,
					ctx->platform->name, names->items[k]);
			return mill_error_hint(err, "data-mill status");
		}
	}
	json_array_foreach(json_object_get(status, "components"), i, c)
	{
		if (names->n == 0)
			mill_strv_add(ret, mill_json_get_string(c, "name", ""));
	}
	return 0;
}

static void print_checks(const struct mill_ui *ui, const json_t *result)
{
	const json_t *check;
	size_t i;

	json_array_foreach(json_object_get(result, "checks"), i, check)
	{
		_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT, safe = MILL_STRBUF_INIT;
		bool ok = json_is_true(json_object_get(check, "ok"));

		if (ok && !ui->verbose)
			continue;
		mill_strbuf_printf(&line, "    %s %s  %s", ok ? "ok    " : "FAILED",
				   mill_json_get_string(check, "name", "?"),
				   mill_json_get_string(check, "detail", ""));
		mill_text_safe(&safe, line.data);
		mill_outf("%s\n", safe.data);
	}
}

static void print_result(const struct mill_ui *ui, const json_t *result)
{
	const char *word = mill_json_get_string(result, "result", "failed");
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;
	char took[32];

	mill_look_add(&line, ui->out_colour, look_of(word), word);
	mill_strbuf_printf(&line, "%*s%-20s %6s  ", (int)(9 - strlen(word)), "",
			   mill_json_get_string(result, "component", "?"),
			   mill_format_duration((uint64_t)mill_json_get_int(result, "elapsed_ms", 0) * MILL_MS, took,
						sizeof(took)));
	mill_text_safe(&line, mill_json_get_string(result, "message", ""));
	mill_outf("%s\n", line.data);
	print_checks(ui, result);
	if (strcmp(word, "failed") == 0) {
		_cleanup_error_ struct mill_error e = {0};

		mill_fail(&e, EIO, "%s: test: %s", mill_json_get_string(result, "component", "?"),
			  mill_json_get_string(result, "message", "failed"));
		if (*mill_json_get_string(result, "log", ""))
			mill_error_detail(&e, mill_json_get_string(result, "log", ""));
		const char *next = mill_json_get_string(result, "next", NULL);
		if (next)
			mill_error_hint(&e, "%s", next);
		else
			mill_error_hint(&e, "data-mill logs %s", mill_json_get_string(result, "component", "?"));
		mill_ui_error(ui, &e);
	}
	fflush(stdout);
}

struct tally {
	json_t *tests;
	size_t ok, failed, skipped;
};

/* A test that could not even be run has failed. */
static json_t *not_run(const char *component, const struct mill_error *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "component", component, "hook", "smoke", "result", "failed", "message",
			 e->message ? e->message : "could not be run", "next",
			 e->hint ? e->hint : "`data-mill up` installs what is missing");
}

/* Asking what does not run would only wait for a timeout; NULL: all of it runs. */
static json_t *not_running(const json_t *status, const char *component)
{
	const json_t *c, *s;
	size_t i, k;

	json_array_foreach(json_object_get(status, "components"), i, c)
		json_array_foreach(json_object_get(c, "services"), k, s) {
			const char *state = mill_json_get_string(s, "state", "");
			_cleanup_free_ char *message = NULL;

			if (!mill_streq(mill_json_get_string(c, "name", ""), component) || mill_streq(state, "ready"))
				continue;
			message = mill_xasprintf("%s is %s", mill_json_get_string(s, "id", "?"), state);
			return json_pack("{s:s, s:s, s:s, s:s, s:s}", "component", component, "hook", "smoke", "result", "failed",
					 "message", message, "next", "`data-mill up` starts it, `data-mill logs` says why it is not there");
		}
	return NULL;
}

static int test_one(const struct mill_context *ctx, const char *component, const json_t *status, struct tally *t,
		    struct mill_error *err)
{
	json_t *result = not_running(status, component);
	const char *word;
	int r;

	if (!mill_ops_has_hook(ctx->native, component, "smoke")) {
		json_decref(result);
		return 0;
	}
	r = result ? 0 : mill_ops_hook(ctx->native, component, "smoke", NULL, mill_interrupt_fd(NULL), &result, err);
	if (r == -ECANCELED)
		return r;
	if (r < 0) {
		result = not_run(component, err);
		mill_error_release(err);
	}
	word = mill_json_get_string(result, "result", "failed");
	json_object_set_new(result, "ok", json_boolean(strcmp(word, "ok") == 0));
	t->ok += strcmp(word, "ok") == 0;
	t->skipped += strcmp(word, "skipped") == 0;
	t->failed += strcmp(word, "failed") == 0;
	if (!ctx->ui->json)
		print_result(ctx->ui, result);
	json_array_append_new(t->tests, result);
	return 0;
}

static void print_json(const struct tally *t)
{
	_cleanup_json_ json_t *all = json_pack("{s:O, s:i, s:i, s:i}", "tests", t->tests, "ok", (int)t->ok, "failed",
					       (int)t->failed, "skipped", (int)t->skipped);
	_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

	mill_outf("%s\n", text);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0}, components = {0};
	_cleanup_json_ json_t *tests = json_array(), *status = NULL;
	struct tally t = {.tests = tests};
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	r = choose(&ctx, &names, &components, err);
	if (r == 0)
		r = mill_interrupt_fd(err) < 0 ? -err->code : 0;
	if (r == 0)
		r = mill_ops_status(ctx.native, false, &status, err);
	for (size_t i = 0; i < components.n && r == 0; i++)
		r = test_one(&ctx, components.items[i], status, &t, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	if (inv->ui->json)
		print_json(&t);
	else
		mill_outf("%zu ok, %zu failed, %zu skipped\n", t.ok, t.failed, t.skipped);
	return t.failed ? MILL_EXIT_FAILED : MILL_EXIT_OK;
}

const struct mill_command mill_cmd_test = {
	.name = "test",
	.group = "Services",
	.summary = "run the components' smoke tests",
	.usage = "[COMPONENT...]",
	.description = "Runs the smoke test of the named components, or of all that have one, against the running "
		       "platform. A test proves the function, not just an open port: it puts, gets and deletes an "
		       "object, reads an old version back, queries every target. Exit code 1 when one fails.",
	.examples = "data-mill test\n"
		    "data-mill test minio --verbose\n"
		    "data-mill test --json",
	.word = MILL_WORD_COMPONENT,
	.max_args = -1,
	.run = run,
};
