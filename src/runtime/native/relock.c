#include <fcntl.h>

#include "runtime/native/relock.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "runtime/native/relock_step.h"
#include "runtime/native/symptom.h"

static int (*const relockers[])(struct mill_step_ctx *x, struct mill_error *err) = {
	[MILL_STEP_GO] = mill_relock_go,	 [MILL_STEP_PIP] = mill_relock_pip,
	[MILL_STEP_NPM] = mill_relock_npm,	 [MILL_STEP_MAVEN] = mill_relock_maven,
	[MILL_STEP_DEBIAN] = mill_relock_debian, [MILL_STEP_DOWNLOAD] = mill_relock_download,
	[MILL_STEP_FILES] = NULL,		 [MILL_STEP_WHEEL] = NULL,
};

char *mill_relock_path(const struct mill_step_ctx *x, size_t i)
{
	return mill_path_join(x->dest, x->step->locks.items[i]);
}

char *mill_relock_work(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/work-%zu", x->build, x->index);
	return mill_step_mkdir(x, path, err) < 0 ? NULL : MILL_TAKE(path);
}

static int install_wants(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv wants = {0};
	/* The lock that is being made does not ask for a compiler yet. */
	if (x->step->kind == MILL_STEP_DOWNLOAD || x->step->kind == MILL_STEP_DEBIAN)
		return 0;
	mill_step_toolchains(x->recipe, x->step, &wants);
	for (size_t i = 0; i < wants.n; i++) {
		_cleanup_toolchain_ struct mill_toolchain t = {0};
		int r = mill_toolchain_find(x->store, wants.items[i], &t, err);
		struct mill_recipe *recipe = NULL;
		if (r == 0 && t.key && !mill_store_has(x->store, t.key)) {
			r = mill_recipe_from_json(t.recipe, &recipe, err);
			if (r == 0)
				r = mill_install(x->store, recipe, x->options, NULL, err);
			mill_recipe_free(recipe);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_locks(struct mill_step_ctx *x, struct mill_error *err)
{
	for (size_t i = 0; i < x->recipe->n_steps; i++) {
		x->index = i;
		x->step = &x->recipe->steps[i];
		const char *kind = mill_step_kind_name(x->step->kind);
		if (x->step->kind == MILL_STEP_FILES)
			continue; /* they are in the component's folder already */
		if (!relockers[x->step->kind])
			return mill_fail_usage(err, "a %s step has no lock", kind);
		int r = install_wants(x, err);
		for (size_t j = 0; r == 0 && j < x->step->locks.n; j++) {
			_cleanup_free_ char *path = mill_relock_path(x, j);
			_cleanup_free_ char *dir = mill_path_dirname(path);
			r = mill_step_mkdir(x, dir, err);
		}
		if (r == 0)
			r = relockers[x->step->kind](x, err);
		if (r < 0)
			return mill_error_wrap(err, "step %zu (%s)", i + 1, kind);
	}
	return 0;
}

/* All steps worked: the new files replace the old. */
static int publish(struct mill_step_ctx *x, struct mill_error *err)
{
	for (size_t i = 0; i < x->recipe->n_steps; i++) {
		x->step = &x->recipe->steps[i];
		for (size_t j = 0; j < x->step->locks.n && x->step->kind != MILL_STEP_FILES; j++) {
			_cleanup_free_ char *from = mill_relock_path(x, j);
			_cleanup_free_ char *to = mill_path_join(x->recipe->dir, x->step->locks.items[j]);
			_cleanup_free_ char *dir = mill_path_dirname(to);
			_cleanup_free_ char *text = NULL;
			size_t len;
			int r = mill_read_file(from, MILL_LOCK_FILE_MAX, &text, &len, err);
			if (r == 0)
				r = mill_mkdir_p(dir, 0755, err);
			if (r == 0)
				r = mill_write_file(to, text, len, 0644, MILL_WRITE_DURABLE, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* What the clients fetched: the folders where they keep it as it came. */
static uint64_t fetched_bytes(const char *cache)
{
	static const char *const folders[] = {"go/mod/cache/download", "wheels", "npm", "maven",
					      "apt/archives", "apt/state/lists", "downloads"};
	uint64_t sum = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders); i++) {
		uint64_t bytes = 0;
		_cleanup_free_ char *path = mill_path_join(cache, folders[i]);
		if (mill_is_dir(path) && mill_disk_usage(path, &bytes, NULL) == 0)
			sum += bytes;
	}
	return sum;
}

/* uv keeps wheels unpacked: pip fetches them once more, only to be weighed. */
static int weigh_wheels(struct mill_step_ctx *x, const char *cache, struct mill_error *err)
{
	_cleanup_free_ char *to = mill_path_join(cache, "wheels");
	int r = mill_step_folder(x->store, to, err);
	for (size_t i = 0; i < x->recipe->n_steps && r == 0; i++) {
		_cleanup_toolchain_ struct mill_toolchain python = {0};
		x->step = &x->recipe->steps[i];
		if (x->step->kind != MILL_STEP_PIP)
			continue;
		_cleanup_free_ char *lock = mill_path_join(x->build, x->step->lock);
		r = mill_step_tool(x, "python", &python, err);
		if (r < 0)
			return r;
		char *argv[] = {python.program, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", to,
				"-r", lock, NULL};
		r = mill_step_exec(x, &(struct mill_step_run){.what = "pip download", .phase = MILL_INSTALL_FETCH,
							      .argv = argv}, err);
	}
	return r;
}

/* One real install from nothing, beside the store; its tool chains do not count. */
static int measure_install(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_free_ char *root = mill_xasprintf("%s/measure-%s", x->store->cache, x->recipe->name);
	_cleanup_free_ char *cache = mill_path_join(root, "cache");
	_cleanup_free_ char *store_dir = mill_path_join(root, "store");
	struct mill_store_paths p = {.store = store_dir, .cache = cache, .state = x->store->state,
				     .toolchains = x->store->toolchains, .set_ids = x->store->set_ids,
				     .uid = x->store->uid, .gid = x->store->gid};
	struct mill_store *store = NULL;
	struct mill_install_result res;
	int r = mill_rm_rf(root, err);
	if (r == 0)
		r = mill_store_open(&p, &store, err);
	if (r == 0) {
		r = mill_install(store, x->recipe, x->options, &res, err);
		if (r == 0)
			r = weigh_wheels(x, cache, err);
		struct mill_estimate e = {.known = true, .installed_bytes = res.bytes, .seconds = res.seconds,
					  .download_bytes = fetched_bytes(cache)};
		if (r == 0)
			r = mill_recipe_save_estimate(x->recipe, &e, err);
	}
	mill_store_close(store);
	(void)mill_rm_rf(root, NULL);
	return r < 0 ? mill_error_wrap(err, "measure") : 0;
}

int mill_relock(struct mill_store *s, const struct mill_recipe *r, const struct mill_install_options *o,
		bool measure, struct mill_error *err)
{
	_cleanup_error_ struct mill_error local = {0};
	if (!err)
		err = &local;
	if (!r->dir[0])
		return mill_fail_usage(err, "%s has no folder for its locks", r->name);
	struct mill_step_ctx x = {.store = s, .recipe = r, .options = o, .log_fd = -1,
				  .started_ns = mill_now_ns()};
	x.build = mill_xasprintf("%s/build/relock-%s-%d", s->cache, r->name, (int)getpid());
	x.dest = mill_path_join(x.build, "new");
	int result = mill_mkdir_p(x.build, 0700, err);
	if (result == 0)
		result = mill_step_environment(s, x.build, o->offline, &x.env, err);
	for (const char *const *e = o->environment; result == 0 && e && *e; e++) {
		_cleanup_free_ char *name = mill_xstrndup(*e, strcspn(*e, "="));
		mill_strv_setenv(&x.env, name, strchr(*e, '=') ? strchr(*e, '=') + 1 : "");
	}
	if (result == 0 && s->set_ids)
		result = mill_chown_r(x.build, s->uid, s->gid, err);
	if (result == 0)
		result = make_locks(&x, err);
	if (result == 0)
		result = publish(&x, err);
	if (result == 0 && measure)
		result = mill_step_stage(r, x.build, err);
	if (result == 0 && measure)
		result = measure_install(&x, err);
	(void)mill_rm_rf(x.build, NULL);
	if (result < 0 && x.network_failed) {
		err->code = ENETUNREACH;
		mill_error_wrap(err, "no network: could not reach the package index");
	}
	free(x.build);
	free(x.dest);
	mill_strv_release(&x.env);
	return result < 0 ? mill_error_wrap(err, "relock %s", r->name) : 0;
}

/* A manifest's own checksum is its lock: say what it should be. */
int mill_relock_download(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf url = MILL_STRBUF_INIT;
	const char *text = mill_step_string(x->step, "url", ""), *hit;
	while ((hit = strstr(text, "${arch}"))) {
		mill_strbuf_add(&url, text, (size_t)(hit - text));
		mill_strbuf_addstr(&url, mill_machine_arch());
		text = hit + strlen("${arch}");
	}
	mill_strbuf_addstr(&url, text);
	char sha[MILL_SHA256_HEX];
	_cleanup_free_ char *work = mill_relock_work(x, err);
	if (!work)
		return -err->code;
	_cleanup_free_ char *file = mill_path_join(work, "file");
	struct mill_net_download d = {.url = url.data, .path = file, .ret_sha256 = sha};
	int r = mill_step_download(x, &d, err);
	if (r < 0)
		return r;
	const json_t *want = json_object_get(x->step->json, "sha256");
	if (json_is_object(want))
		want = json_object_get(want, mill_machine_arch());
	mill_step_progress(x, MILL_INSTALL_FETCH, 0, 0, "%s: sha256 %s (%s)", url.data, sha, mill_machine_arch());
	if (mill_streq(json_string_value(want), sha))
		return 0;
	mill_fail(err, EBADMSG, "%s has sha256 %s, the manifest says %s", url.data, sha,
		  want ? json_string_value(want) : "nothing");
	return mill_error_hint(err, "if that is right, write into component.yaml: sha256: {%s: %s}",
			       mill_machine_arch(), sha);
}
