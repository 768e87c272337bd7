#include "daemon/paths.h"

#include <sys/stat.h>

#include "base/io.h"

char *mill_daemon_path(const char *platform_dir, const char *name)
{
	return mill_xasprintf("%s/run/%s", platform_dir, name);
}

/* FNV-1a, 64 bit: a name for a folder, not a secret. */
static uint64_t hash_name(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

char *mill_socket_name(const char *id, const char *ending)
{
	return strlen(id) <= 40 ? mill_xasprintf("%s.%s", id, ending)
				: mill_xasprintf("%.24s-%016llx.%s", id, (unsigned long long)hash_name(id), ending);
}

/* In /tmp anybody may have made it first: it must be a folder, ours, closed to others. */
static int own_folder(const char *path, struct mill_error *err)
{
	struct stat st;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return mill_fail_errno(err, errno, "make %s", path);
	if (lstat(path, &st) < 0)
		return mill_fail_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022)) {
		mill_fail(err, EPERM, "%s is not a folder of our own", path);
		return mill_error_hint(err, "Remove it, or set XDG_RUNTIME_DIR to a folder of your own.");
	}
	return 0;
}

int mill_socket_path(const char *platform_dir, const char *path, const char *name, char **ret, bool *ret_moved,
		     struct mill_error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *parent = NULL, *folder = NULL;
	unsigned long long hash = hash_name(platform_dir);
	int rc = 0;
	*ret_moved = strlen(path) > MILL_SOCKET_PATH_MAX;
	if (!*ret_moved) {
		*ret = mill_xstrdup(path);
		return 0;
	}
	if (runtime && runtime[0] == '/' && strlen(runtime) + strlen(name) < 60 && mill_is_dir(runtime)) {
		folder = mill_xasprintf("%s/data-mill-%016llx", runtime, hash);
	} else {
		parent = mill_xasprintf("/tmp/data-mill-%u", (unsigned)geteuid());
		folder = mill_xasprintf("%s/%016llx", parent, hash);
		rc = own_folder(parent, err);
	}
	if (rc == 0)
		rc = own_folder(folder, err);
	if (rc < 0)
		return rc;
	char *full = mill_path_join(folder, name);
	if (strlen(full) > MILL_SOCKET_PATH_MAX) {
		rc = mill_fail(err, ENAMETOOLONG, "the socket path %s is too long as well", full);
		free(full);
		return rc;
	}
	*ret = full;
	return 0;
}
