/* Fields of b bits, least significant first, in little-endian words of 32. */
#ifndef BITS_H
#define BITS_H

#include <stddef.h>
#include <stdint.h>

/* Field j occupies bits j*b .. j*b+b-1 of the stream; bit k of the stream is bit k % 32 of word k / 32.  Where
 * b does not divide 32 a field may cross into the next word.
 *
 *	b = 4   word 0: | 7 | 6 | 5 | 4 | 3 | 2 | 1 | 0 |                 field 0 in the lowest bits
 *	b = 3   word 0: |10.|  9 |  8 | ... |  1 |  0 |   word 1: ... | 11 |.10|     two bits of field 10, then one */
static inline size_t bits_words(size_t n, int b)
{
	return (n * (size_t)b + 31) / 32;
}

/* n fields src[0], src[stride], ... into w[0], w[step], ...: bits_words(n, b) words, the rest of the last one
 * zero.  Every field is below 2^b. */
void bits_pack(uint32_t *w, size_t step, const uint8_t *src, size_t stride, size_t n, int b);

#endif
