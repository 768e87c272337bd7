/*
 * The data folder as a volume of the cluster (one a platform, <platform>-data): notebooks, services that run people's code, the pods of hooks and
 * sessions mount it read-only at MILL_POD_DATA (spec/place.h), and code finds it by MILL_DATA_FOLDER. It is a mirror: who fills it makes it exactly what the folder is.
 *
 * The claim says what is in it: its annotation data-mill.io/digest is the digest of the folder's content (plan/host.h) that it was filled
 * with, taken away before the first change and put back after the last, so that half a filling never counts.
 *
 *	mill_kube_data_claim(k, plan->data_volume, err);         before the first action: the claim is there
 *	mill_kube_data_fill(k, &fill, &filled, err);             makes it what the folder is
 *	mill_kube_data_mount(k, pod);                            in a pod of ours, where there is such a volume
 */
#ifndef MILL_KUBE_DATA_H
#define MILL_KUBE_DATA_H

#include "runtime/kubernetes/internal.h"

/* The object, from plan->data_volume. */
json_t *mill_kube_data_object(const struct mill_kube *k, const json_t *wanted);
/* wanted NULL: nothing is done. */
int mill_kube_data_claim(struct mill_kube *k, const json_t *wanted, struct mill_error *err);
/* plan/host.h's data_volume; arg is the struct mill_kube. */
json_t *mill_kube_data_state(void *arg);
/* Adds volume, mount and variable to a pod's object, where the platform has a volume that is bound. */
void mill_kube_data_mount(struct mill_kube *k, json_t *pod);
/* The PUBLISH action of a plan that is about the volume. */
int mill_kube_data_action(struct mill_kube *k, const struct mill_action *a, struct mill_progress *p, struct mill_error *err);

/* ---- data_fill.c ---- */
struct mill_kube_fill {
	const char *folder;
	uint64_t room_bytes; /* of the claim */
	int cancel_fd;       /* -1: none */
	int (*before_change)(void *arg, struct mill_error *err); /* once, before the first; may be NULL */
	void (*on_progress)(void *arg, double fraction, const char *text); /* at most five times a second; may be NULL */
	void *arg;
};
/* Into the volume of a pod of our own that runs. */
int mill_kube_fill_pod(struct mill_kube *k, const char *pod, const struct mill_kube_fill *fill, struct mill_kube_filled *ret,
		       struct mill_error *err);

#endif
