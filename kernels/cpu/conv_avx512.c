/* Conversions between F32 and the 16-bit floats, AVX-512.  Not VCVTNE2PS2BF16: that takes denormals for zero. */
#include "kernels/cpu/level.h"

#include <immintrin.h>

static __mmask16 lanes(int64_t n)
{
	return n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
}

static void bf16_f32(float *y, const uint16_t *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = lanes(n - i);
		__m512i u = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x + i));

		_mm512_mask_storeu_epi32(y + i, m, _mm512_slli_epi32(u, 16));
	}
}

/* Half an ulp, less one when the last kept bit is even, carries into it. */
static void f32_bf16(uint16_t *y, const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = lanes(n - i);
		__m512 f = _mm512_maskz_loadu_ps(m, x + i);
		__m512i u = _mm512_castps_si512(f), top = _mm512_srli_epi32(u, 16), r;

		r = _mm512_add_epi32(u, _mm512_and_si512(top, _mm512_set1_epi32(1)));
		r = _mm512_srli_epi32(_mm512_add_epi32(r, _mm512_set1_epi32(0x7fff)), 16);
		r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q), top, _mm512_set1_epi32(0x40));
		_mm512_mask_cvtepi32_storeu_epi16(y + i, m, r);
	}
}

static void f16_f32(float *y, const uint16_t *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = lanes(n - i);

		_mm512_mask_storeu_ps(y + i, m, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, x + i)));
	}
}

static void f32_f16(uint16_t *y, const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = lanes(n - i);

		_mm256_mask_storeu_epi16(y + i, m, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, x + i), 0));
	}
}

void conv_avx512(struct kern *k)
{
	k->bf16_f32 = bf16_f32;
	k->f32_bf16 = f32_bf16;
	k->f16_f32 = f16_f32;
	k->f32_f16 = f32_f16;
}
