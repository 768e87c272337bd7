/*
 * What a plan asks of the native runtime.  Live state comes from one `status`
 * of the daemon; where none answers, from the shims' own status files, whose
 * processes are checked by boot id and start time.
 */
#include "runtime/native/context.h"
#include "runtime/native/live.h"
#include "runtime/native/recipe.h"
#include "runtime/native/toolchain.h"

#include "base/io.h"
#include "base/json.h"

static int store_key(void *arg, const json_t *recipe, char **ret_key, struct mill_error *err)
{
	struct mill_store *store;
	struct mill_recipe *r = NULL;
	int rv = mill_native_store(arg, &store, err);
	if (rv == 0)
		rv = mill_recipe_from_json(recipe, &r, err);
	if (rv == 0)
		rv = mill_recipe_key(store, r, ret_key, err);
	mill_recipe_free(r);
	return rv;
}

static bool store_has(void *arg, const char *key)
{
	struct mill_store *store;
	return mill_native_store(arg, &store, NULL) == 0 && mill_store_has(store, key);
}

static int toolchain(void *arg, const char *want, struct mill_toolchain_at *ret, struct mill_error *err)
{
	struct mill_store *store;
	_cleanup_toolchain_ struct mill_toolchain t = {0};
	int r = mill_native_store(arg, &store, err);
	if (r == 0)
		r = mill_toolchain_find(store, want, &t, err);
	if (r < 0)
		return r;
	ret->dir = MILL_TAKE(t.dir);
	ret->key = MILL_TAKE(t.key);
	ret->recipe = MILL_TAKE(t.recipe);
	return 0;
}

json_t *mill_native_tools_recipe(const struct mill_layout *l)
{
	_cleanup_free_ char *dir = mill_path_join(l->resources, "components/_tools");
	_cleanup_free_ char *path = mill_path_join(dir, "recipe.json");
	json_t *recipe = NULL;
	if (mill_json_load(path, MILL_JSON_FILE_MAX, &recipe, NULL) < 0)
		return NULL;
	json_object_set_new(recipe, "dir", json_string(dir));
	return recipe;
}

static json_t *tools_recipe(void *arg)
{
	const struct mill_native *n = arg;
	return mill_native_tools_recipe(n->layout);
}

static void copy_text(char *to, size_t size, const json_t *o, const char *key)
{
	snprintf(to, size, "%s", mill_json_get_string(o, key, ""));
}

/* A shim's last words name the fingerprint that it ran, too. */
static bool has_ended(const char *state)
{
	return mill_streq(state, "stopped") || mill_streq(state, "backoff") || mill_streq(state, "failed");
}

void mill_native_observe(struct mill_native *n, const char *id, struct mill_observed *ret)
{
	*ret = (struct mill_observed){0};
	const json_t *service = mill_live_service(n, id);
	if (!service)
		return;
	copy_text(ret->state, sizeof(ret->state), service, "state");
	if (!has_ended(ret->state))
		copy_text(ret->fingerprint, sizeof(ret->fingerprint), service, "fingerprint");
	copy_text(ret->reason, sizeof(ret->reason), service, "reason");
}

static void observe(void *arg, const char *id, struct mill_observed *ret)
{
	mill_native_observe(arg, id, ret);
}

void mill_native_host(struct mill_native *n, struct mill_plan_host *h)
{
	h->arg = n;
	h->store = n->layout->store;
	h->store_key = store_key;
	h->store_has = store_has;
	h->toolchain = toolchain;
	h->tools_recipe = tools_recipe;
	h->observe = observe;
}
