/* Deleting many objects, with the outcome of each (private to this module). */
#ifndef MILL_LAKE_REMOVE_H
#define MILL_LAKE_REMOVE_H

#include "lake/s3.h"

struct mill_lake_removal {
	const char *key;
	bool done;
	char detail[80]; /* why not */
	void *user;
};
/* -ECANCELED or 0; the outcome of each is in its own fields. */
int mill_lake_remove_each(struct mill_lake *lake, const char *bucket,
			  struct mill_lake_removal *items, size_t n, struct mill_error *err);

#endif
