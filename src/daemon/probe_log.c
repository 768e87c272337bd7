#include <regex.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/probe.h"

/* A flood must not keep the daemon busy: the newest part of each file is enough. */
#define LOOK_MAX ((size_t)1 << 20)
#define STAMP_LEN 24 /* RFC 3339 with milliseconds; then blank, stream, blank */

static bool line_matches(const regex_t *re, char *line, const char *since)
{
	size_t n = strlen(line);
	if (n < STAMP_LEN + 3 || line[STAMP_LEN] != ' ' || line[STAMP_LEN + 1] == 'm')
		return false;
	/* The stamps are of one length and zone: text order is time order. */
	return strncmp(line, since, STAMP_LEN) >= 0 && regexec(re, line + STAMP_LEN + 3, 0, NULL, 0) == 0;
}

static bool file_matches(const char *path, const regex_t *re, const char *since)
{
	_cleanup_close_ int fd = mill_open_regular(path);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	if (size <= 0)
		return false;
	size_t want = (uint64_t)size > LOOK_MAX ? LOOK_MAX : (size_t)size;
	_cleanup_free_ char *buf = mill_xmalloc(want + 1);
	ssize_t n = pread(fd, buf, want, size - (off_t)want);
	/* A line is what its newline ends: a service may write NUL bytes. */
	for (char *line = buf, *stop = buf + (n > 0 ? n : 0), *end; line < stop; line = end + 1) {
		end = memchr(line, '\n', (size_t)(stop - line));
		if (!end)
			end = stop;
		*end = '\0';
		if (line_matches(re, line, since))
			return true;
	}
	return false;
}

int mill_probe_log_matches(const char *dir, const char *pattern, uint64_t since_ms, bool *ret, struct mill_error *err)
{
	char since[MILL_RFC3339_LEN], text[120];
	regex_t re;
	int rc = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);
	if (rc != 0) {
		regerror(rc, &re, text, sizeof(text));
		return mill_fail(err, EINVAL, "pattern '%s': %s", pattern, text);
	}
	_cleanup_free_ char *current = mill_path_join(dir, "log/current"), *older = mill_path_join(dir, "log/1");
	mill_format_rfc3339(since_ms, since);
	*ret = file_matches(current, &re, since) || file_matches(older, &re, since);
	regfree(&re);
	return 0;
}
