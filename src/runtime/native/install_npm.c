/*
 * npm: `npm ci` in the entry, from a lock in which every package has its
 * integrity hash.  Packages' own scripts are not run.
 */
#include "base/base.h"
#include "base/io.h"
#include "runtime/native/npm.h"
#include "runtime/native/step.h"

void mill_npm_command(const struct mill_toolchain *node, struct mill_strv *argv)
{
	/* A wheel's npm is a script without the machine's layout: node runs its entry point. */
	_cleanup_free_ char *cli = mill_path_join(node->dir, "lib/node_modules/npm/bin/npm-cli.js");
	_cleanup_free_ char *program = mill_path_join(node->dir, "bin/npm");
	if (node->key || !mill_exists(program)) {
		mill_strv_add(argv, node->program);
		mill_strv_add(argv, cli);
	} else {
		mill_strv_add(argv, program);
	}
}

int mill_install_npm(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain node = {0};
	_cleanup_strv_ struct mill_strv argv = {0};
	int r = mill_step_tool(x, "node", &node, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < x->step->locks.n && r == 0; i++) {
		_cleanup_free_ char *from = mill_step_staged(x, x->step->locks.items[i]);
		_cleanup_free_ char *to = mill_path_join(x->dest, mill_path_basename(from));
		r = mill_step_copy(x, from, to, 0644, err);
	}
	if (r < 0)
		return r;
	_cleanup_free_ char *bin = mill_path_join(node.dir, "bin");
	mill_step_path_prepend(&x->env, bin);
	mill_npm_command(&node, &argv);
	mill_strv_add(&argv, "ci");
	mill_strv_add(&argv, "--ignore-scripts");
	mill_strv_add(&argv, "--omit=dev");
	mill_strv_add(&argv, "--no-audit");
	mill_strv_add(&argv, "--no-fund");
	mill_strv_add(&argv, "--loglevel=http");
	return mill_step_exec(x, &(struct mill_step_run){.what = "npm ci", .phase = MILL_INSTALL_FETCH,
							 .argv = mill_strv_argv(&argv), .cwd = x->dest},
			      err);
}
