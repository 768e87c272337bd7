/* What the files of the Kubernetes runtime share. */
#ifndef MILL_KUBE_INTERNAL_H
#define MILL_KUBE_INTERNAL_H

#include <pthread.h>

#include "image/image.h"
#include "runtime/kubernetes/kube.h"
#include "runtime/native/context.h"
#include "runtime/native/hooks.h"
#include "runtime/native/ops.h"
#include "runtime/native/remote.h"

#define MILL_KUBE_LABEL "data-mill.io/platform"
#define MILL_KUBE_OUTPUT_MAX ((size_t)64 << 20)
#define MILL_KUBE_CALL_MS 60000

struct mill_kube_deploy; /* deploy.c: one a component and run */
struct mill_kube_pod;    /* hook.c: a pod that hooks run in */
struct mill_kube_forward;

struct mill_kube {
	struct mill_layout *layout;
	struct mill_platform *p;
	struct mill_native *n;
	char *kubeconfig, *context, *namespace, *kubectl, *helm, *registry, *pull_secret;
	char *uid;              /* of the cluster */
	bool namespace_exists;
	struct mill_images *images;
	json_t *pushed;         /* name -> data of the state Secrets as they are in the namespace */
	/* live.c */
	pthread_mutex_t snapshot_lock;
	json_t *snapshot;       /* {"workloads": {name: ..}, "pods": [..], "claims": [..]} */
	uint64_t snapshot_ns;
	bool names_only;        /* render: Secrets get their keys, nothing is resolved */
	json_t *drift;          /* component -> what differs; NULL: not asked */
	/* the rest is under `lock` */
	pthread_mutex_t lock;
	struct mill_kube_deploy *deploys;
	struct mill_kube_pod *pods;
	unsigned counter;
	struct mill_kube_forward *forwards;
	/* lease.c */
	bool leased, renewing, lost;
	char *holder;
	pthread_t renewer;
	pthread_mutex_t lease_lock;
	pthread_cond_t lease_end;
};

/* ---- run.c ---- */
struct mill_kube_call {
	const char *what;        /* "read the platform's state": for messages */
	const char *input;       /* standard input, or NULL */
	size_t input_len;
	int timeout_ms;          /* 0: MILL_KUBE_CALL_MS; -1: none */
	int cancel_fd;           /* -1: none */
	const int *keep_fds;     /* that the program inherits */
	size_t n_keep_fds;
	bool cluster;            /* not in the namespace */
	bool raw;                /* an exit status other than 0 is no error */
	int status;              /* out: wait status */
};
#define MILL_KUBE_CALL(text) (&(struct mill_kube_call){.what = (text), .cancel_fd = -1})
/* kubectl with the words up to NULL.  out and err_out may be NULL. */
int mill_kube_kubectl(struct mill_kube *k, struct mill_kube_call *c, struct mill_strbuf *out, struct mill_strbuf *err_out,
		      struct mill_error *err, ...) __attribute__((sentinel));
int mill_kube_kubectl_v(struct mill_kube *k, struct mill_kube_call *c, const struct mill_strv *words, struct mill_strbuf *out,
			struct mill_strbuf *err_out, struct mill_error *err);
int mill_kube_helm_v(struct mill_kube *k, struct mill_kube_call *c, const struct mill_strv *words, struct mill_strbuf *out,
		     struct mill_error *err);
/* kubectl's output as JSON, a new reference; NULL with 0 when it said nothing (--ignore-not-found). */
int mill_kube_json(struct mill_kube *k, struct mill_kube_call *c, json_t **ret, struct mill_error *err, ...)
	__attribute__((sentinel));
/* Applies objects server-side under our field manager; `objects` is a list. */
int mill_kube_apply(struct mill_kube *k, const char *what, const json_t *objects, struct mill_error *err);
/* The argv up to the subcommand, for processes that run on. */
void mill_kube_prefix(const struct mill_kube *k, struct mill_strv *argv);
/* Turns what kubectl or helm said into an error: forbidden, unreachable, expired, conflict, quota. */
int mill_kube_explain(const struct mill_kube *k, const char *what, const char *said, struct mill_error *err);

/* ---- names.c ---- */
/* Those of a plan's specs that are the component's: id -> spec; a new reference. */
json_t *mill_kube_specs(const struct mill_plan *plan, const char *component);
const char *mill_kube_release(const json_t *record); /* of a component's record */
/* The name of a service's workload and Service, from the record; owned, NULL: no such service. */
char *mill_kube_workload(const json_t *record, const char *service);
json_t *mill_kube_labels(const struct mill_kube *k, const char *component, const char *service);
/* Metadata with name, labels, and annotations none. */
json_t *mill_kube_meta(const struct mill_kube *k, const char *name, const char *component, const char *service);
/* A Secret of {key: text}; `data` values are texts. */
json_t *mill_kube_secret(const struct mill_kube *k, const char *name, const char *component, const char *service, const json_t *data);
int mill_kube_decode(const char *base64, char **ret, size_t *ret_len);

/* ---- open.c ---- */
/* True when fd (-1: none) became readable within ms. */
bool mill_kube_pause(int fd, unsigned ms);

/* ---- policy.c ---- */
json_t *mill_kube_policy_objects(const struct mill_kube *k, const json_t *records);
int mill_kube_policies(struct mill_kube *k, struct mill_error *err);

/* ---- drift.c ---- */
char *mill_kube_drift(void *arg, const char *component);
/* -EPERM: Argo CD or Flux holds what we would change. */
int mill_kube_check_owners(struct mill_kube *k, struct mill_error *err);

/* ---- preflight.c ---- */
/* The Role that a user needs for a platform in the namespace; plan (may be NULL): what its charts want beside. */
json_t *mill_kube_role(const struct mill_kube *k, const struct mill_plan *plan);

/* ---- logs.c ---- */
int mill_kube_logs(void *arg, const struct mill_logs *l, struct mill_error *err);
int mill_kube_events(void *arg, bool watch, int cancel_fd, void (*on_event)(void *arg, const json_t *event), void *event_arg,
		     struct mill_error *err);

/* ---- state.c ---- */
int mill_kube_pull_if_free(struct mill_kube *k, struct mill_error *err);
int mill_kube_pull(struct mill_kube *k, struct mill_error *err);
int mill_kube_push(struct mill_kube *k, struct mill_error *err);

/* ---- live.c ---- */
/* {"workloads": {name: object}, "pods": [..], "claims": [..]}, at most max_age_ms old; a new reference. */
int mill_kube_snapshot(struct mill_kube *k, unsigned max_age_ms, json_t **ret, struct mill_error *err);
void mill_kube_stale(struct mill_kube *k); /* the next snapshot is a new one */
int mill_kube_live(void *arg, json_t **ret, struct mill_error *err);
/* {id, state, reason, fingerprint, restarts, since_ms, pod} of one service out of a snapshot. */
json_t *mill_kube_service_state(const json_t *snapshot, const char *id, const char *workload);
/* The same, by chart or by ours; NULL: not there. */
json_t *mill_kube_state_of(struct mill_kube *k, const json_t *snapshot, const char *id);
/* Why a pod's containers do not run, owned, or NULL; its restarts are added. */
char *mill_kube_pod_trouble(const json_t *pod, int64_t *restarts);
bool mill_kube_has_old_pods(const json_t *workload);
/* Why a workload can make no pods, owned, or NULL. */
char *mill_kube_replica_failure(const json_t *workload);
int64_t mill_kube_when_ms(const char *stamp); /* RFC 3339; 0: none */

/* ---- bundle.c ---- */
/* The chart's values for one component, from its record and specs; the Secrets that it names are appended to `secrets`. */
int mill_kube_values(struct mill_kube *k, const char *component, const json_t *specs, json_t **ret_values,
		     json_t *secrets, struct mill_error *err);

/* ---- deploy.c ---- */
#define MILL_KUBE_HISTORY_MAX 5 /* records that helm keeps of a release */
/* Until no record of a helm that was stopped is in the way; a person's release of that name is -EPERM. */
int mill_kube_settle(struct mill_kube *k, const char *release, bool by_chart, int *ret_deployed, struct mill_progress *p, struct mill_error *err);
/* helm uninstall of a release of ours; one that is not there, or is somebody else's, is left alone. */
int mill_kube_uninstall(struct mill_kube *k, const char *release, struct mill_error *err);
/* The manifest of helm's JSON answer, appended as documents. */
int mill_kube_add_manifest(const struct mill_strbuf *said, struct mill_strbuf *out, struct mill_error *err);
/* What was deployed the other way (generic or chart) goes; volumes stay. */
int mill_kube_make_way(struct mill_kube *k, const char *component, struct mill_error *err);
int mill_kube_deploy(struct mill_kube *k, const char *component, struct mill_progress *p, struct mill_error *err);
/* 0600 below the platform's folder; owned path. */
int mill_kube_write_values(const struct mill_kube *k, const char *component, const json_t *values, char **ret, struct mill_error *err);
void mill_kube_forget_deploys(struct mill_kube *k);
int mill_kube_rollback(struct mill_kube *k, const char *component, struct mill_error *err);

/* ---- prepull.c ---- */
/* "name:tag" on every node; what goes wrong is told, not returned. */
void mill_kube_prepull(struct mill_kube *k, const char *image, struct mill_progress *p);

/* ---- ready.c ---- */
int mill_kube_wait_ready(struct mill_kube *k, const json_t *spec, struct mill_progress *p, struct mill_error *err);
/* How long a wait may last: what DATA_MILL_KUBE_WAIT says, else what is given. */
uint64_t mill_kube_patience_ms(uint64_t unless_said_ms);
/* The newest warning about an object whose name begins with `name`, of this reason unless NULL; owned, NULL: none. */
char *mill_kube_warning(struct mill_kube *k, const char *name, const char *reason);
/* What to do about it; NULL: nobody knows. */
const char *mill_kube_next_step(const char *reason);
/* The last lines of a pod, owned, may be "". */
char *mill_kube_last_lines(struct mill_kube *k, const char *pod, bool previous, unsigned lines);

/* ---- pod.c ---- */
/* The restricted specification of a pod that holds still in an image "name:tag" of ours, with folders to write into. */
json_t *mill_kube_pod_spec(const struct mill_kube *k, const char *container, const char *image, unsigned seconds, const char *cpu,
			   const char *memory);
/* One that is never started again and ended by the cluster after `seconds`; takes spec. */
json_t *mill_kube_pod_object(const struct mill_kube *k, const char *name, const char *component, const char *role, json_t *spec,
			     unsigned seconds);
/* Applies and waits until the pod of that name is ready; `what` is for messages. */
int mill_kube_pod_start(struct mill_kube *k, const char *what, const char *name, const json_t *objects, int cancel_fd,
			struct mill_error *err);

/* ---- session.c ---- */
/* "name:tag" of an image that the platform has, an environment's where one is wanted and there; owned, NULL: none yet. */
char *mill_kube_any_image(struct mill_kube *k, bool environment);

/* ---- hook.c ---- */
int mill_kube_hook(void *arg, const struct mill_hook_call *c, const struct mill_strbuf *input, struct mill_strbuf *out,
		   struct mill_strbuf *log, int *ret_status, struct mill_error *err);
int mill_kube_put(void *arg, const char *component, const char *from, const char *to, struct mill_error *err);
int mill_kube_get(void *arg, const char *component, const char *from, const char *to, struct mill_error *err);
void mill_kube_end_pods(struct mill_kube *k);

/* ---- actions.c, ops.c ---- */
/* Fills in what the renderer's description of an image says; borrowed from it. */
void mill_kube_image_source(const struct mill_kube *k, const json_t *source, struct mill_image_source *ret);
int mill_kube_action(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err);
extern const struct mill_remote mill_kube_remote;

/* ---- forward.c ---- */
/* An address on this machine that leads to HOST:PORT of the namespace; kept until close.  Owned "127.0.0.1:PORT". */
int mill_kube_forward(struct mill_kube *k, const char *host, unsigned port, char **ret, struct mill_error *err);
int mill_kube_reach(void *arg, const char *url, char **ret, struct mill_error *err);
void mill_kube_end_forwards(struct mill_kube *k);

/* ---- lease.c ---- */
void mill_kube_unlock(struct mill_kube *k);

#endif
