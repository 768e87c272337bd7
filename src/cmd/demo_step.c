/* One step of a demo. */
#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "cmd/demo.h"
#include "cmd/environment.h"
#include "cmd/interrupt.h"

#define STEP_TIMEOUT_NS (10 * 60 * MILL_SEC)
#define READY_TIMEOUT_NS (5 * 60 * MILL_SEC)
#define TAIL_LINES 15
#define SKIPPED 77

/* Our own environment, the platform's, the data-science environment's, and where the step is. */
static int make_environment(struct mill_story *s, const struct mill_node *step, struct mill_strv *ret, struct mill_error *err)
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
		r = mill_environment_find(&bare, mill_demo_text(step, "environment", mill_demo_text(s->demo.doc->root, "environment", "python-env")),
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
	mill_strv_setenv(ret, "DEMO_ENVIRONMENT", mill_demo_text(step, "environment", mill_demo_text(s->demo.doc->root, "environment", "python-env")));
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

static int run_script(struct mill_story *s, const struct mill_node *step, json_t **ret, char **ret_log, int *ret_status,
		      struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv env = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, log = MILL_STRBUF_INIT;
	_cleanup_free_ char *script = mill_path_join(s->demo.dir, mill_demo_text(step, "run", ""));
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

static void say_failed(struct mill_story *s, const struct mill_node *step, const char *why, const char *log)
{
	_cleanup_error_ struct mill_error e = {0};
	const char *name = mill_demo_text(step, "name", "?"), *who = mill_demo_text(step, "component", NULL);

	mill_fail(&e, EIO, "demo %s: step %s (%s)%s%s: %s", s->demo.name, name, mill_demo_text(step, "title", ""), who ? ", component " : "",
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
static void told(struct mill_story *s, const struct mill_node *step, const char *word, json_t *answer, uint64_t took)
{
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;
	const struct mill_ui *ui = s->inv->ui;
	enum mill_look look = strcmp(word, "ok") == 0 ? MILL_LOOK_GOOD : strcmp(word, "skipped") == 0 ? MILL_LOOK_DIM : MILL_LOOK_BAD;
	char duration[32];

	s->ok += look == MILL_LOOK_GOOD;
	s->skipped += look == MILL_LOOK_DIM;
	s->failed += look == MILL_LOOK_BAD;
	json_object_set_new(answer, "step", json_string(mill_demo_text(step, "name", "?")));
	json_object_set_new(answer, "title", json_string(mill_demo_text(step, "title", "")));
	json_object_set_new(answer, "result", json_string(word));
	json_object_set_new(answer, "elapsed_ms", json_integer((json_int_t)(took / MILL_MS)));
	if (!ui->json) {
		mill_look_add(&line, ui->out_colour, look, word);
		mill_strbuf_printf(&line, "%*s%-12s %6s  ", (int)(9 - strlen(word)), "", mill_demo_text(step, "name", "?"),
				   mill_format_duration(took, duration, sizeof(duration)));
		mill_text_safe(&line, mill_json_get_string(answer, "message", ""));
		mill_outf("%s\n", line.data);
		fflush(stdout);
	}
	json_array_append_new(s->results, answer);
}

struct attempt {
	const char *word; /* ok, skipped, failed */
	json_t *answer;
	char *why, *log; /* of a failed one */
};

static void release(struct attempt *a)
{
	json_decref(a->answer);
	free(a->why);
	free(a->log);
	*a = (struct attempt){0};
}

static int attempt(struct mill_story *s, const struct mill_node *step, struct attempt *ret, struct mill_error *err)
{
	char how[64];
	int status = 0;
	int r = run_script(s, step, &ret->answer, &ret->log, &status, err);

	if (r == -ECANCELED)
		return r;
	if (r == 0 && WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED)) {
		ret->word = WEXITSTATUS(status) ? "skipped" : "ok";
		return 0;
	}
	if (!ret->answer)
		ret->answer = json_object();
	const char *message = mill_json_get_string(ret->answer, "message", "");
	if (!*message && ret->log) /* it ended without an answer: what it said last */
		message = strrchr(ret->log, '\n') ? strrchr(ret->log, '\n') + 1 : ret->log;
	ret->word = "failed";
	ret->why = r < 0 ? mill_xstrdup(err->message ? err->message : "could not be run")
			 : mill_xasprintf("%s%s%s", mill_status_text(status, how, sizeof(how)), *message ? ": " : "", message);
	mill_error_release(err);
	json_object_set_new(ret->answer, "message", json_string(ret->why));
	json_object_set_new(ret->answer, "log", json_string(ret->log ? ret->log : ""));
	return 0;
}

/* The name of what the step needs and is not there; NULL: all of it is. */
static const char *missing(const json_t *status, const struct mill_node *step)
{
	MILL_SEQ_EACH (name, mill_node_get(step, "needs"))
		if (!mill_story_has(status, mill_node_text(name) ? mill_node_text(name) : ""))
			return mill_node_text(name);
	return NULL;
}

/* Until the supervisor has all of it running again, or for so long. */
static void wait_until_there(struct mill_story *s, const struct mill_node *step)
{
	const uint64_t until = mill_now_ns() + READY_TIMEOUT_NS;

	for (bool there = false; !there && !mill_interrupted() && mill_now_ns() < until;) {
		_cleanup_json_ json_t *status = NULL;

		there = mill_story_status(s, &status, NULL) == 0 && !missing(status, step);
		if (!there)
			usleep(500000);
	}
}

int mill_story_tell(struct mill_story *s, const struct mill_node *step, struct mill_error *err)
{
	const char *absent = missing(s->status, step);
	const uint64_t began = mill_now_ns();
	struct attempt a = {0};
	unsigned tries = 0;
	int r;

	if (absent) {
		_cleanup_free_ char *why = mill_xasprintf("there is no %s here", absent);

		told(s, step, "skipped", json_pack("{s:s}", "message", why), 0);
		return 0;
	}
	mill_note(s->inv->ui, "%s ...", mill_demo_text(step, "title", ""));
	do {
		if (tries++) {
			mill_warn(s->inv->ui, "step %s: %s; once more when all that it needs is ready",
				  mill_demo_text(step, "name", "?"), a.why);
			release(&a);
			wait_until_there(s, step);
		}
		r = attempt(s, step, &a, err);
	} while (r == 0 && strcmp(a.word, "failed") == 0 && tries <= s->demo.retries);
	if (r == 0) {
		json_object_set_new(a.answer, "tries", json_integer(tries));
		told(s, step, a.word, json_incref(a.answer), mill_now_ns() - began);
		if (a.why)
			say_failed(s, step, a.why, a.log);
	}
	release(&a);
	return r;
}
