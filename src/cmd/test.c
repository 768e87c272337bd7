/* Runs the components' smoke tests. */
#include <pthread.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

static enum mill_look look_of(const char *result)
{
	return strcmp(result, "ok") == 0       ? MILL_LOOK_GOOD
	       : strcmp(result, "skipped") == 0 ? MILL_LOOK_DIM
						: MILL_LOOK_BAD;
}

static void add_tested(const struct mill_context *ctx, const char *name, struct mill_strv *ret)
{
	if (mill_ops_has_hook(ctx->native, name, "smoke") && !mill_strv_contains(ret, name))
		mill_strv_add(ret, name);
}

/* Components with a test that the names mean (a stood-in name means who stands in). */
static int choose(const struct mill_context *ctx, const json_t *status, const struct mill_strv *names,
		  struct mill_strv *ret, struct mill_error *err)
{
	const json_t *c;
	size_t i;

	for (size_t k = 0; k < names->n; k++) {
		bool found = false;

		json_array_foreach(json_object_get(status, "components"), i, c)
		{
			const char *name = mill_json_get_string(c, "name", "");

			if (strcmp(name, names->items[k]) == 0 ||
			    mill_streq(mill_json_get_string(c, "stands_for", NULL), names->items[k])) {
				add_tested(ctx, name, ret);
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
			add_tested(ctx, mill_json_get_string(c, "name", ""), ret);
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

/* Tests run side by side; what they share is behind the lock. */
struct tests {
	const struct mill_context *ctx;
	const struct mill_strv *components;
	const json_t *status;
	int cancel_fd;
	pthread_mutex_t lock;
	size_t next;
	bool cancelled;
	json_t *results; /* as the components are ordered */
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

static void take(struct tests *t, size_t at, json_t *result)
{
	const char *word = mill_json_get_string(result, "result", "failed");

	json_object_set_new(result, "ok", json_boolean(strcmp(word, "ok") == 0));
	t->ok += strcmp(word, "ok") == 0;
	t->skipped += strcmp(word, "skipped") == 0;
	t->failed += strcmp(word, "failed") == 0;
	if (!t->ctx->ui->json)
		print_result(t->ctx->ui, result);
	json_array_set_new(t->results, at, result);
}

static int test_one(const struct tests *t, const char *component, json_t **ret)
{
	_cleanup_error_ struct mill_error err = {0};
	int r;

	*ret = not_running(t->status, component);
	if (*ret)
		return 0;
	r = mill_ops_hook(t->ctx->native, component, "smoke", NULL, t->cancel_fd, ret, &err);
	if (r < 0 && r != -ECANCELED)
		*ret = not_run(component, &err);
	return r == -ECANCELED ? r : 0;
}

static void *work(void *arg)
{
	struct tests *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->cancelled && t->next < t->components->n) {
		json_t *result = NULL;
		size_t at = t->next++;
		int r;

		pthread_mutex_unlock(&t->lock);
		r = test_one(t, t->components->items[at], &result);
		pthread_mutex_lock(&t->lock);
		if (r < 0)
			t->cancelled = true;
		else
			take(t, at, result);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* The records are loaded by now (`status` read them): hooks only read them, as those of `up` do. */
static int run_all(struct tests *t, size_t jobs, struct mill_error *err)
{
	pthread_t threads[64];
	size_t n = 0;

	for (size_t i = 0; i < t->components->n; i++)
		json_array_append_new(t->results, json_null());
	pthread_mutex_init(&t->lock, NULL);
	while (n < MILL_ARRAY_LEN(threads) && n + 1 < jobs && n + 1 < t->components->n &&
	       pthread_create(&threads[n], NULL, work, t) == 0)
		n++;
	work(t); /* this one too: without a thread they run one by one */
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&t->lock);
	return t->cancelled ? mill_fail(err, ECANCELED, "interrupted") : 0;
}

static void print_json(const struct tests *t)
{
	_cleanup_json_ json_t *all = json_pack("{s:O, s:i, s:i, s:i}", "tests", t->results, "ok", (int)t->ok, "failed",
					       (int)t->failed, "skipped", (int)t->skipped);
	_cleanup_free_ char *text = json_dumps(all, JSON_INDENT(2));

	mill_outf("%s\n", text);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv names = {0}, components = {0};
	_cleanup_json_ json_t *tests = json_array(), *status = NULL;
	struct tests t = {.ctx = &ctx, .components = &components, .results = tests};
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	r = t.cancel_fd = mill_interrupt_fd(err);
	if (r >= 0)
		r = mill_ops_status(ctx.native, false, &status, err);
	if (r == 0)
		r = choose(&ctx, status, &names, &components, err);
	t.status = status;
	if (r == 0)
		r = run_all(&t, mill_opt_count(inv, "jobs", mill_processors()), err);
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
		       "object, reads an old version back, queries every target. As many run side by side as there are "
		       "processors, or as -j says. Exit code 1 when one fails.",
	.examples = "data-mill test\n"
		    "data-mill test minio --verbose\n"
		    "data-mill test -j 1\n"
		    "data-mill test --json",
	.word = MILL_WORD_COMPONENT,
	.max_args = -1,
	.run = run,
};
