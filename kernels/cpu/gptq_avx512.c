/* The panel of GPTQ, AVX-512. */
#include "kernels/cpu/gptq_panel.h"
#include "kernels/cpu/level.h"

void gptq_avx512(struct kern *k)
{
	install(k);
}
