/*
 * demo: a story told by scripts, over a whole platform.
 *
 * A demo is data: demos/<name>/demo.yaml names a flavour and steps, each a
 * script that runs in a data-science environment with the platform's
 * variables, as `exec -e` does.  The last line that it prints is
 * {"message": "...", "counts": {...}}; exit code 77 means that it was skipped.
 * A step that fails is told again when the demo says `retries`: by then the
 * supervisor may have brought back what it missed.
 *
 *	demo_file.c  reads and checks demo.yaml
 *	demo_step.c  runs one step
 *	demo.c       the platform, the order of the steps, the end
 */
#ifndef MILL_CMD_DEMO_H
#define MILL_CMD_DEMO_H

#include "cmd/context.h"
#include "model/read.h"
#include "yaml/node.h"

struct mill_demo {
	char *name, *dir, *flavour; /* flavour: a path, or the name of one */
	struct mill_document *doc;
	const struct mill_node *steps;
	unsigned retries;           /* of each step */
};
/* In the project's demos/, then the shipped ones.  A usage error when there is none; its mistakes are printed. */
int mill_demo_load(const struct mill_layout *l, const struct mill_ui *ui, const char *name, struct mill_demo *ret,
		   struct mill_error *err);
void mill_demo_release(struct mill_demo *demo);
/* A text of the demo or of a step. */
const char *mill_demo_text(const struct mill_node *map, const char *key, const char *fallback);

struct mill_story {
	struct mill_invocation *inv;  /* the command's own */
	struct mill_invocation where; /* chooses the platform */
	struct mill_demo demo;
	char *work;       /* where the steps keep what the next ones need */
	json_t *status;   /* the platform's */
	json_t *results;
	size_t ok, failed, skipped;
};
int mill_story_status(struct mill_story *s, json_t **ret, struct mill_error *err);
/* A component, or what stands in for it, runs or is installed. */
bool mill_story_has(const json_t *status, const char *name);
/* Runs a step and tells its result; an error only when it was interrupted. */
int mill_story_tell(struct mill_story *s, const struct mill_node *step, struct mill_error *err);

#endif
