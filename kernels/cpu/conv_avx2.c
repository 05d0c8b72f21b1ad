/* Conversions between F32 and the 16-bit floats, AVX2 and F16C. */
#include "kernels/cpu/level.h"

#include <immintrin.h>

static void bf16_f32(float *y, const uint16_t *x, int64_t n)
{
	int64_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(x + i)));

		_mm256_storeu_si256((__m256i *)(void *)(y + i), _mm256_slli_epi32(u, 16));
	}
	bf16_f32_ref(y + i, x + i, n - i);
}

/* Half an ulp, less one when the last kept bit is even, carries into it. */
static __m256i narrow(const float *x)
{
	__m256 f = _mm256_loadu_ps(x);
	__m256i u = _mm256_castps_si256(f), top = _mm256_srli_epi32(u, 16), r;
	__m256 nan = _mm256_cmp_ps(f, f, _CMP_UNORD_Q);

	r = _mm256_add_epi32(u, _mm256_and_si256(top, _mm256_set1_epi32(1)));
	r = _mm256_srli_epi32(_mm256_add_epi32(r, _mm256_set1_epi32(0x7fff)), 16);
	top = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
	return _mm256_blendv_epi8(r, top, _mm256_castps_si256(nan));
}

static void f32_bf16(uint16_t *y, const float *x, int64_t n)
{
	int64_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i p = _mm256_packus_epi32(narrow(x + i), narrow(x + i + 8));      /* within halves */

		_mm256_storeu_si256((__m256i *)(void *)(y + i), _mm256_permute4x64_epi64(p, 0xd8));
	}
	f32_bf16_ref(y + i, x + i, n - i);
}

static void f16_f32(float *y, const uint16_t *x, int64_t n)
{
	int64_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
	f16_f32_ref(y + i, x + i, n - i);
}

static void f32_f16(uint16_t *y, const float *x, int64_t n)
{
	int64_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((__m128i *)(void *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
	f32_f16_ref(y + i, x + i, n - i);
}

void conv_avx2(struct kern *k)
{
	k->bf16_f32 = bf16_f32;
	k->f32_bf16 = f32_bf16;
	k->f16_f32 = f16_f32;
	k->f32_f16 = f32_f16;
}
