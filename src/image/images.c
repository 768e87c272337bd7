#include <limits.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/json.h"

int mill_image_store(const struct mill_layout *l, struct mill_store **ret, struct mill_error *err)
{
	_cleanup_free_ char *toolchains = mill_path_join(l->resources, "components/_toolchains");
	return mill_store_open(&(struct mill_store_paths){.store = MILL_IMAGE_STORE, .at = l->image_store, .image = true,
							  .cache = l->cache, .state = l->state, .toolchains = toolchains,
							  .set_ids = l->root && l->uid != 0, .uid = l->uid, .gid = l->gid},
			       ret, err);
}

/* The worker is a command of data-mill; a test names the program that it built. */
static char *own_program(void)
{
	char path[PATH_MAX];
	const char *named = secure_getenv("DATA_MILL_PROGRAM");
	if (named && named[0] == '/')
		return mill_xstrdup(named);
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	return mill_xstrndup(path, n > 0 ? (size_t)n : 0);
}

int mill_images_open(const struct mill_layout *l, struct mill_images **ret, struct mill_error *err)
{
	struct mill_images *im = mill_xcalloc(1, sizeof(*im));
	_cleanup_free_ char *dir = mill_path_join(l->resources, "components/_image_base");
	struct mill_recipe *recipe = NULL;
	im->root = mill_path_dirname(l->image_store);
	im->program = own_program();
	int r = mill_image_store(l, &im->store, err);
	if (r == 0)
		r = mill_recipe_load(dir, &im->base, err);
	if (r == 0)
		r = mill_recipe_from_json(im->base, &recipe, err);
	if (r == 0)
		r = mill_recipe_key(im->store, recipe, &im->base_key, err);
	mill_recipe_free(recipe);
	if (r < 0) {
		mill_images_close(im);
		return mill_error_wrap(err, "images");
	}
	*ret = im;
	return 0;
}

struct mill_images *mill_images_close(struct mill_images *im)
{
	if (!im)
		return NULL;
	mill_store_close(im->store);
	json_decref(im->base);
	free(im->root);
	free(im->program);
	free(im->base_key);
	free(im);
	return NULL;
}

struct mill_store *mill_images_store(struct mill_images *im)
{
	return im->store;
}

char *mill_images_path(const struct mill_images *im, const char *below)
{
	return mill_path_join(im->root, below);
}

static const char *key_of(const json_t *item)
{
	return mill_json_get_string(item, "key", "");
}

static bool comes_later(const struct mill_image_source *s, const json_t *a, const json_t *b)
{
	bool own_a = mill_streq(mill_json_get_string(json_object_get(a, "recipe"), "name", ""), s->name);
	bool own_b = mill_streq(mill_json_get_string(json_object_get(b, "recipe"), "name", ""), s->name);
	return own_a != own_b ? own_a : strcmp(key_of(a), key_of(b)) > 0;
}

/* A planner finds them in the order of all that its flavour installs; an image must not depend on that. */
json_t *mill_image_recipes(const struct mill_image_source *s)
{
	json_t *sorted = json_array(), *item;
	size_t i, at;
	json_array_foreach((json_t *)s->recipes, i, item) {
		for (at = json_array_size(sorted); at > 0 && comes_later(s, json_array_get(sorted, at - 1), item); at--)
			;
		json_array_insert(sorted, at, item);
	}
	return sorted;
}

/* ---- the tag ---- */
static int hash_entry_program(struct mill_hash *h, const struct mill_image_source *s, struct mill_error *err)
{
	char digest[MILL_SHA256_HEX] = "-";
	int r = s->entry_program ? mill_hash_file(MILL_SHA256, s->entry_program, digest, err) : 0;
	mill_hash_field(h, digest);
	for (const char *const *word = s->entry_point; word && *word; word++)
		mill_hash_field(h, *word);
	return r < 0 ? mill_error_wrap(err, "the entry program of images") : 0;
}

static int hash_own_files(struct mill_hash *h, const struct mill_image_source *s, struct mill_error *err)
{
	_cleanup_image_files_ struct mill_image_files files = {0};
	char digest[MILL_SHA256_HEX] = "";
	int r = mill_image_files_list(s, &files, err);
	if (r == 0)
		r = mill_image_files_digest(&files, digest, err);
	mill_hash_field(h, digest);
	return r;
}

int mill_image_tag(struct mill_images *im, const struct mill_image_source *s, char ret[MILL_IMAGE_TAG_LEN],
		   struct mill_error *err)
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	char hex[MILL_SHA256_HEX];
	_cleanup_json_ json_t *recipes = mill_image_recipes(s);
	json_t *item;
	size_t i;
	mill_hash_field(h, MILL_IMAGE_LAYOUT_VERSION);
	mill_hash_field(h, MILL_IMAGE_BASE_VERSION);
	mill_hash_field(h, im->base_key);
	mill_hash_field(h, s->kind);
	mill_hash_field(h, s->name);
	json_array_foreach(recipes, i, item)
		mill_hash_field(h, key_of(item));
	int r = hash_own_files(h, s, err);
	if (r == 0)
		r = hash_entry_program(h, s, err);
	mill_hash_finish(h, hex);
	if (r < 0)
		return mill_error_wrap(err, "image %s", s->name);
	snprintf(ret, MILL_IMAGE_TAG_LEN, "%.16s", hex);
	return 0;
}

void mill_image_release(struct mill_image *i)
{
	char **all[] = {&i->name, &i->kind, &i->tag, &i->digest, &i->layout};
	for (size_t k = 0; k < MILL_ARRAY_LEN(all); k++)
		free(*all[k]);
	*i = (struct mill_image){0};
}
