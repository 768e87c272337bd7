/*
 * A recipe: what the manifest's `native.install` says, as plain JSON
 * (docs/internals/install.md), and the key of the entry that it makes.
 *
 * The key is the first 32 hex digits of SHA-256 over everything that decides
 * the entry's content: format version, architecture, installer version, the
 * steps as canonical JSON, the lock files' bytes, the identity of the tool
 * chains that shape it; then "-name-version" for people.  No process is
 * started for it: 30 keys take a few milliseconds.
 */
#ifndef MILL_NATIVE_RECIPE_H
#define MILL_NATIVE_RECIPE_H

#include <jansson.h>

#include "base/strbuf.h"
#include "runtime/native/store.h"

#define MILL_RECIPE_STEPS_MAX 64
#define MILL_LOCK_FILE_MAX ((size_t)16 << 20)

enum mill_step_kind {
	MILL_STEP_GO,
	MILL_STEP_PIP,
	MILL_STEP_NPM,
	MILL_STEP_MAVEN,
	MILL_STEP_DEBIAN,
	MILL_STEP_DOWNLOAD,
	MILL_STEP_FILES, /* of the component's own folder */
	MILL_STEP_WHEEL, /* tool chains only: a PyPI wheel, unpacked; not in manifests */
};

struct mill_step {
	enum mill_step_kind kind;
	const json_t *json;  /* borrowed from the recipe */
	const char *into;    /* "" or a relative path inside the entry */
	unsigned nth;        /* 1 for the first step of its kind, 2, .. */
	char *lock;          /* NULL for downloads and files; else below the component's folder: a file, or a folder with a slash at its end; NULL */
	struct mill_strv locks; /* its files, or those that are to be copied, relative to the component's folder */
};

struct mill_recipe {
	const char *name, *version;
	const char *dir;     /* the component's folder, where locks/ is; "" for a tool chain */
	json_t *json;        /* own reference */
	struct mill_step *steps;
	size_t n_steps;
	struct mill_strv toolchains; /* as written: "java>=17" */
};

/* Checks shape and names.  Usage error: the manifest is at fault. */
int mill_recipe_from_json(const json_t *json, struct mill_recipe **ret, struct mill_error *err);
struct mill_recipe *mill_recipe_free(struct mill_recipe *r);
/* `<dir>/recipe.json` with "dir" filled in: a recipe without a component (components/_tools).  -ENOENT. */
int mill_recipe_load(const char *dir, json_t **ret, struct mill_error *err);
const char *mill_step_kind_name(enum mill_step_kind kind);

/* -ENOENT: a lock is missing (the hint names relock). */
int mill_recipe_key(const struct mill_store *s, const struct mill_recipe *r, char **ret_key,
		    struct mill_error *err);

/* "amd64", "arm64": what ${arch} and the locks say. */
const char *mill_machine_arch(void);

/* What an install takes, from locks/meta.json; zeros where nobody measured. */
struct mill_estimate {
	bool known;
	uint64_t download_bytes, installed_bytes;
	double seconds;
};
void mill_recipe_estimate(const struct mill_recipe *r, struct mill_estimate *ret);
/* Writes locks/meta.json. */
int mill_recipe_save_estimate(const struct mill_recipe *r, const struct mill_estimate *e,
			      struct mill_error *err);

/* A text item of a step: string, or number and bool as text; fallback when absent.  Borrowed or static. */
const char *mill_step_string(const struct mill_step *s, const char *key, const char *fallback);
bool mill_step_bool(const struct mill_step *s, const char *key, bool fallback);
/* A list of texts; a single text counts as a list of one. */
void mill_step_list(const struct mill_step *s, const char *key, struct mill_strv *ret);

#endif
