/* Vectors of f32 for the kernels that are written once and compiled per instruction set: V holds VL of them.  A
 * file OP_ISA.c includes OP.h, whose body is in these terms, and exports one function that installs it.
 * Loads and stores need no alignment; the _n forms touch n < VL elements only, and load zeros for the rest. */
#ifndef VEC_H
#define VEC_H

#include "kernels/kern.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

#ifdef __AVX512F__

typedef __m512 V;
typedef struct { __m512d lo, hi; } VD;         /* as many f64 */
enum { VL = 16 };

static inline __mmask16 lanes(int64_t n)
{
	return (__mmask16)((1u << n) - 1);      /* n <= 16 */
}

static inline V vset(float x) { return _mm512_set1_ps(x); }
static inline V vload(const float *p) { return _mm512_loadu_ps(p); }
static inline V vload_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(lanes(n), p); }
static inline void vstore(float *p, V x) { _mm512_storeu_ps(p, x); }
static inline void vstore_n(float *p, V x, int64_t n) { _mm512_mask_storeu_ps(p, lanes(n), x); }
static inline V vadd(V a, V b) { return _mm512_add_ps(a, b); }
static inline V vsub(V a, V b) { return _mm512_sub_ps(a, b); }
static inline V vmul(V a, V b) { return _mm512_mul_ps(a, b); }
static inline V vdiv(V a, V b) { return _mm512_div_ps(a, b); }
static inline V vmax(V a, V b) { return _mm512_max_ps(a, b); }          /* a > b ? a : b */
static inline V vmin(V a, V b) { return _mm512_min_ps(a, b); }          /* a < b ? a : b */
static inline V vfma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
static inline V vfnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }      /* c - a b */
static inline V vrint(V x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline V vabs(V x) { return _mm512_abs_ps(x); }
/* x of the first lanes, rest's other lanes */
static inline V vkeep(V x, int64_t n, V rest) { return _mm512_mask_mov_ps(rest, lanes(n), x); }
static inline V vless(V a, V b, V yes, V no)
{
	return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
}
/* |x| with the sign of s */
static inline V vcopysign(V x, V s)
{
	return _mm512_or_ps(_mm512_abs_ps(x), _mm512_and_ps(s, vset(-0.0f)));
}
/* x 2^n, n whole, rounded once even where the result is denormal */
static inline V vscale(V x, V n) { return _mm512_scalef_ps(x, n); }
static inline float vhmax(V x) { return _mm512_reduce_max_ps(x); }
/* Bits of the lanes where a == b */
static inline unsigned vequal(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
/* Neighbours, each pair (a, b): even gives (a, a), odd (b, b), swap (b, a) */
static inline V veven(V x) { return _mm512_moveldup_ps(x); }
static inline V vodd(V x) { return _mm512_movehdup_ps(x); }
static inline V vswap(V x) { return _mm512_permute_ps(x, 0xb1); }
/* (p0, p0, p1, p1, ...), VL / 2 elements, or n / 2 of them */
static inline V vtwice(const float *p, int64_t n)
{
	__m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);

	return _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(lanes(n / 2), p));
}

/* p[n] = x, whole numbers 0..255 */
static inline void vstore_u8(uint8_t *p, V x, int64_t n)
{
	_mm512_mask_cvtepi32_storeu_epi8(p, lanes(n), _mm512_cvtps_epi32(x));
}
/* Rows to columns: pairs of elements, then of pairs, then of quarters of the register, twice */
static inline void vtranspose(V r[VL])
{
	V t[16];

	for (int i = 0; i < 16; i += 4) {
		V a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
		V c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);

		t[i] = _mm512_shuffle_ps(a, c, 0x44);
		t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
		t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
		t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
	}
	for (int i = 0; i < 4; i++) {
		V a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
		V c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
		V d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);

		r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
		r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
		r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
		r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
	}
}

static inline VD vd_zero(void) { return (VD){ _mm512_setzero_pd(), _mm512_setzero_pd() }; }
static inline VD vd_of(V x)
{
	return (VD){ _mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)) };
}
static inline VD vd_set(double x) { return (VD){ _mm512_set1_pd(x), _mm512_set1_pd(x) }; }
static inline VD vd_add(VD a, VD b) { return (VD){ _mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi) }; }
static inline VD vd_sub(VD a, VD b) { return (VD){ _mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi) }; }
static inline VD vd_fma(VD a, VD b, VD c)
{
	return (VD){ _mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi) };
}
static inline double vd_sum(VD a) { return _mm512_reduce_add_pd(_mm512_add_pd(a.lo, a.hi)); }

#else /* AVX2, FMA */

typedef __m256 V;
typedef struct { __m256d lo, hi; } VD;
enum { VL = 8 };

static inline __m256i lanes(int64_t n)
{
	static const int32_t on[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };

	return _mm256_loadu_si256((const __m256i *)(const void *)(on + 8 - n));
}

static inline V vset(float x) { return _mm256_set1_ps(x); }
static inline V vload(const float *p) { return _mm256_loadu_ps(p); }
static inline V vload_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, lanes(n)); }
static inline void vstore(float *p, V x) { _mm256_storeu_ps(p, x); }
static inline void vstore_n(float *p, V x, int64_t n) { _mm256_maskstore_ps(p, lanes(n), x); }
static inline V vadd(V a, V b) { return _mm256_add_ps(a, b); }
static inline V vsub(V a, V b) { return _mm256_sub_ps(a, b); }
static inline V vmul(V a, V b) { return _mm256_mul_ps(a, b); }
static inline V vdiv(V a, V b) { return _mm256_div_ps(a, b); }
static inline V vmax(V a, V b) { return _mm256_max_ps(a, b); }
static inline V vmin(V a, V b) { return _mm256_min_ps(a, b); }
static inline V vfma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
static inline V vfnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
static inline V vrint(V x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline V vabs(V x) { return _mm256_andnot_ps(vset(-0.0f), x); }
static inline V vkeep(V x, int64_t n, V rest)
{
	return _mm256_blendv_ps(rest, x, _mm256_castsi256_ps(lanes(n)));
}
static inline V vless(V a, V b, V yes, V no)
{
	return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline V vcopysign(V x, V s)
{
	return _mm256_or_ps(vabs(x), _mm256_and_ps(s, vset(-0.0f)));
}
/* In two steps, since 2^n alone need not be a normal number; n within [-254, 254] */
static inline V vscale(V x, V n)
{
	__m256i e = _mm256_cvtps_epi32(n), a = _mm256_srai_epi32(e, 1), b = _mm256_sub_epi32(e, a);
	__m256i bias = _mm256_set1_epi32(127);

	x = vmul(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(a, bias), 23)));
	return vmul(x, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(b, bias), 23)));
}
static inline float vhmax(V x)
{
	__m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

	m = _mm_max_ps(m, _mm_movehl_ps(m, m));
	return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
static inline unsigned vequal(V a, V b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
static inline V veven(V x) { return _mm256_moveldup_ps(x); }
static inline V vodd(V x) { return _mm256_movehdup_ps(x); }
static inline V vswap(V x) { return _mm256_permute_ps(x, 0xb1); }
static inline V vtwice(const float *p, int64_t n)
{
	return _mm256_permutevar8x32_ps(vload_n(p, n / 2), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

static inline void vstore_u8(uint8_t *p, V x, int64_t n)
{
	__m256i i = _mm256_cvtps_epi32(x);
	__m128i h = _mm_packus_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
	uint64_t b = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(h, h));

	memcpy(p, &b, (size_t)n);
}
static inline void vtranspose(V r[VL])
{
	V t[8];

	for (int i = 0; i < 8; i += 4) {
		V a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
		V c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);

		t[i] = _mm256_shuffle_ps(a, c, 0x44);
		t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
		t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
		t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
	}
	for (int i = 0; i < 4; i++) {
		r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
		r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
	}
}

static inline VD vd_zero(void) { return (VD){ _mm256_setzero_pd(), _mm256_setzero_pd() }; }
static inline VD vd_of(V x)
{
	return (VD){ _mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)) };
}
static inline VD vd_set(double x) { return (VD){ _mm256_set1_pd(x), _mm256_set1_pd(x) }; }
static inline VD vd_add(VD a, VD b) { return (VD){ _mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi) }; }
static inline VD vd_sub(VD a, VD b) { return (VD){ _mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi) }; }
static inline VD vd_fma(VD a, VD b, VD c)
{
	return (VD){ _mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi) };
}
static inline double vd_sum(VD a)
{
	__m256d s = _mm256_add_pd(a.lo, a.hi);
	__m128d t = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));

	return _mm_cvtsd_f64(_mm_add_sd(t, _mm_unpackhi_pd(t, t)));
}

#endif

/* e^x to about an ulp, gradual underflow and overflow to Inf included.  x = n ln 2 + r, |r| <= ln 2 / 2, and
 * e^r = 1 + r + r^2 P(r), P fitted for the least greatest relative error (5e-11).  A NaN stays one. */
static inline V vexp(V x)
{
	V n, r, p;

	x = vmax(vset(-150), vmin(vset(150), x));       /* the operand that may be a NaN comes second */
	n = vrint(vmul(x, vset(1.44269504f)));
	r = vfnma(n, vset(0.693359375f), x);            /* ln 2 in two parts, the first of 9 bits: exact products */
	r = vfnma(n, vset(-2.12194440e-4f), r);
	p = vset(1.979034622e-4f);
	p = vfma(p, r, vset(1.394466026e-3f));
	p = vfma(p, r, vset(8.333497070e-3f));
	p = vfma(p, r, vset(4.166629494e-2f));
	p = vfma(p, r, vset(1.666666587e-1f));
	p = vfma(p, r, vset(0.5f));
	return vscale(vadd(vfma(vmul(r, r), p, r), vset(1)), n);
}

/* tanh: a polynomial near 0, where 1 - e would cancel; else (1 - e) / (1 + e), e = exp(-2 |x|) */
static inline V vtanh(V x)
{
	V a = vabs(x), u = vmul(x, x), p, e;

	p = vset(-5.717036547e-3f);
	p = vfma(p, u, vset(2.065057899e-2f));
	p = vfma(p, u, vset(-5.374349526e-2f));
	p = vfma(p, u, vset(1.333149125e-1f));
	p = vfma(p, u, vset(-3.333328392e-1f));
	p = vfma(vmul(p, u), x, x);
	e = vexp(vmul(a, vset(-2)));
	e = vcopysign(vdiv(vsub(vset(1), e), vadd(vset(1), e)), x);
	return vless(a, vset(0.625f), p, e);
}

/* erfc(a) / 2 for a >= 0: exp(-a^2) t P(t), t = 1 / (1 + 0.35 a), P fitted to 8e-9 relative up to a = 10.5, where
 * f32 ends.  The low bits of a^2 matter: they are put back as a factor. */
static inline V vhalf_erfc(V a)
{
	V t = vdiv(vset(1), vfma(a, vset(0.35f), vset(1))), s, low, p;

	a = vmin(vset(11), a);
	s = vmul(a, a);
	low = vfma(a, a, vsub(vset(0), s));
	p = vset(3.908231075e-2f);
	p = vfma(p, t, vset(-1.627335983e-1f));
	p = vfma(p, t, vset(1.906899060e-1f));
	p = vfma(p, t, vset(-4.043768215e-2f));
	p = vfma(p, t, vset(9.801065324e-2f));
	p = vfma(p, t, vset(1.398952488e-1f));
	p = vfma(p, t, vset(1.534088526e-1f));
	p = vfma(p, t, vset(1.874021389e-1f));
	p = vfma(p, t, vset(1.972018600e-1f));
	p = vfma(p, t, vset(1.974803178e-1f));
	p = vmul(vmul(p, t), vmul(vset(0.5f), vsub(vset(1), low)));
	return vmul(p, vexp(vsub(vset(0), s)));
}

#endif
