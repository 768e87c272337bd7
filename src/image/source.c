#include <limits.h>

#include "image/source.h"

#include "base/io.h"
#include "base/json.h"
#include "runtime/native/recipe.h"
#include "runtime/native/toolchain.h"
#include "spec/render.h"

#define ENTRY_PROGRAM "data-mill-entry"

char *mill_image_entry_program(struct mill_error *err)
{
	const char *given = getenv("DATA_MILL_LIBEXEC"); /* where tests have built it */
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	_cleanup_free_ char *dir = given && *given ? mill_path_absolute(given) : mill_path_dirname(exe);
	char *path = mill_path_join(dir, ENTRY_PROGRAM);
	if (mill_is_file(path))
		return path;
	free(path);
	mill_fail(err, ENOENT, "%s, which every image begins with, is not in %s", ENTRY_PROGRAM, dir);
	mill_error_hint(err, "build or install data-mill as a whole");
	return NULL;
}

/* Takes the recipe over. */
static int add_recipe(struct mill_images *im, json_t *list, json_t *json, struct mill_error *err)
{
	struct mill_recipe *recipe = NULL;
	_cleanup_free_ char *key = NULL;
	int r = mill_recipe_from_json(json, &recipe, err);
	if (r == 0)
		r = mill_recipe_key(mill_images_store(im), recipe, &key, err);
	mill_recipe_free(recipe);
	if (r == 0)
		json_array_append_new(list, json_pack("{s:s, s:O}", "key", key, "recipe", json));
	json_decref(json);
	return r;
}

static int add_toolchains(struct mill_images *im, const struct mill_component *c, json_t *list, struct mill_error *err)
{
	for (size_t i = 0; i < c->n_toolchains; i++) {
		_cleanup_toolchain_ struct mill_toolchain t = {0};
		int r = mill_toolchain_find(mill_images_store(im), c->toolchains[i], &t, err);
		if (r == 0 && t.key)
			r = add_recipe(im, list, MILL_TAKE(t.recipe), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_tools(struct mill_images *im, const struct mill_layout *l, json_t *list, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(l->resources, "components/_tools");
	json_t *recipe = NULL;
	int r = mill_recipe_load(dir, &recipe, err);
	return r < 0 ? r : add_recipe(im, list, recipe, err);
}

bool mill_image_wanted(const struct mill_component *c)
{
	return c->install || c->n_services || c->n_provisions || c->smoke.n_command || c->configure.n_command;
}

int mill_image_source_make(struct mill_images *im, const struct mill_layout *l, const struct mill_component *c,
			   struct mill_image_made *ret, struct mill_error *err)
{
	struct mill_image_made m = {.recipes = json_array()};
	json_t *own = mill_component_recipe(c);
	int r = add_toolchains(im, c, m.recipes, err);
	if (r == 0 && mill_render_uses_tools(c))
		r = add_tools(im, l, m.recipes, err);
	if (own && r == 0)
		r = add_recipe(im, m.recipes, MILL_TAKE(own), err);
	json_decref(own);
	if (r == 0 && !(m.entry_program = mill_image_entry_program(err)))
		r = -ENOENT;
	if (r < 0) {
		mill_image_source_release(&m);
		return mill_error_wrap(err, "image %s", c->name);
	}
	m.hooks_dir = mill_path_join(l->resources, "components/_hooks");
	m.source = (struct mill_image_source){.name = c->name, .kind = c->is_environment ? "environment" : "component",
					      .title = c->title, .version = c->version, .license = c->license, .homepage = c->homepage,
					      .recipes = m.recipes, .dir = c->dir, .hooks_dir = m.hooks_dir,
					      .entry_program = m.entry_program};
	*ret = m;
	return 0;
}

void mill_image_source_release(struct mill_image_made *m)
{
	json_decref(m->recipes);
	free(m->hooks_dir);
	free(m->entry_program);
	*m = (struct mill_image_made){0};
}
