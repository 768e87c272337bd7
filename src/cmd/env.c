/* env, exec, shell: the environment by which code finds the platform. */
#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/environment.h"

static const struct mill_option options[] = {
	{.name = "format", .arg = "FORMAT", .choices = "sh|dotenv|json", .help = "how to write it; default: sh"},
	{0},
};

static int load(struct mill_context *ctx, json_t **ret_env, struct mill_error *err)
{
	int r = mill_context_platform(ctx, err);

	if (r == 0)
		r = mill_context_runtime(ctx, err);
	return r < 0 ? r : mill_ops_env(ctx->native, ret_env, err);
}

static int run_env(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *env = NULL;
	const char *format = mill_opt(inv, "format");
	enum mill_env_format f = inv->ui->json ? MILL_ENV_JSON : MILL_ENV_SH;
	int r = load(&ctx, &env, err);

	if (r < 0)
		return r;
	if (format)
		f = strcmp(format, "json") == 0	   ? MILL_ENV_JSON
		    : strcmp(format, "dotenv") == 0 ? MILL_ENV_DOTENV
						    : MILL_ENV_SH;
	mill_env_print(env, f, &out);
	if (out.len && !mill_ends_with(out.data, "\n"))
		mill_strbuf_addch(&out, '\n');
	mill_out(out.data);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_env = {
	.name = "env",
	.group = "Use",
	.summary = "print the environment that reaches the platform",
	.usage = "",
	.description = "Prints the variables by which notebooks, jobs and tests find the platform: AWS_ACCESS_KEY_ID, "
		       "AWS_ENDPOINT_URL_S3 and so on. Secrets are in clear: do not put the output where others "
		       "read it.",
	.examples = "eval \"$(data-mill env)\"\n"
		    "data-mill env --format dotenv > .env\n"
		    "data-mill env --format json",
	.options = options,
	.run = run_env,
};

int mill_context_become(const struct mill_context *ctx, struct mill_strv *args, const json_t *env)
{
	char *const *argv = mill_strv_argv(args);
	_cleanup_error_ struct mill_error err = {0};
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)env, name, value)
		setenv(name, json_string_value(value) ? json_string_value(value) : "", 1);
	fflush(stdout);
	execvp(argv[0], argv);
	mill_fail_errno(&err, errno, "%s", argv[0]);
	mill_ui_error(ctx->ui, &err);
	return err.code == ENOENT ? 127 : 126;
}

static int run_exec(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *env = NULL;
	int r;

	if (mill_opt(inv, "environment")) /* also without a platform */
		return mill_environment_become(&ctx, mill_opt(inv, "environment"), &inv->args, err);
	r = load(&ctx, &env, err);
	if (r == 0 && ctx.kube) /* the variables name addresses inside the cluster: so does the program */
		return mill_kube_session(ctx.kube, "app", mill_strv_argv(&inv->args), err);
	return r < 0 ? r : mill_context_become(&ctx, &inv->args, env);
}

static const struct mill_option exec_options[] = {
	{.letter = 'e', .name = "environment", .arg = "NAME[@HASH]", .word = MILL_WORD_ENVIRONMENT,
	 .help = "in this data-science environment, which is built if need be"},
	{0},
};

const struct mill_command mill_cmd_exec = {
	.name = "exec",
	.group = "Use",
	.summary = "run a program with the platform's environment",
	.usage = "-- PROGRAM [ARGUMENT...]",
	.description = "Runs a program of yours with the variables that `env` prints added to its environment; on a "
		       "cluster a program of the environment's image, in a pod of its own. The exit "
		       "code is the program's; 127 when there is no such program, 126 when it cannot be run.",
	.options = exec_options,
	.examples = "data-mill exec -- python train.py\n"
		    "data-mill exec -e scipy -- python train.py\n"
		    "data-mill exec -- aws s3 ls",
	.min_args = 1,
	.max_args = -1,
	.word = MILL_WORD_FILE,
	.raw_args = true,
	.run = run_exec,
};

static void greet(const struct mill_context *ctx, const json_t *env, const char *kind)
{
	const char *name;
	json_t *value;

	mill_note(ctx->ui, "a shell with the environment of platform %s.%s; `exit` leaves it",
		  ctx->platform->target, ctx->platform->name);
	if (kind)
		mill_note(ctx->ui, "(on this machine `net` and `app` are the same: everything is on 127.0.0.1)");
	json_object_foreach((json_t *)env, name, value)
		mill_note(ctx->ui, "  %s", name);
}

/* A pod of one's own, gone at `exit`. */
static int inside(struct mill_context *ctx, const json_t *env, const char *kind, struct mill_error *err)
{
	char *argv[] = {(char *)"/bin/bash", NULL};

	if (isatty(STDIN_FILENO))
		greet(ctx, env, NULL);
	return mill_kube_session(ctx->kube, kind, argv, err);
}

static int run_shell(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_json_ json_t *env = NULL;
	const char *shell = getenv("SHELL");
	_cleanup_strv_ struct mill_strv argv = {0};
	int r = load(&ctx, &env, err);

	if (r < 0)
		return r;
	if (ctx.kube)
		return inside(&ctx, env, mill_arg(inv, 0), err);
	/* Without a terminal it reads commands from standard input; no banner then. */
	if (isatty(STDIN_FILENO))
		greet(&ctx, env, mill_arg(inv, 0));
	mill_strv_add(&argv, shell && shell[0] == '/' ? shell : "/bin/sh");
	return mill_context_become(&ctx, &argv, env);
}

const struct mill_command mill_cmd_shell = {
	.name = "shell",
	.alias = "debug",
	.group = "Use",
	.summary = "a shell with every connection's environment",
	.usage = "[net|app]",
	.description = "Starts your shell with the variables that `env` prints. On a cluster it is a pod inside the "
		       "namespace, removed when you leave: `app` has the libraries of a data-science environment where the "
		       "platform has one, `net` is small. On this machine they mean the same.",
	.examples = "data-mill shell\n"
		    "data-mill -d                     # the same in the original's flags\n"
		    "echo 'echo $AWS_ENDPOINT_URL_S3' | data-mill shell",
	.choices = "net|app",
	.max_args = 1,
	.run = run_shell,
};
