/* F32 to BF16, AVX512_BF16.  The instruction takes denormals for zero: a vector that holds some goes the long way. */
#include "kernels/cpu/level.h"

#include <immintrin.h>

static void f32_bf16(uint16_t *y, const float *x, int64_t n)
{
	enum { DENORMAL = 0x20 };
	int64_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m512 a = _mm512_loadu_ps(x + i), b = _mm512_loadu_ps(x + i + 16);

		if (_mm512_fpclass_ps_mask(a, DENORMAL) | _mm512_fpclass_ps_mask(b, DENORMAL))
			f32_bf16_ref(y + i, x + i, 32);
		else
			_mm512_storeu_si512(y + i, (__m512i)_mm512_cvtne2ps_pbh(b, a));
	}
	for (; i < n; i += 16) {
		__mmask16 m = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
		__m512 a = _mm512_maskz_loadu_ps(m, x + i);

		if (_mm512_fpclass_ps_mask(a, DENORMAL))
			f32_bf16_ref(y + i, x + i, n - i < 16 ? n - i : 16);
		else
			_mm256_mask_storeu_epi16(y + i, m, (__m256i)_mm512_cvtneps_pbh(a));
	}
}

void conv_avx512_bf16(struct kern *k)
{
	k->f32_bf16 = f32_bf16;
}
