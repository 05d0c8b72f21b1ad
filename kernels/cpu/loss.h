/* Rows of logits.  Exponentials in f32, their sums in f64. */
#include "kernels/cpu/vec.h"

static double lse(const float *x, int64_t n, int32_t *top)
{
	VD s = vd_zero();
	V best = vset(x[0]), m;
	int64_t i = 0;
	float max;

	for (; i + VL <= n; i += VL)
		best = vmax(vload(x + i), best);
	if (i < n)
		best = vmax(vkeep(vload_n(x + i, n - i), n - i, best), best);
	m = vset(max = vhmax(best));
	for (i = 0; i + VL <= n && !vequal(vload(x + i), m); i += VL)
		continue;
	while (i < n - 1 && x[i] != max)
		i++;
	*top = (int32_t)i;
	for (i = 0; i + VL <= n; i += VL)
		s = vd_add(s, vd_of(vexp(vsub(vload(x + i), m))));
	if (i < n)
		s = vd_add(s, vd_of(vkeep(vexp(vsub(vload_n(x + i, n - i), m)), n - i, vset(0))));
	return max + log(vd_sum(s));
}

/* P = w / sum w rather than exp(p - lp): what rounding lp and w leave then cancels. */
static double kl(const float *p, const float *q, int64_t n, double lp, double lq)
{
	VD s = vd_zero(), z = vd_zero(), l = vd_set(lp - lq);
	V shift = vset((float)lp);

	for (int64_t i = 0; i < n; i += VL) {
		int64_t k = n - i;
		V a = k < VL ? vload_n(p + i, k) : vload(p + i), b = k < VL ? vload_n(q + i, k) : vload(q + i);
		V w = vexp(vsub(a, shift));
		VD d = vd_of(k < VL ? vkeep(w, k, vset(0)) : w);

		s = vd_fma(d, vd_sub(vd_sub(vd_of(a), vd_of(b)), l), s);
		z = vd_add(z, d);
	}
	return vd_sum(s) / vd_sum(z);
}

static inline void install(struct kern *k)
{
	k->lse = lse;
	k->kl = kl;
}
