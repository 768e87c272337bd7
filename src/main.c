#include "base/base.h"

int main(void)
{
	puts("data-mill " MILL_VERSION);
	return MILL_EXIT_OK;
}
