#include "pack/bits.h"

#include "base/clones.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(uint32_t) == 4, "a word is four bytes");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are made of bytes as they lie");

/* Fields of 4 bits that lie side by side, a word at a time.  Returns how many; fewer than 8 are left. */
CLONES static size_t nibbles(uint32_t *w, const uint8_t *src, size_t n)
{
	for (size_t k = 0; k < n / 8; k++) {
		uint64_t x;

		memcpy(&x, src + 8 * k, sizeof(x));
		x |= x >> 4;                    /* bytes 0h 0g 0f 0e 0d 0c 0b 0a, the first last, to .. hg .. fe .. dc .. ba */
		x &= 0x00ff00ff00ff00ff;
		x |= x >> 8;
		x &= 0x0000ffff0000ffff;
		w[k] = (uint32_t)(x | x >> 16);
	}
	return n / 8 * 8;
}

void bits_pack(uint32_t *w, size_t step, const uint8_t *src, size_t stride, size_t n, int b)
{
	uint64_t acc = 0;
	int have = 0;                   /* bits in acc, < 32 at the head of the loop */
	size_t j = 0;

	if (step == 1 && stride == 1 && b == 4)
		j = nibbles(w, src, n);
	else if (step == 1 && stride == 1 && b == 8)
		memcpy(w, src, j = n / 4 * 4);
	w += j * (size_t)b / 32;
	for (; j < n; j++) {
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
