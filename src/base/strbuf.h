/*
 * A growing byte string with a ceiling (after git's strbuf and curl's dynbuf).
 *
 * Invariants: `data` is never NULL after init and always NUL-terminated at
 * `len`.  Growth past `max` sets `overflow`, keeps what was there and drops
 * the rest; callers that read foreign bytes check it once at the end.
 *
 *	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
 *	mill_strbuf_printf(&b, "%s=%d", key, value);
 *	char *owned = mill_strbuf_steal(&b);
 */
#ifndef MILL_BASE_STRBUF_H
#define MILL_BASE_STRBUF_H

#include "base/base.h"

struct mill_strbuf {
	char *data;
	size_t len, cap;
	size_t max; /* ceiling in bytes; 0 = MILL_STRBUF_MAX */
	bool overflow;
};

#define MILL_STRBUF_MAX ((size_t)256 << 20)
extern char mill_strbuf_empty[1];
#define MILL_STRBUF_INIT {.data = mill_strbuf_empty}
#define MILL_STRBUF_INIT_MAX(limit) {.data = mill_strbuf_empty, .max = (limit)}

void mill_strbuf_init(struct mill_strbuf *b, size_t max);
void mill_strbuf_release(struct mill_strbuf *b); /* usable again afterwards */
void mill_strbuf_reset(struct mill_strbuf *b);   /* len = 0, memory kept */
/* The string, now the caller's (free()); the buffer is empty again. */
char *mill_strbuf_steal(struct mill_strbuf *b);
void mill_strbuf_add(struct mill_strbuf *b, const void *data, size_t n);
void mill_strbuf_addstr(struct mill_strbuf *b, const char *s);
void mill_strbuf_addch(struct mill_strbuf *b, char c);
void mill_strbuf_printf(struct mill_strbuf *b, const char *fmt, ...) MILL_PRINTF(2, 3);
void mill_strbuf_vprintf(struct mill_strbuf *b, const char *fmt, va_list ap);
/* Makes room for n more bytes and returns where they go; call _advance after
 * writing.  NULL when the ceiling forbids it. */
char *mill_strbuf_reserve(struct mill_strbuf *b, size_t n);
void mill_strbuf_advance(struct mill_strbuf *b, size_t n);
/* Drops the first n bytes. */
void mill_strbuf_consume(struct mill_strbuf *b, size_t n);
void mill_strbuf_truncate(struct mill_strbuf *b, size_t len);
#define _cleanup_strbuf_ __attribute__((cleanup(mill_strbuf_release)))

/* ---- a list of owned strings, always NULL-terminated (argv-ready) ---- */
struct mill_strv {
	char **items;
	size_t n, cap;
};
void mill_strv_add(struct mill_strv *v, const char *s);
void mill_strv_add_take(struct mill_strv *v, char *s);
void mill_strv_addf(struct mill_strv *v, const char *fmt, ...) MILL_PRINTF(2, 3);
bool mill_strv_contains(const struct mill_strv *v, const char *s);
void mill_strv_sort(struct mill_strv *v);
/* Splits on any byte of `seps`, trims blanks, drops empty pieces. */
void mill_strv_split(struct mill_strv *v, const char *s, const char *seps);
/* Sets NAME=VALUE in an environment list, replacing an older one. */
void mill_strv_setenv(struct mill_strv *v, const char *name, const char *value);
const char *mill_strv_getenv(const struct mill_strv *v, const char *name);
char *mill_strv_join(const struct mill_strv *v, const char *sep); /* owned */
/* items (NULL-terminated) even when the list is empty. */
char *const *mill_strv_argv(struct mill_strv *v);
void mill_strv_release(struct mill_strv *v);
#define _cleanup_strv_ __attribute__((cleanup(mill_strv_release)))

#endif
