/*
 * Components by their upstream's chart (spec/render.h's MILL_CHART_UNIT): what deploy.c, actions.c and ops.c
 * hand over.  `charts` is what a spec holds: [mill_chart_release_json()].
 */
#ifndef MILL_KUBE_CHART_H
#define MILL_KUBE_CHART_H

#include "runtime/kubernetes/internal.h"
#include "spec/render.h"

/* What a run has to know to put everything back. */
struct mill_chart_run {
	json_t *before;   /* the charts that were deployed; NULL: none */
	json_t *previous; /* release -> revision that was deployed; 0: none */
	bool changed;     /* something was applied */
};
void mill_chart_run_release(struct mill_chart_run *run);

/* ---- chart.c ---- */
/* What is deployed, or was to be when a run ended; a new reference, NULL: nothing, or our own chart. */
json_t *mill_kube_charts_deployed(const struct mill_kube *k, const char *component);
json_t *mill_kube_chart_labels(const struct mill_kube *k, const char *component);
int mill_kube_chart_deploy(struct mill_kube *k, const char *component, const json_t *charts, struct mill_chart_run *run,
			   struct mill_progress *p, struct mill_error *err);
/* >0: everything is as it was (the revision of the first release, 1 where helm has none); 0: there was nothing before. */
int mill_kube_chart_rollback(struct mill_kube *k, const char *component, struct mill_chart_run *run, struct mill_error *err);
/* These charts' objects and releases; volumes stay. */
int mill_kube_chart_uninstall(struct mill_kube *k, const char *component, const json_t *charts, struct mill_error *err);
/* All that is deployed of it, and that it is. */
int mill_kube_chart_remove(struct mill_kube *k, const char *component, struct mill_error *err);
int mill_kube_chart_own_claims(struct mill_kube *k, const char *component, const json_t *charts, struct mill_error *err);
/* NAME-VERSION.tgz of the cache, pulled when it is not there; our own charts as folders.  p may be NULL. */
struct mill_chart_release;
int mill_kube_chart_package(struct mill_kube *k, const struct mill_chart_release *rel, struct mill_progress *p, char **ret,
			    struct mill_error *err);
/* The post-renderer, for helm upgrade and helm template. */
int mill_kube_chart_words(struct mill_kube *k, const char *component, struct mill_strv *words, struct mill_error *err);

/* ---- chart_state.c ---- */
bool mill_kube_by_chart(const json_t *record);
/* As mill_kube_service_state() of COMPONENT.chart, without a fingerprint; never NULL when something of it is there. */
json_t *mill_kube_chart_state(const json_t *snapshot, const char *component, const json_t *charts);
/* Fingerprint of what was last seen to run; owned, NULL: none. */
char *mill_kube_chart_fingerprint(const struct mill_kube *k, const char *component);
/* Objects that an operator answers for, and its pods, into a snapshot. */
int mill_kube_chart_look(struct mill_kube *k, json_t *snapshot, struct mill_error *err);
bool mill_kube_has_charts(const struct mill_kube *k);
/*
 * A StatefulSet whose pod never became ready waits for it before it makes one of the newer template, for ever: such a pod is
 * deleted.  https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
 */
bool mill_kube_chart_is_stuck(const json_t *snapshot, const json_t *pod);
void mill_kube_chart_unstick(struct mill_kube *k, const json_t *snapshot, const char *component);
/* Scales all workloads to zero, and stops what an operator runs. */
int mill_kube_chart_stop(struct mill_kube *k, const json_t *snapshot, const char *component, struct mill_error *err);
/* New pods of the same templates. */
int mill_kube_chart_restart(struct mill_kube *k, const char *component, struct mill_error *err);
/* Takes back from DaemonSets what stopped them; the rest helm has scaled again. */
int mill_kube_chart_wake(struct mill_kube *k, const char *component, struct mill_error *err);

#endif
