/*
 * Drives the installer without the command line, for tests:
 *
 *	mill-install install|key|verify|relock RECIPE.json
 *
 * Folders come from the environment: STORE, CACHE, STATE, TOOLCHAINS; as root,
 * UID_GID=uid:gid.  ENV lists NAME=VALUE pairs for the installers, separated
 * by '|'; ALLOW_FILE, OFFLINE and MEASURE are flags.  Prints one JSON object
 * at the end, progress on standard error.
 */
#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/install.h"
#include "runtime/native/relock.h"

static void show(void *arg, const struct mill_install_progress *p)
{
	fprintf(stderr, "%s: %s %s %.2f %llu/%llu\n", p->name, mill_install_phase_name(p->phase), p->text,
		p->fraction, (unsigned long long)p->done, (unsigned long long)p->total);
}

static const char *variable(const char *name)
{
	const char *v = getenv(name);
	return v ? v : "";
}

static int print_result(const char *key, const struct mill_install_result *res, const struct mill_error *e)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	mill_json_writer_init(&w, &b, false);
	mill_json_begin_object(&w);
	mill_json_kv_bool(&w, "ok", e->code == 0);
	mill_json_kv_int(&w, "code", e->code);
	mill_json_kv_string(&w, "message", e->message);
	mill_json_kv_string(&w, "hint", e->hint);
	mill_json_kv_string(&w, "detail", e->detail);
	mill_json_kv_string(&w, "key", key ? key : res->key);
	mill_json_kv_bool(&w, "existed", res->existed);
	mill_json_kv_int(&w, "bytes", (int64_t)res->bytes);
	mill_json_key(&w, "seconds");
	mill_json_double(&w, res->seconds);
	mill_json_end_object(&w);
	puts(b.data);
	return e->code ? 1 : 0;
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_json_ json_t *json = NULL;
	_cleanup_free_ char *key = NULL;
	_cleanup_strv_ struct mill_strv env = {0};
	struct mill_store *store = NULL;
	struct mill_recipe *recipe = NULL;
	struct mill_install_result res = {0};
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	if (argc != 3)
		return 2;
	unsigned uid = 0, gid = 0;
	bool ids = sscanf(variable("UID_GID"), "%u:%u", &uid, &gid) == 2;
	struct mill_store_paths p = {.store = getenv("STORE"), .cache = getenv("CACHE"), .state = getenv("STATE"),
				     .toolchains = getenv("TOOLCHAINS"), .set_ids = ids, .uid = uid, .gid = gid};
	mill_strv_split(&env, variable("ENV"), "|");
	o.environment = (const char *const *)mill_strv_argv(&env);
	o.allow_file = getenv("ALLOW_FILE") != NULL;
	o.offline = getenv("OFFLINE") != NULL;
	o.on_progress = show;
	int r = mill_store_open(&p, &store, &err);
	if (r == 0)
		r = mill_json_load(argv[2], 1 << 20, &json, &err);
	if (r == 0)
		r = mill_recipe_from_json(json, &recipe, &err);
	if (r == 0 && mill_streq(argv[1], "install"))
		r = mill_install(store, recipe, &o, &res, &err);
	else if (r == 0 && mill_streq(argv[1], "relock"))
		r = mill_relock(store, recipe, &o, getenv("MEASURE") != NULL, &err);
	else if (r == 0)
		r = mill_recipe_key(store, recipe, &key, &err);
	if (r == 0 && mill_streq(argv[1], "verify"))
		r = mill_store_verify(store, key, NULL, &err);
	int code = print_result(key, &res, &err);
	mill_recipe_free(recipe);
	mill_store_close(store);
	return code;
}
