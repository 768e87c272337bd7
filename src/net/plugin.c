#include "base/base.h"

__attribute__((visibility("default"))) int mill_net_plugin_version(void);
int mill_net_plugin_version(void)
{
	return 1;
}
