/*
 * Go: a wrapper module of ours, locked by go.mod and go.sum, whose only
 * dependency is the program.  Without a wrapper module (`wrapper: false`) the
 * program's own go.mod is used, as `go install` does, and its lock is the hash
 * of the module in locks/go/<binary>/go.sum.
 */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/native/step.h"

static void add_flags(const struct mill_step_ctx *x, struct mill_strv *argv)
{
	_cleanup_strv_ struct mill_strv tags = {0};
	mill_step_list(x->step, "tags", &tags);
	mill_strv_add(argv, "-trimpath");
	mill_strv_add(argv, "-buildvcs=false");
	mill_strv_addf(argv, "-p=%u", mill_step_jobs(x));
	mill_strv_add(argv, "-v");
	_cleanup_free_ char *joined = mill_strv_join(&tags, ",");
	if (tags.n)
		mill_strv_addf(argv, "-tags=%s", joined);
	_cleanup_strv_ struct mill_strv ldflags = {0};
	mill_step_list(x->step, "ldflags", &ldflags);
	_cleanup_free_ char *flags = mill_strv_join(&ldflags, " ");
	mill_strv_addf(argv, "-ldflags=%s", ldflags.n ? flags : "-s -w");
}

static void set_environment(struct mill_step_ctx *x, const struct mill_toolchain *go)
{
	_cleanup_free_ char *bin = mill_path_join(go->dir, "bin");
	mill_step_path_prepend(&x->env, bin);
	mill_strv_setenv(&x->env, "GOROOT", go->dir);
	mill_strv_setenv(&x->env, "CGO_ENABLED", mill_step_bool(x->step, "cgo", false) ? "1" : "0");
	/* A cache that its owner can remove. */
	mill_strv_setenv(&x->env, "GOFLAGS", "-modcacherw");
}

static int build_wrapper(struct mill_step_ctx *x, const struct mill_toolchain *go, const char *package,
			 const char *output, struct mill_error *err)
{
	_cleanup_free_ char *module = mill_step_staged(x, x->step->lock);
	_cleanup_strv_ struct mill_strv build = {0};
	mill_strv_add(&build, go->program);
	mill_strv_add(&build, "build");
	mill_strv_add(&build, "-mod=readonly");
	add_flags(x, &build);
	mill_strv_addf(&build, "-o=%s", output);
	mill_strv_add(&build, package);
	return mill_step_exec(x, &(struct mill_step_run){.what = "go build", .phase = MILL_INSTALL_BUILD,
							 .argv = mill_strv_argv(&build), .cwd = module},
			      err);
}

/* go.sum of an own-module install has the module's line: "<module> <version> h1:...". */
static int check_module_sum(struct mill_step_ctx *x, const struct mill_toolchain *go, const char *at,
			    struct mill_error *err)
{
	_cleanup_free_ char *path = mill_step_staged(x, x->step->locks.items[1]);
	_cleanup_free_ char *locked = NULL;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *j = NULL;
	size_t len;
	int r = mill_read_file(path, MILL_LOCK_FILE_MAX, &locked, &len, err);
	if (r < 0)
		return r;
	char *argv[] = {go->program, "mod", "download", "-json", (char *)at, NULL};
	r = mill_step_exec(x, &(struct mill_step_run){.what = "go mod download", .phase = MILL_INSTALL_FETCH,
						      .argv = argv, .out = &out, .quiet = true},
			   err);
	if (r == 0)
		r = mill_json_parse("go mod download", out.data, out.len, &j, err);
	if (r < 0)
		return r;
	const char *sum = mill_json_get_string(j, "Sum", "");
	_cleanup_free_ char *line = mill_xasprintf("%s %s %s", mill_json_get_string(j, "Path", ""),
						   mill_json_get_string(j, "Version", ""), sum);
	if (!sum[0] || !strstr(locked, line))
		return mill_fail(err, EBADMSG, "checksum mismatch: %s is not what %s locks", at,
				 x->step->locks.items[1]);
	return 0;
}

static int install_own_module(struct mill_step_ctx *x, const struct mill_toolchain *go,
			      const char *package, const char *output, struct mill_error *err)
{
	const char *version = mill_step_string(x->step, "version", "");
	_cleanup_free_ char *at = mill_xasprintf("%s@%s", mill_step_string(x->step, "module", ""), version);
	int r = check_module_sum(x, go, at, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *bin = mill_path_join(x->build, "gobin");
	_cleanup_strv_ struct mill_strv argv = {0}, made = {0};
	mill_strv_add(&argv, go->program);
	mill_strv_add(&argv, "install");
	add_flags(x, &argv);
	mill_strv_addf(&argv, "%s@%s", package, version);
	mill_strv_setenv(&x->env, "GOBIN", bin);
	r = mill_step_exec(x, &(struct mill_step_run){.what = "go install", .phase = MILL_INSTALL_BUILD,
						      .argv = mill_strv_argv(&argv)},
			   err);
	if (r == 0)
		r = mill_list_dir(bin, &made, err);
	if (r < 0)
		return r;
	if (made.n != 1)
		return mill_fail(err, EIO, "go install made %zu programs instead of one", made.n);
	_cleanup_free_ char *from = mill_path_join(bin, made.items[0]);
	return mill_step_copy(x, from, output, 0755, err);
}

int mill_install_go(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain go = {0};
	int r = mill_step_tool(x, "go", &go, err);
	if (r < 0)
		return r;
	set_environment(x, &go);
	const char *package = mill_step_string(x->step, "package", mill_step_string(x->step, "module", ""));
	_cleanup_free_ char *bin = mill_path_join(x->dest, "bin");
	_cleanup_free_ char *output = mill_path_join(bin, mill_step_string(x->step, "binary", ""));
	r = mill_step_mkdir(x, bin, err);
	if (r < 0)
		return r;
	if (mill_step_bool(x->step, "wrapper", true))
		r = build_wrapper(x, &go, package, output, err);
	else
		r = install_own_module(x, &go, package, output, err);
	if (r == 0 && !mill_is_file(output))
		return mill_fail(err, ENOENT, "%s is not a program: nothing was built", package);
	return r;
}
