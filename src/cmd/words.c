#include "base/base.h"
#include "base/io.h"
#include "cmd/words.h"
#include "platform/platform.h"

static void add_yaml_names(const char *base, const char *folder, struct mill_strv *ret)
{
	_cleanup_free_ char *path = base ? mill_path_join(base, folder) : NULL;
	_cleanup_strv_ struct mill_strv names = {0};

	if (!path || mill_list_dir(path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		if (mill_ends_with(names.items[i], ".yaml"))
			mill_strv_addf(ret, "%.*s", (int)strlen(names.items[i]) - 5, names.items[i]);
}

static void add_components(const char *base, const char *folder, const char *file, struct mill_strv *ret)
{
	_cleanup_free_ char *path = base ? mill_path_join(base, folder) : NULL;
	_cleanup_strv_ struct mill_strv names = {0};

	if (!path || mill_list_dir(path, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *manifest = mill_xasprintf("%s/%s/%s", path, names.items[i], file);

		if (mill_is_file(manifest))
			mill_strv_add(ret, names.items[i]);
	}
}

/* Services that the chosen platform has, and the components they belong to. */
static void add_services(const struct mill_layout *l, struct mill_strv *ret)
{
	struct mill_platform *p = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ struct mill_strv names = {0};

	if (mill_platform_choose(l, NULL, &p, NULL) < 0)
		return;
	path = mill_path_join(p->dir, "services");
	if (mill_list_dir(path, &names, NULL) == 0)
		for (size_t i = 0; i < names.n; i++) {
			size_t n = strcspn(names.items[i], ".");
			_cleanup_free_ char *component = mill_xstrndup(names.items[i], n);

			if (!mill_strv_contains(ret, component))
				mill_strv_add(ret, component);
			mill_strv_add(ret, names.items[i]);
		}
	mill_platform_close(p);
}

static void add_platforms(const struct mill_layout *l, struct mill_strv *ret)
{
	_cleanup_strv_ struct mill_strv names = {0};

	if (mill_platform_list(l, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		mill_strv_add(ret, names.items[i]);
}

void mill_words_list(enum mill_word word, struct mill_strv *ret)
{
	_cleanup_(mill_layout_release) struct mill_layout l = {0};
	struct mill_strv all = {0};

	if (word == MILL_WORD_TEXT || word == MILL_WORD_FILE || word == MILL_WORD_FOLDER ||
	    word == MILL_WORD_COMMAND || mill_layout_init(&l, NULL) < 0)
		return;
	if (word == MILL_WORD_PLATFORM)
		add_platforms(&l, &all);
	if (word == MILL_WORD_SERVICE)
		add_services(&l, &all);
	for (int i = 0; i < 2; i++) {
		const char *base = i ? l.resources : l.project;

		if (word == MILL_WORD_FLAVOUR)
			add_yaml_names(base, "flavours", &all);
		else if (word == MILL_WORD_TARGET)
			add_yaml_names(base, "k8s/configs", &all);
		else if (word == MILL_WORD_COMPONENT)
			add_components(base, "components", "component.yaml", &all);
		if (word == MILL_WORD_ENVIRONMENT || word == MILL_WORD_COMPONENT)
			add_components(base, "environments", "environment.yaml", &all);
		if (word == MILL_WORD_DEMO)
			add_components(base, "demos", "demo.yaml", &all);
	}
	mill_strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if (i == 0 || strcmp(all.items[i], all.items[i - 1]) != 0)
			mill_strv_add(ret, all.items[i]);
	mill_strv_release(&all);
}
