/*
 * A Kubernetes cluster as a target file describes it: made, started, stopped,
 * deleted and reached by its vendor's own tool.  One driver a file:
 *
 *	minikube  microk8s  multipass  kind  k3d     on this machine
 *	aws (by kops)  gke (by gcloud)               in a cloud
 *	kubeconfig                                   somebody else's, reached and never changed
 *
 * Invariants
 *   - Every operation is a list of the vendor's command lines, run by argv, each with a time limit and the
 *     caller's cancel fd.  What the tool prints goes to `output`; when it fails, the error names the tool, the
 *     cause as far as its output tells one, and the next step.
 *   - Operations may be run again: create goes on with a cluster whose making was interrupted, start of what runs and
 *     stop of what is stopped do nothing.
 *   - Only a cluster that create() made is deleted (its folder has a record); another needs `force`.
 *   - Kubeconfigs are written to a file of ours, 0600 in a folder 0700, never into ~/.kube/config.  The kubeconfig
 *     driver uses the person's own file in place.
 *   - What costs money or needs root asks first, through `confirm`; without one it is refused.
 *
 * Ownership: a cluster copies what it needs; the model and the section may go.  `host.layout` and the callbacks
 * are borrowed and must outlive it.  Not for use by several threads at once.
 *
 *	struct mill_cluster_host host = {.layout = &layout, .cancel_fd = -1};
 *	_cleanup_cluster_ struct mill_cluster *c = NULL;
 *	_cleanup_free_ char *kubeconfig = NULL, *context = NULL;
 *	if (mill_cluster_new(&model->project, &host, &c, err) < 0 ||
 *	    mill_cluster_access(c, &kubeconfig, &context, err) < 0)
 *		return -err->code;
 */
#ifndef MILL_CLUSTER_CLUSTER_H
#define MILL_CLUSTER_CLUSTER_H

#include <jansson.h>

#include "base/strbuf.h"
#include "model/model.h"
#include "platform/layout.h"

/* Who asks.  Every callback may be NULL; they are called from the calling thread. */
struct mill_cluster_host {
	const struct mill_layout *layout;
	int cancel_fd; /* readable: what runs is ended, -ECANCELED; -1: none */
	int timeout_ms; /* how long each command that changes something may take; 0: its own limit, 15 to 60 minutes */
	void (*note)(void *arg, const char *line);   /* what is done now, for people */
	void (*output)(void *arg, const char *line); /* what the vendor's tool says, as it says it */
	/* 0: go on.  `expected` is what a person types (cmd/ui.h); NULL callback: refused. */
	int (*confirm)(void *arg, const char *question, const char *expected, struct mill_error *err);
	void *arg;
};

enum mill_cluster_state {
	MILL_CLUSTER_ABSENT,
	MILL_CLUSTER_STOPPED,
	MILL_CLUSTER_STARTING,
	MILL_CLUSTER_RUNNING,
	MILL_CLUSTER_BROKEN, /* half made, or its machine runs and its API server does not answer */
};
struct mill_cluster_status {
	enum mill_cluster_state state;
	bool ours;     /* create() made it */
	char *text;    /* owned, one line: why it is broken, what it waits for; or NULL */
	char *version; /* owned: of its API server, "v1.34.1"; NULL: not asked or no answer */
};
const char *mill_cluster_state_name(enum mill_cluster_state s);
void mill_cluster_status_release(struct mill_cluster_status *s);

/* What a GPU means for a cluster. */
enum mill_cluster_plugin {
	MILL_PLUGIN_NONE,   /* no GPU to be had: `text` says why */
	MILL_PLUGIN_VENDOR, /* the vendor's tool installs the device plugin (an add-on, the cloud) */
	MILL_PLUGIN_LAYER,  /* our cluster layer must install it */
};
struct mill_cluster_gpu {
	enum mill_cluster_plugin plugin;
	bool at_creation; /* decided when the cluster is made (gpu_support: true), not afterwards */
	char *text;       /* owned: what it means here, for people */
};
void mill_cluster_gpu_release(struct mill_cluster_gpu *g);

struct mill_cluster;

/*
 * The cluster of a loaded model's target.  A usage error for `native`, and for
 * a value of the section that the driver cannot use.
 */
int mill_cluster_new(const struct mill_project *p, const struct mill_cluster_host *host,
		     struct mill_cluster **ret, struct mill_error *err);
/*
 * The same from what mill_cluster_describe() gave, for commands that work from a platform's record without a flavour.
 * Neither function touches the cluster.
 */
int mill_cluster_open(const json_t *description, const struct mill_cluster_host *host,
		      struct mill_cluster **ret, struct mill_error *err);
struct mill_cluster *mill_cluster_free(struct mill_cluster *c);
static inline void mill_cleanup_cluster(struct mill_cluster **c)
{
	mill_cluster_free(*c);
}
#define _cleanup_cluster_ __attribute__((cleanup(mill_cleanup_cluster)))

/* A new reference: {"v": 1, "provider", "name", "location", "flags", "kubeconfig", "context", "section": {..}}; no secrets. */
json_t *mill_cluster_describe(const struct mill_cluster *c);
const char *mill_cluster_provider(const struct mill_cluster *c); /* "kind" */
const char *mill_cluster_name(const struct mill_cluster *c);     /* "data-mill" */
const char *mill_cluster_title(const struct mill_cluster *c);    /* "the kind cluster 'data-mill'": for messages */
/* It costs money as long as it is there. */
bool mill_cluster_is_cloud(const struct mill_cluster *c);

/*
 * The way in: the path of a kubeconfig and the context in it, both owned; the API server has answered.  Makes and
 * starts nothing: when the cluster is absent, stopped or cannot be reached, the error says which, and the
 * command to run.  Costs one call of kubectl as long as the last kubeconfig is good.
 */
int mill_cluster_access(struct mill_cluster *c, char **ret_kubeconfig, char **ret_context,
			struct mill_error *err);

int mill_cluster_status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err);
/* Makes it (or goes on making it) and waits until its API server answers. */
int mill_cluster_create(struct mill_cluster *c, struct mill_error *err);
int mill_cluster_start(struct mill_cluster *c, struct mill_error *err);
int mill_cluster_stop(struct mill_cluster *c, struct mill_error *err); /* its disks are kept */
/* With everything on it.  force: also one that create() did not make. */
int mill_cluster_delete(struct mill_cluster *c, bool force, struct mill_error *err);
/* Writes the kubeconfig anew (the API server need not answer). */
int mill_cluster_kubeconfig(struct mill_cluster *c, char **ret_kubeconfig, char **ret_context,
			    struct mill_error *err);
/* What a GPU means for it; changes nothing. */
int mill_cluster_gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err);
/* Does what can be done on a cluster that runs; the plan first. */
int mill_cluster_gpu_enable(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err);

/*
 * The absolute path of a tool: kubectl, helm, minikube, kind, k3d, kops.  PATH
 * first, if what is there is new enough; else it is installed into the store
 * from k8s/tools/<name>/recipe.json, by its SHA-256.  -ENOENT: neither can be
 * had, and the hint says what to do.  Owned.
 */
int mill_cluster_tool(const struct mill_layout *l, const char *name, char **ret_path, struct mill_error *err);
/* As above, with progress and cancelling; host->layout is the layout. */
int mill_cluster_tool_for(const struct mill_cluster_host *host, const char *name, char **ret_path,
			  struct mill_error *err);

#endif
