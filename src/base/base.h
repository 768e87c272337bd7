/*
 * What every file starts with: allocation that cannot fail, cleanup
 * attributes, the error contract, BUG().
 *
 * Memory: mill_x*() end the program with a message when memory is exhausted,
 * so callers never test for NULL.  Everything that grows from outside input
 * has a ceiling elsewhere, so exhaustion is not something input can cause.
 *
 * Errors: a function that can fail returns 0 or a negative errno and fills a
 * caller-owned `struct mill_error` (may be NULL when nobody asks).  As an
 * error goes up, each level that knows something adds it with
 * mill_error_wrap(): "start kafka: bind 127.0.0.1:9092: address in use".
 *
 *	(reterr is what the caller handed in)
 *	if (mill_thing_load(&thing, path, reterr) < 0)
 *		return mill_error_wrap(reterr, "thing %s", name);
 */
#ifndef MILL_BASE_BASE_H
#define MILL_BASE_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define MILL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define MILL_NORETURN __attribute__((noreturn))
#define MILL_UNUSED __attribute__((unused))
#define MILL_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- allocation ---- */
void *mill_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mill_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *mill_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* n * size with the overflow checked. */
void *mill_xreallocarray(void *p, size_t n, size_t size);
char *mill_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *mill_xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *mill_xasprintf(const char *fmt, ...) MILL_PRINTF(1, 2) __attribute__((malloc, returns_nonnull));
char *mill_xvasprintf(const char *fmt, va_list ap) __attribute__((malloc, returns_nonnull));

/* Makes room for one more element of a plain growing array. */
#define MILL_GROW(items, n, cap)                                                                   \
	do {                                                                                       \
		if ((n) >= (cap)) {                                                                \
			(cap) = (cap) ? (cap) * 2 : 8;                                             \
			(items) = mill_xreallocarray((items), (cap), sizeof(*(items)));            \
		}                                                                                  \
	} while (0)

/* ---- cleanup attributes (gcc and clang) ---- */
static inline void mill_cleanup_free(void *p)
{
	free(*(void **)p);
}
static inline void mill_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void mill_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}
#define _cleanup_free_ __attribute__((cleanup(mill_cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(mill_cleanup_close)))
#define _cleanup_fclose_ __attribute__((cleanup(mill_cleanup_fclose)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Hands the pointer over and forgets it here. */
#define MILL_TAKE(p)                                                                               \
	({                                                                                         \
		__typeof__(p) mill_taken_ = (p);                                                   \
		(p) = NULL;                                                                        \
		mill_taken_;                                                                       \
	})

/* ---- errors ---- */

/* Exit codes of the program, few and documented (docs/man). */
enum mill_exit {
	MILL_EXIT_OK = 0,
	MILL_EXIT_FAILED = 1,
	MILL_EXIT_USAGE = 2,   /* usage or configuration: nothing was changed */
	MILL_EXIT_CHANGES = 3, /* plan --detailed-exitcode found changes */
	MILL_EXIT_INTERRUPTED = 130,
};

struct mill_error {
	int code;      /* positive errno; 0 = no error */
	bool usage;    /* the user's input is at fault: exit code 2 */
	char *message; /* owned; one line, no trailing newline */
	char *hint;    /* owned or NULL: the next step, one or more lines */
	char *detail;  /* owned or NULL: last log lines, shown indented */
};

/* Fills err (if not NULL), replacing what it held.  Returns -code. */
int mill_fail(struct mill_error *err, int code, const char *fmt, ...) MILL_PRINTF(3, 4);
/* As mill_fail(), and marks it as the user's mistake. */
int mill_fail_usage(struct mill_error *err, const char *fmt, ...) MILL_PRINTF(2, 3);
/* As mill_fail(), appending ": " and the text of the errno value `code`. */
int mill_fail_errno(struct mill_error *err, int code, const char *fmt, ...) MILL_PRINTF(3, 4);
/* Puts "context: " before the message.  Returns -err->code. */
int mill_error_wrap(struct mill_error *err, const char *fmt, ...) MILL_PRINTF(2, 3);
/* Sets the next step.  Returns -err->code, so that a caller can return it. */
int mill_error_hint(struct mill_error *err, const char *fmt, ...) MILL_PRINTF(2, 3);
/* Sets the detail (log lines).  Takes a copy. */
void mill_error_detail(struct mill_error *err, const char *text);
void mill_error_release(struct mill_error *err);
#define _cleanup_error_ __attribute__((cleanup(mill_error_release)))

/* A mistake of ours: prints file and line, aborts.  No input can reach one. */
#define BUG(...) mill_bug(__FILE__, __LINE__, __VA_ARGS__)
void mill_bug(const char *file, int line, const char *fmt, ...) MILL_NORETURN MILL_PRINTF(3, 4);

/* ---- small string helpers ---- */
static inline bool mill_streq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool mill_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool mill_ends_with(const char *s, const char *suffix);

#include "base/banned.h"

#endif
