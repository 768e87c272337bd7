/* What a target section says, as the drivers use it.  Its values were checked when the file was read. */
#include "base/json.h"
#include "base/parse.h"
#include "cluster/internal.h"

#define MIB ((uint64_t)1 << 20)

const char *mill_cluster_text(const struct mill_cluster *c, const char *key)
{
	const json_t *v = json_object_get(c->section, key);
	struct mill_cluster *own = (struct mill_cluster *)c;

	if (json_is_string(v))
		return mill_arena_strdup(&own->arena, json_string_value(v));
	if (json_is_integer(v))
		return mill_arena_printf(&own->arena, "%lld", (long long)json_integer_value(v));
	return NULL;
}

/* A bare number is MiB, as in the original; else a size with its unit. */
static uint64_t size_mib(const struct mill_cluster *c, const char *key)
{
	const json_t *v = json_object_get(c->section, key);
	uint64_t bytes = 0;

	if (json_is_integer(v) && json_integer_value(v) > 0)
		return (uint64_t)json_integer_value(v);
	if (json_is_string(v) && mill_parse_size(json_string_value(v), &bytes) == 0)
		return bytes / MIB;
	return 0;
}

static void read_zones(struct mill_cluster *c)
{
	const json_t *v = json_object_get(c->section, "zones");
	_cleanup_strv_ struct mill_strv zones = {0};
	size_t i;
	json_t *item;

	if (json_is_string(v))
		mill_strv_split(&zones, json_string_value(v), ",");
	json_array_foreach (v, i, item)
		if (json_is_string(item))
			mill_strv_add(&zones, json_string_value(item));
	c->zones = MILL_ARENA_ARRAY(&c->arena, zones.n + 1, const char *);
	for (i = 0; i < zones.n; i++)
		c->zones[i] = mill_arena_strdup(&c->arena, zones.items[i]);
	c->n_zones = zones.n;
}

char *mill_cluster_zones(const struct mill_cluster *c)
{
	_cleanup_strv_ struct mill_strv zones = {0};

	for (size_t i = 0; i < c->n_zones; i++)
		mill_strv_add(&zones, c->zones[i]);
	return mill_strv_join(&zones, ",");
}

/*
 * "10.0.0.5:5000" of "10.0.0.5:5000/team": a registry with a port and no dot-com name is one of this machine or
 * network, which speaks plain http.  One like ghcr.io/team needs no word to the cluster.
 */
static const char *plain_registry(struct mill_cluster *c, const char *registry)
{
	const char *host = mill_arena_strndup(&c->arena, registry, strcspn(registry, "/"));
	bool numbers = strchr(host, ':') && host[strspn(host, "0123456789.:")] == '\0';

	return numbers || mill_starts_with(host, "localhost:") ? host : NULL;
}

void mill_cluster_settings(struct mill_cluster *c)
{
	const json_t *images = json_object_get(c->section, "images");
	const char *registry = mill_json_get_string(images, "registry", NULL);

	c->cpus = mill_json_get_int(c->section, "cpus", 0);
	c->nodes = mill_json_get_int(c->section, "no_nodes", 0);
	c->gpu_nodes = mill_json_get_int(c->section, "gpu_nodes", 1);
	c->memory_mib = size_mib(c, "memory");
	c->storage_mib = size_mib(c, "storage");
	c->gpu = mill_json_get_bool(c->section, "gpu_support", false);
	c->istio = mill_json_get_bool(c->section, "istio_support", false);
	c->vm_driver = mill_cluster_text(c, "vm_driver");
	c->region = mill_cluster_text(c, "region");
	c->node_size = mill_cluster_text(c, "node_size");
	c->bucket = mill_cluster_text(c, "bucket_name");
	c->project = mill_cluster_text(c, "project");
	c->gpu_type = mill_cluster_text(c, "gpu_type");
	c->version = mill_cluster_text(c, "kubernetes_version");
	/* without a word, it is the one that `data-mill registry start` makes on this machine */
	c->registry = plain_registry(c, registry ? registry : "127.0.0.1:5000");
	c->loopback = c->registry && (mill_starts_with(c->registry, "localhost:") || mill_starts_with(c->registry, "127."));
	read_zones(c);
}
