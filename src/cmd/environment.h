/*
 * Data-science environments: manifests below environments/, built into the
 * store like any software, used with or without the hub.
 *
 *	struct mill_environment e;
 *	if (mill_environment_find(ctx, "pyspark", &e, err) == 0)
 *		mill_environment_build(ctx, &e, err);
 *	mill_environment_release(&e);
 */
#ifndef MILL_CMD_ENVIRONMENT_H
#define MILL_CMD_ENVIRONMENT_H

#include "cmd/context.h"
#include "runtime/native/store.h"

struct mill_environment {
	const struct mill_component *component; /* the model's */
	struct mill_store *store;
	json_t *recipe;
	char *key, *dir; /* store entry */
	bool built;
};

/*
 * `word` is NAME, or NAME@HASH: the beginning of a store key, of the present
 * lock or of one that was built here before.  Loads the manifests and opens
 * the store.  Usage errors name what there is.
 */
int mill_environment_find(struct mill_context *ctx, const char *word, struct mill_environment *ret, struct mill_error *err);
/* The same for a manifest that is loaded; 0 with built false when it is not in the store. */
int mill_environment_of(struct mill_context *ctx, const struct mill_component *c, struct mill_environment *ret,
			struct mill_error *err);
void mill_environment_release(struct mill_environment *e);
/* Into the store unless it is there; its locks are kept, so that NAME@HASH rebuilds it. */
int mill_environment_build(struct mill_context *ctx, struct mill_environment *e, struct mill_error *err);
/* NULL, or why it is of no use on this machine. */
const char *mill_environment_unusable(const struct mill_component *c);
/*
 * Adds to `env` what makes a process run in it: PATH, who it is
 * (MILL_ENVIRONMENT, MILL_ENVIRONMENT_HASH), and where `pip install` and R's
 * install.packages() put things: a folder of the user's own, never the store.
 */
int mill_environment_variables(struct mill_context *ctx, const struct mill_environment *e, json_t *env, struct mill_error *err);
/* Builds it if need be and becomes a program in it, with the platform's variables; argv is taken over. */
int mill_environment_become(struct mill_context *ctx, const char *word, struct mill_strv *argv, struct mill_error *err);
/* `env` of the platform in force, or an empty object when there is none. */
int mill_environment_platform(struct mill_context *ctx, json_t **ret, struct mill_error *err);

extern const struct mill_command mill_cmd_environment_add;

#endif
