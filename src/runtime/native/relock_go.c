/* A wrapper module that needs nothing but the program: go.mod and go.sum. */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/native/relock_step.h"

static int go(struct mill_step_ctx *x, const char *program, const char *cwd, struct mill_strbuf *out,
	      struct mill_error *err, const char *const *args)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	mill_strv_add(&argv, program);
	for (; *args; args++)
		mill_strv_add(&argv, *args);
	_cleanup_free_ char *what = mill_xasprintf("go %s %s", argv.items[1], argv.n > 2 ? argv.items[2] : "");
	return mill_step_exec(x, &(struct mill_step_run){.what = what, .phase = MILL_INSTALL_FETCH, .cwd = cwd,
							 .argv = mill_strv_argv(&argv), .out = out, .quiet = out != NULL},
			      err);
}
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* {old: new@version} or ["old => new@version"]: the program's own replacements do not reach a wrapper. */
static int add_replacements(struct mill_step_ctx *x, const char *program, const char *work, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv list = {0};
	const json_t *map = json_object_get(x->step->json, "replace"), *value;
	const char *old;
	mill_step_list(x->step, "replace", &list);
	if (json_is_object(map))
		json_object_foreach((json_t *)map, old, value)
			mill_strv_addf(&list, "%s=%s", old, json_is_string(value) ? json_string_value(value) : "");
	for (size_t i = 0; i < list.n; i++) {
		const char *item = list.items[i], *arrow = strstr(item, "=>");
		_cleanup_strv_ struct mill_strv sides = {0};
		mill_strv_split(&sides, item, arrow ? "=>" : "=");
		if (sides.n != 2)
			return mill_fail_usage(err, "replace: '%s' is not 'old => new@version'", item);
		_cleanup_free_ char *flag = mill_xasprintf("-replace=%s=%s", sides.items[0], sides.items[1]);
		int r = go(x, program, work, NULL, err, ARGS("mod", "edit", flag));
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_wrapper(struct mill_step_ctx *x, const char *program, const char *work, struct mill_error *err)
{
	const char *module = mill_step_string(x->step, "module", "");
	const char *package = mill_step_string(x->step, "package", module);
	_cleanup_free_ char *at = mill_xasprintf("%s@%s", module, mill_step_string(x->step, "version", "latest"));
	_cleanup_free_ char *name = mill_xasprintf("data-mill/%s", mill_step_string(x->step, "binary", ""));
	_cleanup_free_ char *file = mill_path_join(work, "tools.go");
	_cleanup_free_ char *source = mill_xasprintf("//go:build tools\n\npackage tools\n\nimport _ \"%s\"\n", package);
	int r = go(x, program, work, NULL, err, ARGS("mod", "init", name));
	/* Low, so that `go get` raises it to what the program needs, not to what this machine has. */
	if (r == 0)
		r = go(x, program, work, NULL, err, ARGS("mod", "edit", "-go=1.21"));
	if (r == 0)
		r = mill_step_write(x, file, source, err);
	if (r == 0)
		r = add_replacements(x, program, work, err);
	if (r == 0)
		r = go(x, program, work, NULL, err, ARGS("get", at));
	if (r == 0)
		r = go(x, program, work, NULL, err, ARGS("mod", "tidy"));
	return r;
}

/* The program's own module: its hash, and which Go it asks for. */
static int lock_own_module(struct mill_step_ctx *x, const char *program, const char *work, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *at = mill_xasprintf("%s@%s", mill_step_string(x->step, "module", ""),
						 mill_step_string(x->step, "version", "latest"));
	int r = go(x, program, work, &out, err, ARGS("mod", "download", "-json", at));
	if (r == 0)
		r = mill_json_parse("go mod download", out.data, out.len, &j, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *mod = mill_path_join(work, "go.mod"), *sum = mill_path_join(work, "go.sum");
	_cleanup_free_ char *own = NULL;
	size_t len;
	r = mill_read_file(mill_json_get_string(j, "GoMod", ""), MILL_LOCK_FILE_MAX, &own, &len, err);
	if (r < 0)
		return r;
	const char *line = strstr(own, "\ngo ");
	_cleanup_free_ char *head = mill_xasprintf("module data-mill/%s\n%.*s\n", mill_step_string(x->step, "binary", ""),
						   line ? (int)(1 + strcspn(line + 1, "\r\n")) : 0, line ? line : "");
	_cleanup_free_ char *sums = mill_xasprintf("%s %s %s\n", mill_json_get_string(j, "Path", ""),
						   mill_json_get_string(j, "Version", ""), mill_json_get_string(j, "Sum", ""));
	r = mill_step_write(x, mod, head, err);
	return r < 0 ? r : mill_step_write(x, sum, sums, err);
}

int mill_relock_go(struct mill_step_ctx *x, struct mill_error *err)
{
	static const char *const files[] = {"go.mod", "go.sum"};
	_cleanup_toolchain_ struct mill_toolchain t = {0};
	_cleanup_free_ char *work = mill_relock_work(x, err);
	int r = work ? mill_step_tool(x, "go", &t, err) : -err->code;
	if (r < 0)
		return r;
	_cleanup_free_ char *bin = mill_path_join(t.dir, "bin");
	mill_step_path_prepend(&x->env, bin);
	mill_strv_setenv(&x->env, "GOROOT", t.dir);
	mill_strv_setenv(&x->env, "GOFLAGS", "-modcacherw -mod=mod");
	if (mill_step_bool(x->step, "wrapper", true))
		r = make_wrapper(x, t.program, work, err);
	else
		r = lock_own_module(x, t.program, work, err);
	for (size_t i = 0; i < MILL_ARRAY_LEN(files) && r == 0; i++) {
		_cleanup_free_ char *from = mill_path_join(work, files[i]);
		_cleanup_free_ char *to = mill_relock_path(x, i);
		/* A program without dependencies has no go.sum. */
		r = mill_exists(from) ? mill_step_copy(x, from, to, 0644, err) : mill_step_write(x, to, "", err);
	}
	return r;
}
