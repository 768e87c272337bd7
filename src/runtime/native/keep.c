#include "runtime/native/keep.h"

#include "base/io.h"
#include "base/json.h"

static int fill(const struct mill_recipe *r, const char *dir, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *recipe = json_copy(r->json);
	_cleanup_free_ char *path = mill_path_join(dir, "recipe.json");
	int result = mill_copy_tree(r->dir, dir, err);
	if (result < 0)
		return result;
	json_object_del(recipe, "dir");
	mill_json_file_text(recipe, &text);
	return mill_write_file(path, text.data, text.len, 0644, MILL_WRITE_DURABLE, err);
}

int mill_keep_environment(const struct mill_store *s, const struct mill_recipe *r, const char *key, struct mill_error *err)
{
	_cleanup_free_ char *parent = mill_xasprintf("%s/environments/%s", s->state, r->name);
	_cleanup_free_ char *dir = mill_path_join(parent, key);
	_cleanup_free_ char *fresh = mill_xasprintf("%s/.%s.new", parent, key);
	if (s->image || !mill_json_get_bool(r->json, "environment", false) || mill_streq(dir, r->dir) || mill_is_dir(dir))
		return 0;
	int result = mill_mkdir_p(parent, 0755, err);
	if (result == 0)
		result = mill_rm_rf(fresh, err);
	if (result == 0)
		result = fill(r, fresh, err);
	if (result == 0 && rename(fresh, dir) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		result = mill_fail_errno(err, errno, "rename %s", fresh);
	return result < 0 ? mill_error_wrap(err, "keep the locks of %s", r->name) : 0;
}
