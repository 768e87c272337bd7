#include <fcntl.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/native/hooks.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/proc.h"
#include "runtime/native/hook_input.h"
#include "runtime/native/remote.h"

#define HOOK_OUTPUT_MAX ((size_t)4 << 20)
#define HOOK_LOG_MAX ((off_t)1 << 20)
#define HOOK_LINES 20

const char *mill_last_lines(const char *text, size_t lines)
{
	const char *at = text + strlen(text);
	if (at > text && at[-1] == '\n')
		at--;
	for (; at > text; at--)
		if (at[-1] == '\n' && --lines == 0)
			break;
	return at;
}

void mill_component_log(const struct mill_native *n, const char *component, const char *file, const char *title,
			const char *text)
{
	_cleanup_free_ char *path = mill_native_component_path(n, component, file);
	struct stat st;
	if (stat(path, &st) == 0 && st.st_size > HOOK_LOG_MAX) {
		_cleanup_free_ char *older = mill_xasprintf("%s.1", path);
		(void)rename(path, older);
	}
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return; /* a log that cannot be written fails no hook; its last lines go with the result */
	char when[MILL_RFC3339_LEN];
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_strbuf_printf(&out, "%s %s\n%s", mill_format_rfc3339(mill_wall_ms(), when), title, text);
	if (out.data[out.len - 1] != '\n')
		mill_strbuf_addch(&out, '\n');
	(void)mill_write_all(fd, out.data, out.len);
}

void mill_hook_result_release(struct mill_hook_result *r)
{
	free(r->message);
	free(r->log);
	mill_native_wipe(r->answer);
	*r = (struct mill_hook_result){0};
}

static int hook_argv(const struct mill_hook_call *c, struct mill_strv *argv, struct mill_error *err)
{
	size_t i;
	json_t *word;
	json_array_foreach(json_object_get(c->spec, "command"), i, word) {
		if (!json_is_string(word))
			return mill_fail(err, EINVAL, "%s hook of %s: its command has a word that is not text", c->hook,
					 c->component);
		mill_strv_add(argv, json_string_value(word));
	}
	if (argv->n == 0)
		return mill_fail(err, EINVAL, "%s hook of %s: no command", c->hook, c->component);
	return 0;
}

/* Nothing of ours is inherited.  The marker lets destroy find what a hook left behind. */
static void hook_env(const struct mill_native *n, const struct mill_hook_call *c, const char *program,
		     const char *temp, struct mill_strv *env)
{
	_cleanup_free_ char *bin = mill_path_dirname(program);
	mill_strv_addf(env, "PATH=%s%s/usr/local/bin:/usr/bin:/bin", bin[0] == '/' ? bin : "",
		       bin[0] == '/' ? ":" : "");
	mill_strv_addf(env, "HOME=%s", temp);
	mill_strv_addf(env, "TMPDIR=%s", temp);
	mill_strv_add(env, "LANG=C.UTF-8");
	mill_strv_add(env, "PYTHONDONTWRITEBYTECODE=1"); /* the staged folder stays as it was staged */
	mill_strv_addf(env, "DATA_MILL_SERVICE=%s/%s.%s", n->p->dir, c->component, c->hook);
}

static int make_temp(struct mill_native *n, const struct mill_hook_call *c, char **ret, struct mill_error *err)
{
	static atomic_uint count;
	if (n->remote) { /* where the hook runs: nothing is made there for it but what is put */
		*ret = mill_xasprintf("/tmp/%s-%d-%u-", c->hook, (int)getpid(), atomic_fetch_add(&count, 1));
		return 0;
	}
	_cleanup_free_ char *dir = mill_native_component_path(n, c->component, NULL);
	int r = mill_native_passage(n, dir, err);
	if (r < 0)
		return r;
	char *temp = mill_xasprintf("%s/tmp-%s-XXXXXX", dir, c->hook);
	if (!mkdtemp(temp)) {
		r = mill_fail_errno(err, errno, "%s", temp);
		free(temp);
		return r;
	}
	*ret = temp;
	return mill_native_owned_dir(n, temp, err);
}

static char *file_in(const struct mill_native *n, const char *temp, const char *name)
{
	return n->remote ? mill_xasprintf("%s%s", temp, name) : mill_path_join(temp, name);
}

/* The request with its values in clear, and the files that it names. */
static int make_request(struct mill_native *n, const struct mill_hook_call *c, const char *temp, json_t **ret,
			struct mill_error *err)
{
	int r = 0;
	*ret = NULL;
	if (c->request)
		r = mill_native_resolve(n, c->request, ret, err);
	else if (c->input || c->output)
		*ret = json_object();
	if (r == 0 && c->input) {
		_cleanup_free_ char *copy = file_in(n, temp, "in");
		r = n->remote ? n->remote->put(n->remote_arg, c->component, c->input, copy, err) :
				mill_copy_file(c->input, copy, 0600, err);
		if (r == 0 && !n->remote && n->layout->root && chown(copy, n->layout->uid, n->layout->gid) < 0)
			r = mill_fail_errno(err, errno, "%s", copy);
		json_object_set_new(*ret, "file", json_string(copy));
	}
	if (r == 0 && c->output) {
		_cleanup_free_ char *path = file_in(n, temp, "out");
		json_object_set_new(*ret, "output", json_string(path));
	}
	return r;
}

static int run(struct mill_native *n, const struct mill_hook_call *c, const char *temp, const struct mill_strbuf *input,
	       struct mill_strbuf *out, struct mill_strbuf *log, int *ret_status, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0}, env = {0};
	int r = hook_argv(c, &argv, err);
	if (r < 0)
		return r;
	hook_env(n, c, argv.items[0], temp, &env);
	int64_t timeout = mill_json_get_int(c->spec, "timeout_ms", 0);
	struct mill_run run = MILL_RUN_INIT;
	run.spawn.argv = mill_strv_argv(&argv);
	run.spawn.env = mill_strv_argv(&env);
	run.spawn.cwd = temp;
	run.spawn.set_ids = n->layout->root;
	run.spawn.uid = n->layout->uid;
	run.spawn.gid = n->layout->gid;
	run.spawn.new_session = true;
	run.spawn.parent_death_signal = SIGKILL;
	run.spawn.no_new_privs = true;
	run.spawn.umask = 077;
	run.input = input->data;
	run.input_len = input->len;
	run.output_max = HOOK_OUTPUT_MAX;
	run.timeout_ms = timeout > 0 && timeout < INT32_MAX ? (int)timeout : (int)(c->timeout_ms ? c->timeout_ms : 60000);
	run.cancel_fd = c->cancel_fd;
	return mill_run(&run, out, log, ret_status, err);
}

/* Standard output is one JSON object or nothing; a failed hook may have been cut short. */
static int read_answer(const struct mill_hook_call *c, const struct mill_strbuf *out, struct mill_hook_result *ret,
		       struct mill_error *err)
{
	const char *start = out->data + strspn(out->data, " \t\r\n");
	_cleanup_error_ struct mill_error why = {0};
	if (*start && mill_json_parse("its output", start, strlen(start), &ret->answer, &why) < 0 &&
	    ret->code != MILL_HOOK_FAILED) {
		mill_fail(err, EBADMSG, "%s hook of %s: %s", c->hook, c->component, why.message);
		return mill_error_hint(err, "a hook prints one JSON object and nothing else on standard output");
	}
	if (ret->answer && !json_is_object(ret->answer)) {
		json_decref(ret->answer);
		ret->answer = NULL;
	}
	if (!ret->answer)
		ret->answer = json_object();
	return 0;
}

static void judge(int status, struct mill_hook_result *ret)
{
	char text[64];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	ret->code = code == 0 ? MILL_HOOK_OK : code == MILL_HOOK_SKIPPED ? MILL_HOOK_SKIPPED : MILL_HOOK_FAILED;
	if (ret->code == MILL_HOOK_FAILED)
		ret->message = mill_xstrdup(mill_status_text(status, text, sizeof(text)));
}

static void take_message(struct mill_hook_result *ret)
{
	const char *said = mill_json_get_string(ret->answer, "message", NULL);
	if (said && *said) {
		free(ret->message);
		ret->message = mill_xstrdup(said);
		ret->message[strcspn(ret->message, "\n")] = '\0';
	}
	if (!ret->message)
		ret->message = mill_xstrdup("");
}

static void keep_log(struct mill_native *n, const struct mill_hook_call *c, int status, const struct mill_strbuf *log)
{
	char text[64];
	_cleanup_free_ char *title = mill_xasprintf("%s: %s", c->hook, mill_status_text(status, text, sizeof(text)));
	mill_component_log(n, c->component, "hooks.log", title, log->data);
}

static int finish(struct mill_native *n, const struct mill_hook_call *c, const char *temp, struct mill_hook_result *ret,
		  struct mill_error *err)
{
	if (!c->output || ret->code != MILL_HOOK_OK)
		return 0;
	_cleanup_free_ char *path = file_in(n, temp, "out");
	if (n->remote)
		return n->remote->get(n->remote_arg, c->component, path, c->output, err);
	struct stat st;
	/* The hook's user wrote it, perhaps not we: no link is followed, and what was checked is what is read. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return mill_fail(err, ENOENT, "%s hook of %s: it did not write its output", c->hook, c->component);
	char same[32];
	snprintf(same, sizeof(same), "/proc/self/fd/%d", fd);
	return mill_copy_file(same, c->output, 0644, err);
}

static int run_in(struct mill_native *n, const struct mill_hook_call *c, const char *temp, struct mill_hook_result *ret,
		  struct mill_error *err)
{
	_cleanup_wipe_ json_t *request = NULL;
	struct mill_strbuf input = MILL_STRBUF_INIT_MAX(16 << 20);
	struct mill_strbuf out = MILL_STRBUF_INIT_MAX(HOOK_OUTPUT_MAX), log = MILL_STRBUF_INIT_MAX(HOOK_OUTPUT_MAX);
	int status = 0;
	int r = make_request(n, c, temp, &request, err);
	if (r == 0)
		r = mill_hook_input(n, c, request, &input, err);
	if (r == 0) {
		uint64_t begin = mill_now_ns();
		r = n->remote ? n->remote->hook(n->remote_arg, c, &input, &out, &log, &status, err) :
				run(n, c, temp, &input, &out, &log, &status, err);
		ret->elapsed_ms = (mill_now_ns() - begin) / MILL_MS;
		if (r < 0)
			mill_error_wrap(err, "%s hook of %s", c->hook, c->component);
		keep_log(n, c, status, &log);
		ret->log = mill_xstrdup(mill_last_lines(log.data, HOOK_LINES));
		if (r < 0)
			mill_error_detail(err, ret->log);
	}
	if (r == 0) {
		judge(status, ret);
		r = read_answer(c, &out, ret, err);
	}
	if (r == 0) {
		take_message(ret);
		r = finish(n, c, temp, ret, err);
	}
	explicit_bzero(input.data, input.len);
	explicit_bzero(out.data, out.len);
	mill_strbuf_release(&input);
	mill_strbuf_release(&out);
	mill_strbuf_release(&log);
	return r;
}

int mill_hook_run(struct mill_native *n, const struct mill_hook_call *c, struct mill_hook_result *ret,
		  struct mill_error *err)
{
	_cleanup_free_ char *temp = NULL;
	*ret = (struct mill_hook_result){0};
	int r = make_temp(n, c, &temp, err);
	if (r == 0)
		r = run_in(n, c, temp, ret, err);
	if (temp && !n->remote)
		(void)mill_rm_rf(temp, NULL);
	if (r < 0)
		mill_hook_result_release(ret);
	return r;
}
