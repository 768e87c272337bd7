#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/confine.h"

struct job {
	const struct mill_confine *c;
	int (*fn)(void *arg, struct mill_error *err);
	void *arg;
	struct mill_error *err;
	int result;
};

static int enter(const struct mill_confine *c, struct mill_error *err)
{
	if (unshare(CLONE_FS) < 0)
		return mill_fail_errno(err, errno, "give a thread its own working folder");
	umask(022);
	/* glibc's wrappers would change every thread: the raw calls change this one. */
	if (c->set_ids) {
		if (syscall(SYS_setgroups, 0, NULL) < 0 ||
		    syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0 ||
		    syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
			return mill_fail_errno(err, errno, "become uid %u", (unsigned)c->uid);
	}
	if (c->cwd && chdir(c->cwd) < 0)
		return mill_fail_errno(err, errno, "enter %s", c->cwd);
	return 0;
}

static void *run(void *arg)
{
	struct job *j = arg;
	j->result = enter(j->c, j->err);
	if (j->result == 0)
		j->result = j->fn(j->arg, j->err);
	return NULL;
}

int mill_confined(const struct mill_confine *c, int (*fn)(void *arg, struct mill_error *err),
		      void *arg, struct mill_error *err)
{
	struct job j = {.c = c, .fn = fn, .arg = arg, .err = err};
	pthread_t thread;
	int code = pthread_create(&thread, NULL, run, &j);
	if (code)
		return mill_fail_errno(err, code, "start a thread");
	pthread_join(thread, NULL);
	return j.result;
}
