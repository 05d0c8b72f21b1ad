/* Rotary position embedding of the heads of a row. */
#include "kernels/cpu/vec.h"

static void halves(float *x, int64_t half, const float *cos, const float *sin)
{
	for (int64_t i = 0; i < half; i += VL) {
		int64_t n = half - i;
		float *p = x + i, *q = x + i + half;

		if (n >= VL) {
			V a = vload(p), b = vload(q), c = vload(cos + i), s = vload(sin + i);

			vstore(p, vfnma(b, s, vmul(a, c)));
			vstore(q, vfma(a, s, vmul(b, c)));
		} else {
			V a = vload_n(p, n), b = vload_n(q, n), c = vload_n(cos + i, n), s = vload_n(sin + i, n);

			vstore_n(p, vfnma(b, s, vmul(a, c)), n);
			vstore_n(q, vfma(a, s, vmul(b, c)), n);
		}
	}
}

/* (a, b) -> (a c - b s, b c + a s): the swapped pair times (-s, s) */
static void pairs(float *x, int64_t rot, const float *cos, const float *sin)
{
	float one[VL];
	V sign;

	for (int i = 0; i < VL; i++)
		one[i] = i % 2 ? 1 : -1;
	sign = vload(one);
	for (int64_t i = 0; i < rot; i += VL) {
		int64_t n = rot - i < VL ? rot - i : VL;
		V a = n < VL ? vload_n(x + i, n) : vload(x + i), c = vtwice(cos + i / 2, n), s = vtwice(sin + i / 2, n);

		a = vfma(vswap(a), vmul(s, sign), vmul(a, c));
		if (n < VL)
			vstore_n(x + i, a, n);
		else
			vstore(x + i, a);
	}
}

static void rope(float *x, int nh, int D, int rot, const float *cos, const float *sin, int interleaved)
{
	for (int h = 0; h < nh; h++) {
		if (interleaved)
			pairs(x + (int64_t)h * D, rot, cos, sin);
		else
			halves(x + (int64_t)h * D, rot / 2, cos, sin);
	}
}

static inline void install(struct kern *k)
{
	k->rope = rope;
}
