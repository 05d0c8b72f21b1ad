#include "pack/bits.h"

#include <assert.h>

static_assert(sizeof(uint32_t) == 4, "a word is four bytes");

void bits_pack(uint32_t *w, size_t step, const uint8_t *src, size_t stride, size_t n, int b)
{
	uint64_t acc = 0;
	int have = 0;                   /* bits in acc, < 32 at the head of the loop */

	for (size_t j = 0; j < n; j++) {
		acc |= (uint64_t)src[j * stride] << have;
		have += b;
		if (have >= 32) {
			*w = (uint32_t)acc;
			w += step;
			acc >>= 32;
			have -= 32;
		}
	}
	if (have)
		*w = (uint32_t)acc;
}
