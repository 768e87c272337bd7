/* How much of its disk budget a platform uses, and who uses most of it. */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/ops.h"
#include "runtime/native/context.h"

#define WARN_PERCENT 80
#define NAMED 3

struct user {
	const char *id;
	uint64_t bytes;
};

static int by_size(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* The largest services, "kafka.broker 3.1 GiB, minio.server 900 MiB"; owned. */
static char *largest(const struct mill_native *n)
{
	_cleanup_free_ char *services = mill_path_join(n->p->dir, "services");
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_free_ struct user *users = NULL;
	struct mill_strbuf text = MILL_STRBUF_INIT;
	if (mill_list_dir(services, &names, NULL) == 0)
		users = mill_xcalloc(names.n + 1, sizeof(*users));
	for (size_t i = 0; users && i < names.n; i++) {
		_cleanup_free_ char *dir = mill_path_join(services, names.items[i]);
		users[i].id = names.items[i];
		(void)mill_disk_usage(dir, &users[i].bytes, NULL); /* one that goes away meanwhile uses nothing */
	}
	if (users)
		qsort(users, names.n, sizeof(*users), by_size);
	for (size_t i = 0; users && i < names.n && i < NAMED; i++) {
		char size[32];
		mill_strbuf_printf(&text, "%s%s %s", i ? ", " : "", users[i].id,
				   mill_format_size(users[i].bytes, size, sizeof(size)));
	}
	return mill_strbuf_steal(&text);
}

int mill_ops_disk(struct mill_native *n, json_t **ret, struct mill_error *err)
{
	const json_t *disk = json_object_get(n->p->memory, "disk");
	uint64_t budget = (uint64_t)mill_json_get_int(disk, "budget", 0), used = 0;
	int r = mill_disk_usage(n->p->dir, &used, err);
	if (r < 0)
		return r;
	bool warn = budget && used / WARN_PERCENT >= budget / 100;
	_cleanup_free_ char *who = warn ? largest(n) : NULL;
	char a[32], b[32];
	_cleanup_free_ char *text = mill_xasprintf("its data takes %s of the disk budget of %s%s%s%s",
						   mill_format_size(used, a, sizeof(a)), mill_format_size(budget, b, sizeof(b)),
						   who ? " (" : "", who ? who : "", who ? "); raise project.disk or delete data" : "");
	*ret = json_pack("{s:I, s:I, s:b, s:s}", "used", (json_int_t)used, "budget", (json_int_t)budget, "warn", warn, "text",
			 text);
	return 0;
}
