/* Tasks before the service, and hooks. */
#include "entry/entry.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"

#define TASK_TIMEOUT_MS 600000
#define OUTPUT_MAX      ((size_t)1 << 20)

/* Done with this fingerprint?  The mark lies in the data folder: it lives and dies with what the task made. */
static char *mark_path(const struct mill_entry_pod *p, const char *name)
{
	return mill_xasprintf("%s/data/.data-mill/%s", p->root, name);
}

static bool is_done(const char *path, const char *fingerprint)
{
	return mill_file_is(path, fingerprint, strlen(fingerprint));
}

static int mark(const char *path, const char *fingerprint, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_dirname(path);
	int r = mill_mkdir_p(dir, 0700, err);

	return r < 0 ? r : mill_write_file(path, fingerprint, strlen(fingerprint), 0600, MILL_WRITE_DURABLE, err);
}

static void add_env(struct mill_strv *env, const json_t *vars)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)vars, name, value)
		if (json_is_string(value))
			mill_strv_setenv(env, name, json_string_value(value));
}

static int environment(const struct mill_entry_pod *p, const json_t *task, struct mill_strv *env, struct mill_error *err)
{
	const char *from = mill_json_get_string(task, "secret", NULL);
	_cleanup_free_ char *path = NULL;
	_cleanup_json_ json_t *secret = NULL;
	int r;

	add_env(env, json_object_get(task, "environment"));
	if (!from)
		return 0;
	r = mill_entry_input(p, from, &path, err);
	if (r == 0)
		r = mill_json_load(path, MILL_ENTRY_FILE_MAX, &secret, err);
	if (r == 0)
		add_env(env, secret);
	return r;
}

static void say(void *arg, const char *line)
{
	printf("%s: %s\n", (const char *)arg, line);
	fflush(stdout);
}

static int spawn(const struct mill_entry_pod *p, const json_t *task, const char *input, size_t len, struct mill_error *err)
{
	const char *name = mill_json_get_string(task, "name", "task");
	_cleanup_strv_ struct mill_strv argv = {0}, env = {0};
	struct mill_run run = MILL_RUN_INIT;
	char text[64];
	int status = 0, r;
	size_t i;
	json_t *word;

	json_array_foreach(json_object_get(task, "command"), i, word)
		mill_strv_add(&argv, json_is_string(word) ? json_string_value(word) : "");
	if (!argv.n)
		return mill_fail(err, EINVAL, "task %s: no command", name);
	r = environment(p, task, &env, err);
	if (r < 0)
		return r;
	run.spawn.argv = mill_strv_argv(&argv);
	run.spawn.env = mill_strv_argv(&env);
	run.spawn.cwd = mill_json_get_string(task, "cwd", p->root);
	run.spawn.new_session = true;
	run.spawn.umask = 077;
	run.input = input;
	run.input_len = len;
	run.output_max = OUTPUT_MAX;
	run.timeout_ms = (int)mill_json_get_int(task, "timeout_ms", TASK_TIMEOUT_MS);
	run.on_line = say;
	run.on_line_arg = (void *)name;
	r = mill_run(&run, NULL, NULL, &status, err);
	if (r < 0)
		return mill_error_wrap(err, "task %s", name), r;
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 77))
		return mill_fail(err, EIO, "task %s: %s", name, mill_status_text(status, text, sizeof(text)));
	return 0;
}

static int run_task(const struct mill_entry_pod *p, const json_t *task, struct mill_error *err)
{
	const char *name = mill_json_get_string(task, "name", "");
	const char *fingerprint = mill_json_get_string(task, "fingerprint", "");
	const char *from = mill_json_get_string(task, "input", NULL);
	_cleanup_free_ char *done = NULL, *path = NULL, *input = NULL;
	size_t len = 0;
	int r;

	if (!*name || strchr(name, '/'))
		return mill_fail(err, EINVAL, "entry.json: a task without a name");
	done = mark_path(p, name);
	if (is_done(done, fingerprint))
		return 0;
	r = mill_entry_write_files(p, json_object_get(task, "files"), err);
	if (r == 0 && from) {
		r = mill_entry_input(p, from, &path, err);
		if (r == 0)
			r = mill_read_file(path, MILL_ENTRY_FILE_MAX, &input, &len, err);
	}
	if (r == 0)
		r = spawn(p, task, input, len, err);
	if (input)
		explicit_bzero(input, len);
	return r < 0 ? r : mark(done, fingerprint, err);
}

int mill_entry_tasks(const struct mill_entry_pod *p, struct mill_error *err)
{
	size_t i;
	json_t *task;

	json_array_foreach(json_object_get(p->spec, "tasks"), i, task) {
		int r = run_task(p, task, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The contract of docs/internals/hooks.md: nothing inherited but what is set here. */
int mill_entry_hook(char **argv, struct mill_error *err)
{
	char temp[] = "/tmp/hook-XXXXXX";
	_cleanup_free_ char *bin = mill_path_dirname(argv[0]);
	_cleanup_strv_ struct mill_strv env = {0};

	if (!mkdtemp(temp) || chdir(temp) < 0)
		return mill_fail_errno(err, errno, "a folder for the hook");
	mill_strv_addf(&env, "PATH=%s:/usr/local/bin:/usr/bin:/bin", bin);
	mill_strv_addf(&env, "HOME=%s", temp);
	mill_strv_addf(&env, "TMPDIR=%s", temp);
	mill_strv_add(&env, "LANG=C.UTF-8");
	mill_strv_add(&env, "PYTHONDONTWRITEBYTECODE=1");
	execve(argv[0], argv, mill_strv_argv(&env));
	return mill_fail_errno(err, errno, "%s", argv[0]);
}
