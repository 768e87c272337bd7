/* Inside chart/ only: how the cluster's layer runs kubectl and helm. */
#ifndef MILL_CHART_LAYER_CALL_H
#define MILL_CHART_LAYER_CALL_H

#include "chart/layer.h"

#define MILL_LAYER_LABEL "data-mill.io/layer"
#define MILL_LAYER_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs to the end; a status other than 0 is an error with what was said, or -EIO without one when `quiet`. */
int mill_layer_run(const struct mill_layer *l, struct mill_strv *argv, const char *input, bool quiet, struct mill_strbuf *out,
		   struct mill_error *err);
/* kubectl with these words. */
int mill_layer_call(const struct mill_layer *l, const char *const *words, const char *input, bool quiet, struct mill_strbuf *out,
		    struct mill_error *err);
/* Whose the release of that name is; theirs: there, and without our label. */
enum mill_layer_owner { MILL_LAYER_NOBODY, MILL_LAYER_OURS, MILL_LAYER_THEIRS };
int mill_layer_owner(const struct mill_layer *l, const struct mill_chart_release *rel, enum mill_layer_owner *ret, struct mill_error *err);
void mill_layer_say(const struct mill_layer *l, const char *fmt, ...) MILL_PRINTF(2, 3);

#endif
