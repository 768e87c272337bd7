/* From a source to a layout: install, layers, documents. */
#include "image/internal.h"

#include "base/json.h"

/* How the work is shared out, for the progress: installs are nearly all of it, when there are any. */
#define SHARE_INSTALLED 0.75
#define LAYERS_MAX 120 /* overlay mounts of 128 and fewer work everywhere */

static json_t *with_base(const struct mill_images *im, const struct mill_image_source *s)
{
	json_t *all = json_array();
	json_array_append_new(all, json_pack("{s:s, s:O}", "key", im->base_key, "recipe", im->base));
	json_array_extend(all, (json_t *)s->recipes);
	return all;
}

static void release_layers(struct mill_image_layer *layers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(layers[i].note);
	free(layers);
}

static int make_layers(struct mill_images *im, const struct mill_image_source *s, const char *sbom, const struct mill_image_tell *t,
		       struct mill_image_layer *layers, struct mill_error *err)
{
	size_t n = json_array_size(s->recipes);
	int cancel_fd = t->o ? t->o->cancel_fd : -1;
	mill_image_say(t, 0, "layer of the base system");
	int r = mill_image_layer_base(im, cancel_fd, &layers[0], err);
	for (size_t i = 0; i < n && r == 0; i++) {
		const char *key = mill_json_get_string(json_array_get(s->recipes, i), "key", "");
		mill_image_say(t, (double)(i + 1) / (double)(n + 2), "layer of %s", key);
		r = mill_image_layer_entry(im, key, cancel_fd, &layers[i + 1], err);
	}
	if (r == 0)
		r = mill_image_layer_own(im, s, sbom, &layers[n + 1], err);
	return r;
}

static int make(struct mill_images *im, const struct mill_image_source *s, const char *tag, const struct mill_image_options *o,
		struct mill_image *ret, struct mill_error *err)
{
	struct mill_image_tell install = {.o = o, .name = s->name, .from = 0, .to = SHARE_INSTALLED};
	struct mill_image_tell pack = {.o = o, .name = s->name, .from = SHARE_INSTALLED, .to = 1};
	_cleanup_json_ json_t *recipes = with_base(im, s);
	_cleanup_free_ char *sbom = NULL;
	size_t n = json_array_size(s->recipes) + 2;
	if (n > LAYERS_MAX)
		return mill_fail(err, E2BIG, "an image has at most %d layers", LAYERS_MAX);
	int r = mill_image_install(im, recipes, &install, err);
	if (r == 0)
		r = mill_image_sbom_make(im, s, tag, &sbom, err);
	if (r < 0)
		return r;
	struct mill_image_layer *layers = mill_xcalloc(n, sizeof(*layers));
	r = make_layers(im, s, sbom, &pack, layers, err);
	if (r == 0)
		r = mill_image_oci_write(im, s, tag, sbom, layers, n, ret, err);
	release_layers(layers, n);
	return r;
}

int mill_image_build(struct mill_images *im, const struct mill_image_source *source, const struct mill_image_options *o,
		     struct mill_image *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *recipes = mill_image_recipes(source);
	struct mill_image_source in_order = *source, *s = &in_order;
	static const struct mill_image_options none = MILL_IMAGE_OPTIONS_INIT;
	char tag[MILL_IMAGE_TAG_LEN];
	struct mill_image image = {0};
	_cleanup_close_ int lock = -1, use = -1;
	in_order.recipes = recipes;
	o = o ? o : &none;
	int r = mill_image_tag(im, s, tag, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *name = mill_xasprintf("image-%s-%s", s->name, tag);
	r = mill_image_lock(im, MILL_IMAGE_USE_LOCK, true, o->cancel_fd, &use, err);
	if (r == 0)
		r = mill_image_lock(im, name, false, o->cancel_fd, &lock, err);
	if (r == 0 && mill_image_oci_read(im, s->name, tag, &image, NULL) == 0)
		image.existed = true;
	else if (r == 0)
		r = make(im, s, tag, o, &image, err);
	if (r < 0)
		return mill_error_wrap(err, "image %s", s->name);
	if (ret)
		*ret = image;
	else
		mill_image_release(&image);
	return 0;
}
