/* The panel of GPTQ, AVX2, FMA. */
#include "kernels/cpu/gptq_panel.h"
#include "kernels/cpu/level.h"

void gptq_avx2(struct kern *k)
{
	install(k);
}
