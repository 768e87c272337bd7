/*
 * Layers of images: a tar archive, compressed with zstd, written item by item,
 * with the two digests that the OCI image specification wants: of the archive
 * (the "diff ID") and of what lies in the file.  The same items give the same
 * bytes: owners are root, nothing depends on the clock.  Part of the network
 * module, which has the archive library.
 *
 *	struct mill_net_layer *l;
 *	net->layer_begin(path, &l, err);
 *	net->layer_add(l, &(struct mill_net_layer_item){.path = "opt", .type = 'd', .mode = 0755}, err);
 *	net->layer_end(l, &result, err);      (closes it whatever comes back)
 */
#ifndef MILL_NET_LAYER_H
#define MILL_NET_LAYER_H

#include "base/base.h"
#include "base/hash.h"

#define MILL_LAYER_MEDIA_TYPE "application/vnd.oci.image.layer.v1.tar+zstd"

struct mill_net_layer;

struct mill_net_layer_item {
	const char *path;   /* relative, stays inside the root */
	char type;          /* 'd', 'f', 'l' */
	mode_t mode;        /* permission bits; set-id bits are refused */
	uint64_t size;      /* of a file */
	const char *source; /* of a file: where its bytes are; NULL: `data` */
	const void *data;
	const char *target; /* of a link */
	int64_t mtime;      /* seconds; 0 for all that nobody compares */
};

struct mill_net_layer_result {
	char digest[MILL_SHA256_HEX];  /* of the file */
	char diff_id[MILL_SHA256_HEX]; /* of the archive */
	uint64_t bytes;                /* of the file */
	uint64_t unpacked;             /* of the archive */
};

/* The file must not be there. */
int mill_net_layer_begin(const char *path, struct mill_net_layer **ret, struct mill_error *err);
/* -EPERM: a path or mode that no layer of ours has.  -EIO: the file is not as long as was said. */
int mill_net_layer_add(struct mill_net_layer *l, const struct mill_net_layer_item *item, struct mill_error *err);
/* ret NULL: it is given up, the caller removes the file. */
int mill_net_layer_end(struct mill_net_layer *l, struct mill_net_layer_result *ret, struct mill_error *err);

#endif
