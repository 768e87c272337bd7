#include "base/base.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/interrupt.h"
#include "cmd/inventory.h"

static void add_list(struct mill_strbuf *out, const json_t *list, const char *what, bool objects)
{
	const json_t *item;
	size_t i;
	char size[32];

	json_array_foreach(list, i, item)
	{
		const char *name = mill_json_get_string(item, "name", mill_json_get_string(item, "id", "?"));

		mill_strbuf_printf(out, "  %-10s %-28s", what, name);
		if (objects)
			mill_strbuf_printf(out, " %lld objects,", (long long)mill_json_get_int(item, "objects", 0));
		mill_strbuf_printf(out, " %s\n",
				   mill_format_size((uint64_t)mill_json_get_int(item, "bytes", 0), size,
						    sizeof(size)));
	}
}

int mill_inventory_show(struct mill_context *ctx, const char *component, bool data,
			struct mill_error *err)
{
	_cleanup_json_ json_t *found = NULL;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	const json_t *services, *service;
	int64_t secrets;
	size_t i;
	int r = mill_ops_inventory(ctx->native, component, mill_interrupt_fd(NULL), &found, err);

	if (r < 0)
		return r;
	services = json_object_get(found, "services");
	secrets = mill_json_get_int(found, "secrets", 0);
	json_array_foreach(services, i, service)
		mill_strbuf_printf(&out, "%s%s", i ? ", " : "  stops      ",
				   json_is_string(service) ? json_string_value(service) : "?");
	if (json_array_size(services))
		mill_strbuf_addch(&out, '\n');
	add_list(&out, json_object_get(found, "buckets"), data ? "deletes" : "keeps", true);
	if (json_is_true(json_object_get(found, "buckets_unknown")))
		mill_strbuf_addstr(&out, "  (the lake does not run: its buckets are in the folders below)\n");
	add_list(&out, json_object_get(found, "data"), data ? "deletes" : "keeps", false);
	if (data && secrets)
		mill_strbuf_printf(&out, "  deletes    %lld secret%s\n", (long long)secrets,
				   secrets == 1 ? "" : "s");
	if (data || !ctx->ui->quiet)
		fputs(out.data, stderr);
	return 0;
}
