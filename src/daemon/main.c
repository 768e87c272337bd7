#include "base/base.h"

int main(void)
{
	return MILL_EXIT_USAGE;
}
