/* A plan's host that looks at nothing. */
#include "base/hash.h"
#include "base/json.h"
#include "chart/chart.h"
#include "spec/fingerprint.h"

static int store_key(void *arg, const json_t *recipe, char **ret_key, struct mill_error *err)
{
	char digest[MILL_SHA256_HEX];

	mill_fingerprint_json(recipe, digest);
	*ret_key = mill_xstrndup(digest, 32);
	return 0;
}

static int toolchain(void *arg, const char *want, struct mill_toolchain_at *ret, struct mill_error *err)
{
	ret->dir = mill_xstrdup("/usr");
	return 0;
}

static unsigned secret_version(const struct mill_plan_host *h, const char *component, const char *name)
{
	return 1;
}

static int port(const struct mill_plan_host *h, const char *key, uint16_t preferred, uint16_t pinned, uint16_t *ret_port,
		bool *ret_moved, struct mill_error *err)
{
	*ret_port = pinned ? pinned : preferred;
	*ret_moved = false;
	return 0;
}

void mill_chart_host_init(struct mill_plan_host *h, struct mill_platform *p)
{
	*h = (struct mill_plan_host){.platform = p, .pods = true, .cpus = 1, .store = "/opt/data-mill/store", .store_key = store_key,
				     .toolchain = toolchain, .secret_version = secret_version, .port = port};
}
