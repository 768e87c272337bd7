/* The operations: what is the same for every driver. */
#include "base/io.h"
#include "cluster/internal.h"

int mill_cluster_write_kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	int r = c->driver->foreign ? 0 : mill_record_folder(c, err);

	return r < 0 ? r : c->driver->kubeconfig(c, err);
}

/* ---- operations ---- */

/* One change at a time.  The file stays when the cluster goes: who waits for it holds it open. */
static int lock(const struct mill_cluster *c, int *ret_fd, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_xasprintf("%s.lock", c->dir);
	_cleanup_free_ char *folder = mill_path_dirname(path), *holder = NULL;
	int r = mill_mkdir_p(folder, 0700, err);

	if (r == 0)
		r = mill_lock_try(path, false, ret_fd, err);
	if (r != -EWOULDBLOCK)
		return r;
	holder = mill_lock_holder(path);
	mill_fail(err, EBUSY, "%s changes %s now; nothing was changed", holder ? holder : "another data-mill", mill_cluster_title(c));
	return mill_error_hint(err, "the same command again when it is done");
}

/* Somebody else's cluster: what is asked for is not ours to do. */
static int refuse_foreign(const struct mill_cluster *c, const char *verb, struct mill_error *err)
{
	if (!c->driver->foreign)
		return 0;
	mill_fail_usage(err, "cluster %s: %s belongs to whoever made it; nothing was changed", verb, mill_cluster_title(c));
	return mill_error_hint(err, "a cluster of your own: -t kind.yaml, -t minikube.yaml, ... (data-mill target list)");
}

/* The vendor says that it runs: does its API server say so, too?  Not asked before there is a kubeconfig. */
static int ask_server(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	_cleanup_error_ struct mill_error why = {0};
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r = mill_exists(c->kubeconfig) ? mill_kubefile_choose(c, c->driver->foreign ? c->context : NULL, &why) : -ENOENT;

	if (r == 0)
		r = mill_cluster_ping(c, &kind, &why);
	if (r == 0)
		ret->version = mill_cluster_server_version(c);
	if (r == -ECANCELED)
		return mill_fail(err, ECANCELED, "interrupted");
	if (r != -EHOSTUNREACH)
		return 0;
	ret->text = mill_xstrdup(why.message);
	/* what is wrong with our credentials is not wrong with the cluster */
	if (kind == MILL_SYMPTOM_REFUSED || kind == MILL_SYMPTOM_TIMEOUT || kind == MILL_SYMPTOM_NETWORK || kind == MILL_SYMPTOM_NONE)
		ret->state = MILL_CLUSTER_BROKEN;
	return 0;
}

int mill_cluster_status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	char phase[16];
	int r = c->driver->prepare ? c->driver->prepare(c, false, err) : 0;

	*ret = (struct mill_cluster_status){0};
	if (r == -ENOENT && (c->driver->installed_is_made || !*mill_record_phase(c, phase, sizeof(phase)))) {
		/* without the vendor's tool and without a record there is no cluster */
		ret->state = MILL_CLUSTER_ABSENT;
		ret->text = mill_xasprintf("%s is not installed", c->driver->tool);
		mill_error_release(err);
		return 0;
	}
	if (r == 0)
		r = c->driver->status(c, ret, err);
	if (r < 0) {
		mill_cluster_status_release(ret);
		return r;
	}
	mill_record_phase(c, phase, sizeof(phase));
	ret->ours = phase[0] != 0;
	if (ret->state == MILL_CLUSTER_RUNNING && !c->driver->foreign)
		r = ask_server(c, ret, err);
	if (r < 0)
		return r;
	if (mill_streq(phase, "creating") && ret->state == MILL_CLUSTER_STOPPED) {
		ret->state = MILL_CLUSTER_BROKEN;
		if (!ret->text)
			ret->text = mill_xstrdup("its making was interrupted");
	}
	return 0;
}

static int ask_before_making(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *estimate = NULL, *question = NULL;
	char phase[16];

	if (!c->driver->estimate || mill_streq(mill_record_phase(c, phase, sizeof(phase)), "creating")) /* asked when it began */
		return 0;
	estimate = c->driver->estimate(c);
	question = mill_xasprintf("This makes %s, which costs money until it is deleted:\n%s", mill_cluster_title(c),
				  estimate);
	return mill_cluster_confirm(c, question, c->name, err);
}

static int refuse_strangers(const struct mill_cluster *c, const struct mill_cluster_status *s, struct mill_error *err)
{
	if (s->ours || s->state == MILL_CLUSTER_ABSENT)
		return 0;
	if (s->state == MILL_CLUSTER_RUNNING)
		return 1; /* used as it is */
	mill_fail(err, EEXIST, "%s already exists (%s), and data-mill did not make it; nothing was changed",
		  mill_cluster_title(c), mill_cluster_state_name(s->state));
	return mill_error_hint(err, "data-mill cluster start %s     to use it as it is\n"
				    "cluster_name in the target file gives yours another name", c->flags);
}

static int make(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	int r = ask_before_making(c, err);

	if (r == 0)
		r = mill_record_write(c, "creating", err);
	if (r == 0)
		r = c->driver->create(c, was, err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	if (r == 0)
		r = mill_cluster_await(c, 5 * 60 * 1000, err);
	if (r == 0)
		return mill_record_write(c, "made", err);
	/* somebody else's of that name came up meanwhile: never ours to delete */
	if (c->last == MILL_SYMPTOM_EXISTS && was == MILL_CLUSTER_ABSENT) {
		(void)mill_record_remove(c, NULL);
		return r;
	}
	if (!err || err->usage || r == -ECANCELED)
		return r;
	_cleanup_free_ char *before = err->hint ? mill_xasprintf("%s\n", err->hint) : mill_xstrdup("");
	return mill_error_hint(err, "%sdata-mill cluster create %s     goes on from here\n"
				    "data-mill cluster delete %s     removes what there is of it", before, c->flags, c->flags);
}

static int do_start(struct mill_cluster *c, struct mill_error *err);

/* The vendor's tool; where that is the cluster (microk8s), installing it is making it. */
static int prepare_to_make(struct mill_cluster *c, struct mill_error *err)
{
	bool there = c->driver->prepare(c, false, NULL) == 0;
	int r = c->driver->prepare(c, true, err);

	if (r == 0 && !there && c->driver->installed_is_made)
		r = mill_record_write(c, "creating", err);
	return r;
}

static int do_create(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	char phase[16];
	int r = prepare_to_make(c, err);
	if (r == 0)
		r = mill_cluster_status(c, &s, err);
	if (r == 0)
		r = refuse_strangers(c, &s, err);
	if (r < 0)
		return r;
	mill_record_phase(c, phase, sizeof(phase));
	if (s.state == MILL_CLUSTER_RUNNING && !mill_streq(phase, "creating")) {
		mill_cluster_note(c, "%s already runs%s", mill_cluster_title(c),
				  s.ours ? "" : "; data-mill did not make it and uses it as it is");
		return mill_cluster_write_kubeconfig(c, err);
	}
	/* what was once made has data: it is started, never made anew */
	if (mill_streq(phase, "made") && s.state != MILL_CLUSTER_ABSENT)
		return do_start(c, err);
	return make(c, s.state, err);
}

static int absent(const struct mill_cluster *c, struct mill_error *err)
{
	mill_fail(err, ENOENT, "%s does not exist", mill_cluster_title(c));
	return mill_error_hint(err, "data-mill cluster create %s", c->flags);
}

static int do_start(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = mill_cluster_status(c, &s, err);

	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state == MILL_CLUSTER_RUNNING) {
		mill_cluster_note(c, "%s already runs", mill_cluster_title(c));
		return mill_cluster_write_kubeconfig(c, err);
	}
	r = c->driver->start(c, err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	if (r == 0)
		r = mill_cluster_await(c, 5 * 60 * 1000, err);
	return r;
}

static int do_stop(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = mill_cluster_status(c, &s, err);

	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state == MILL_CLUSTER_STOPPED) {
		mill_cluster_note(c, "%s is already stopped", mill_cluster_title(c));
		return 0;
	}
	r = c->driver->stop(c, err);
	/* in a cloud the API server goes on: the next access() must ask the vendor, who knows that there are no nodes */
	if (r == 0 && unlink(c->kubeconfig) < 0 && errno != ENOENT)
		return mill_fail_errno(err, errno, "%s", c->kubeconfig);
	return r;
}

static int do_delete(struct mill_cluster *c, bool force, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	_cleanup_free_ char *question = NULL;
	int r = mill_cluster_status(c, &s, err);

	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT) {
		mill_cluster_note(c, "%s does not exist", mill_cluster_title(c));
		return mill_record_remove(c, err);
	}
	if (!s.ours && !force) {
		mill_fail_usage(err, "%s was not made by data-mill from here; nothing was changed", mill_cluster_title(c));
		return mill_error_hint(err, "data-mill cluster delete --force %s     deletes it all the same", c->flags);
	}
	question = mill_xasprintf("This deletes %s (%s) with everything on it, volumes and their data included.",
				  mill_cluster_title(c), mill_cluster_state_name(s.state));
	r = mill_cluster_confirm(c, question, c->name, err);
	if (r == 0)
		r = c->driver->remove(c, err);
	return r < 0 ? r : mill_record_remove(c, err);
}

static int locked(struct mill_cluster *c, const char *verb, int (*act)(struct mill_cluster *, struct mill_error *),
		  struct mill_error *err)
{
	_cleanup_close_ int fd = -1;
	int r = refuse_foreign(c, verb, err);

	if (r == 0)
		r = lock(c, &fd, err);
	return r < 0 ? r : act(c, err);
}

int mill_cluster_create(struct mill_cluster *c, struct mill_error *err)
{
	return locked(c, "create", do_create, err);
}

int mill_cluster_start(struct mill_cluster *c, struct mill_error *err)
{
	return locked(c, "start", do_start, err);
}

int mill_cluster_stop(struct mill_cluster *c, struct mill_error *err)
{
	return locked(c, "stop", do_stop, err);
}

int mill_cluster_delete(struct mill_cluster *c, bool force, struct mill_error *err)
{
	_cleanup_close_ int fd = -1;
	int r = refuse_foreign(c, "delete", err);

	if (r == 0)
		r = lock(c, &fd, err);
	return r < 0 ? r : do_delete(c, force, err);
}

int mill_cluster_gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err)
{
	*ret = (struct mill_cluster_gpu){0};
	c->driver->gpu_plan(c, ret);
	return 0;
}

int mill_cluster_gpu_enable(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = mill_cluster_gpu_plan(c, ret, err);

	if (r < 0 || ret->plugin == MILL_PLUGIN_NONE || !c->driver->gpu_enable)
		return r;
	r = mill_cluster_status(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state != MILL_CLUSTER_RUNNING) {
		mill_fail(err, EAGAIN, "%s is %s", mill_cluster_title(c), mill_cluster_state_name(s.state));
		return mill_error_hint(err, "data-mill cluster start %s", c->flags);
	}
	return c->driver->gpu_enable(c, err);
}
