#include "plan/memory.h"

#include "base/io.h"
#include "base/parse.h"

#define FILE_MAX_BYTES ((size_t)256 << 10)

static uint64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	uint64_t kib = 0;

	if (!at)
		return 0;
	for (at += strlen(key); *at == ' '; at++)
		;
	for (; *at >= '0' && *at <= '9'; at++)
		kib = kib * 10 + (uint64_t)(*at - '0');
	return kib << 10;
}

/* One number in a file; UINT64_MAX for "max", absent, or v1's way to say "none". */
static uint64_t limit_in(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	uint64_t v;

	if (mill_read_file(path, FILE_MAX_BYTES, &text, &len, NULL) < 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	if (mill_parse_u64(text, &v) < 0 || v >= (UINT64_C(1) << 62))
		return UINT64_MAX;
	return v;
}

/* The hierarchy's folder and the names of its two files. */
struct hierarchy {
	const char *base, *limit, *usage;
};

/* From our group up to the top: each may limit us. */
static void look_up(const char *root, const struct hierarchy *h, const char *group, struct mill_memory *m)
{
	_cleanup_free_ char *path = mill_xstrdup(group);

	for (;;) {
		_cleanup_free_ char *limit_path = mill_xasprintf("%s%s%s/%s", root, h->base, path, h->limit);
		_cleanup_free_ char *usage_path = mill_xasprintf("%s%s%s/%s", root, h->base, path, h->usage);
		uint64_t limit = limit_in(limit_path), usage = limit_in(usage_path);
		char *slash = strrchr(path, '/');

		if (limit != UINT64_MAX) {
			uint64_t left = usage != UINT64_MAX && usage < limit ? limit - usage : 0;

			if (limit < m->total)
				m->total = limit;
			if (usage != UINT64_MAX && left < m->available)
				m->available = left;
		}
		if (!slash)
			return;
		*slash = '\0';
	}
}

static void read_cgroups(const char *root, const char *text, struct mill_memory *m)
{
	static const struct hierarchy v2 = {"/sys/fs/cgroup", "memory.max", "memory.current"};
	static const struct hierarchy v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"};

	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = mill_xstrndup(text, len);
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

		text += len + (text[len] == '\n');
		if (!path)
			continue;
		*path++ = '\0';
		controllers++;
		if (mill_streq(path, "/"))
			*path = '\0';
		if (!*controllers)
			look_up(root, &v2, path, m);
		else if (strstr(controllers, "memory"))
			look_up(root, &v1, path, m);
	}
}

void mill_memory_read(const char *root, struct mill_memory *ret)
{
	_cleanup_free_ char *info_path = mill_xasprintf("%s/proc/meminfo", root);
	_cleanup_free_ char *cgroup_path = mill_xasprintf("%s/proc/self/cgroup", root);
	_cleanup_free_ char *info = NULL, *groups = NULL;
	size_t len;

	*ret = (struct mill_memory){0};
	if (mill_read_file(info_path, FILE_MAX_BYTES, &info, &len, NULL) < 0)
		return;
	ret->total = meminfo(info, "MemTotal:");
	ret->available = meminfo(info, "MemAvailable:");
	if (mill_read_file(cgroup_path, FILE_MAX_BYTES, &groups, &len, NULL) == 0)
		read_cgroups(root, groups, ret);
}
