/* A cluster made from a target's section, or from its description. */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cluster/internal.h"

static const struct mill_cluster_driver *const drivers[] = {
	&mill_driver_minikube, &mill_driver_microk8s, &mill_driver_multipass, &mill_driver_kops,
	&mill_driver_gke,      &mill_driver_k3d,      &mill_driver_kind,      &mill_driver_kubeconfig,
};

static const struct mill_cluster_driver *find_driver(const char *provider)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(drivers); i++)
		if (mill_streq(drivers[i]->provider, provider))
			return drivers[i];
	return NULL;
}

const char *mill_cluster_state_name(enum mill_cluster_state s)
{
	static const char *const names[] = {"absent", "stopped", "starting", "running", "broken"};

	return names[s];
}

void mill_cluster_status_release(struct mill_cluster_status *s)
{
	free(s->text);
	free(s->version);
	*s = (struct mill_cluster_status){0};
}

void mill_cluster_gpu_release(struct mill_cluster_gpu *g)
{
	free(g->text);
	*g = (struct mill_cluster_gpu){0};
}

/* ---- made from a target section ---- */

/* A shipped file by its name, another by its path: what -f and -t take. */
static void add_flag(struct mill_strbuf *out, const char *flag, const char *path, const char *folder)
{
	_cleanup_free_ char *shipped = folder ? mill_path_dirname(path) : NULL;

	mill_strbuf_printf(out, " %s %s", flag, shipped && mill_streq(shipped, folder) ? mill_path_basename(path) : path);
}

static char *flags_of(const struct mill_project *p, const struct mill_layout *l)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *flavours = mill_path_join(l->resources, "flavours");
	_cleanup_free_ char *targets = mill_path_join(l->resources, "k8s/configs");

	mill_strbuf_printf(&out, "-%c", p->location[0]);
	if (p->flavour_path && !mill_streq(p->flavour_name, "default"))
		add_flag(&out, "-f", p->flavour_path, flavours);
	if (p->target_path && !mill_ends_with(p->target_path, "/native.yaml"))
		add_flag(&out, "-t", p->target_path, targets);
	if (mill_streq(p->location, "hybrid") && p->kubeconfig)
		add_flag(&out, "--kubeconfig", p->kubeconfig, NULL);
	return mill_strbuf_steal(&out);
}

/* 1.30 is a version, not a number. */
static json_t *section_of(const struct mill_node *target)
{
	json_t *section = target ? mill_node_to_json(target) : json_object();

	MILL_MAP_EACH (pair, target)
		if (mill_node_is(pair->value, MILL_NODE_FLOAT))
			json_object_set_new(section, pair->key, json_string(pair->value->text));
	return section;
}

int mill_cluster_new(const struct mill_project *p, const struct mill_cluster_host *host,
		     struct mill_cluster **ret, struct mill_error *err)
{
	_cleanup_free_ char *flags = flags_of(p, host->layout);
	_cleanup_json_ json_t *section = section_of(p->target);
	_cleanup_json_ json_t *d = NULL;

	if (mill_streq(p->provider, "native")) {
		mill_fail_usage(err, "the target of this flavour is this machine, without Kubernetes (provider: native)");
		return mill_error_hint(err, "-t kind.yaml, -t minikube.yaml, ... name a cluster; data-mill target list shows them");
	}
	d = json_pack("{s:i, s:s, s:s, s:s, s:s?, s:O}", "v", MILL_CLUSTER_RECORD_VERSION, "provider", p->provider,
		      "location", p->location, "flags", flags, "kubeconfig", p->kubeconfig, "section", section);
	return mill_cluster_open(d, host, ret, err);
}

static const char *keep(struct mill_cluster *c, const json_t *o, const char *key)
{
	const char *text = mill_json_get_string(o, key, NULL);

	return text ? mill_arena_strdup(&c->arena, text) : NULL;
}

/* Names become a folder's: nothing else may be in them. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 128 && name[0] != '.' && name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

static const char *name_of(const struct mill_cluster *c)
{
	const char *said = mill_cluster_text(c, "cluster_name");

	if (mill_streq(c->driver->provider, "microk8s"))
		return "microk8s"; /* a machine has one */
	if (c->driver->foreign)
		return "kubeconfig";
	return said ? said : c->driver->default_name ? c->driver->default_name : "data-mill";
}

int mill_cluster_open(const json_t *d, const struct mill_cluster_host *host, struct mill_cluster **ret,
		      struct mill_error *err)
{
	const char *provider = mill_json_get_string(d, "provider", "");
	struct mill_cluster *c;
	int r = 0;

	if (mill_json_get_int(d, "v", 0) > MILL_CLUSTER_RECORD_VERSION)
		return mill_fail_usage(err, "the record of the cluster was written by a newer data-mill");
	if (!find_driver(provider))
		return mill_fail_usage(err, "there is no cluster driver '%s'", provider);
	c = mill_xcalloc(1, sizeof(*c));
	c->driver = find_driver(provider);
	c->host = *host;
	c->section = json_is_object(json_object_get(d, "section")) ? json_deep_copy(json_object_get(d, "section"))
								    : json_object();
	c->location = keep(c, d, "location");
	c->flags = keep(c, d, "flags");
	c->flags = c->flags ? c->flags : "";
	c->name = mill_arena_strdup(&c->arena, name_of(c));
	if (!name_ok(c->name)) {
		r = mill_fail_usage(err, "cluster_name: '%s' is not a cluster's name", c->name);
		mill_cluster_free(c);
		return r;
	}
	c->dir = mill_arena_printf(&c->arena, "%s/clusters/%s.%s", host->layout->state, provider, c->name);
	c->kubeconfig = c->driver->foreign ? keep(c, d, "kubeconfig")
					   : mill_arena_printf(&c->arena, "%s/kubeconfig", c->dir);
	/* a record holds the one that was chosen: the current one of the file may be another by now */
	c->context = keep(c, d, "context");
	if (!c->context && c->driver->foreign)
		c->context = mill_cluster_text(c, "context");
	mill_cluster_settings(c);
	if (c->driver->check)
		r = c->driver->check(c, err);
	if (r < 0)
		mill_cluster_free(c);
	else
		*ret = c;
	return r;
}

struct mill_cluster *mill_cluster_free(struct mill_cluster *c)
{
	if (!c)
		return NULL;
	json_decref(c->section);
	mill_arena_release(&c->arena);
	free(c);
	return NULL;
}

json_t *mill_cluster_describe(const struct mill_cluster *c)
{
	return json_pack("{s:i, s:s, s:s, s:s?, s:s, s:s?, s:s?, s:O}", "v", MILL_CLUSTER_RECORD_VERSION, "provider",
			 c->driver->provider, "name", c->name, "location", c->location, "flags", c->flags,
			 "kubeconfig", c->kubeconfig, "context", c->context, "section", c->section);
}

const char *mill_cluster_provider(const struct mill_cluster *c)
{
	return c->driver->provider;
}

const char *mill_cluster_name(const struct mill_cluster *c)
{
	return c->name;
}

const char *mill_cluster_title(const struct mill_cluster *c)
{
	struct mill_cluster *own = (struct mill_cluster *)c;

	if (c->driver->foreign)
		return mill_arena_printf(&own->arena, "the cluster of %s", c->kubeconfig ? c->kubeconfig : "no kubeconfig");
	return mill_arena_printf(&own->arena, "the %s '%s'", c->driver->title, c->name);
}

bool mill_cluster_is_cloud(const struct mill_cluster *c)
{
	return c->driver->cloud;
}
