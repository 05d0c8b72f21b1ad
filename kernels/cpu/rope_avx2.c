/* Rotary embedding, AVX2, FMA. */
#include "kernels/cpu/rope.h"
#include "kernels/cpu/level.h"

void rope_avx2(struct kern *k)
{
	install(k);
}
