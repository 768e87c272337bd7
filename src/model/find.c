/* Which file a name means. */
#include <limits.h>
#include <pwd.h>

#include "base/io.h"
#include "base/parse.h"
#include "model/loading.h"

const char *mill_find_shown(const char *cwd, const char *path)
{
	size_t n = strlen(cwd);
	if (strncmp(path, cwd, n) == 0 && path[n] == '/' && path[n + 1])
		return path + n + 1;
	return path;
}

char *mill_find_expand(const char *path)
{
	if (path[0] != '~' || (path[1] && path[1] != '/'))
		return mill_xstrdup(path);
	const char *home = getenv("HOME");
	if (!home || !*home) {
		const struct passwd *pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : "/";
	}
	return mill_xasprintf("%s%s", home, path + 1);
}

/* The names of DIR's *.yaml without their ending, added to `names`. */
static void list_yaml(struct mill_strv *names, const char *root, const char *folder)
{
	if (!root)
		return;
	_cleanup_strv_ struct mill_strv files = {0};
	_cleanup_free_ char *dir = mill_path_join(root, folder);
	if (mill_list_dir(dir, &files, NULL) < 0)
		return;
	for (size_t i = 0; i < files.n; i++) {
		if (!mill_ends_with(files.items[i], ".yaml"))
			continue;
		_cleanup_free_ char *name =
			mill_xstrndup(files.items[i], strlen(files.items[i]) - 5);
		if (!mill_strv_contains(names, name))
			mill_strv_add(names, name);
	}
}

static void hint_names(struct mill_error *err, struct mill_strv *names, const char *word,
		       const char *what)
{
	mill_strv_sort(names);
	_cleanup_free_ char *list = mill_strv_join(names, ", ");
	size_t n = strlen(word);
	_cleanup_free_ char *stem = mill_xstrndup(word, mill_ends_with(word, ".yaml") ? n - 5 : n);
	const char *near = mill_suggest(stem, (const char *const *)names->items, names->n);
	if (near)
		mill_error_hint(err, "did you mean '%s'? %s: %s", near, what, list);
	else if (names->n)
		mill_error_hint(err, "%s: %s", what, list);
}

/* root/folder/name with each ending; owned or NULL. */
static char *try_names(const char *root, const char *folder, const char *name,
		       const char *const *endings)
{
	for (; root && *endings; endings++) {
		char *path = mill_xasprintf("%s/%s/%s%s", root, folder, name, *endings);
		if (mill_is_file(path))
			return path;
		free(path);
	}
	return NULL;
}

static char *try_path(const char *name)
{
	_cleanup_free_ char *expanded = mill_find_expand(name);
	return mill_is_file(expanded) ? mill_path_absolute(expanded) : NULL;
}

char *mill_find_flavour(const struct mill_model_request *q, const char *name,
			struct mill_error *err)
{
	static const char *const endings[] = {".yaml", "", "_flavour.yaml", NULL};
	char *path = try_path(name);
	if (!path && !strchr(name, '/')) {
		path = try_names(q->project, "flavours", name, endings);
		if (!path)
			path = try_names(q->resources, "flavours", name, endings);
	}
	if (path)
		return path;
	_cleanup_strv_ struct mill_strv names = {0};
	list_yaml(&names, q->project, "flavours");
	list_yaml(&names, q->resources, "flavours");
	mill_fail_usage(err, "there is no flavour '%s'", name);
	hint_names(err, &names, name, "flavours");
	return NULL;
}

char *mill_find_target(const struct mill_loading *l, const char *name, struct mill_error *err)
{
	static const char *const endings[] = {"", ".yaml", NULL};
	const struct mill_model_request *q = l->request;
	char *path = try_path(name);
	if (!path && name[0] != '/' && name[0] != '~') {
		if (l->flavour_dir) {
			path = mill_path_join(l->flavour_dir, name);
			if (!mill_is_file(path))
				path = (free(path), NULL);
		}
		if (!path)
			path = try_names(q->project, "k8s/configs", name, endings);
		if (!path)
			path = try_names(q->resources, "k8s/configs", name, endings);
	}
	if (path)
		return path;
	_cleanup_strv_ struct mill_strv names = {0};
	list_yaml(&names, q->project, "k8s/configs");
	list_yaml(&names, q->resources, "k8s/configs");
	mill_fail_usage(err, "there is no target file '%s'", name);
	hint_names(err, &names, name, "targets");
	return NULL;
}

char *mill_find_folder(const struct mill_loading *l, const char *name)
{
	const char *const roots[] = {l->request->project, l->flavour_dir, l->request->resources};
	_cleanup_free_ char *expanded = mill_find_expand(name);
	if (expanded[0] == '/')
		return mill_is_dir(expanded) ? mill_path_absolute(expanded) : NULL;
	for (size_t i = 0; i < MILL_ARRAY_LEN(roots); i++) {
		if (!roots[i])
			continue;
		_cleanup_free_ char *path = mill_path_join(roots[i], expanded);
		if (mill_is_dir(path))
			return mill_path_absolute(path);
	}
	return NULL;
}
