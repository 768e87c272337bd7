/* The state store of kops: a bucket (private to the kops driver). */
#ifndef MILL_CLUSTER_KOPS_H
#define MILL_CLUSTER_KOPS_H

#include "cluster/internal.h"

/* 0: there, -ENOENT: not there; else an error (no credentials, somebody else's). */
int mill_kops_bucket_find(struct mill_cluster *c, struct mill_error *err);
/* Makes it when it is absent, after asking. */
int mill_kops_bucket_ensure(struct mill_cluster *c, struct mill_error *err);

#endif
