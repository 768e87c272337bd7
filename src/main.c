#include "cmd/cmd.h"

int main(int argc, char **argv)
{
	return mill_main(argc, argv);
}
