/* The worker (worker.c), seen from outside: which recipes, what it says, how it ended. */
#include "image/internal.h"

#include "base/json.h"
#include "base/proc.h"
#include "image/worker.h"

void mill_image_say(const struct mill_image_tell *t, double fraction, const char *fmt, ...)
{
	va_list ap;
	if (!t->o || !t->o->on_progress)
		return;
	va_start(ap, fmt);
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	double whole = fraction < 0 ? -1 : t->from + fraction * (t->to - t->from);
	t->o->on_progress(t->o->arg, &(struct mill_image_progress){.name = t->name, .fraction = whole, .text = text});
}

struct heard {
	const struct mill_image_tell *t;
	json_t *error; /* what the worker said last */
	bool done;
};

static void on_line(void *arg, const char *line)
{
	struct heard *h = arg;
	_cleanup_json_ json_t *j = NULL;
	if (line[0] != '{' || mill_json_parse("image-worker", line, strlen(line), &j, NULL) < 0)
		return;
	json_t *error = json_object_get(j, "error");
	if (json_is_object(error)) {
		json_decref(h->error);
		h->error = json_incref(error);
	}
	h->done |= mill_json_get_bool(j, "done", false);
	const char *text = mill_json_get_string(j, "text", NULL);
	if (text)
		mill_image_say(h->t, json_number_value(json_object_get(j, "fraction")), "%s: %s",
			       mill_json_get_string(j, "name", ""), text);
}

static int end(const struct heard *h, int status, const char *stderr_text, struct mill_error *err)
{
	char text[64];
	if (h->done && status == 0)
		return 0;
	if (!h->error) {
		mill_fail(err, EIO, "the process that installs for images ended: %s", mill_status_text(status, text, sizeof(text)));
		mill_error_detail(err, stderr_text);
		return -err->code;
	}
	int code = (int)mill_json_get_int(h->error, "code", EIO);
	mill_fail(err, code > 0 ? code : EIO, "%s", mill_json_get_string(h->error, "message", "failed"));
	if (err)
		err->usage = mill_json_get_bool(h->error, "usage", false);
	const char *hint = mill_json_get_string(h->error, "hint", NULL), *detail = mill_json_get_string(h->error, "detail", NULL);
	if (detail)
		mill_error_detail(err, detail);
	return hint ? mill_error_hint(err, "%s", hint) : -(code > 0 ? code : EIO);
}

static char *job_text(const struct mill_images *im, const json_t *recipes, const struct mill_image_options *o)
{
	const struct mill_store *s = im->store;
	_cleanup_json_ json_t *job =
		json_pack("{s:s, s:s, s:s, s:s?, s:b, s:I, s:I, s:I, s:b, s:O}", "at", s->at, "cache", s->cache, "state", s->state,
			  "toolchains", s->toolchains, "set_ids", (int)s->set_ids, "uid", (json_int_t)s->uid, "gid",
			  (json_int_t)s->gid, "jobs", (json_int_t)(o ? o->jobs : 0), "offline", (int)(o && o->offline), "recipes",
			  recipes);
	char *text = job ? json_dumps(job, JSON_COMPACT) : NULL;
	if (!text)
		BUG("a job that cannot be written");
	return text;
}

static int run_worker(struct mill_images *im, const json_t *recipes, const struct mill_image_tell *t, struct mill_error *err)
{
	char *argv[] = {im->program, (char *)MILL_IMAGE_WORKER_COMMAND, NULL};
	_cleanup_free_ char *job = job_text(im, recipes, t->o);
	_cleanup_strbuf_ struct mill_strbuf errors = MILL_STRBUF_INIT;
	struct heard heard = {.t = t};
	struct mill_run run = MILL_RUN_INIT;
	int status = 0;
	run.spawn.argv = argv;
	run.spawn.cwd = "/";
	run.spawn.new_group = true;
	run.spawn.parent_death_signal = 15;
	run.input = job;
	run.input_len = strlen(job);
	run.output_max = 65536;
	run.cancel_fd = t->o ? t->o->cancel_fd : -1;
	run.on_line = on_line;
	run.on_line_arg = &heard;
	int r = mill_run(&run, NULL, &errors, &status, err);
	if (r == 0)
		r = end(&heard, status, errors.data, err);
	json_decref(heard.error);
	return r;
}

int mill_image_install(struct mill_images *im, const json_t *recipes, const struct mill_image_tell *t, struct mill_error *err)
{
	_cleanup_json_ json_t *missing = json_array();
	json_t *item;
	size_t i;
	json_array_foreach((json_t *)recipes, i, item) {
		const char *key = mill_json_get_string(item, "key", "");
		if (!mill_store_key_valid(key))
			return mill_fail(err, EINVAL, "'%s' is not a key of the store", key);
		if (!mill_store_has(im->store, key))
			json_array_append(missing, json_object_get(item, "recipe"));
	}
	return json_array_size(missing) ? run_worker(im, missing, t, err) : 0;
}
