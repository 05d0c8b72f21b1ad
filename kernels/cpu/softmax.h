/* A row of a tile of scores: see softmax in kern.h. */
#include "kernels/cpu/vec.h"

/* cap(scale s) + slope at, at: position of each lane */
static inline V bend(V s, float scale, float cap, float slope, V at)
{
	s = vmul(s, vset(scale));
	if (cap > 0)
		s = vmul(vset(cap), vtanh(vmul(s, vset(1 / cap))));
	return slope != 0 ? vfma(vset(slope), at, s) : s;
}

static float softmax(float *s, int64_t n, int64_t lo, int64_t hi, int64_t j0, float scale, float cap, float slope,
                     float *max, float *sum)
{
	float step[VL], old = *max, top, f;
	V best = vset(old), at, total = vset(0), m;
	int64_t i;

	for (int l = 0; l < VL; l++)
		step[l] = (float)l;
	at = vadd(vset((float)(j0 + lo)), vload(step));
	for (i = lo; i + VL <= hi; i += VL, at = vadd(at, vset(VL))) {
		V t = bend(vload(s + i), scale, cap, slope, at);

		best = vmax(best, t);
		vstore(s + i, t);
	}
	if (i < hi) {
		V t = bend(vload_n(s + i, hi - i), scale, cap, slope, at);

		best = vmax(best, vkeep(t, hi - i, best));
		vstore_n(s + i, t, hi - i);
	}
	top = vhmax(best);
	m = vset(top);
	for (i = lo; i + VL <= hi; i += VL) {
		V p = vexp(vsub(vload(s + i), m));

		total = vadd(total, p);
		vstore(s + i, p);
	}
	if (i < hi) {
		V p = vexp(vsub(vload_n(s + i, hi - i), m));

		total = vadd(total, vkeep(p, hi - i, vset(0)));
		vstore_n(s + i, p, hi - i);
	}
	memset(s, 0, (size_t)lo * sizeof(*s));
	memset(s + hi, 0, (size_t)(n - hi) * sizeof(*s));
	f = old == top ? 1 : expf(old - top);
	*sum = *sum * f + (float)vd_sum(vd_of(total));
	*max = top;
	return f;
}

static inline void install(struct kern *k)
{
	k->softmax = softmax;
}
