/* Is a file what was recorded, is it what the object holds (private to this module). */
#ifndef MILL_LAKE_COMPARE_H
#define MILL_LAKE_COMPARE_H

#include "lake/mirror.h"

/* Fills finding of all entries; hashes files, in parallel, only where nothing cheaper tells. */
int mill_lake_compare(struct mill_lake_mirror *m, struct mill_error *err);

/*
 * Hashes the file in the form that an ETag has, and says whether it is the same
 * content.  The ETag of a multipart object depends on the size of its parts,
 * which is not told: the sizes that clients use are tried where they make the
 * right number of parts.  UNKNOWN: no MD5, or parts of an unusual size.
 */
int mill_lake_compare_etag(struct mill_s3_hasher *h, int fd, uint64_t size, const char *etag,
			   uint64_t part_size, struct mill_s3_content *ret_content,
			   enum mill_lake_same *ret_same);

#endif
