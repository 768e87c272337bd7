#include "shim/child.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "shim/landlock.h"
#include "shim/sys.h"
#include "spec/spec.h"

static int set_limit(const char *name, int which, uint64_t value, struct mill_error *err)
{
	struct rlimit now, want = {.rlim_cur = value, .rlim_max = value};
	if (getrlimit((__rlimit_resource_t)which, &now) < 0)
		return mill_fail_errno(err, errno, "limit %s", name);
	if (setrlimit((__rlimit_resource_t)which, &want) == 0)
		return 0;
	/* Not allowed to raise the hard limit: as far as it goes. */
	want.rlim_max = now.rlim_max;
	want.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &want) < 0)
		return mill_fail_errno(err, errno, "limit %s", name);
	return 0;
}

static int set_limits(const struct mill_spec *spec, struct mill_error *err)
{
	int rc = set_limit("core", RLIMIT_CORE, 0, err); /* a core file would hold secrets */
	if (rc == 0 && spec->nofile)
		rc = set_limit("nofile", RLIMIT_NOFILE, spec->nofile, err);
	/* RLIMIT_DATA, not AS: run times reserve far more address space than they use. */
	if (rc == 0 && spec->memory_bytes)
		rc = set_limit("memory", RLIMIT_DATA, spec->memory_bytes, err);
	return rc;
}

static int set_ids(const struct mill_spec *spec, struct mill_error *err)
{
	if (!spec->set_ids || (spec->uid == getuid() && spec->gid == getgid()))
		return 0;
	if (setgroups(1, &spec->gid) < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
	    setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return mill_fail_errno(err, errno, "become user %u, group %u", spec->uid, spec->gid);
	return 0;
}

static int confine(const struct mill_spec *spec, struct mill_error *err)
{
	const json_t *list = json_object_get(json_object_get(spec->root, "landlock"), "write");
	_cleanup_strv_ struct mill_strv paths = {0};
	size_t i;
	json_t *item;
	if (!json_is_array(list))
		return 0;
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item))
			mill_strv_add(&paths, json_string_value(item));
	}
	int rc = mill_landlock_confine_writes((const char *const *)mill_strv_argv(&paths), paths.n, err);
	return rc > 0 ? 0 : rc;
}

static int set_fds(const struct mill_child *c, struct mill_error *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return mill_fail_errno(err, errno, "open /dev/null");
	if (dup2(null, 0) < 0 || dup2(c->out_fd < 0 ? null : c->out_fd, 1) < 0 ||
	    dup2(c->err_fd < 0 ? null : c->err_fd, 2) < 0)
		return mill_fail_errno(err, errno, "standard streams");
	if (null > 2)
		close(null);
	if (c->keep_fd >= 0 && fcntl(c->keep_fd, F_SETFD, 0) < 0)
		return mill_fail_errno(err, errno, "keep the lock");
	return 0;
}

static void default_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int make_environment(const struct mill_child *c, const struct mill_spec *spec, struct mill_strv *env,
			    struct mill_error *err)
{
	char boot[MILL_BOOT_ID_LEN];
	_cleanup_free_ char *marker = mill_xasprintf("%s/%s", spec->platform_dir, spec->id);
	int rc = mill_spec_environment(spec, env, err);
	mill_sys_boot_id(boot);
	mill_strv_setenv(env, "DATA_MILL_SERVICE", marker);
	mill_strv_setenv(env, "DATA_MILL_BOOT", boot);
	if (c->notify)
		mill_strv_setenv(env, "NOTIFY_SOCKET", c->notify);
	return rc;
}

/* Confinement in the order that each step still has the right to be made. */
static int become(const struct mill_child *c, const struct mill_spec *spec, struct mill_error *err)
{
	int rc = set_limits(spec, err);
	if (rc == 0)
		rc = set_ids(spec, err);
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = mill_fail_errno(err, errno, "no_new_privs");
	if (rc == 0)
		rc = confine(spec, err);
	if (rc == 0 && spec->cwd && chdir(spec->cwd) < 0)
		rc = mill_fail_errno(err, errno, "working folder %s", spec->cwd);
	/* After the change of ids, which clears it (prctl(2)).  A parent that died
	 * before this line cannot signal any more, so look. */
	if (rc == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		rc = mill_fail_errno(err, errno, "parent-death signal");
	if (rc == 0 && getppid() != c->parent)
		_exit(125);
	return rc;
}

int mill_child_exec(const struct mill_child *c, bool *ret_retry, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(c->dir, "spec.json");
	_cleanup_spec_ struct mill_spec spec = {0};
	_cleanup_strv_ struct mill_strv argv = {0}, env = {0};
	*ret_retry = false;
	umask(077);
	setsid();
	int rc = mill_spec_load(path, false, &spec, err);
	if (rc == 0)
		rc = mill_spec_command(&spec, c->probe, &argv, err);
	if (rc == 0)
		rc = make_environment(c, &spec, &env, err);
	if (rc == 0)
		rc = set_fds(c, err);
	if (rc == 0)
		rc = become(c, &spec, err);
	if (rc < 0)
		return rc;
	_cleanup_free_ char *program = strchr(argv.items[0], '/')
					       ? mill_xstrdup(argv.items[0])
					       : mill_path_find_program(argv.items[0], mill_strv_getenv(&env, "PATH"));
	if (!program)
		return mill_fail(err, ENOENT, "%s: not found in PATH", argv.items[0]);
	default_signals();
	execve(program, mill_strv_argv(&argv), mill_strv_argv(&env));
	*ret_retry = errno == ENOMEM || errno == EAGAIN || errno == ETXTBSY;
	return mill_fail_errno(err, errno, "exec %s", program);
}
