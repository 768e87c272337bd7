#include "image/worker.h"

#include "base/io.h"
#include "base/json.h"
#include "image/image.h"
#include "image/namespace.h"
#include "runtime/native/install.h"
#include "runtime/native/toolchain.h"
#include "runtime/native/tools.h"

static void say(int fd, const json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	if (!text)
		return;
	_cleanup_free_ char *whole = mill_xasprintf("%s\n", text);
	free(text);
	(void)mill_write_all(fd, whole, strlen(whole));
}

static void on_progress(void *arg, const struct mill_install_progress *p)
{
	const int *fd = arg;
	_cleanup_json_ json_t *line = json_pack("{s:s, s:f, s:s}", "name", p->name, "fraction", p->fraction, "text",
						p->text ? p->text : mill_install_phase_name(p->phase));
	if (!line) /* a client's line need not be UTF-8 */
		line = json_pack("{s:s, s:f, s:s}", "name", p->name, "fraction", p->fraction, "text",
				 mill_install_phase_name(p->phase));
	say(*fd, line);
}

static json_t *text_or_null(const char *s)
{
	json_t *j = s ? json_string(s) : NULL;
	return j ? j : json_null();
}

static void say_error(int fd, const struct mill_error *e)
{
	json_t *about = json_object();
	json_object_set_new(about, "code", json_integer(e->code));
	json_object_set_new(about, "usage", json_boolean(e->usage));
	json_object_set_new(about, "message", text_or_null(e->message));
	json_object_set_new(about, "hint", text_or_null(e->hint));
	json_object_set_new(about, "detail", text_or_null(e->detail));
	_cleanup_json_ json_t *line = json_pack("{s:o}", "error", about);
	say(fd, line);
}

static bool needs_python(const struct mill_recipe *r)
{
	_cleanup_strv_ struct mill_strv wants = {0};
	for (size_t i = 0; i < r->n_steps; i++)
		mill_step_toolchains(r, &r->steps[i], &wants);
	for (size_t i = 0; i < wants.n; i++)
		if (mill_starts_with(wants.items[i], "python"))
			return true;
	return false;
}

/* A virtual environment names its Python by path and has its compiled files: both must be those of the base image. */
static int check_python(const struct mill_store *s, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain want = {0};
	int r = mill_toolchain_find(s, "python", &want, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *have = mill_tool_version(s, "python", want.program);
	size_t n = strlen(want.version);
	if (have && strncmp(have, want.version, n) == 0 && (have[n] == '.' || have[n] == '\0'))
		return 0;
	mill_fail(err, ENOENT, "images have Python %s as %s, this machine has %s", want.version, want.program, have ? have : "none");
	return mill_error_hint(err, "build images on Debian 12, or in a container of it, and push them to a registry that this "
				    "machine pulls from");
}

static int install_one(struct mill_store *s, const json_t *json, const struct mill_install_options *o, struct mill_error *err)
{
	struct mill_recipe *recipe = NULL;
	int r = mill_recipe_from_json(json, &recipe, err);
	if (r == 0 && needs_python(recipe))
		r = check_python(s, err);
	if (r == 0)
		r = mill_install(s, recipe, o, NULL, err);
	mill_recipe_free(recipe);
	return r;
}

static int work(const json_t *job, int out_fd, int cancel_fd, struct mill_error *err)
{
	struct mill_store_paths paths = {
		.store = MILL_IMAGE_STORE,
		.image = true,
		.cache = mill_json_get_string(job, "cache", ""),
		.state = mill_json_get_string(job, "state", ""),
		.toolchains = mill_json_get_string(job, "toolchains", NULL),
		.set_ids = mill_json_get_bool(job, "set_ids", false),
		.uid = (uid_t)mill_json_get_int(job, "uid", 0),
		.gid = (gid_t)mill_json_get_int(job, "gid", 0),
	};
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	struct mill_store *store = NULL;
	const json_t *recipe;
	size_t i;
	o.cancel_fd = cancel_fd;
	o.jobs = (unsigned)mill_json_get_int(job, "jobs", 0);
	o.offline = mill_json_get_bool(job, "offline", false);
	o.on_progress = on_progress;
	o.arg = &out_fd;
	int r = mill_image_namespace(mill_json_get_string(job, "at", ""), paths.set_ids, err);
	if (r == 0)
		r = mill_store_open(&paths, &store, err);
	json_array_foreach(json_object_get(job, "recipes"), i, recipe)
		if (r == 0)
			r = install_one(store, recipe, &o, err);
	mill_store_close(store);
	return r;
}

int mill_image_worker(const json_t *job, int out_fd, int cancel_fd)
{
	_cleanup_error_ struct mill_error err = {0};
	if (work(job, out_fd, cancel_fd, &err) < 0) {
		say_error(out_fd, &err);
		return MILL_EXIT_FAILED;
	}
	_cleanup_json_ json_t *done = json_pack("{s:b}", "done", 1);
	say(out_fd, done);
	return MILL_EXIT_OK;
}
