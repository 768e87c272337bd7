/*
 * Running a hook (docs/internals/hooks.md): as the services' user, in an empty
 * temporary folder, with a minimal environment and JSON on standard input, the
 * only place where it finds secrets.  Standard error goes to
 * components/<name>/hooks.log.
 */
#ifndef MILL_NATIVE_HOOKS_H
#define MILL_NATIVE_HOOKS_H

#include "runtime/native/context.h"

enum { MILL_HOOK_OK = 0, MILL_HOOK_FAILED = 1, MILL_HOOK_SKIPPED = 77 };

struct mill_hook_call {
	const char *component; /* whose folders, settings and secrets */
	const char *hook;      /* "smoke", "provision", ... as the hook is told */
	const json_t *spec;    /* {"command": [..], "timeout_ms": n} */
	const json_t *request; /* values in it are resolved; NULL: none */
	const char *input;     /* a file copied to its folder and named in request.file; NULL: none */
	const char *output;    /* where what it writes to request.output goes; NULL: none */
	unsigned timeout_ms;   /* when the spec says none; 0: 60 s */
	int cancel_fd;         /* -1: none */
};
struct mill_hook_result {
	int code;      /* one of the above; any other end is MILL_HOOK_FAILED */
	char *message; /* one line, "" when it said nothing; owned */
	json_t *answer; /* its JSON object, may be empty; may hold secrets */
	char *log;     /* the last lines of its standard error; owned */
	uint64_t elapsed_ms;
};
/* An error only when it could not be run to its end (-ETIMEDOUT, -ECANCELED) or said no JSON. */
int mill_hook_run(struct mill_native *n, const struct mill_hook_call *c, struct mill_hook_result *ret,
		  struct mill_error *err);
void mill_hook_result_release(struct mill_hook_result *r);
#define _cleanup_hook_ __attribute__((cleanup(mill_hook_result_release)))

/* The last `lines` lines of a text; borrowed from it. */
const char *mill_last_lines(const char *text, size_t lines);
/* Appends to a log of ours below components/<name>/, which turns over at 1 MiB. */
void mill_component_log(const struct mill_native *n, const char *component, const char *file, const char *title,
			const char *text);

#endif
