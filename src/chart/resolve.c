#include "chart/resolve.h"

#include "spec/spec.h"

int mill_chart_resolve_in(void *folder, const json_t *value, struct mill_strbuf *out, struct mill_error *err)
{
	return mill_spec_resolve_value(value, folder, out, err);
}
