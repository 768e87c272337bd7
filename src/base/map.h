/*
 * String-keyed hash map (open addressing, keys copied).  Values are void
 * pointers that the map does not own unless free_value is set.  Iteration is
 * in insertion order, so that output made from a map is stable.
 */
#ifndef MILL_BASE_MAP_H
#define MILL_BASE_MAP_H

#include "base/base.h"

struct mill_map_entry {
	char *key;
	void *value;
};
struct mill_map {
	struct mill_map_entry *entries; /* insertion order */
	size_t n, cap;
	uint32_t *slots; /* index + 1 into entries, 0 = free */
	size_t n_slots;
	void (*free_value)(void *value);
};

void *mill_map_get(const struct mill_map *m, const char *key); /* NULL: absent */
bool mill_map_has(const struct mill_map *m, const char *key);
void mill_map_set(struct mill_map *m, const char *key, void *value);
void mill_map_remove(struct mill_map *m, const char *key); /* keeps the order */
void mill_map_release(struct mill_map *m);
#define _cleanup_map_ __attribute__((cleanup(mill_map_release)))

#endif
