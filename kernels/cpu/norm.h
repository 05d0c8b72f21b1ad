/* Normalization of a row.  Statistics in f64: they cost little beside the loads. */
#include "kernels/cpu/vec.h"

static VD sum(const float *x, int64_t n)
{
	VD s = vd_zero();
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		s = vd_add(s, vd_of(vload(x + i)));
	return i < n ? vd_add(s, vd_of(vload_n(x + i, n - i))) : s;
}

static VD sum_squares(const float *x, int64_t n, double mean)
{
	VD s = vd_zero(), m = vd_set(mean), d;
	int64_t i = 0;

	for (; i + VL <= n; i += VL) {
		d = vd_sub(vd_of(vload(x + i)), m);
		s = vd_fma(d, d, s);
	}
	if (i < n) {
		d = vd_sub(vd_of(vkeep(vload_n(x + i, n - i), n - i, vset((float)mean))), m);
		s = vd_fma(d, d, s);
	}
	return s;
}

static void norm(float *y, const float *x, int64_t C, const float *w, const float *b, float eps, int center, int plus)
{
	double mean = center ? (double)(float)(vd_sum(sum(x, C)) / (double)C) : 0;
	double var = vd_sum(sum_squares(x, C, mean)) / (double)C;
	V m = vset((float)mean), r = vset((float)(1 / sqrt(var + (double)eps))), one = vset(plus ? 1 : 0);

	for (int64_t i = 0; i < C; i += VL) {
		int64_t n = C - i;
		int full = n >= VL;
		V v = vmul(vsub(full ? vload(x + i) : vload_n(x + i, n), m), r);

		if (w)
			v = vmul(v, vadd(full ? vload(w + i) : vload_n(w + i, n), one));
		if (b)
			v = vadd(v, full ? vload(b + i) : vload_n(b + i, n));
		if (full)
			vstore(y + i, v);
		else
			vstore_n(y + i, v, n);
	}
}

static inline void install(struct kern *k)
{
	k->norm = norm;
}
