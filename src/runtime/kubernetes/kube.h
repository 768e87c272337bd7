/*
 * The Kubernetes runtime of one platform: pods in one namespace of a cluster.
 *
 * It stands on the native runtime's record keeping.  The platform's folder on
 * this machine is a copy of what the namespace holds (Secrets labelled
 * data-mill.io/state): pulled when a platform is opened, pushed after each
 * change, so that a colleague's fresh clone sees the same.  The namespace's
 * Lease keeps two machines from changing it at once.  What differs from a
 * machine's own processes (live state, starting, stopping, running a hook,
 * logs) is handed to the native runtime as a `struct mill_remote`
 * (runtime/native/remote.h).
 *
 * kubectl and helm do all talking to the API server; both are run by argv,
 * secrets go in through standard input.
 *
 *	struct mill_kube *k;
 *	mill_kube_open(&layout, &access, platform, &k, err);     (pulls)
 *	mill_kube_attach(k, native);
 *	...
 *	mill_kube_lock(k, wait_ms, on_wait, arg, err);            (before a change)
 *	k = mill_kube_close(k);                                   (ends forwards, hook pods, the Lease)
 */
#ifndef MILL_KUBE_KUBE_H
#define MILL_KUBE_KUBE_H

#include "plan/host.h"
#include "runtime/native/native.h"

struct mill_kube;

/* How a cluster is reached. */
struct mill_kube_access {
	const char *kubeconfig; /* path; NULL: kubectl's own rules */
	const char *context;    /* NULL: the current one */
	const char *kubectl, *helm; /* absolute paths */
	const char *registry;   /* where images are pushed and pulled, "127.0.0.1:5000" */
	const char *pull_secret; /* NULL: none */
};

/*
 * Opens the platform's namespace.  The record holds the cluster's identity: another cluster behind the same name is
 * -EPERM.  Errors name what kubectl said.  The namespace need not exist yet.
 */
int mill_kube_open(struct mill_layout *l, const struct mill_kube_access *a, struct mill_platform *p, struct mill_kube **ret,
		   struct mill_error *err);
struct mill_kube *mill_kube_close(struct mill_kube *k);
/* How this one reaches its cluster; borrowed from k. */
struct mill_kube_access mill_kube_access_of(const struct mill_kube *k);
/* Makes `n` work on the cluster from now on; k must outlive it. */
void mill_kube_attach(struct mill_kube *k, struct mill_native *n);
/* What a plan asks of a cluster. */
void mill_kube_host(struct mill_kube *k, struct mill_plan_host *h);
/* Makes the namespace when absent and takes its Lease; renewed until close.  -ETIMEDOUT names the holder. */
int mill_kube_lock(struct mill_kube *k, int wait_ms, void (*on_wait)(void *arg, const char *holder), void *arg,
		   struct mill_error *err);
/*
 * Runs a program in a pod of its own with the platform's variables, on this terminal; `kind` is "net", "app" or NULL.
 * The program's exit code; the pod is gone afterwards.
 */
int mill_kube_session(struct mill_kube *k, const char *kind, char *const *argv, struct mill_error *err);
/* What `data push` did to the volume of the data folder. */
struct mill_kube_filled {
	bool none; /* the platform has no such volume */
	size_t sent, removed, unchanged;
	uint64_t bytes;
};
/* digest: of the folder's content, as mill_plan_host's folder_digest makes it for pods. */
int mill_kube_data_push(struct mill_kube *k, const char *folder, const char *digest, int cancel_fd,
			void (*on_progress)(void *arg, double fraction, const char *text), void *arg, struct mill_kube_filled *ret,
			struct mill_error *err);
/* `kubectl proxy` on this port until it is interrupted. */
int mill_kube_proxy(struct mill_kube *k, unsigned port, struct mill_error *err);
/* 1: the cluster has the Kubernetes dashboard; *ret_path is its place below the proxy. */
int mill_kube_has_dashboard(struct mill_kube *k, char **ret_path);
/*
 * What a plan would apply, as YAML documents: manifests, or (only_values) the values of each release.  Secrets are named,
 * not contained.  Changes nothing.
 */
int mill_kube_render(struct mill_kube *k, const struct mill_plan *plan, bool only_values, struct mill_strbuf *out,
		     struct mill_error *err);
void mill_kube_render_role(struct mill_kube *k, const struct mill_plan *plan, struct mill_strbuf *out);
/* Before a change: what we may do there, by SelfSubjectAccessReview.  -EPERM names the verbs and resources that are missing. */
int mill_kube_preflight(struct mill_kube *k, const struct mill_plan *plan, struct mill_error *err);

#endif
