/* llmc-gptq: quantize weights, compensating each column's error in those not yet rounded. */
#include "algo/gptq.h"

int main(int argc, char **argv)
{
	return filter_main(&filter_gptq, argc, argv);
}
