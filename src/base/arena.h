/*
 * An arena: many small allocations that live and die together (a parsed
 * configuration).  Memory is zeroed.  Pointers stay valid until _release.
 */
#ifndef MILL_BASE_ARENA_H
#define MILL_BASE_ARENA_H

#include "base/base.h"

struct mill_arena {
	struct mill_arena_block *blocks;
	size_t used_bytes; /* handed out so far */
};

void *mill_arena_alloc(struct mill_arena *a, size_t size);
void *mill_arena_calloc(struct mill_arena *a, size_t n, size_t size);
char *mill_arena_strdup(struct mill_arena *a, const char *s);
char *mill_arena_strndup(struct mill_arena *a, const char *s, size_t n);
char *mill_arena_printf(struct mill_arena *a, const char *fmt, ...) MILL_PRINTF(2, 3);
void mill_arena_release(struct mill_arena *a);
#define _cleanup_arena_ __attribute__((cleanup(mill_arena_release)))
#define MILL_ARENA_NEW(a, type) ((type *)mill_arena_alloc((a), sizeof(type)))
#define MILL_ARENA_ARRAY(a, n, type) ((type *)mill_arena_calloc((a), (n), sizeof(type)))

#endif
