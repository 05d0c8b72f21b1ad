/* Products of f32 numbers by panels, AVX-512. */
#include "kernels/cpu/level.h"
#include "kernels/cpu/mul.h"

void mul_avx512(struct kern *k)
{
	install(k);
}
