#include <sys/stat.h>

#include "base/base.h"
#include "base/io.h"
#include "cmd/commands.h"
#include "cmd/context.h"

struct installer {
	const struct mill_ui *ui;
	const char *from; /* folder of our executable */
	const char *prefix;
	struct mill_error *err;
};

/* Written beside and renamed: the old one may be running. */
static int put_file(const struct installer *in, const char *source, const char *relative, mode_t mode)
{
	_cleanup_free_ char *to = mill_path_join(in->prefix, relative);
	_cleanup_free_ char *folder = mill_path_dirname(to);
	_cleanup_free_ char *beside = mill_xasprintf("%s.new", to);
	int r = mill_mkdir_p(folder, 0755, in->err);

	if (r < 0)
		return r;
	unlink(beside);
	r = mill_copy_file(source, beside, mode, in->err);
	if (r < 0)
		return r;
	if (chmod(beside, mode) < 0 || rename(beside, to) < 0)
		return mill_fail_errno(in->err, errno, "%s", to);
	mill_outf("%s\n", to);
	return 0;
}

static int put_text(const struct installer *in, const char *text, const char *relative)
{
	_cleanup_free_ char *to = mill_path_join(in->prefix, relative);
	_cleanup_free_ char *folder = mill_path_dirname(to);
	int r = mill_mkdir_p(folder, 0755, in->err);

	if (r == 0)
		r = mill_write_file(to, text, strlen(text), 0644, 0, in->err);
	if (r == 0)
		mill_outf("%s\n", to);
	return r;
}

/* The new tree is whole before the old one goes. */
static int put_tree(const struct installer *in, const char *source, const char *relative)
{
	_cleanup_free_ char *to = mill_path_join(in->prefix, relative);
	_cleanup_free_ char *folder = mill_path_dirname(to);
	_cleanup_free_ char *beside = mill_xasprintf("%s.new", to);
	int r = mill_mkdir_p(folder, 0755, in->err);

	if (r == 0)
		r = mill_rm_rf(beside, in->err);
	if (r == 0)
		r = mill_copy_tree(source, beside, in->err);
	if (r == 0)
		r = mill_rm_rf(to, in->err);
	if (r < 0)
		return r;
	if (rename(beside, to) < 0)
		return mill_fail_errno(in->err, errno, "%s", to);
	mill_outf("%s/\n", to);
	return 0;
}

static int put_programs(const struct installer *in)
{
	static const char *const programs[] = {"data-mill", "data-mill-daemon", "data-mill-shim", "data-mill-entry"};
	_cleanup_free_ char *module = mill_path_join(in->from, "data-mill-net.so");

	for (size_t i = 0; i < MILL_ARRAY_LEN(programs); i++) {
		_cleanup_free_ char *source = mill_path_join(in->from, programs[i]);
		_cleanup_free_ char *relative = mill_path_join("bin", programs[i]);
		int r = put_file(in, source, relative, 0755);

		if (r < 0)
			return r;
	}
	/* From an installed copy it lies in the library folder. */
	if (!mill_exists(module)) {
		free(module);
		module = mill_path_join(in->from, "../lib/data-mill/data-mill-net.so");
	}
	return put_file(in, module, "lib/data-mill/data-mill-net.so", 0644);
}

static int put_resources(const struct installer *in, const char *resources)
{
	static const char *const folders[] = {"components", "environments", "flavours", "k8s",
					      "helm-charts", "registry",    "data",     "demos"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(folders); i++) {
		_cleanup_free_ char *source = mill_path_join(resources, folders[i]);
		_cleanup_free_ char *relative = mill_path_join("share/data-mill", folders[i]);
		int r = mill_is_dir(source) ? put_tree(in, source, relative) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int put_help(const struct installer *in, const char *resources)
{
	_cleanup_free_ char *man = mill_path_join(resources, "docs/man/data-mill.1");
	int r = put_text(in, mill_completion_script("bash"), "share/bash-completion/completions/data-mill");

	if (r == 0)
		r = put_text(in, mill_completion_script("zsh"), "share/zsh/site-functions/_data-mill");
	if (r == 0)
		r = put_text(in, mill_completion_script("fish"), "share/fish/vendor_completions.d/data-mill.fish");
	/* From an installed copy it lies beside the others. */
	if (!mill_is_file(man)) {
		free(man);
		man = mill_path_join(in->from, "../share/man/man1/data-mill.1");
	}
	if (r == 0 && mill_is_file(man))
		r = put_file(in, man, "share/man/man1/data-mill.1", 0644);
	return r;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_free_ char *prefix = mill_path_absolute(mill_arg(inv, 0) ? mill_arg(inv, 0) : "/usr/local");
	_cleanup_free_ char *from = NULL, *target = NULL;
	struct installer in = {.ui = inv->ui, .prefix = prefix, .err = err};
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	if (n <= 0)
		return mill_fail_errno(err, errno, "self-install: /proc/self/exe");
	exe[n] = 0;
	in.from = from = mill_path_dirname(exe);
	target = mill_path_join(prefix, "bin");
	if (strcmp(from, target) == 0)
		return mill_fail_usage(err, "self-install: this program already is the one in %s", prefix);
	r = put_programs(&in);
	if (r == 0)
		r = put_resources(&in, ctx.layout.resources);
	if (r == 0)
		r = put_help(&in, ctx.layout.resources);
	if (r == -EACCES || r == -EPERM)
		return mill_error_hint(err, "run it as root, or choose a folder of yours: data-mill self-install ~/.local");
	if (r < 0)
		return r;
	mill_note(inv->ui, "installed; running platforms are not touched");
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_self_install = {
	.name = "self-install",
	.group = "Program",
	.summary = "copy data-mill to a prefix",
	.usage = "[PREFIX]",
	.description = "Copies the programs to PREFIX/bin, the network module to PREFIX/lib/data-mill, components, "
		       "flavours and data to PREFIX/share/data-mill, completion scripts and the man page to their places. "
		       "Default: /usr/local. Each file is replaced whole; what runs is not disturbed.",
	.examples = "data-mill self-install ~/.local\n"
		    "sudo data-mill self-install",
	.word = MILL_WORD_FOLDER,
	.max_args = 1,
	.run = run,
};
