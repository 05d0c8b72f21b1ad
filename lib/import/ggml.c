/* The block types of GGUF that we decode.  d and m are F16, little-endian; the arithmetic is F32, the product
 * first and then the sum, so that every reader gets the same bits.
 *
 *          elements  bytes  layout              value
 *   Q4_0      32      18    d nib[16]           (u - 8) * d
 *   Q4_1      32      20    d m nib[16]         u * d + m
 *   Q5_0      32      22    d qh[4] nib[16]     (u - 16) * d
 *   Q5_1      32      24    d m qh[4] nib[16]   u * d + m
 *   Q8_0      32      34    d i8[32]            q * d
 *
 * nib: byte j holds element j in its low half and element j + 16 in its high half.  qh: bit j of the
 * little-endian word is bit 4 of element j. */
#include "import/gguf.h"

#include "tensor/dtype.h"

#include <string.h>

static const struct {
	const char *name;
	uint32_t type;
	uint8_t elems, bytes;
} types[] = {
	{ "F32", GT_F32, 1, 4 }, { "F16", GT_F16, 1, 2 }, { "BF16", GT_BF16, 1, 2 }, { "Q4_0", GT_Q4_0, 32, 18 },
	{ "Q4_1", GT_Q4_1, 32, 20 }, { "Q5_0", GT_Q5_0, 32, 22 }, { "Q5_1", GT_Q5_1, 32, 24 },
	{ "Q8_0", GT_Q8_0, 32, 34 },
	/* named in the refusal, not decoded */
	{ "Q8_1", 9, 0, 0 }, { "Q2_K", 10, 0, 0 }, { "Q3_K", 11, 0, 0 }, { "Q4_K", 12, 0, 0 }, { "Q5_K", 13, 0, 0 },
	{ "Q6_K", 14, 0, 0 }, { "Q8_K", 15, 0, 0 }, { "IQ4_NL", 20, 0, 0 }, { "IQ4_XS", 23, 0, 0 }, { "I8", 24, 0, 0 },
	{ "I32", 26, 0, 0 }, { "TQ1_0", 34, 0, 0 }, { "TQ2_0", 35, 0, 0 }, { "MXFP4", 39, 0, 0 }, { "NVFP4", 40, 0, 0 }
};

static int find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			return (int)i;
	return -1;
}

const char *ggml_type_name(uint32_t type)
{
	int i = find(type);

	return i < 0 ? NULL : types[i].name;
}

uint64_t ggml_bytes(uint32_t type, uint64_t n)
{
	int i = find(type);

	return i < 0 || !types[i].elems ? 0 : n / types[i].elems * types[i].bytes;
}

int ggml_block(uint32_t type)
{
	int i = find(type);

	return i < 0 ? 0 : types[i].elems;
}

static float half(const uint8_t *p)
{
	return f16_f32((uint16_t)(p[0] | p[1] << 8));
}

/* 32 elements of four or five bits: u * d + m, or (u - off) * d when m is NULL. */
static void nibbles(float *y, float d, const float *m, int off, uint32_t qh, const uint8_t *nib)
{
	for (int j = 0; j < 16; j++) {
		int lo = (nib[j] & 15) | (int)(qh >> j & 1) << 4, hi = nib[j] >> 4 | (int)(qh >> (j + 16) & 1) << 4;

		y[j] = m ? (float)lo * d + *m : (float)(lo - off) * d;
		y[j + 16] = m ? (float)hi * d + *m : (float)(hi - off) * d;
	}
}

static uint32_t word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void ggml_f32(float *dst, const void *src, uint32_t type, uint64_t n)
{
	const uint8_t *p = src;
	float m;

	switch (type) {
	case GT_F32:
		memcpy(dst, src, n * sizeof(*dst));
		return;
	case GT_F16:
	case GT_BF16:
		to_f32(dst, src, type == GT_F16 ? DT_F16 : DT_BF16, (size_t)n);
		return;
	case GT_Q4_0:
		for (; n; n -= 32, p += 18, dst += 32)
			nibbles(dst, half(p), NULL, 8, 0, p + 2);
		return;
	case GT_Q4_1:
		for (; n; n -= 32, p += 20, dst += 32) {
			m = half(p + 2);
			nibbles(dst, half(p), &m, 0, 0, p + 4);
		}
		return;
	case GT_Q5_0:
		for (; n; n -= 32, p += 22, dst += 32)
			nibbles(dst, half(p), NULL, 16, word(p + 2), p + 6);
		return;
	case GT_Q5_1:
		for (; n; n -= 32, p += 24, dst += 32) {
			m = half(p + 2);
			nibbles(dst, half(p), &m, 0, word(p + 4), p + 8);
		}
		return;
	case GT_Q8_0:
		for (; n; n -= 32, p += 34, dst += 32)
			for (int j = 0; j < 32; j++)
				dst[j] = (float)(int8_t)p[2 + j] * half(p);
		return;
	}
}
