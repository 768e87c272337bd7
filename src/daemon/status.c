#include "daemon/status.h"

#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "shim/sys.h"

#define STATUS_MAX     ((size_t)64 << 10)
#define STATUS_VERSION 1

static int read_state(const char *name, enum mill_status_state *ret)
{
	static const char *const names[] = {"starting", "running", "exited", "failed"};
	for (size_t i = 0; name && i < MILL_ARRAY_LEN(names); i++) {
		if (mill_streq(names[i], name)) {
			*ret = (enum mill_status_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

static char *dup_or_null(const json_t *o, const char *key)
{
	const char *s = mill_json_get_string(o, key, NULL);
	return s ? mill_xstrdup(s) : NULL;
}

/*
 * run/ belongs to the service's user: what lies there under our name is believed
 * only when the owner of the service folder (who supervises) or root wrote it.
 */
static int load(const char *service_dir, const char *path, json_t **ret, struct mill_error *err)
{
	struct stat dir, file;
	_cleanup_close_ int fd = mill_open_regular(path);
	if (fd < 0)
		return mill_fail_errno(err, -fd, "open %s", path);
	if (stat(service_dir, &dir) < 0 || fstat(fd, &file) < 0)
		return mill_fail_errno(err, errno, "%s", path);
	if (file.st_uid != 0 && file.st_uid != dir.st_uid)
		return mill_fail(err, EPERM, "%s: not written by a shim of ours", path);
	if (file.st_size > (off_t)STATUS_MAX)
		return mill_fail(err, EFBIG, "%s: more than the %zu bytes allowed", path, STATUS_MAX);
	_cleanup_free_ char *text = mill_xmalloc(STATUS_MAX);
	size_t n = 0;
	for (ssize_t got; n < STATUS_MAX && (got = mill_read_retry(fd, text + n, STATUS_MAX - n)) != 0; n += (size_t)got) {
		if (got < 0)
			return mill_fail_errno(err, (int)-got, "read %s", path);
	}
	return mill_json_parse(path, text, n, ret, err);
}

int mill_status_read(const char *service_dir, struct mill_status *ret, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(service_dir, "run/status.json");
	_cleanup_json_ json_t *root = NULL;
	struct mill_status s = {0};
	char boot[MILL_BOOT_ID_LEN];
	int rc = load(service_dir, path, &root, err);
	if (rc < 0)
		return rc;
	if (mill_json_get_int(root, "v", STATUS_VERSION) != STATUS_VERSION)
		return mill_fail(err, EINVAL, "%s: written by another version of data-mill", path);
	if (read_state(mill_json_get_string(root, "state", NULL), &s.state) < 0)
		return mill_fail(err, EINVAL, "%s: not a status of a service", path);
	const json_t *shim = json_object_get(root, "shim"), *main_process = json_object_get(root, "main");
	mill_sys_boot_id(boot);
	s.this_boot = mill_streq(mill_json_get_string(root, "boot_id", ""), boot);
	s.shim_pid = (pid_t)mill_json_get_int(shim, "pid", 0);
	s.shim_start = (uint64_t)mill_json_get_int(shim, "start", 0);
	s.main_pid = (pid_t)mill_json_get_int(main_process, "pid", 0);
	s.main_start = (uint64_t)mill_json_get_int(main_process, "start", 0);
	s.fingerprint = mill_xstrdup(mill_json_get_string(root, "fingerprint", ""));
	s.error = dup_or_null(root, "error");
	s.started_ms = (uint64_t)mill_json_get_int(root, "started_ms", 0);
	s.ended_ms = (uint64_t)mill_json_get_int(root, "ended_ms", 0);
	s.exit_code = (int)mill_json_get_int(root, "exit_code", 0);
	s.signal = (int)mill_json_get_int(root, "signal", 0);
	s.notified = json_is_true(json_object_get(root, "notified"));
	s.leftover = (unsigned)mill_json_get_int(root, "leftover", 0);
	s.lost_lines = (uint64_t)mill_json_get_int(root, "lost_lines", 0);
	*ret = s;
	return 0;
}

void mill_status_release(struct mill_status *s)
{
	free(s->fingerprint);
	free(s->error);
	memset(s, 0, sizeof(*s));
}
