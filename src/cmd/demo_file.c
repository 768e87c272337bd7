/* The file of a demo. */
#include "base/base.h"
#include "base/io.h"
#include "cmd/demo.h"

#define RETRIES_MAX 5

const char *mill_demo_text(const struct mill_node *map, const char *key, const char *fallback)
{
	const char *value = mill_node_text(mill_node_get(map, key));

	return value ? value : fallback;
}

static bool check_step(const struct mill_node *step, const char *dir, struct mill_diags *d)
{
	static const char *const keys[] = {"name", "title", "run", "environment", "component", "needs", "timeout"};
	static const char *const required[] = {"name", "title", "run"};
	_cleanup_free_ char *path = NULL;

	if (!mill_node_expect(step, d, "a step", MILL_NODE_MAP))
		return false;
	mill_node_check_keys(step, d, "a step", keys, MILL_ARRAY_LEN(keys));
	for (size_t i = 0; i < MILL_ARRAY_LEN(required); i++)
		if (!mill_demo_text(step, required[i], NULL)) {
			mill_diag_error(d, step->mark, "a step needs `%s`", required[i]);
			return false;
		}
	path = mill_path_join(dir, mill_demo_text(step, "run", ""));
	if (!mill_path_is_inside(mill_demo_text(step, "run", "")) || !mill_is_file(path))
		mill_diag_error(d, mill_node_get(step, "run")->mark, "there is no script '%s' beside the demo",
				mill_demo_text(step, "run", ""));
	return true;
}

static void check(const struct mill_demo *demo, struct mill_diags *d)
{
	static const char *const keys[] = {"title", "summary", "flavour", "environment", "retries", "steps"};
	const struct mill_node *root = demo->doc->root;

	if (!mill_node_expect(root, d, "a demo", MILL_NODE_MAP))
		return;
	mill_node_check_keys(root, d, "a demo", keys, MILL_ARRAY_LEN(keys));
	const struct mill_node *retries = mill_node_get(root, "retries");
	if (retries && (!mill_node_is(retries, MILL_NODE_INT) || retries->integer < 0 || retries->integer > RETRIES_MAX))
		mill_diag_error(d, retries->mark, "retries: expected a number from 0 to %d", RETRIES_MAX);
	if (!mill_node_is(mill_node_get(root, "steps"), MILL_NODE_SEQ))
		mill_diag_error(d, root->mark, "a demo needs a list of `steps`");
	MILL_SEQ_EACH (step, mill_node_get(root, "steps"))
		if (!check_step(step, demo->dir, d))
			return;
}

static void print_diags(const struct mill_ui *ui, struct mill_diags *d)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_diags_render(d, &out, ui->err_colour);
	fputs(out.data, stderr);
}

void mill_demo_release(struct mill_demo *demo)
{
	free(demo->name);
	free(demo->dir);
	free(demo->flavour);
	mill_document_free(demo->doc);
	*demo = (struct mill_demo){0};
}

int mill_demo_load(const struct mill_layout *l, const struct mill_ui *ui, const char *name, struct mill_demo *ret,
		     struct mill_error *err)
{
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	const char *const roots[] = {l->project, l->resources};
	_cleanup_free_ char *path = NULL, *beside = NULL;
	const char *flavour;

	for (size_t i = 0; i < MILL_ARRAY_LEN(roots) && !ret->dir; i++) {
		_cleanup_free_ char *dir = roots[i] ? mill_xasprintf("%s/demos/%s", roots[i], name) : NULL;

		free(path);
		path = dir ? mill_path_join(dir, "demo.yaml") : NULL;
		if (path && mill_is_file(path))
			ret->dir = MILL_TAKE(dir);
	}
	if (!ret->dir || !mill_path_is_inside(name)) {
		mill_fail_usage(err, "there is no demo '%s'", name);
		return mill_error_hint(err, "data-mill demo --list");
	}
	ret->name = mill_xstrdup(name);
	if (mill_document_load(path, path, &diags, &ret->doc) == 0 && ret->doc)
		check(ret, &diags);
	if (diags.n_errors || !ret->doc || !ret->doc->root) {
		print_diags(ui, &diags);
		return mill_fail_usage(err, "demo %s: its file has errors", name);
	}
	ret->retries = (unsigned)mill_read_int(ret->doc->root, "retries", 0);
	ret->steps = mill_node_get(ret->doc->root, "steps");
	flavour = mill_demo_text(ret->doc->root, "flavour", "default");
	beside = mill_path_join(ret->dir, flavour);
	ret->flavour = mill_is_file(beside) ? MILL_TAKE(beside) : mill_xstrdup(flavour);
	return 0;
}

