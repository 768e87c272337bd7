#include "entry/entry.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/parse.h"

#define HOLD_MAX 86400

static int copy(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = mill_read_retry(from, buf, sizeof(buf))) > 0)
		if (mill_write_all(to, buf, (size_t)n) < 0)
			return -EIO;
	return n < 0 ? (int)n : 0;
}

static int put(const char *path, struct mill_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), r;

	if (fd < 0)
		return mill_fail_errno(err, errno, "%s", path);
	r = copy(0, fd);
	if (close(fd) < 0 || r < 0)
		return mill_fail(err, EIO, "%s: it could not be written whole", path);
	return 0;
}

static int get(const char *path, struct mill_error *err)
{
	int fd = mill_open_regular(path), r;

	if (fd < 0)
		return mill_fail(err, -fd, "%s: %s", path, strerror(-fd));
	r = copy(fd, 1);
	close(fd);
	return r < 0 ? mill_fail(err, -r, "%s: it could not be read", path) : 0;
}

static int in_pod(const char *what, struct mill_error *err)
{
	const char *root = getenv("DATA_MILL_ENTRY_ROOT");
	struct mill_entry_pod p = {.root = root ? root : "/data-mill"};
	int r = mill_entry_load(&p, err);

	if (r < 0)
		return r;
	if (mill_streq(what, "ready"))
		return mill_entry_ready(&p, err);
	if (mill_streq(what, "reload"))
		return mill_entry_reload(&p, err);
	r = mill_entry_prepare(&p, err);
	if (r < 0)
		return r;
	return mill_streq(what, "tasks") ? mill_entry_tasks(&p, err) : mill_entry_run(&p, err);
}

static int dispatch(int argc, char **argv, struct mill_error *err)
{
	const char *what = argc > 1 ? argv[1] : "";
	static const char *const alone[] = {"run", "tasks", "ready", "reload"};
	int seconds;

	for (size_t i = 0; i < MILL_ARRAY_LEN(alone); i++)
		if (mill_streq(what, alone[i]) && argc == 2)
			return in_pod(what, err);
	if (mill_streq(what, "hook") && argc > 2)
		return mill_entry_hook(argv + 2, err);
	if (mill_streq(what, "hold") && argc == 3 && mill_parse_int(argv[2], 1, HOLD_MAX, &seconds) == 0)
		return mill_entry_hold((unsigned)seconds);
	if (mill_streq(what, "put") && argc == 3)
		return put(argv[2], err);
	if (mill_streq(what, "get") && argc == 3)
		return get(argv[2], err);
	if (mill_streq(what, "mirror") && argc == 3)
		return mill_entry_mirror(argv[2], err);
	return mill_fail_usage(err, "entry: run, tasks, ready, reload, hook PROGRAM.., hold SECONDS, put PATH, get PATH or mirror FOLDER");
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct mill_error err = {0};
	int r;

	umask(077);
	r = dispatch(argc, argv, &err);
	if (r >= 0)
		return r;
	fprintf(stderr, "data-mill: %s\n", err.message ? err.message : strerror(-r));
	return err.usage ? 2 : 1;
}
