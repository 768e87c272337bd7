/* Finding, building and entering an environment. */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/component.h"
#include "cmd/environment.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"
#include "cmd/words.h"
#include "plan/host.h"
#include "runtime/native/install.h"
#include "runtime/native/toolchain.h"

#define HASH_SHOWN 12

/* <state>/environments/<name>/<key>: the manifest and locks of what was built. */
static char *kept_dir(const struct mill_context *ctx, const char *name, const char *key)
{
	return mill_xasprintf("%s/environments/%s/%s", ctx->layout.state, name, key);
}

const char *mill_environment_unusable(const struct mill_component *c)
{
	return !c->gpu || mill_gpu_seen() ? NULL : "it wants a GPU, and none is seen (/proc/driver/nvidia, /dev/nvidia0)";
}

static int unknown(const char *name, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	const char *nearest;

	mill_words_list(MILL_WORD_ENVIRONMENT, &names);
	nearest = mill_suggest(name, (const char *const *)names.items, names.n);
	mill_fail_usage(err, "there is no environment '%s'", name);
	if (nearest)
		return mill_error_hint(err, "did you mean '%s'?", nearest);
	return mill_error_hint(err, "data-mill environment list");
}

/* Takes the recipe over. */
static int of_recipe(struct mill_context *ctx, const struct mill_component *c, json_t *json, struct mill_environment *ret,
		     struct mill_error *err)
{
	struct mill_recipe *recipe = NULL;
	int r;

	*ret = (struct mill_environment){.component = c, .recipe = json};
	if (!ret->recipe)
		return mill_fail_usage(err, "environment '%s' installs nothing", c->name);
	r = mill_context_store(ctx, &ret->store, err);
	if (r == 0)
		r = mill_recipe_from_json(ret->recipe, &recipe, err);
	if (r == 0)
		r = mill_recipe_key(ret->store, recipe, &ret->key, err);
	mill_recipe_free(recipe);
	if (r < 0) {
		mill_environment_release(ret);
		return r;
	}
	ret->dir = mill_store_path(ret->store, ret->key);
	ret->built = mill_store_has(ret->store, ret->key);
	return 0;
}

int mill_environment_of(struct mill_context *ctx, const struct mill_component *c, struct mill_environment *ret,
			struct mill_error *err)
{
	return of_recipe(ctx, c, mill_component_recipe(c), ret, err);
}

/* What was built under another lock: its manifest, recipe and locks were kept then (runtime/native/keep.c). */
static int find_kept(struct mill_context *ctx, const struct mill_component *c, const char *hash,
		     struct mill_environment *ret, struct mill_error *err)
{
	_cleanup_free_ char *dir = kept_dir(ctx, c->name, "");
	_cleanup_strv_ struct mill_strv keys = {0};
	int r;
	const struct mill_component *kept;
	json_t *recipe = NULL;

	(void)mill_list_dir(dir, &keys, NULL);
	for (size_t i = 0; i < keys.n; i++) {
		_cleanup_free_ char *path = NULL;

		if (!mill_starts_with(keys.items[i], hash))
			continue;
		path = kept_dir(ctx, c->name, keys.items[i]);
		kept = mill_model_load_manifest(ctx->model, c->name, path);
		if (!kept)
			return mill_fail(err, EBADMSG, "%s: its manifest cannot be read", path);
		r = mill_recipe_load(path, &recipe, err);
		return r < 0 ? r : of_recipe(ctx, kept, recipe, ret, err);
	}
	mill_fail_usage(err, "environment %s: neither the present lock nor one that was built here begins with %s", c->name, hash);
	return mill_error_hint(err, "check out the commit that has that lock: data-mill environment build %s", c->name);
}

int mill_environment_find(struct mill_context *ctx, const char *word, struct mill_environment *ret, struct mill_error *err)
{
	const char *at = strchr(word, '@');
	_cleanup_free_ char *said = at ? mill_xstrndup(word, (size_t)(at - word)) : mill_xstrdup(word);
	_cleanup_free_ char *name = mill_environment_name(said);
	struct mill_component *c = NULL;
	int r = ctx->model ? 0 : mill_component_load_all(ctx, err);

	*ret = (struct mill_environment){0};
	if (r < 0)
		return r;
	c = mill_model_find(ctx->model, name);
	if (!c || !c->is_environment)
		return unknown(said, err);
	r = mill_environment_of(ctx, c, ret, err);
	if (r < 0 || !at || mill_starts_with(ret->key, at + 1))
		return r;
	mill_environment_release(ret);
	return find_kept(ctx, c, at + 1, ret, err);
}

void mill_environment_release(struct mill_environment *e)
{
	mill_store_close(e->store);
	json_decref(e->recipe);
	free(e->key);
	free(e->dir);
	*e = (struct mill_environment){0};
}

/* ---- build ---- */

static void on_progress(void *arg, const struct mill_install_progress *p)
{
	mill_view_status(arg, p->text ? p->text : mill_install_phase_name(p->phase), p->fraction);
}

int mill_environment_build(struct mill_context *ctx, struct mill_environment *e, struct mill_error *err)
{
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	struct mill_recipe *recipe = NULL;
	struct mill_view *view;
	int r;

	if (mill_interrupt_fd(err) < 0)
		return -err->code;
	r = mill_recipe_from_json(e->recipe, &recipe, err);
	if (r < 0)
		return r;
	view = mill_view_new(ctx->ui);
	o.cancel_fd = mill_interrupt_fd(NULL);
	o.jobs = mill_opt_count(ctx->inv, "jobs", 0);
	o.on_progress = on_progress;
	o.arg = view;
	if (!e->built)
		mill_note(ctx->ui, "building environment %s ...", e->component->name);
	r = mill_install(e->store, recipe, &o, NULL, err);
	mill_view_free(view);
	mill_recipe_free(recipe);
	if (r < 0)
		return r;
	e->built = true;
	return 0;
}

/* ---- variables ---- */

static void set(json_t *env, const char *name, const char *value)
{
	json_object_set_new(env, name, json_string(value));
}

/* The store entry's programs, those of its tool chains, then the user's own. */
static int set_path(const struct mill_environment *e, json_t *env, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;
	const char *own = getenv("PATH");

	mill_strbuf_printf(&path, "%s/bin:", e->dir);
	for (size_t i = 0; i < e->component->n_toolchains; i++) {
		_cleanup_toolchain_ struct mill_toolchain t = {0};
		int r = mill_toolchain_find(e->store, e->component->toolchains[i], &t, err);

		if (r < 0)
			return r;
		mill_strbuf_printf(&path, "%s/bin:", t.dir);
		if (mill_starts_with(e->component->toolchains[i], "java"))
			set(env, "JAVA_HOME", t.dir);
	}
	mill_strbuf_addstr(&path, own && *own ? own : "/usr/bin:/bin");
	set(env, "PATH", path.data);
	return 0;
}

int mill_environment_variables(struct mill_context *ctx, const struct mill_environment *e, json_t *env, struct mill_error *err)
{
	_cleanup_free_ char *overlay = mill_xasprintf("%s/overlays/%s-%.*s", ctx->layout.state, e->component->name, HASH_SHOWN, e->key);
	_cleanup_free_ char *r_library = mill_path_join(overlay, "R");
	_cleanup_free_ char *python = mill_path_join(overlay, "python");
	_cleanup_free_ char *search = mill_xasprintf("%s:%s/components/jupyterhub/context", python, ctx->layout.resources);
	int r = mill_mkdir_p(r_library, 0755, err);

	if (r == 0)
		r = mill_mkdir_p(python, 0755, err);
	if (r == 0)
		r = set_path(e, env, err);
	if (r < 0)
		return r;
	set(env, "VIRTUAL_ENV", e->dir);
	set(env, "PYTHONPATH", search);
	set(env, "PIP_TARGET", python);
	set(env, "PIP_DISABLE_PIP_VERSION_CHECK", "1");
	set(env, "R_LIBS_USER", r_library);
	set(env, "JUPYTER_PREFER_ENV_PATH", "1");
	set(env, "MILL_ENVIRONMENT", e->component->name);
	set(env, "MILL_ENVIRONMENT_HASH", e->key);
	return 0;
}

int mill_environment_platform(struct mill_context *ctx, json_t **ret, struct mill_error *err)
{
	int r = mill_context_platform(ctx, err);

	if (r < 0 && !mill_opt(ctx->inv, "platform") && !mill_opt(ctx->inv, "flavour")) {
		mill_error_release(err);
		*ret = json_object();
		return 0;
	}
	if (r == 0)
		r = mill_context_runtime(ctx, err);
	return r < 0 ? r : mill_ops_env(ctx->native, ret, err);
}

int mill_environment_become(struct mill_context *ctx, const char *word, struct mill_strv *argv, struct mill_error *err)
{
	_cleanup_json_ json_t *env = NULL;
	struct mill_environment e;
	int r = mill_environment_find(ctx, word, &e, err);

	if (r == 0)
		r = mill_environment_build(ctx, &e, err);
	if (r == 0)
		r = mill_environment_platform(ctx, &env, err);
	if (r == 0)
		r = mill_environment_variables(ctx, &e, env, err);
	mill_environment_release(&e);
	return r < 0 ? mill_context_end(ctx, r, err) : mill_context_become(ctx, argv, env);
}
