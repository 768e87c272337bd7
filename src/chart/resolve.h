/* A mill_chart_resolve_fn for secrets in a platform's folder; apart from chart.h, because spec.h and the model's header exclude each other. */
#ifndef MILL_CHART_RESOLVE_H
#define MILL_CHART_RESOLVE_H

#include <jansson.h>

#include "base/strbuf.h"

/* `folder`: the platform's, a const char *. */
int mill_chart_resolve_in(void *folder, const json_t *value, struct mill_strbuf *out, struct mill_error *err);

#endif
