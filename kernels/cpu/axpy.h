/* y += a x, and y *= a. */
#include "kernels/cpu/vec.h"

/* Not fused: what is added to the residual stream is the same number everywhere. */
static void axpy(float *y, const float *x, float a, int64_t n)
{
	V f = vset(a);
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vstore(y + i, vadd(vload(y + i), vmul(f, vload(x + i))));
	if (i < n)
		vstore_n(y + i, vadd(vload_n(y + i, n - i), vmul(f, vload_n(x + i, n - i))), n - i);
}

static void scal(float *y, float a, int64_t n)
{
	V f = vset(a);
	int64_t i = 0;

	for (; i + VL <= n; i += VL)
		vstore(y + i, vmul(f, vload(y + i)));
	if (i < n)
		vstore_n(y + i, vmul(f, vload_n(y + i, n - i)), n - i);
}

static inline void install(struct kern *k)
{
	k->axpy = axpy;
	k->scal = scal;
}
