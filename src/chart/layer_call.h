/* Inside chart/ only: how the cluster's layer runs kubectl and helm. */
#ifndef MILL_CHART_LAYER_CALL_H
#define MILL_CHART_LAYER_CALL_H

#include "chart/layer.h"

#define MILL_LAYER_LABEL "data-mill.io/layer"
#define MILL_LAYER_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs to the end; a status other than 0 is an error with what was said, or -EIO without one when `quiet`. */
int mill_layer_run(const struct mill_layer *l, struct mill_strv *argv, const char *input, bool quiet, struct mill_strbuf *out,
		   struct mill_error *err);
/* helm with values in hand. */
int mill_layer_run_with(const struct mill_layer *l, struct mill_strv *argv, const struct mill_chart_handed *values, struct mill_strbuf *out,
			struct mill_error *err);
/* kubectl with these words. */
int mill_layer_call(const struct mill_layer *l, const char *const *words, const char *input, bool quiet, struct mill_strbuf *out,
		    struct mill_error *err);
/* Whose the release of that name is; theirs: there, and without our label. */
enum mill_layer_owner { MILL_LAYER_NOBODY, MILL_LAYER_OURS, MILL_LAYER_THEIRS };
int mill_layer_owner(const struct mill_layer *l, const struct mill_chart_release *rel, enum mill_layer_owner *ret, struct mill_error *err);

/* ---- kinds that the API server knows (layer_kinds.c) ---- */
struct mill_layer_kinds {
	json_t *namespaced; /* {"apps/Deployment": true} */
	json_t *resources;  /* {"deployments.apps": true}: as CRDs are named */
	bool complete;      /* false: some aggregated API does not answer, so that what is not listed may be there */
};
/* By discovery, which every user may read. */
int mill_layer_kinds_load(const struct mill_layer *l, struct mill_layer_kinds *ret, struct mill_error *err);
/* 1: namespaced, 0: not, -ENOENT: there is no such kind, -EAGAIN: not known. */
int mill_layer_kind_scope(const struct mill_layer_kinds *k, const json_t *object);
void mill_layer_kinds_release(struct mill_layer_kinds *k);
#define _cleanup_kinds_ __attribute__((cleanup(mill_layer_kinds_release)))

/* ---- what we made, object by object (layer_record.c) ---- */
/*
 * Before objects are applied: those that are there without our label are another's.  Namespaces, CRDs and Secrets of
 * theirs are used as they are, anything else is -EEXIST.  *ret_ours: the rest, with our label and a namespace, in the
 * record of the release by now, so that an install that is stopped midway can be removed.
 */
int mill_layer_claim(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *objects, json_t **ret_ours,
		     struct mill_error *err);
/* Server-side; they are ours. */
int mill_layer_apply(const struct mill_layer *l, const json_t *objects, struct mill_error *err);
/* Before a release: a helm that was killed left a record that blocks the next one.  -EBUSY: it may be at work still. */
int mill_layer_take_over(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err);
/* An empty record, unless there is one: what is younger than it came with the release.  It says which process is at work. */
int mill_layer_record_begin(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err);
/* Its entries in the order in which they were applied, and when it was made ("2026-01-02T03:04:05Z", owned); empty and NULL without one. */
int mill_layer_record_load(const struct mill_layer *l, const struct mill_chart_release *rel, json_t **ret, char **ret_since,
			   struct mill_error *err);
int mill_layer_record_remove(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err);
/* Those entries that exist and carry our label; or, with `since`, that were made then or later. */
int mill_layer_owned(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *entries, const char *since, json_t **ret,
		     struct mill_error *err);
/* The package's path, owned; pulled into l->packages where it is not there. */
int mill_layer_package(const struct mill_layer *l, const struct mill_chart *chart, char **ret, struct mill_error *err);
/* Manifests as JSON, kubectl reading the YAML; each gets our label.  CRDs apart (layer_kustomize.c). */
int mill_layer_parse(const struct mill_layer *l, const struct mill_chart_release *rel, const char *yaml, json_t *crds, json_t *rest,
		     struct mill_error *err);

/* kubectl kustomize of each root in order, and what it prints applied: CRDs first (layer_kustomize.c). */
int mill_layer_kustomize(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err);
/* Until the API server serves them; names as kubectl prints them, "customresourcedefinition.apiextensions.k8s.io/NAME". */
int mill_layer_wait_crds(const struct mill_layer *l, const struct mill_strv *names, struct mill_error *err);
void mill_layer_say(const struct mill_layer *l, const char *fmt, ...) MILL_PRINTF(2, 3);

#endif
