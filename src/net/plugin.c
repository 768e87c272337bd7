/* The table that the module hands to the program; see net/net.h. */
#include "net/net.h"

#include "net/download.h"
#include "net/layer.h"
#include "net/serve.h"
#include "net/unpack.h"

static const struct mill_net_api api = {
	.version = MILL_NET_API_VERSION,
	.build = MILL_VERSION,
	.download = mill_net_download,
	.unpack = mill_net_unpack,
	.layer_begin = mill_net_layer_begin,
	.layer_add = mill_net_layer_add,
	.layer_end = mill_net_layer_end,
	.serve = mill_net_serve,
	.lake_open = mill_lake_open,
	.lake_close = mill_lake_close,
	.buckets = mill_lake_buckets,
	.make_bucket = mill_lake_make_bucket,
	.remove_bucket = mill_lake_remove_bucket,
	.list = mill_lake_list,
	.head = mill_lake_head,
	.put = mill_lake_put,
	.put_file = mill_lake_put_file,
	.get = mill_lake_get,
	.cat = mill_lake_cat,
	.remove = mill_lake_remove,
	.get_file = mill_lake_get_file,
	.push = mill_lake_push,
	.pull = mill_lake_pull,
	.diff = mill_lake_diff,
};

__attribute__((visibility("default"))) const struct mill_net_api *mill_net_api_get(void)
{
	return &api;
}
