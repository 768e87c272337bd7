/*
 * Tool chains: go, python, node, java, maven, uv.  The machine's own is used
 * where it is new enough, else the PyPI wheel that toolchains.json locks, as a
 * store entry of its own.  uv always is the wheel: its behaviour is part of
 * what we tested.
 *
 * The version of a machine's tool is asked once and then remembered in
 * <cache>/tools.json by path, size and time: finding a tool chain costs a few
 * stat calls.
 */
#ifndef MILL_NATIVE_TOOLCHAIN_H
#define MILL_NATIVE_TOOLCHAIN_H

#include <jansson.h>

#include "base/base.h"
#include "runtime/native/recipe.h"
#include "runtime/native/store.h"

struct mill_toolchain {
	char *name;    /* "java" */
	char *dir;     /* dir/bin/<program> exists (once installed) */
	char *program; /* absolute path of the main program: go, python3, node, java, mvn, uv */
	char *version;
	char *key;     /* store entry; NULL: the machine's own */
	json_t *recipe; /* of the entry; NULL with key NULL */
};

/* `want`: a name, or name>=version.  -ENOENT: neither the machine nor a wheel has it; the hint says what to install. */
int mill_toolchain_find(const struct mill_store *s, const char *want, struct mill_toolchain *ret,
			struct mill_error *err);
void mill_toolchain_release(struct mill_toolchain *t);
#define _cleanup_toolchain_ __attribute__((cleanup(mill_toolchain_release)))

/* What a step needs, as mill_toolchain_find() takes it: "go>=1.24.0", "python>=3.10". */
void mill_step_toolchains(const struct mill_recipe *r, const struct mill_step *s, struct mill_strv *ret);

/*
 * What of the tool chains decides the content of the entry; owned text for the
 * key.  Minor versions only: a patch release of the machine's Go or Python does
 * not rebuild the store.  Steps whose result is verified by hashes (npm, maven,
 * debian, download) do not depend on the tool that fetched them.
 */
int mill_toolchain_identity(const struct mill_store *store, const struct mill_recipe *r,
			    const struct mill_step *s, char **ret, struct mill_error *err);

/* Compares dotted numbers: < 0, 0, > 0. */
int mill_toolchain_compare(const char *a, const char *b);

#endif
