/* environment add: one more package in the manifest, and a new lock. */
#include "cmd/environment.h"

#include "base/io.h"
#include "cmd/commands.h"
#include "cmd/component.h"

/* The list of requirements of the first pip step. */
static const struct mill_node *requirements_of(const struct mill_component *c)
{
	for (size_t i = 0; c->install && i < c->install->n; i++) {
		const struct mill_node *pip = mill_node_get(c->install->items[i], "pip");
		const struct mill_node *list = mill_node_get(pip, "requirements");

		if (mill_node_is(list, MILL_NODE_SEQ) && list->n)
			return list;
	}
	return NULL;
}

/* The line after the last item, written as that one is; the list must have a line an item. */
static int insert(const char *path, const struct mill_node *list, const char *package, struct mill_error *err)
{
	const struct mill_node *last = list->items[list->n - 1];
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len, line = 0, indent;
	int r = mill_read_file(path, 1 << 20, &text, &len, err);

	if (r < 0)
		return r;
	for (char *at = text, *end; *at; at = end, line++) {
		end = at + strcspn(at, "\n");
		end += *end == '\n';
		mill_strbuf_add(&out, at, (size_t)(end - at));
		if (line + 1 != last->mark.line)
			continue;
		indent = strspn(at, " ");
		if (at[indent] != '-') {
			mill_fail_usage(err, "%s:%u: the requirements must be a list with a line an item", path, last->mark.line);
			return mill_error_hint(err, "write them so, then add %s", package);
		}
		mill_strbuf_printf(&out, "%.*s- \"%s\"\n", (int)indent, at, package);
	}
	return mill_write_file(path, out.data, out.len, 0644, MILL_WRITE_DURABLE, err);
}

/* A shipped environment is copied into the user's project first, where there is one or the shipped is not ours. */
static int own_copy(struct mill_context *ctx, const struct mill_component *c, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *parent = NULL;
	int r;

	if (!ctx->layout.project || mill_starts_with(c->dir, ctx->layout.project)) {
		*ret = mill_xstrdup(c->dir);
		if (access(c->dir, W_OK) == 0)
			return 0;
		free(*ret);
		mill_fail_usage(err, "%s cannot be written", c->dir);
		return mill_error_hint(err, "work in a project of your own: data-mill init DIR");
	}
	parent = mill_path_join(ctx->layout.project, "environments");
	*ret = mill_path_join(parent, c->name);
	r = mill_mkdir_p(parent, 0755, err);
	if (r == 0)
		r = mill_copy_tree(c->dir, *ret, err);
	if (r < 0)
		free(*ret);
	else
		mill_note(ctx->ui, "%s is copied to %s", c->name, *ret);
	return r;
}

static int add(struct mill_context *ctx, const struct mill_component *c, struct mill_error *err)
{
	const struct mill_node *list = requirements_of(c);
	_cleanup_free_ char *dir = NULL, *path = NULL, *before = NULL;
	size_t len;
	int r;

	if (!list)
		return mill_fail_usage(err, "environment %s has no pip step with requirements", c->name);
	r = own_copy(ctx, c, &dir, err);
	if (r < 0)
		return r;
	path = mill_path_join(dir, "environment.yaml");
	r = mill_read_file(path, 1 << 20, &before, &len, err);
	for (size_t i = ctx->inv->args.n - 1; i > 0 && r == 0; i--)
		r = insert(path, list, ctx->inv->args.items[i], err);
	if (r == 0) {
		const struct mill_component *changed = mill_model_load_manifest(ctx->model, c->name, dir);

		r = changed ? mill_component_relock(ctx, changed, false, err) : mill_fail_usage(err, "%s does not load any more", path);
	}
	if (r < 0 && before)
		(void)mill_write_file(path, before, len, 0644, MILL_WRITE_DURABLE, NULL);
	return r;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	struct mill_environment e;
	int r = mill_environment_find(&ctx, mill_arg(inv, 0), &e, err);

	for (size_t i = 1; i < inv->args.n && r == 0; i++)
		if (strpbrk(inv->args.items[i], "\"\\\n\r"))
			r = mill_fail_usage(err, "'%s' is no requirement", inv->args.items[i]);
	if (r == 0)
		r = add(&ctx, e.component, err);
	mill_environment_release(&e);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	mill_note(inv->ui, "locked; `data-mill environment build %s` or the next `up` builds it", mill_arg(inv, 0));
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_environment_add = {
	.name = "add", .summary = "add packages to an environment and lock it anew", .usage = "NAME PACKAGE...",
	.description = "Adds requirements (as pip writes them: polars, \"polars>=1.3\") to the environment's manifest and writes its "
		       "lock anew. In a project of your own a shipped environment is copied there first. When no lock can be made, "
		       "nothing is changed.",
	.examples = "data-mill environment add scipy polars",
	.word = MILL_WORD_ENVIRONMENT, .min_args = 2, .max_args = -1, .run = run,
};
