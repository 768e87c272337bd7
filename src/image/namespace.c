#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "image/namespace.h"

#include "base/io.h"
#include "image/image.h"

#define OPT "/opt"

static int forbidden(const char *what, struct mill_error *err)
{
	mill_fail_errno(err, EPERM, "%s: this machine does not let images be built", what);
	return mill_error_hint(err, "run it as root, or allow user namespaces (sysctl user.max_user_namespaces, "
				    "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); in a "
				    "container, start it with the capability SYS_ADMIN. Images that a registry already has "
				    "need no building");
}

static int write_map(const char *file, const char *text, struct mill_error *err)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : mill_write_all(fd, text, strlen(text));
	return r < 0 ? mill_fail_errno(err, -r, "write %s", file) : 0;
}

/* We are who we were, and may mount. */
static int user_namespace(struct mill_error *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char line[64];
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno == EPERM || errno == ENOSPC ? forbidden("unshare", err) : mill_fail_errno(err, errno, "unshare");
	int r = write_map("/proc/self/setgroups", "deny", err);
	snprintf(line, sizeof(line), "%u %u 1\n", (unsigned)uid, (unsigned)uid);
	if (r == 0)
		r = write_map("/proc/self/uid_map", line, err);
	snprintf(line, sizeof(line), "%u %u 1\n", (unsigned)gid, (unsigned)gid);
	return r < 0 ? r : write_map("/proc/self/gid_map", line, err);
}

static int enter(bool change_ids, struct mill_error *err)
{
	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (errno != EPERM)
		return mill_fail_errno(err, errno, "unshare");
	return change_ids ? forbidden("unshare", err) : user_namespace(err);
}

/* One name of the old /opt, shown at the same place of the new one. */
static int show_again(int old, const char *name, struct mill_error *err)
{
	_cleanup_free_ char *from = mill_xasprintf("/proc/self/fd/%d/%s", old, name);
	_cleanup_free_ char *to = mill_xasprintf(OPT "/%s", name);
	char target[PATH_MAX];
	struct stat st;
	if (fstatat(old, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone since */
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(old, name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		return symlink(target, to) < 0 ? mill_fail_errno(err, errno, "link %s", to) : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0; /* nothing that we call is a file right in /opt */
	if (mkdir(to, 0755) < 0 || mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
		return mill_fail_errno(err, errno, "mount %s", to);
	return 0;
}

static int cover_opt(struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	if (!mill_is_dir(OPT) && mkdir(OPT, 0755) < 0) {
		mill_fail_errno(err, errno, "make " OPT);
		return mill_error_hint(err, "images have their software in " MILL_IMAGE_STORE ": have the administrator make " OPT);
	}
	_cleanup_close_ int old = open(OPT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0)
		return mill_fail_errno(err, errno, "open " OPT);
	int r = mill_list_dir(OPT, &names, err);
	if (r == 0 && mount("tmpfs", OPT, "tmpfs", 0, "mode=0755") < 0)
		r = errno == EPERM ? forbidden("mount on " OPT, err) : mill_fail_errno(err, errno, "mount on " OPT);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = show_again(old, names.items[i], err);
	return r < 0 ? r : mill_mkdir_p(MILL_IMAGE_STORE, 0755, err);
}

int mill_image_namespace(const char *store, bool change_ids, struct mill_error *err)
{
	int r = enter(change_ids, err);
	if (r < 0)
		return r;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno == EPERM ? forbidden("mount", err) : mill_fail_errno(err, errno, "make the mounts private");
	/* Opened before anything is covered: the store may be below /opt itself. */
	_cleanup_close_ int fd = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return mill_fail_errno(err, errno, "open %s", store);
	if (!mill_is_dir(MILL_IMAGE_STORE))
		r = cover_opt(err);
	if (r < 0)
		return r;
	_cleanup_free_ char *from = mill_xasprintf("/proc/self/fd/%d", fd);
	if (mount(from, MILL_IMAGE_STORE, NULL, MS_BIND | MS_REC, NULL) < 0)
		return mill_fail_errno(err, errno, "mount %s at " MILL_IMAGE_STORE, store);
	return 0;
}
