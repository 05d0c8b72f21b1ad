/* Rotary embedding, AVX-512. */
#include "kernels/cpu/rope.h"
#include "kernels/cpu/level.h"

void rope_avx512(struct kern *k)
{
	install(k);
}
