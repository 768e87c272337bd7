#include "base/base.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cmd/since.h"

int mill_parse_since(const char *text, uint64_t *ret_wall_ms, struct mill_error *err)
{
	uint64_t ns, now = mill_wall_ms();

	*ret_wall_ms = 0;
	if (!text || mill_parse_rfc3339(text, ret_wall_ms) == 0)
		return 0;
	if (mill_parse_duration(text, &ns) < 0)
		return mill_fail_usage(err, "--since: '%s' is neither a duration such as 10m nor a time such as "
					    "2026-11-24T04:00:00.000Z", text);
	*ret_wall_ms = ns / MILL_MS < now ? now - ns / MILL_MS : 0;
	return 0;
}
