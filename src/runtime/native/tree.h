/*
 * Walks an entry with folder descriptors, never following a link: what it sees
 * is what is there, even while another user tries to swap folders for links.
 */
#ifndef MILL_NATIVE_TREE_H
#define MILL_NATIVE_TREE_H

#include "base/hash.h"
#include "base/strbuf.h"

#define MILL_TREE_DEPTH_MAX 64
#define MILL_TREE_ITEMS_MAX 2000000u

struct mill_tree_item {
	const char *path; /* relative to the root of the walk */
	char type;        /* 'f', 'd', 'l' */
	mode_t mode;      /* permission bits */
	uint64_t size;    /* of a file */
	char sha256[MILL_SHA256_HEX];
	const char *target; /* of a link */
};

struct mill_tree {
	bool seal;    /* make read-only as we go */
	bool to_root; /* and root's */
	uint64_t bytes, files, items;
	/* Called in path order (bytewise within each folder, folders before what is in them). */
	int (*on_item)(void *arg, const struct mill_tree_item *item, struct mill_error *err);
	void *arg;
};

/* The record files of the top folder (.complete, .tree) are not part of the walk. */
int mill_tree_walk(struct mill_tree *t, const char *root, struct mill_error *err);

#endif
