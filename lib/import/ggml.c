/* The block types of GGUF that we decode; those of 256 elements are in ggmlk.c.  d and m are F16, little-endian; the
 * arithmetic is F32, the product first and then the sum, so that every reader gets the same bits.
 *
 *          elements  bytes  layout              value
 *   Q4_0      32      18    d nib[16]           (u - 8) * d
 *   Q4_1      32      20    d m nib[16]         u * d + m
 *   Q5_0      32      22    d qh[4] nib[16]     (u - 16) * d
 *   Q5_1      32      24    d m qh[4] nib[16]   u * d + m
 *   Q8_0      32      34    d i8[32]            q * d
 *   IQ4_NL    32      18    d nib[16]           K[u] * d
 *
 * nib: byte j holds element j in its low half and element j + 16 in its high half.  qh: bit j of the
 * little-endian word is bit 4 of element j. */
#include "import/ggml.h"

#include "tensor/dtype.h"

#include <string.h>

const int8_t ggml_iq4[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

float ggml_half(const uint8_t *p)
{
	return f16_f32((uint16_t)(p[0] | p[1] << 8));
}

static uint32_t word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
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

static void q4_0(float *y, const uint8_t *p)
{
	nibbles(y, ggml_half(p), NULL, 8, 0, p + 2);
}

static void q4_1(float *y, const uint8_t *p)
{
	float m = ggml_half(p + 2);

	nibbles(y, ggml_half(p), &m, 0, 0, p + 4);
}

static void q5_0(float *y, const uint8_t *p)
{
	nibbles(y, ggml_half(p), NULL, 16, word(p + 2), p + 6);
}

static void q5_1(float *y, const uint8_t *p)
{
	float m = ggml_half(p + 2);

	nibbles(y, ggml_half(p), &m, 0, word(p + 4), p + 8);
}

static void q8_0(float *y, const uint8_t *p)
{
	float d = ggml_half(p);

	for (int j = 0; j < 32; j++)
		y[j] = (float)(int8_t)p[2 + j] * d;
}

static void iq4_nl(float *y, const uint8_t *p)
{
	float d = ggml_half(p);

	for (int j = 0; j < 16; j++) {
		y[j] = (float)ggml_iq4[p[2 + j] & 15] * d;
		y[j + 16] = (float)ggml_iq4[p[2 + j] >> 4] * d;
	}
}

/* decode: one block; NULL for plain elements, and for types that are only named in the refusal (no elements) */
static const struct type {
	const char *name;
	uint32_t type;
	uint16_t elems, bytes;
	void (*decode)(float *y, const uint8_t *block);
} types[] = {
	{ "F32", GT_F32, 1, 4, NULL }, { "F16", GT_F16, 1, 2, NULL }, { "BF16", GT_BF16, 1, 2, NULL },
	{ "Q4_0", GT_Q4_0, 32, 18, q4_0 }, { "Q4_1", GT_Q4_1, 32, 20, q4_1 },
	{ "Q5_0", GT_Q5_0, 32, 22, q5_0 }, { "Q5_1", GT_Q5_1, 32, 24, q5_1 },
	{ "Q8_0", GT_Q8_0, 32, 34, q8_0 }, { "IQ4_NL", GT_IQ4_NL, 32, 18, iq4_nl },
	{ "Q2_K", GT_Q2_K, 256, 84, ggml_q2_k }, { "Q3_K", GT_Q3_K, 256, 110, ggml_q3_k },
	{ "Q4_K", GT_Q4_K, 256, 144, ggml_q4_k }, { "Q5_K", GT_Q5_K, 256, 176, ggml_q5_k },
	{ "Q6_K", GT_Q6_K, 256, 210, ggml_q6_k }, { "IQ4_XS", GT_IQ4_XS, 256, 136, ggml_iq4_xs },
	{ "Q8_1", 9, 0, 0, NULL }, { "Q8_K", 15, 0, 0, NULL }, { "I8", 24, 0, 0, NULL }, { "I32", 26, 0, 0, NULL },
	{ "TQ1_0", 34, 0, 0, NULL }, { "TQ2_0", 35, 0, 0, NULL }, { "MXFP4", 39, 0, 0, NULL },
	{ "NVFP4", 40, 0, 0, NULL }
};

static const struct type *find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			return &types[i];
	return NULL;
}

const char *ggml_type_name(uint32_t type)
{
	const struct type *t = find(type);

	return t ? t->name : NULL;
}

uint64_t ggml_bytes(uint32_t type, uint64_t n)
{
	const struct type *t = find(type);

	return t && t->elems ? n / t->elems * t->bytes : 0;
}

int ggml_block(uint32_t type)
{
	const struct type *t = find(type);

	return t ? t->elems : 0;
}

void ggml_f32(float *dst, const void *src, uint32_t type, uint64_t n)
{
	const struct type *t = find(type);
	const uint8_t *p = src;

	if (t && t->decode)
		for (; n; n -= t->elems, p += t->bytes, dst += t->elems)
			t->decode(dst, p);
	else if (type == GT_F32)
		memcpy(dst, src, n * sizeof(*dst));
	else
		to_f32(dst, src, type == GT_F16 ? DT_F16 : DT_BF16, (size_t)n);
}
