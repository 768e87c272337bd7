/* What the network module hands to the program; see net/net.h. */
#include "net/net.h"

#include "net/download.h"
#include "net/unpack.h"

static const struct mill_net_api api = {
	.version = MILL_NET_API_VERSION,
	.build = MILL_VERSION,
	.download = mill_net_download,
	.unpack = mill_net_unpack,
};

__attribute__((visibility("default"))) const struct mill_net_api *mill_net_api_get(void)
{
	return &api;
}
