#include "base/arena.h"

#define BLOCK_BYTES ((size_t)16 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct mill_arena_block {
	struct mill_arena_block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

static struct mill_arena_block *new_block(size_t size)
{
	size_t total;
	if (__builtin_add_overflow(size, sizeof(struct mill_arena_block), &total))
		total = SIZE_MAX; /* mill_xcalloc ends the program */
	struct mill_arena_block *b = mill_xcalloc(1, total);
	b->size = size;
	return b;
}

void *mill_arena_alloc(struct mill_arena *a, size_t size)
{
	size_t need = size ? size : 1;
	if (need > SIZE_MAX - ALIGNMENT)
		BUG("arena allocation of %zu bytes", size);
	need = (need + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct mill_arena_block *b = a->blocks;
	if (need > BLOCK_BYTES / 4) {
		/* A large one gets a block of its own, behind the current one,
		 * whose rest stays in use. */
		struct mill_arena_block *own = new_block(need);
		own->used = need;
		if (b) {
			own->next = b->next;
			b->next = own;
		} else {
			a->blocks = own;
		}
		a->used_bytes += size;
		return own->data;
	}
	if (!b || b->size - b->used < need) {
		b = new_block(BLOCK_BYTES);
		b->next = a->blocks;
		a->blocks = b;
	}
	void *p = b->data + b->used;
	b->used += need;
	a->used_bytes += size;
	return p;
}

void *mill_arena_calloc(struct mill_arena *a, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		BUG("arena allocation of %zu x %zu bytes", n, size);
	return mill_arena_alloc(a, total);
}

char *mill_arena_strndup(struct mill_arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mill_arena_alloc(a, len + 1);
	memcpy(p, s, len);
	return p;
}

char *mill_arena_strdup(struct mill_arena *a, const char *s)
{
	return mill_arena_strndup(a, s, strlen(s));
}

char *mill_arena_printf(struct mill_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *s = mill_xvasprintf(fmt, ap);
	va_end(ap);
	return mill_arena_strdup(a, s);
}

void mill_arena_release(struct mill_arena *a)
{
	struct mill_arena_block *b = a->blocks;
	while (b) {
		struct mill_arena_block *next = b->next;
		free(b);
		b = next;
	}
	*a = (struct mill_arena){0};
}
