#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "runtime/native/install.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "runtime/native/keep.h"
#include "runtime/native/seal.h"
#include "runtime/native/step.h"
#include "runtime/native/symptom.h"

#define LOGS_KEPT 3
#define LOCK_POLL_MS 300

static int (*const installers[])(struct mill_step_ctx *x, struct mill_error *err) = {
	[MILL_STEP_GO] = mill_install_go,	      [MILL_STEP_PIP] = mill_install_pip,
	[MILL_STEP_NPM] = mill_install_npm,	      [MILL_STEP_MAVEN] = mill_install_maven,
	[MILL_STEP_DEBIAN] = mill_install_debian,     [MILL_STEP_DOWNLOAD] = mill_install_download,
	[MILL_STEP_FILES] = mill_install_files,	      [MILL_STEP_WHEEL] = mill_install_wheel,
};

const char *mill_install_phase_name(enum mill_install_phase phase)
{
	static const char *const names[] = {"wait", "toolchain", "fetch", "build", "unpack", "seal"};
	return names[phase];
}

char *mill_install_log_path(const struct mill_store *s, const char *key)
{
	return mill_xasprintf("%s/install-logs/%s%s.log", s->state, s->image ? "images/" : "", key);
}

static bool is_cancelled(const struct mill_install_options *o)
{
	struct pollfd p = {.fd = o->cancel_fd, .events = POLLIN};
	return o->cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}

/* The key's lock, exclusively; says whom it waits for, and hears a cancel. */
static int lock_key(struct mill_step_ctx *x, const char *key, int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/.locks/%s", x->store->dir, key);
	int r = mill_store_lock(x->store, key, false, 0, ret_fd, NULL);
	while (r == -ETIMEDOUT || r == -EWOULDBLOCK) {
		_cleanup_free_ char *holder = mill_lock_holder(path);
		mill_step_progress(x, MILL_INSTALL_WAIT, 0, 0, "waiting for %s, which installs it",
				   holder ? holder : "another program");
		if (is_cancelled(x->options))
			return mill_fail(err, ECANCELED, "cancelled while waiting for another install");
		r = mill_store_lock(x->store, key, false, LOCK_POLL_MS, ret_fd, NULL);
	}
	return r < 0 ? mill_fail_errno(err, -r, "lock %s", path) : 0;
}

/* key.log -> key.log.1 -> key.log.2, then a new one. */
static int open_log(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_dirname(x->log_path);
	int r = mill_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	for (int i = LOGS_KEPT - 1; i > 0; i--) {
		_cleanup_free_ char *from = i > 1 ? mill_xasprintf("%s.%d", x->log_path, i - 1)
						  : mill_xstrdup(x->log_path);
		_cleanup_free_ char *to = mill_xasprintf("%s.%d", x->log_path, i);
		(void)rename(from, to);
	}
	x->log_fd = open(x->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (x->log_fd < 0)
		return mill_fail_errno(err, errno, "open %s", x->log_path);
	char now[MILL_RFC3339_LEN];
	mill_step_log(x, "%s %s, %s, data-mill " MILL_VERSION, x->recipe->name, x->recipe->version,
		      mill_format_rfc3339(mill_wall_ms(), now));
	return 0;
}

static int install_one_toolchain(struct mill_step_ctx *x, const char *want, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain t = {0};
	int r = mill_toolchain_find(x->store, want, &t, err);
	if (r < 0 || !t.key || mill_store_has(x->store, t.key))
		return r;
	struct mill_recipe *recipe = NULL;
	r = mill_recipe_from_json(t.recipe, &recipe, err);
	if (r == 0) {
		mill_step_progress(x, MILL_INSTALL_TOOLCHAIN, 0, 0, "tool chain %s %s", t.name, t.version);
		r = mill_install(x->store, recipe, x->options, NULL, err);
	}
	mill_recipe_free(recipe);
	return r;
}

static int install_toolchains(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv wants = {0};
	for (size_t i = 0; i < x->recipe->n_steps; i++)
		mill_step_toolchains(x->recipe, &x->recipe->steps[i], &wants);
	for (size_t i = 0; i < x->recipe->toolchains.n; i++)
		mill_strv_add(&wants, x->recipe->toolchains.items[i]);
	for (size_t i = 0; i < wants.n; i++) {
		int r = install_one_toolchain(x, wants.items[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Refuses what cannot fit before anything is fetched. */
static int check_space(struct mill_step_ctx *x, struct mill_error *err)
{
	struct mill_estimate e;
	uint64_t available;
	char need[32], have[32];
	mill_recipe_estimate(x->recipe, &e);
	if (!e.known || mill_disk_free(x->store->dir, &available, NULL) < 0 || available >= e.installed_bytes)
		return 0;
	return mill_fail(err, ENOSPC, "needs %s in %s, which has %s free",
			 mill_format_size(e.installed_bytes, need, sizeof(need)), x->store->dir,
			 mill_format_size(available, have, sizeof(have)));
}

/* Empties the entry and the build folder, stages the locks, makes the environment. */
static int prepare(struct mill_step_ctx *x, struct mill_error *err)
{
	int r = check_space(x, err);
	if (r == 0)
		r = mill_rm_rf(x->entry, err);
	if (r == 0)
		r = mill_rm_rf(x->build, err);
	if (r == 0)
		r = mill_mkdir_p(x->build, 0700, err);
	if (r == 0)
		r = mill_step_stage(x->recipe, x->build, err);
	if (r == 0)
		r = mill_step_environment(x->store, x->build, x->options->offline, &x->env, err);
	/* Filled while it was ours alone: from here on it belongs to the installers' user. */
	if (r == 0 && x->store->set_ids)
		r = mill_chown_r(x->build, x->store->uid, x->store->gid, err);
	if (r == 0)
		r = mill_step_folder(x->store, x->entry, err);
	for (const char *const *e = x->options->environment; r == 0 && e && *e; e++) {
		size_t n = strcspn(*e, "=");
		_cleanup_free_ char *name = mill_xstrndup(*e, n);
		if ((*e)[n])
			mill_strv_setenv(&x->env, name, *e + n + 1);
	}
	return r;
}

static int make_dest(struct mill_step_ctx *x, struct mill_error *err)
{
	free(x->dest);
	x->dest = x->step->into[0] ? mill_path_join(x->entry, x->step->into) : mill_xstrdup(x->entry);
	return mill_step_mkdir(x, x->dest, err);
}

static int run_steps(struct mill_step_ctx *x, struct mill_error *err)
{
	for (size_t i = 0; i < x->recipe->n_steps; i++) {
		x->index = i;
		x->step = &x->recipe->steps[i];
		const char *kind = mill_step_kind_name(x->step->kind);
		mill_step_log(x, "step %zu of %zu: %s", i + 1, x->recipe->n_steps, kind);
		int r = make_dest(x, err);
		if (r == 0)
			r = installers[x->step->kind](x, err);
		if (r == -ECANCELED)
			return r;
		if (r < 0)
			return mill_error_wrap(err, "step %zu (%s)", i + 1, kind);
	}
	return 0;
}

/* Puts the cause first, where it is one of those that users meet. */
static int explain(struct mill_step_ctx *x, struct mill_error *err)
{
	const char *name = x->recipe->name;
	bool full = err->code == ENOSPC || err->code == EDQUOT || (x->disk_full && err->code != ECANCELED);
	if (err->code == ECANCELED)
		return mill_error_wrap(err, "%s", name);
	if (full) {
		struct mill_estimate e;
		uint64_t available = 0;
		char need[32], have[32];
		mill_recipe_estimate(x->recipe, &e);
		(void)mill_disk_free(x->store->dir, &available, NULL);
		err->code = ENOSPC;
		mill_error_wrap(err, "%s: the disk is full (needed: %s%s, free now: %s)", name,
				e.known ? "about " : "", e.known ? mill_format_size(e.installed_bytes + e.download_bytes, need, sizeof(need)) : "unknown",
				mill_format_size(available, have, sizeof(have)));
		return mill_error_hint(err, "the store was left as it was; make room in %s and %s, then run the same "
					    "command again%s%s", x->store->dir, x->store->cache,
				       x->log_path ? "; the install log is " : "", x->log_path ? x->log_path : "");
	}
	if (x->network_failed || err->code == ENETUNREACH) {
		if (err->code == ENETUNREACH) /* says itself what could not be reached */
			mill_error_wrap(err, "%s", name);
		else
			mill_error_wrap(err, "no network: could not reach the package index for %s", name);
		err->code = ENETUNREACH;
		return mill_error_hint(err, "the install log is %s; check the connection and the proxy variables, then "
					    "run the same command again: it goes on from there", x->log_path);
	}
	mill_error_wrap(err, "%s", name);
	if (!err->hint)
		mill_error_hint(err, "the install log is %s; run the same command again to retry", x->log_path);
	else if (x->log_path && !strstr(err->hint, x->log_path)) {
		_cleanup_free_ char *hint = mill_xstrdup(err->hint);
		mill_error_hint(err, "%s; the install log is %s", hint, x->log_path);
	}
	return -err->code;
}

static int seal(struct mill_step_ctx *x, const char *key, uint64_t *ret_bytes, struct mill_error *err)
{
	mill_step_progress(x, MILL_INSTALL_SEAL, 0, 0, "checking and sealing the files");
	struct mill_seal s = {.path = x->entry,
			      .key = key,
			      .name = x->recipe->name,
			      .version = x->recipe->version,
			      .recipe = x->recipe->json,
			      .to_root = x->store->set_ids};
	int r = mill_seal(&s, err);
	*ret_bytes = s.bytes;
	return r;
}

/* With the key's lock held. */
static int build_entry(struct mill_step_ctx *x, const char *key, struct mill_install_result *ret,
		       struct mill_error *err)
{
	struct mill_estimate e;
	mill_recipe_estimate(x->recipe, &e);
	x->expected_seconds = e.seconds;
	x->started_ns = mill_now_ns();
	x->entry = mill_store_path(x->store, key);
	/* The same key may be built for this machine and for images at once. */
	x->build = mill_xasprintf("%s/build/%s%s", x->store->cache, x->store->image ? "images/" : "", key);
	x->log_path = mill_install_log_path(x->store, key);
	int r = open_log(x, err);
	if (r == 0)
		r = prepare(x, err);
	if (r == 0)
		r = run_steps(x, err);
	if (r == 0)
		r = seal(x, key, &ret->bytes, err);
	ret->seconds = (double)(mill_now_ns() - x->started_ns) / 1e9;
	(void)mill_rm_rf(x->build, NULL);
	if (r < 0) {
		mill_step_log(x, "failed: %s", err->message);
		(void)mill_rm_rf(x->entry, NULL);
		return explain(x, err);
	}
	mill_step_log(x, "done in %.1f s", ret->seconds);
	return 0;
}

static void release(struct mill_step_ctx *x)
{
	free(x->entry);
	free(x->dest);
	free(x->build);
	free(x->log_path);
	mill_strv_release(&x->env);
	if (x->log_fd >= 0)
		close(x->log_fd);
}

int mill_install(struct mill_store *s, const struct mill_recipe *r, const struct mill_install_options *o,
		 struct mill_install_result *ret, struct mill_error *err)
{
	_cleanup_error_ struct mill_error local = {0};
	struct mill_install_result unused;
	_cleanup_free_ char *key = NULL;
	if (!err)
		err = &local;
	if (!ret)
		ret = &unused;
	*ret = (struct mill_install_result){0};
	int result = mill_recipe_key(s, r, &key, err);
	if (result < 0)
		return result;
	snprintf(ret->key, sizeof(ret->key), "%s", key);
	ret->existed = mill_store_has(s, key);
	if (ret->existed)
		return mill_keep_environment(s, r, key, err);
	if (s->read_only) {
		mill_fail(err, EROFS, "%s: the store %s cannot be written", r->name, s->dir);
		return mill_error_hint(err, "set DATA_MILL_STORE to a folder of your own, or have its owner run data-mill install");
	}
	struct mill_step_ctx x = {.store = s, .recipe = r, .options = o, .log_fd = -1};
	result = install_toolchains(&x, err);
	_cleanup_close_ int lock = -1;
	if (result < 0)
		mill_error_wrap(err, "%s", r->name);
	else
		result = lock_key(&x, key, &lock, err);
	if (result == 0) {
		ret->existed = mill_store_has(s, key);
		if (!ret->existed)
			result = build_entry(&x, key, ret, err);
	}
	release(&x);
	return result < 0 ? result : mill_keep_environment(s, r, key, err);
}
