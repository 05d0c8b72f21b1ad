/* A row of a tile of scores to probabilities in bf16: see softmax16 in kern.h. */
#include "kernels/cpu/level.h"
#include "kernels/cpu/vec.h"

/* e^x for x <= 0: 2^r, r = x / ln 2 less its floor, by a polynomial fitted for the least greatest relative error (1e-7).
 * Less than vexp takes care of: what is to become bf16 needs no second part of ln 2. */
static inline V exp_down(V x)
{
	V r, p;

	x = vmul(x, vset(1.44269504f));
	r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);    /* x - floor(x) */
	p = vset(1.867130050e-3f);
	p = vfma(p, r, vset(9.017030708e-3f));
	p = vfma(p, r, vset(5.579991266e-2f));
	p = vfma(p, r, vset(2.401644439e-1f));
	p = vfma(p, r, vset(6.931512952e-1f));
	p = vfma(p, r, vset(1));
	return _mm512_scalef_ps(p, x);          /* by 2^floor(x) */
}

static float softmax16(uint16_t *p, const float *s, int64_t n, int64_t lo, int64_t hi, float scale, float *max, float *sum)
{
	float old = *max, top, f;
	V best = vset(old), total = vset(0), two = total, m;
	int64_t i;

	for (i = lo; i + VL <= hi; i += VL)
		best = vmax(best, vmul(vload(s + i), vset(scale)));
	if (i < hi)
		best = vmax(best, vkeep(vmul(vload_n(s + i, hi - i), vset(scale)), hi - i, best));
	top = vhmax(best);
	m = vset(-top);
	for (i = lo; i + 2 * VL <= hi; i += 2 * VL) {
		V a = exp_down(vfma(vload(s + i), vset(scale), m));
		V b = exp_down(vfma(vload(s + i + VL), vset(scale), m));

		total = vadd(total, a);
		two = vadd(two, b);
		_mm512_storeu_si512(p + i, (__m512i)_mm512_cvtne2ps_pbh(b, a));
	}
	total = vadd(total, two);
	for (; i < hi; i += VL) {
		int64_t k = hi - i < VL ? hi - i : VL;
		V a = exp_down(vfma(vload_n(s + i, k), vset(scale), m));

		total = vadd(total, vkeep(a, k, vset(0)));
		_mm256_mask_storeu_epi16(p + i, lanes(k), (__m256i)_mm512_cvtneps_pbh(a));
	}
	memset(p, 0, (size_t)lo * sizeof(*p));
	memset(p + hi, 0, (size_t)(n - hi) * sizeof(*p));
	f = old == top ? 1 : old == -INFINITY ? 0 : expf(old - top);
	*sum = *sum * f + (float)vd_sum(vd_of(total));
	*max = top;
	return f;
}

void softmax_avx512_bf16(struct kern *k)
{
	k->softmax16 = softmax16;
}
