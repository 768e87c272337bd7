/* data: the lake from the command line. */
#include "base/base.h"
#include "cmd/commands.h"
#include "cmd/lake_session.h"

static const struct mill_option sync_options[] = {
	{.name = "delete", .help = "remove from the side that is written what the other side has not"},
	{.name = "dry-run", .help = "show what would be done"},
	{.name = "force", .help = "overwrite what changed on the other side since"},
	{.name = "exclude", .arg = "PATTERN", .many = true, .help = "leave these out, as *.tmp; may be repeated"},
	{0},
};
static const struct mill_option diff_options[] = {
	{.name = "exclude", .arg = "PATTERN", .many = true, .help = "leave these out, as *.tmp; may be repeated"},
	{0},
};
static const struct mill_option ls_options[] = {
	{.letter = 'r', .name = "recursive", .help = "with all that is below"},
	{0},
};
static const struct mill_option rm_options[] = {
	{.letter = 'r', .name = "recursive", .help = "everything whose name starts so; asks"},
	{0},
};

static const struct mill_command push = {
	.name = "push", .summary = "mirror a folder into the lake", .usage = "[FOLDER [BUCKET[/PREFIX]]]",
	.description = "Copies what is new or changed in the folder into the lake; unchanged objects are skipped. An "
		       "object that changed in the lake since the last push is a conflict: it is listed and kept, exit "
		       "code 1, unless --force is given. Without arguments: the flavour's data folder and bucket; on a cluster the "
		       "volume that pods mount is then made exactly what the folder is, too, unless --exclude leaves something out.",
	.examples = "data-mill data push\n"
		    "data-mill data push ./images images/raw --dry-run",
	.options = sync_options, .word = MILL_WORD_FOLDER, .max_args = 2, .run = mill_data_push,
};
static const struct mill_command pull = {
	.name = "pull", .summary = "mirror from the lake into a folder", .usage = "BUCKET[/PREFIX] FOLDER",
	.description = "Copies what is new or changed in the lake into the folder. A file that changed here since is a "
		       "conflict: it is listed and kept, exit code 1, unless --force is given.",
	.examples = "data-mill data pull data ./data",
	.options = sync_options, .word = MILL_WORD_FOLDER, .min_args = 2, .max_args = 2, .run = mill_data_pull,
};
static const struct mill_command diff = {
	.name = "diff", .summary = "what differs between a folder and the lake",
	.usage = "[FOLDER [BUCKET[/PREFIX]]]",
	.description = "Lists what only one side has or changed: > would be pushed, < would be pulled, ! both changed.",
	.examples = "data-mill data diff\n"
		    "data-mill data diff ./images images/raw",
	.options = diff_options, .word = MILL_WORD_FOLDER, .max_args = 2, .run = mill_data_diff,
};
static const struct mill_command ls = {
	.name = "ls", .summary = "list buckets, or objects", .usage = "[BUCKET[/PREFIX]]",
	.examples = "data-mill data ls\n"
		    "data-mill data ls -r data/",
	.options = ls_options, .max_args = 1, .run = mill_data_ls,
};
static const struct mill_command cat = {
	.name = "cat", .summary = "write an object to standard output", .usage = "BUCKET/KEY",
	.examples = "data-mill data cat data/iris/iris.csv | head",
	.min_args = 1, .max_args = 1, .run = mill_data_cat,
};
static const struct mill_command mb = {
	.name = "mb", .summary = "make a bucket", .usage = "BUCKET", .min_args = 1, .max_args = 1,
	.examples = "data-mill data mb models",
	.run = mill_data_mb,
};
static const struct mill_command rm = {
	.name = "rm", .summary = "delete objects", .usage = "BUCKET/KEY...",
	.description = "Deletes the named objects; with -r everything whose name starts so, and a bucket named alone "
		       "is removed with all that is in it. -r asks; --yes answers.",
	.examples = "data-mill data rm data/iris/iris.csv\n"
		    "data-mill data rm -r images/raw/\n"
		    "data-mill data rm -r images         # the bucket, too",
	.options = rm_options, .min_args = 1, .max_args = -1, .run = mill_data_rm,
};
static const struct mill_command *const subcommands[] = {&push, &pull, &diff, &ls, &cat, &mb, &rm, NULL};

const struct mill_command mill_cmd_data = {
	.name = "data",
	.group = "Use",
	.summary = "put into the lake, get, list, compare",
	.usage = "",
	.description = "Works on the platform's S3 store with the platform's own credentials. A place in the lake is "
		       "written BUCKET/KEY, or s3://BUCKET/KEY.",
	.examples = "data-mill data push\n"
		    "data-mill data ls -r data/\n"
		    "data-mill data cat data/iris/iris.csv",
	.subcommands = subcommands,
};
