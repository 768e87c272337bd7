#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/native/step.h"

#include "base/clock.h"
#include "base/confine.h"
#include "base/io.h"
#include "base/proc.h"
#include "net/net.h"
#include "runtime/native/symptom.h"

#define OUTPUT_TAIL ((size_t)64 << 10)

int mill_step_folder(const struct mill_store *s, const char *path, struct mill_error *err)
{
	int r = mill_mkdir_p(path, 0755, err);
	if (r < 0)
		return r;
	if (s->set_ids && lchown(path, s->uid, s->gid) < 0)
		return mill_fail_errno(err, errno, "change the owner of %s", path);
	return 0;
}

char *mill_step_cache(const struct mill_step_ctx *x, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(x->store->cache, name);
	return mill_step_folder(x->store, path, err) < 0 ? NULL : MILL_TAKE(path);
}

int mill_step_stage(const struct mill_recipe *r, const char *build, struct mill_error *err)
{
	for (size_t i = 0; i < r->n_steps; i++)
		for (size_t j = 0; j < r->steps[i].locks.n; j++) {
			_cleanup_free_ char *from = mill_path_join(r->dir, r->steps[i].locks.items[j]);
			_cleanup_free_ char *to = mill_path_join(build, r->steps[i].locks.items[j]);
			_cleanup_free_ char *dir = mill_path_dirname(to);
			int result = mill_mkdir_p(dir, 0755, err);
			if (result == 0)
				result = mill_copy_file(from, to, 0644, err);
			if (result < 0)
				return result;
		}
	return 0;
}

/* ---- as the installers' user, whose folders these are ---- */
struct file_op {
	const char *from, *to;
	mode_t mode;
	int (*run)(const struct file_op *op, struct mill_error *err);
};

static int run_file_op(void *arg, struct mill_error *err)
{
	const struct file_op *op = arg;
	return op->run(op, err);
}

static int as_user(const struct mill_step_ctx *x, const struct file_op *op, struct mill_error *err)
{
	struct mill_confine c = {.set_ids = x->store->set_ids, .uid = x->store->uid, .gid = x->store->gid};
	return c.set_ids ? mill_confined(&c, run_file_op, (void *)op, err) : op->run(op, err);
}

static int op_mkdir(const struct file_op *op, struct mill_error *err)
{
	return mill_mkdir_p(op->to, 0755, err);
}

static int op_copy(const struct file_op *op, struct mill_error *err)
{
	return mill_copy_file(op->from, op->to, op->mode, err);
}

static int op_symlink(const struct file_op *op, struct mill_error *err)
{
	return symlink(op->from, op->to) < 0 ? mill_fail_errno(err, errno, "link %s", op->to) : 0;
}

static int op_write(const struct file_op *op, struct mill_error *err)
{
	return mill_write_file(op->to, op->from, strlen(op->from), 0644, 0, err);
}

int mill_step_mkdir(struct mill_step_ctx *x, const char *path, struct mill_error *err)
{
	return as_user(x, &(struct file_op){.to = path, .run = op_mkdir}, err);
}

int mill_step_copy(struct mill_step_ctx *x, const char *from, const char *to, mode_t mode,
		   struct mill_error *err)
{
	return as_user(x, &(struct file_op){.from = from, .to = to, .mode = mode, .run = op_copy}, err);
}

int mill_step_symlink(struct mill_step_ctx *x, const char *target, const char *path,
		      struct mill_error *err)
{
	return as_user(x, &(struct file_op){.from = target, .to = path, .run = op_symlink}, err);
}

int mill_step_write(struct mill_step_ctx *x, const char *path, const char *text, struct mill_error *err)
{
	return as_user(x, &(struct file_op){.from = text, .to = path, .run = op_write}, err);
}

char *mill_step_staged(const struct mill_step_ctx *x, const char *relative)
{
	return mill_path_join(x->build, relative);
}

void mill_step_progress(struct mill_step_ctx *x, enum mill_install_phase phase, uint64_t done,
			uint64_t total, const char *fmt, ...)
{
	if (!x->options->on_progress)
		return;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	struct mill_install_progress p = {.name = x->recipe->name, .phase = phase, .done = done,
					  .total = total, .text = text, .fraction = -1};
	if (x->expected_seconds > 0) {
		/* By the clock: a compiler does not say how far it is.  It never claims to be done. */
		double share = (double)(mill_now_ns() - x->started_ns) / 1e9 / x->expected_seconds;
		p.fraction = share < 0.95 ? share : 0.95;
	} else if (total) {
		p.fraction = ((double)x->index + (double)done / (double)total) / (double)x->recipe->n_steps;
	}
	x->options->on_progress(x->options->arg, &p);
}

void mill_step_log(struct mill_step_ctx *x, const char *fmt, ...)
{
	if (x->log_fd < 0)
		return;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	_cleanup_free_ char *line = mill_xasprintf("--- %s\n", text);
	(void)mill_write_all(x->log_fd, line, strlen(line));
}

unsigned mill_step_jobs(const struct mill_step_ctx *x)
{
	return x->options->jobs ? x->options->jobs : mill_processors();
}

int mill_step_tool(struct mill_step_ctx *x, const char *name, struct mill_toolchain *ret,
		   struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv wants = {0};
	mill_step_toolchains(x->recipe, x->step, &wants);
	for (size_t i = 0; i < wants.n; i++) {
		size_t n = strcspn(wants.items[i], ">=");
		if (n != strlen(name) || strncmp(wants.items[i], name, n) != 0)
			continue;
		int r = mill_toolchain_find(x->store, wants.items[i], ret, err);
		if (r == 0 && ret->key && !mill_store_has(x->store, ret->key)) {
			mill_toolchain_release(ret);
			return mill_fail(err, ENOENT, "the tool chain %s vanished from the store", name);
		}
		return r;
	}
	BUG("a %s step has no tool chain %s", mill_step_kind_name(x->step->kind), name);
}

struct line_arg {
	struct mill_step_ctx *x;
	const struct mill_step_run *r;
};

static void on_line(void *arg, const char *line)
{
	struct line_arg *a = arg;
	a->x->network_failed |= mill_symptom_network(line);
	a->x->disk_full |= mill_symptom_disk_full(line);
	if (!a->r->quiet && *line)
		mill_step_progress(a->x, a->r->phase, 0, 0, "%s: %.160s", a->r->what, line);
}

static void log_command(struct mill_step_ctx *x, char *const *argv)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	for (; *argv; argv++)
		mill_strbuf_printf(&b, "%s%s", b.len ? " " : "", *argv);
	mill_step_log(x, "%s", b.data);
}

int mill_step_exec(struct mill_step_ctx *x, const struct mill_step_run *r, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf tail = MILL_STRBUF_INIT;
	struct mill_run run = MILL_RUN_INIT;
	struct line_arg arg = {.x = x, .r = r};
	char text[64];
	int status;
	run.spawn.argv = r->argv;
	run.spawn.env = mill_strv_argv(&x->env);
	run.spawn.cwd = r->cwd ? r->cwd : x->build;
	run.spawn.set_ids = x->store->set_ids;
	run.spawn.uid = x->store->uid;
	run.spawn.gid = x->store->gid;
	run.spawn.new_group = true;
	run.spawn.no_new_privs = true;
	run.spawn.parent_death_signal = 9;
	run.spawn.umask = 022;
	run.input = r->input;
	run.input_len = r->input ? strlen(r->input) : 0;
	run.merge_stderr = r->out == NULL;
	run.output_max = r->out ? (size_t)16 << 20 : OUTPUT_TAIL;
	run.cancel_fd = x->options->cancel_fd;
	run.log_fd = x->log_fd;
	run.on_line = on_line;
	run.on_line_arg = &arg;
	log_command(x, r->argv);
	mill_step_progress(x, r->phase, 0, 0, "%s", r->what);
	int result = mill_run(&run, r->out ? r->out : &tail, r->out ? &tail : NULL, &status, err);
	if (result == -ECANCELED)
		return mill_fail(err, ECANCELED, "%s was cancelled", r->what);
	if (result < 0)
		return mill_error_wrap(err, "%s", r->what);
	if (status == 0)
		return 0;
	_cleanup_free_ char *last = mill_symptom_tail(tail.data, MILL_STEP_TAIL_LINES);
	mill_fail(err, x->disk_full ? ENOSPC : EIO, "%s failed: %s", r->what,
		  mill_status_text(status, text, sizeof(text)));
	mill_error_detail(err, last);
	return -err->code;
}

/* ---- the network module, with what every step knows ---- */
struct bytes_arg {
	struct mill_step_ctx *x;
	enum mill_install_phase phase;
	const char *what;
	uint64_t last_ns;
};

static void on_bytes(void *arg, uint64_t done, uint64_t total)
{
	struct bytes_arg *a = arg;
	uint64_t now = mill_now_ns();
	if (now - a->last_ns < 100 * MILL_MS)
		return;
	a->last_ns = now;
	mill_step_progress(a->x, a->phase, done, total, "%s", a->what);
}

int mill_step_download(struct mill_step_ctx *x, struct mill_net_download *d, struct mill_error *err)
{
	const struct mill_net_api *net;
	struct bytes_arg arg = {.x = x, .phase = MILL_INSTALL_FETCH, .what = mill_path_basename(d->url)};
	if (mill_net_load(&net, err) < 0)
		return -err->code;
	if (x->options->offline)
		return mill_fail(err, ENETUNREACH, "no network: offline was asked for and %s is not in the cache",
				 d->url);
	d->cancel_fd = x->options->cancel_fd;
	d->allow_file = x->options->allow_file;
	d->set_ids = x->store->set_ids;
	d->uid = x->store->uid;
	d->gid = x->store->gid;
	d->on_progress = on_bytes;
	d->arg = &arg;
	mill_step_log(x, "download %s", d->url);
	int r = net->download(d, err);
	x->network_failed |= r == -ENETUNREACH;
	x->disk_full |= r == -ENOSPC || r == -EDQUOT;
	return r;
}

int mill_step_unpack(struct mill_step_ctx *x, struct mill_net_unpack *u, struct mill_error *err)
{
	const struct mill_net_api *net;
	struct bytes_arg arg = {.x = x, .phase = MILL_INSTALL_UNPACK, .what = mill_path_basename(u->archive)};
	if (mill_net_load(&net, err) < 0)
		return -err->code;
	u->cancel_fd = x->options->cancel_fd;
	u->set_ids = x->store->set_ids;
	u->uid = x->store->uid;
	u->gid = x->store->gid;
	u->on_progress = on_bytes;
	u->arg = &arg;
	mill_step_log(x, "unpack %s", u->archive);
	int r = net->unpack(u, err);
	x->disk_full |= r == -ENOSPC || r == -EDQUOT;
	return r;
}
