/*
 * The last step of an install: an entry is made read-only (and root's, as
 * root), every file is hashed, all of it reaches the disk, and `.complete` is
 * renamed in.
 *
 * `.tree` lists the content, one JSON array a line, sorted by path:
 *	["bin/x", "f", "0555", size, sha256]  ["lib", "d"]  ["a", "l", target]
 * `.complete` is {"v": 1, "key", "name", "version", "recipe", "bytes", "files",
 * "when_ms", "tree_sha256"}: small, so that `store list` is cheap.
 */
#ifndef MILL_NATIVE_SEAL_H
#define MILL_NATIVE_SEAL_H

#include <jansson.h>

#include "base/strbuf.h"

#define MILL_SEAL_TREE ".tree"

struct mill_seal {
	const char *path; /* the entry */
	const char *key, *name, *version;
	const json_t *recipe; /* recorded as it is; may be NULL */
	bool to_root;         /* chown to root */
	uint64_t bytes;       /* out: sum of file sizes */
	uint64_t files;       /* out */
};
int mill_seal(struct mill_seal *s, struct mill_error *err);

/* Compares an entry with its record; a line for people each into problems.  -EBADMSG when it differs. */
int mill_seal_verify(const char *path, struct mill_strv *problems, struct mill_error *err);

#endif
