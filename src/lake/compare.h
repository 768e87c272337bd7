/* Is a file what was recorded, is it what the object holds (private to this module). */
#ifndef MILL_LAKE_COMPARE_H
#define MILL_LAKE_COMPARE_H

#include "lake/mirror.h"

/* Fills finding of all entries; hashes files, in parallel, only where nothing cheaper tells. */
int mill_lake_compare(struct mill_lake_mirror *m, struct mill_error *err);

#endif
