/* llmc-quant: quantize weights without calibration. */
#include "algo/rtn.h"

int main(int argc, char **argv)
{
	return filter_main(&filter_quant, argc, argv);
}
