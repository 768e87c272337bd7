#include "model/manifest.h"

#include "model/schema.h"

static void read_identity(const struct mill_node *root, struct mill_component *c)
{
	c->title = mill_read_text(root, "title", c->name);
	c->category = mill_read_text(root, "category", "support");
	c->summary = mill_read_text(root, "summary", "");
	c->homepage = mill_read_text(root, "homepage", "");
	c->license = mill_read_text(root, "license", "");
	c->version = mill_read_text(root, "version", "");
	const struct mill_node *upstream = mill_read_map(root, "upstream");
	const char *status = mill_read_text(upstream, "status", NULL);
	if (status && !mill_streq(status, "maintained")) {
		c->upstream_status = status;
		c->upstream_note = mill_read_text(upstream, "note", NULL);
	}
	const struct mill_node *tested = mill_read_scalar(root, "tested");
	if (mill_node_is(tested, MILL_NODE_BOOL))
		c->tested = tested->boolean ? NULL : "no";
	else if (tested)
		c->tested = tested->text;
	c->stands_in = mill_read_text(root, "stands_in", NULL);
	c->alternative = mill_read_bool(root, "alternative", false);
	c->is_environment = mill_streq(c->category, "environment");
	c->gpu = mill_read_bool(root, "gpu", false);
	c->extends = mill_read_text(root, "extends", NULL);
}

static void read_targets(const struct mill_node *root, struct mill_component *c)
{
	const struct mill_node *targets = mill_read_list(root, "targets");
	if (!targets) {
		c->native = mill_read_map(root, "native") || mill_read_map(root, "services") ||
			    mill_node_get(root, "repo") || mill_read_list(root, "includes");
		c->kubernetes = mill_read_map(root, "kubernetes") || mill_read_list(root, "includes") ||
				c->is_environment; /* its image is made of the same locks */
		return;
	}
	MILL_SEQ_EACH (item, targets) {
		c->native |= mill_streq(item->text, "native");
		c->kubernetes |= mill_streq(item->text, "kubernetes");
	}
}

static void read_native(struct mill_reader *r, const struct mill_node *root,
			struct mill_component *c)
{
	const struct mill_node *native = mill_read_map(root, "native");
	const struct mill_node *size = mill_read_map(native, "size");
	c->install = mill_read_list(native, "install");
	if (c->install && !c->install->n)
		c->install = NULL;
	c->path_spaces = mill_read_bool(native, "path_spaces", true);
	mill_read_texts(r, native, "toolchains", &c->toolchains, &c->n_toolchains);
	c->size_download = mill_read_size(size, "download", 0);
	c->size_installed = mill_read_size(size, "installed", 0);
	const struct mill_node *minutes = mill_node_get(size, "minutes");
	if (mill_node_is(minutes, MILL_NODE_INT))
		c->size_minutes = (double)minutes->integer;
	else if (mill_node_is(minutes, MILL_NODE_FLOAT))
		c->size_minutes = minutes->number;
}

static void read_data_format(struct mill_reader *r, const struct mill_node *root,
			     struct mill_component *c)
{
	const struct mill_node *map = mill_read_map(root, "data_format");
	const struct mill_node *accepts = mill_read_list(map, "accepts");
	c->data_format = (int)mill_read_int(map, "version", 0);
	c->data_accepts = MILL_ARENA_ARRAY(r->arena, accepts ? accepts->n : 0, int);
	MILL_SEQ_EACH (item, accepts)
		if (mill_node_is(item, MILL_NODE_INT))
			c->data_accepts[c->n_data_accepts++] = (int)item->integer;
}

struct mill_component *mill_manifest_read(struct mill_reader *r, const struct mill_node *root,
					  const char *folder, const char *dir)
{
	mill_schema_check(&mill_schema_manifest, root, "the manifest", r->diags);
	struct mill_component *c = MILL_ARENA_NEW(r->arena, struct mill_component);
	c->name = mill_arena_strdup(r->arena, folder);
	c->dir = mill_arena_strdup(r->arena, dir);
	c->node = root;
	c->release = c->name;
	c->why = "";
	const struct mill_node *name = mill_read_scalar(root, "name");
	c->mark = name ? name->mark : root->mark;
	if (name && !mill_streq(name->text, folder))
		mill_diag_error(r->diags, name->mark, "name: '%s' is in the folder '%s'; the two must be the same",
				name->text, folder);
	read_identity(root, c);
	read_targets(root, c);
	read_native(r, root, c);
	read_data_format(r, root, c);
	mill_read_texts(r, root, "includes", &c->includes, &c->n_includes);
	mill_read_texts(r, root, "default_for", &c->default_for, &c->n_default_for);
	mill_read_texts(r, root, "kernels", &c->kernels, &c->n_kernels);
	mill_read_texts(r, root, "collects", &c->collects, &c->n_collects);
	mill_manifest_read_settings(r, mill_read_map(root, "settings"), c);
	mill_manifest_read_parts(r, root, c);
	const struct mill_node *services = mill_read_map(root, "services");
	c->services = MILL_ARENA_ARRAY(r->arena, services ? services->n : 0, struct mill_service);
	MILL_MAP_EACH (pair, services)
		mill_manifest_read_service(r, c, pair, &c->services[c->n_services++]);
	mill_manifest_read_kubernetes(r, root, c);
	return c;
}
