#include "shim/args.h"

#include "base/parse.h"

enum kind { TEXT, NUMBER, LOCK };

/* One table for both directions.  Numbers pass through a uint64_t. */
static const struct word {
	const char *key;
	enum kind kind;
	bool required;
	size_t offset, size;
} words[] = {
#define TEXT_WORD(name, req) {#name, TEXT, req, offsetof(struct mill_shim_args, name), 0}
#define NUMBER_WORD(name, req)                                                                     \
	{#name, NUMBER, req, offsetof(struct mill_shim_args, name),                                \
	 sizeof(((struct mill_shim_args *)0)->name)}
	TEXT_WORD(id, true),		TEXT_WORD(dir, true),		TEXT_WORD(platform_dir, true),
	TEXT_WORD(fingerprint, true),	TEXT_WORD(daemon, true),	NUMBER_WORD(daemon_pid, true),
	NUMBER_WORD(daemon_start, true), NUMBER_WORD(log_max_bytes, true), NUMBER_WORD(log_keep, true),
	NUMBER_WORD(line_max, true),	NUMBER_WORD(stop_signal, true), NUMBER_WORD(grace_ms, true),
	NUMBER_WORD(set_ids, false),	NUMBER_WORD(uid, false),	NUMBER_WORD(gid, false),
	TEXT_WORD(notify, false),	NUMBER_WORD(report_fd, false),	{"lock", LOCK, false, 0, 0},
};

static int store_number(struct mill_shim_args *a, const struct word *w, const char *text)
{
	uint64_t v;
	void *at = (char *)a + w->offset;
	if (mill_parse_u64(text, &v) < 0)
		return -EINVAL;
	if (w->size == sizeof(bool)) {
		*(bool *)at = v != 0;
	} else if (w->size == sizeof(uint32_t)) {
		uint32_t narrow = (uint32_t)v;
		if (narrow != v)
			return -EINVAL;
		memcpy(at, &narrow, sizeof(narrow));
	} else {
		memcpy(at, &v, sizeof(v));
	}
	return 0;
}

static int store_word(struct mill_shim_args *a, const char *arg, uint32_t *seen)
{
	const char *eq = strchr(arg, '=');
	for (size_t i = 0; eq && i < MILL_ARRAY_LEN(words); i++) {
		const struct word *w = &words[i];
		if (strlen(w->key) != (size_t)(eq - arg) || strncmp(arg, w->key, (size_t)(eq - arg)) != 0)
			continue;
		*seen |= UINT32_C(1) << i;
		if (w->kind == NUMBER)
			return store_number(a, w, eq + 1);
		if (w->kind == TEXT) {
			*(const char **)((char *)a + w->offset) = eq + 1;
			return 0;
		}
		if (a->n_locks >= MILL_SHIM_LOCKS_MAX)
			return -EINVAL;
		a->locks[a->n_locks++] = eq + 1;
		return 0;
	}
	return -EINVAL;
}

int mill_shim_args_parse(int argc, char **argv, struct mill_shim_args *ret, const char **ret_bad)
{
	struct mill_shim_args a = {.report_fd = -1};
	uint32_t seen = 0;
	uint64_t protocol;
	*ret_bad = "protocol";
	if (argc < 2 || !mill_starts_with(argv[1], "protocol=") ||
	    mill_parse_u64(argv[1] + strlen("protocol="), &protocol) < 0 || protocol != MILL_SHIM_PROTOCOL)
		return -EINVAL;
	for (int i = 2; i < argc; i++) {
		*ret_bad = argv[i];
		if (store_word(&a, argv[i], &seen) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(words); i++) {
		*ret_bad = words[i].key;
		if (words[i].required && !(seen & UINT32_C(1) << i))
			return -EINVAL;
	}
	*ret = a;
	return 0;
}

static uint64_t load_number(const struct mill_shim_args *a, const struct word *w)
{
	const void *at = (const char *)a + w->offset;
	uint64_t v = 0;
	uint32_t narrow;
	if (w->size == sizeof(bool))
		return *(const bool *)at;
	if (w->size == sizeof(uint32_t)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&v, at, sizeof(v));
	return v;
}

void mill_shim_args_build(const struct mill_shim_args *a, const char *program, struct mill_strv *ret_argv)
{
	mill_strv_add(ret_argv, program);
	mill_strv_addf(ret_argv, "protocol=%d", MILL_SHIM_PROTOCOL);
	for (size_t i = 0; i < MILL_ARRAY_LEN(words); i++) {
		const struct word *w = &words[i];
		if (w->kind == TEXT) {
			const char *text = *(const char *const *)((const char *)a + w->offset);
			if (text)
				mill_strv_addf(ret_argv, "%s=%s", w->key, text);
		} else if (w->kind == NUMBER && !(mill_streq(w->key, "report_fd") && a->report_fd < 0)) {
			mill_strv_addf(ret_argv, "%s=%llu", w->key, (unsigned long long)load_number(a, w));
		}
	}
	for (size_t i = 0; i < a->n_locks; i++)
		mill_strv_addf(ret_argv, "lock=%s", a->locks[i]);
}
