/* Where the platform runs: the section that -l, -r or -h picks. */
#include "base/io.h"
#include "base/parse.h"
#include "model/loading.h"
#include "model/schema.h"

#define DATA_BYTES ((uint64_t)10 << 30)

/* A map with the pairs of `over`, then those of `under` that it has not. */
static const struct mill_node *merge(struct mill_arena *arena, const struct mill_node *over,
				     const struct mill_node *under)
{
	if (!over || !under)
		return over ? over : under;
	struct mill_node *merged = MILL_ARENA_NEW(arena, struct mill_node);
	*merged = *over;
	merged->pairs = MILL_ARENA_ARRAY(arena, over->n + under->n, struct mill_pair);
	if (over->n)
		memcpy(merged->pairs, over->pairs, over->n * sizeof(*over->pairs));
	MILL_MAP_EACH (pair, under)
		if (!mill_node_pair(over, pair->key))
			merged->pairs[merged->n++] = *pair;
	return merged;
}

/* -t, else the flavour's key; NULL root when there is none. */
static int load_file(struct mill_loading *l, const struct mill_node **ret_root,
		     struct mill_error *err)
{
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	const struct mill_node *named = mill_read_scalar(project, "k8s_default_config");
	const char *name = l->request->target ? l->request->target : named ? named->text : NULL;
	_cleanup_error_ struct mill_error why = {0};
	*ret_root = NULL;
	if (!name)
		return 0;
	_cleanup_free_ char *path = mill_find_target(l, name, &why);
	if (!path && l->request->target)
		return mill_fail_usage(err, "-t: %s", why.message), mill_error_hint(err, "%s", why.hint ? why.hint : "");
	if (!path) {
		/* the built-in default needs no file */
		if (!mill_streq(name, "native.yaml"))
			mill_diag_hint(mill_diag_error(l->r.diags, named->mark,
						       "k8s_default_config: %s", why.message),
				       "%s", why.hint ? why.hint : "target files are in k8s/configs");
		return 0;
	}
	l->m->project.target_path = mill_arena_strdup(l->r.arena, path);
	struct mill_document *doc = mill_loading_document(l, path, l->r.diags);
	if (!doc || !doc->root)
		return 0;
	mill_schema_check(&mill_schema_target, doc->root, "the target file", l->r.diags);
	*ret_root = doc->root;
	return 0;
}

static const char *provider_of(const char *location, const struct mill_node *section)
{
	const char *provider = mill_read_text(section, "provider", NULL);
	if (mill_streq(location, "hybrid"))
		return "kubeconfig";
	if (mill_streq(location, "remote"))
		return provider ? provider : "aws";
	if (provider && mill_streq(provider, "microk8s") &&
	    mill_read_bool(section, "use_multipass", false))
		return "multipass";
	return provider ? provider : "native";
}

static void find_kubeconfig(struct mill_loading *l)
{
	struct mill_project *p = &l->m->project;
	const struct mill_node *named = mill_read_scalar(p->target, "config");
	const char *text = l->request->kubeconfig;
	_cleanup_free_ char *folder = NULL;
	if (!mill_streq(p->location, "hybrid") && !text)
		return;
	if (!text && named) {
		text = named->text;
		if (named->mark.source)
			folder = mill_path_dirname(named->mark.source->path);
	}
	if (!text)
		return;
	_cleanup_free_ char *expanded = mill_find_expand(text);
	_cleanup_free_ char *joined = mill_path_join(folder ? folder : ".", expanded);
	_cleanup_free_ char *absolute = mill_path_absolute(joined);
	p->kubeconfig = mill_arena_strdup(l->r.arena, absolute);
}

static void read_data(struct mill_project *p)
{
	const struct mill_node *data = mill_read_map(p->target, "data");

	p->data.mount = mill_read_bool(data, "mount", true);
	p->data.bytes = mill_read_size(data, "storage", DATA_BYTES);
	p->data.storage_class = mill_read_text(data, "storage_class", mill_read_text(p->pod_options, "storage_class", NULL));
	p->data.access = mill_read_text(data, "access", "ReadWriteOnce");
}

int mill_target_read(struct mill_loading *l, struct mill_error *err)
{
	struct mill_project *p = &l->m->project;
	const struct mill_node *file = NULL;
	int rc = load_file(l, &file, err);
	if (rc < 0)
		return rc;
	p->location = l->request->location ? l->request->location : "local";
	p->target = merge(l->r.arena, mill_read_map(l->flavour, p->location),
			  mill_read_map(file, p->location));
	p->provider = provider_of(p->location, p->target);
	find_kubeconfig(l);
	const struct mill_node *images = mill_read_map(p->target, "images");
	p->images.registry = mill_read_text(images, "registry", NULL);
	p->images.pull_secret = mill_read_text(images, "pull_secret", NULL);
	p->images.mirror = mill_read_text(images, "mirror", NULL);
	read_data(p);
	p->context = mill_read_text(p->target, "context", NULL);
	mill_target_check(l);
	if (!p->target && mill_streq(p->location, "remote"))
		return mill_fail_usage(err, "-r: neither the flavour nor the target file has a section 'remote'");
	return 0;
}
