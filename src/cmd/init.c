#include "base/base.h"
#include "base/io.h"
#include "cmd/commands.h"
#include "cmd/context.h"

static const char marker[] =
	"# This folder is a Data-Mill project: its flavours/, components/ and data/ are found before the shipped ones.\n";

static const char flavour[] =
	"# %s: what `data-mill up` runs in this folder.  docs/flavours.md explains every key.\n"
	"project:\n"
	"  k8s_namespace: %-12s # the platform's name\n"
	"  flavour: minio, pachyderm   # `data-mill component list` shows what there is\n"
	"  k8s_default_config: native.yaml\n"
	"  component_default_config: config.yaml\n"
	"  data_folder: data           # mirrored into the lake\n"
	"\n"
	"# minio:                      # a component's settings: `data-mill component show minio`\n"
	"#   user: lake\n";

static const char readme[] =
	"# %s\n"
	"\n"
	"    data-mill plan       # what would be done\n"
	"    data-mill up         # do it\n"
	"    data-mill test       # prove that it works\n"
	"    eval \"$(data-mill env)\"\n"
	"\n"
	"- `flavours/default.yaml` names the components.\n"
	"- `components/` holds your own: `data-mill component new NAME`.\n"
	"- `data/` is mirrored into the lake.\n";

static const char data_readme[] = "What is in this folder is mirrored into the lake by `data-mill up`.\n";

static int write_file(const char *dir, const char *file, const char *text, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(dir, file);
	_cleanup_free_ char *folder = mill_path_dirname(path);
	int r = mill_mkdir_p(folder, 0755, err);

	return r < 0 ? r : mill_write_file(path, text, strlen(text), 0644, MILL_WRITE_EXCLUSIVE, err);
}

/* The folder's name as a platform's: lower case, dashes; owned. */
static char *platform_name(const char *dir)
{
	char *name = mill_xstrndup(mill_path_basename(dir), 63);
	size_t n = 0;

	for (const char *c = name; *c; c++) {
		char low = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;

		if ((low >= 'a' && low <= 'z') || (low >= '0' && low <= '9'))
			name[n++] = low;
		else if (n && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n && name[n - 1] == '-')
		n--;
	name[n] = 0;
	if (n)
		return name;
	free(name);
	return mill_xstrdup("data-mill");
}

/* Nothing that is there is ever overwritten. */
static int refuse_taken(const char *dir, struct mill_error *err)
{
	static const char *const files[] = {"data-mill.yaml", "flavours/default.yaml", "README.md", "data/README.md"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(files); i++) {
		_cleanup_free_ char *path = mill_path_join(dir, files[i]);

		if (mill_exists(path))
			return mill_fail_usage(err, "init: %s is there already; nothing was changed", path);
	}
	return 0;
}

static int write_project(const char *dir, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *yaml = mill_xasprintf(flavour, name, name);
	_cleanup_free_ char *text = mill_xasprintf(readme, name);
	_cleanup_free_ char *components = mill_path_join(dir, "components");
	int r = write_file(dir, "data-mill.yaml", marker, err);

	if (r == 0)
		r = write_file(dir, "flavours/default.yaml", yaml, err);
	if (r == 0)
		r = write_file(dir, "data/README.md", data_readme, err);
	if (r == 0)
		r = write_file(dir, "README.md", text, err);
	return r < 0 ? r : mill_mkdir_p(components, 0755, err);
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_absolute(mill_arg(inv, 0));
	_cleanup_free_ char *name = platform_name(dir);
	int r = refuse_taken(dir, err);

	if (r == 0)
		r = write_project(dir, name, err);
	if (r < 0)
		return r;
	mill_outf("%s\n", dir);
	mill_note(inv->ui, "next: cd %s && data-mill plan", mill_arg(inv, 0));
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_init = {
	.name = "init",
	.group = "Project",
	.summary = "start a project of your own",
	.usage = "DIR",
	.description = "Makes a folder with a flavour, a place for components of your own and a data folder. Inside of it "
		       "commands use that flavour without -f. Nothing that is there is overwritten.",
	.examples = "data-mill init my-platform\n"
		    "cd my-platform && data-mill up",
	.word = MILL_WORD_FOLDER,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
