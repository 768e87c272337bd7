/*
 * How the nodes of a cluster are told to pull from the local registry: text
 * for people and for cluster drivers.  Images keep the name that they were
 * pushed under (127.0.0.1:5000/minio:...); containerd's folder of registries
 * leads that name to the address under which the node reaches this machine
 * (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
 */
#ifndef MILL_IMAGE_WIRE_H
#define MILL_IMAGE_WIRE_H

#include "base/strbuf.h"

struct mill_registry_wire {
	const char *kind;     /* one of mill_registry_kinds */
	const char *registry; /* host:port in the images' names */
	const char *address;  /* host:port that nodes reach; NULL: the usual one of the kind */
};

extern const char mill_registry_kinds[]; /* "containerd|kind|k3d|microk8s|minikube" */

/* containerd's hosts.toml. */
void mill_registry_hosts_toml(const struct mill_registry_wire *w, struct mill_strbuf *out);
/* What to run, step by step, as a shell script with comments.  A usage error for a kind that is not known. */
int mill_registry_wire_text(const struct mill_registry_wire *w, struct mill_strbuf *out, struct mill_error *err);

#endif
