/*
 * What commands need before they can work, opened only when asked for: the
 * layout, the model (flavour, manifests, target), the platform, its lock.
 *
 * Which flavour: -f, else $DATA_MILL_FLAVOUR, else the one that the platform
 * in force was made from, else `default`.  Which platform: with -f the
 * flavour's, else --platform, else the current or only one.
 *
 * Errors of configuration files are printed here, all of them, and come back
 * as one usage error.  The caller releases the context in any case; that also
 * unlocks.
 *
 *	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
 *	r = mill_context_platform(&ctx, err);
 *	if (r < 0)
 *		return r;
 */
#ifndef MILL_CMD_CONTEXT_H
#define MILL_CMD_CONTEXT_H

#include "cmd/cmd.h"
#include "model/model.h"
#include "platform/platform.h"
#include "cluster/cluster.h"
#include "runtime/kubernetes/kube.h"
#include "runtime/native/ops.h"

struct mill_context {
	struct mill_invocation *inv;
	struct mill_ui *ui;
	struct mill_layout layout;
	bool has_layout;
	struct mill_diags diags;
	struct mill_model *model;
	struct mill_platform *platform;
	struct mill_native *native; /* the bookkeeping of every platform; on a cluster `kube` does the work for it */
	struct mill_kube *kube;     /* NULL: a platform of this machine */
	struct mill_cluster *cluster;
	char *kubeconfig, *kube_context, *registry, *pull_secret; /* of the cluster */
	char *flavour; /* as handed to the model; NULL: `default` */
	const char *flavour_from; /* "-f": who named it, for messages; or NULL */
	struct mill_strv components; /* narrows the model; -c names join when it is loaded */
	bool needed_only;   /* _model() reads no manifest that the flavour cannot need */
	bool hold_warnings; /* _model() leaves warnings to mill_context_print_diags() */
	bool hold_errors;   /* and errors, too (JSON output) */
};
#define MILL_CONTEXT_INIT(invocation) {.inv = (invocation), .ui = (invocation)->ui}

int mill_context_layout(struct mill_context *ctx, struct mill_error *err);
/*
 * Loads and resolves the flavour; with all_manifests every manifest is read.
 * Warnings are printed; errors are, too, and make -EINVAL.
 */
int mill_context_model(struct mill_context *ctx, bool all_manifests, struct mill_error *err);
/* All diagnostics so far, on standard error. */
void mill_context_print_diags(struct mill_context *ctx);
/* As _model(), reading no more manifests than a plan needs. */
int mill_context_plan_model(struct mill_context *ctx, struct mill_error *err);
/* The platform of the loaded model, whether it exists yet or not. */
int mill_context_model_platform(struct mill_context *ctx, struct mill_error *err);
/* An existing platform, from its record; a flavour is only read when -f names one. */
int mill_context_platform(struct mill_context *ctx, struct mill_error *err);
/* Says which platform it is ("platform native.data-mill"), before a change. */
void mill_context_announce(const struct mill_context *ctx);
/* Takes the platform's lock, waiting as --wait-lock says, and says who holds it. */
int mill_context_lock(struct mill_context *ctx, struct mill_error *err);
/* --kubeconfig without -h is a usage error. */
int mill_context_check_location(const struct mill_context *ctx, struct mill_error *err);
void mill_context_release(struct mill_context *ctx);
#define _cleanup_context_ _cleanup_(mill_context_release)

/* ---- context_cluster.c: platforms on a cluster ---- */
bool mill_context_is_cluster(const struct mill_context *ctx);
/* The platform of the loaded model on its cluster, which must answer. */
int mill_context_cluster_platform(struct mill_context *ctx, struct mill_error *err);
/* Opens the runtime of a platform that is on a cluster. */
int mill_context_cluster_runtime(struct mill_context *ctx, struct mill_error *err);
/* How the cluster is reached is kept beside the record, for commands without a flavour. */
int mill_context_cluster_save(struct mill_context *ctx, struct mill_error *err);
void mill_context_cluster_release(struct mill_context *ctx);

/* Arguments and -c names together. */
void mill_context_names(const struct mill_context *ctx, struct mill_strv *ret);
/* The runtime of the open platform, opened on the first call. */
int mill_context_runtime(struct mill_context *ctx, struct mill_error *err);
/* A change that needs no flavour: opens platform and runtime, says which it is, takes the lock. */
int mill_context_change(struct mill_context *ctx, struct mill_error *err);
/* Becomes the program with `env` added; only comes back when that fails, with the codes of a shell. */
int mill_context_become(const struct mill_context *ctx, struct mill_strv *argv, const json_t *env);
struct mill_store;
/* The store, without a platform; the caller closes it (mill_store_close). */
int mill_context_store(struct mill_context *ctx, struct mill_store **ret, struct mill_error *err);
/* Turns a cancelled operation into exit code 130 and the message that goes with it. */
int mill_context_end(const struct mill_context *ctx, int r, struct mill_error *err);

#define MILL_OPTION_WAIT_LOCK                                                                      \
	{.name = "wait-lock", .arg = "TIME", .value = MILL_VALUE_DURATION,                         \
	 .help = "how long to wait for another data-mill that changes this platform; default: for ever"}

#endif
