/* repo: versioned data sets, by the `repo` hook of the versioning provider (dvc for pachyderm). */
#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"

static void print_rows(const json_t *values, const char *key, const char *const *columns)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(values, key), i, row)
	{
		_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT, safe = MILL_STRBUF_INIT;

		if (json_is_string(row))
			mill_strbuf_addstr(&line, json_string_value(row));
		for (size_t c = 0; columns[c] && json_is_object(row); c++) {
			const json_t *v = json_object_get(row, columns[c]);

			if (json_is_string(v))
				mill_strbuf_printf(&line, "%s%s", line.len ? "  " : "", json_string_value(v));
			else if (json_is_integer(v))
				mill_strbuf_printf(&line, "%s%lld", line.len ? "  " : "", (long long)json_integer_value(v));
		}
		mill_text_safe(&safe, line.data);
		mill_outf("%s\n", safe.data);
	}
}

static void print_answer(const struct mill_ui *ui, const json_t *answer)
{
	static const char *const repo_columns[] = {"repo", "commits", "changed", NULL};
	static const char *const file_columns[] = {"path", "size", "commit", "time", NULL};
	static const char *const commit_columns[] = {"commit", "time", "branch", "message", NULL};
	const json_t *values = json_object_get(answer, "values");

	if (ui->json) {
		_cleanup_free_ char *text = json_dumps(values ? values : answer, JSON_INDENT(2));

		mill_outf("%s\n", text);
		return;
	}
	print_rows(values, "repos", repo_columns);
	print_rows(values, "files", file_columns);
	print_rows(values, "commits", commit_columns);
	if (mill_json_get_string(values, "commit", NULL))
		mill_outf("%s\n", mill_json_get_string(values, "commit", NULL));
	if (*mill_json_get_string(answer, "message", ""))
		mill_note(ui, "%s", mill_json_get_string(answer, "message", ""));
}

/* Steals request. */
static int ask(struct mill_invocation *inv, json_t *request, const char *input, const char *output,
	       struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *asked = request, *answer = NULL;
	_cleanup_free_ char *provider = NULL;
	int cancel = mill_interrupt_fd(err);
	int r = cancel < 0 ? cancel : mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r < 0)
		return r;
	provider = mill_ops_provider(ctx.native, "versioning");
	if (!provider) {
		mill_fail_usage(err, "repo: platform %s.%s has no component that versions data",
				ctx.platform->target, ctx.platform->name);
		return mill_error_hint(err, "data-mill up -f datalake, or -c dvc");
	}
	r = mill_ops_repo(ctx.native, provider, asked, input, output, cancel, &answer, err);
	if (r < 0)
		return mill_context_end(&ctx, r, err);
	if (strcmp(mill_json_get_string(answer, "result", "failed"), "ok") == 0) {
		print_answer(inv->ui, answer);
		return MILL_EXIT_OK;
	}
	mill_fail(err, EIO, "repo: %s", mill_json_get_string(answer, "message", "failed"));
	if (*mill_json_get_string(answer, "log", "") && inv->ui->verbose)
		mill_error_detail(err, mill_json_get_string(answer, "log", ""));
	return -EIO;
}

static int run_create(struct mill_invocation *inv, struct mill_error *err)
{
	return ask(inv, json_pack("{s:s, s:s}", "op", "create", "repo", mill_arg(inv, 0)), NULL, NULL, err);
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	json_t *request = json_pack("{s:s}", "op", "list");

	if (mill_arg(inv, 0))
		json_object_set_new(request, "repo", json_string(mill_arg(inv, 0)));
	return ask(inv, request, NULL, NULL, err);
}

static const struct mill_option put_options[] = {
	{.letter = 'f', .name = "file", .arg = "FILE", .word = MILL_WORD_FILE,
	 .help = "the file whose content is put"},
	{.letter = 'm', .name = "message", .arg = "TEXT", .help = "what the commit says"},
	{0},
};

static int run_put(struct mill_invocation *inv, struct mill_error *err)
{
	const char *file = mill_opt(inv, "file"), *message = mill_opt(inv, "message");
	json_t *request;

	if (!file)
		return mill_fail_usage(err, "repo put: -f FILE is missing");
	if (!mill_is_file(file))
		return mill_fail_usage(err, "-f: %s: no such file", file);
	request = json_pack("{s:s, s:s, s:s, s:s}", "op", "put", "repo", mill_arg(inv, 0), "branch",
			    mill_arg(inv, 1), "path", mill_arg(inv, 2));
	if (message)
		json_object_set_new(request, "message", json_string(message));
	return ask(inv, request, file, NULL, err);
}

static const struct mill_option get_options[] = {
	{.name = "rev", .arg = "COMMIT", .help = "the version to get; default: the newest of the branch"},
	{.name = "branch", .arg = "NAME", .help = "default: master"},
	{.letter = 'o', .name = "output", .arg = "FILE", .word = MILL_WORD_FILE,
	 .help = "where to; default: the path's last part, in this folder"},
	{0},
};

static int run_get(struct mill_invocation *inv, struct mill_error *err)
{
	const char *path = mill_arg(inv, 1), *output = mill_opt(inv, "output");
	json_t *request = json_pack("{s:s, s:s, s:s}", "op", "get", "repo", mill_arg(inv, 0), "path", path);

	if (mill_opt(inv, "rev"))
		json_object_set_new(request, "rev", json_string(mill_opt(inv, "rev")));
	else
		json_object_set_new(request, "branch",
				    json_string(mill_opt(inv, "branch") ? mill_opt(inv, "branch") : "master"));
	return ask(inv, request, NULL, output ? output : mill_path_basename(path), err);
}

static const struct mill_option log_options[] = {
	{.name = "branch", .arg = "NAME", .help = "default: master"},
	{0},
};

static int run_log(struct mill_invocation *inv, struct mill_error *err)
{
	const char *branch = mill_opt(inv, "branch");

	return ask(inv,
		   json_pack("{s:s, s:s, s:s}", "op", "log", "repo", mill_arg(inv, 0), "branch",
			     branch ? branch : "master"),
		   NULL, NULL, err);
}

static const struct mill_command create = {
	.name = "create", .summary = "make a repository", .usage = "REPO", .min_args = 1, .max_args = 1,
	.run = run_create,
};
static const struct mill_command list = {
	.name = "list", .summary = "list repositories, or one's files", .usage = "[REPO]", .max_args = 1,
	.run = run_list,
};
static const struct mill_command put = {
	.name = "put", .summary = "commit a version of a file", .usage = "REPO BRANCH PATH -f FILE",
	.options = put_options, .min_args = 3, .max_args = 3, .run = run_put,
};
static const struct mill_command get = {
	.name = "get", .summary = "get a version of a file", .usage = "REPO PATH", .options = get_options,
	.min_args = 2, .max_args = 2, .run = run_get,
};
static const struct mill_command log_command = {
	.name = "log", .summary = "list a repository's commits, newest first", .usage = "REPO",
	.options = log_options, .min_args = 1, .max_args = 1, .run = run_log,
};
static const struct mill_command *const subcommands[] = {&create, &list, &put, &get, &log_command, NULL};

const struct mill_command mill_cmd_repo = {
	.name = "repo",
	.group = "Use",
	.summary = "versioned data sets",
	.usage = "",
	.description = "Versions of files, with their content in the lake, as pachctl's create-repo, list-repo and "
		       "put-file gave them. The component that versions data does the work: dvc on this machine, where "
		       "the flavour says pachyderm.",
	.examples = "data-mill repo create images\n"
		    "data-mill repo list\n"
		    "data-mill repo put images master liberty.png -f liberty.png\n"
		    "data-mill repo log images\n"
		    "data-mill repo get images liberty.png --rev 3f2a91c -o old.png",
	.subcommands = subcommands,
};
