/* The makers of lock files, one a kind (private to this folder).  Each writes into `x->dest`, which
 * stands for the component's folder: `x->dest`/locks/... */
#ifndef MILL_NATIVE_RELOCK_STEP_H
#define MILL_NATIVE_RELOCK_STEP_H

#include "runtime/native/step.h"

int mill_relock_go(struct mill_step_ctx *x, struct mill_error *err);
int mill_relock_pip(struct mill_step_ctx *x, struct mill_error *err);
int mill_relock_npm(struct mill_step_ctx *x, struct mill_error *err);
int mill_relock_maven(struct mill_step_ctx *x, struct mill_error *err);
int mill_relock_debian(struct mill_step_ctx *x, struct mill_error *err);
int mill_relock_download(struct mill_step_ctx *x, struct mill_error *err);

/* The i-th lock file of the step below x->dest; owned. */
char *mill_relock_path(const struct mill_step_ctx *x, size_t i);
/* A work folder of this step; owned, NULL with err filled. */
char *mill_relock_work(struct mill_step_ctx *x, struct mill_error *err);

#endif
