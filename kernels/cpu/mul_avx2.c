/* Products of f32 numbers by panels, AVX2, FMA. */
#include "kernels/cpu/level.h"
#include "kernels/cpu/mul.h"

void mul_avx2(struct kern *k)
{
	install(k);
}
