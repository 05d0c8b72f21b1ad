/* Activations, alone or gating. */
#include "kernels/cpu/vec.h"

static inline V sigmoid(V x)
{
	return vdiv(vset(1), vadd(vset(1), vexp(vsub(vset(0), x))));
}

static inline V act_none(V x)
{
	return x;
}

static inline V act_silu(V x)
{
	return vdiv(x, vadd(vset(1), vexp(vsub(vset(0), x))));
}

/* x Phi(x): x erfc(a) / 2 below zero, x - x erfc(a) / 2 above, a = |x| / sqrt 2 */
static inline V act_gelu(V x)
{
	V q = vmul(x, vhalf_erfc(vmul(vabs(x), vset(0.70710678f))));

	return vless(x, vset(0), q, vsub(x, q));
}

static inline V act_gelu_tanh(V x)
{
	V z = vmul(vmul(x, vset(1.59576912f)), vfma(vmul(x, x), vset(0.044715f), vset(1)));

	return vmul(x, sigmoid(z));
}

static inline V act_relu(V x)
{
	return vmax(x, vset(0));
}

static inline V act_quick_gelu(V x)
{
	return vmul(x, sigmoid(vmul(x, vset(1.702f))));
}

/* Inlined into each of the functions below, with act a constant. */
static inline __attribute__((always_inline)) void glu(float *y, const float *g, const float *u, int64_t n, V (*act)(V))
{
	int64_t i = 0;

	if (u) {
		for (; i + VL <= n; i += VL)
			vstore(y + i, vmul(act(vload(g + i)), vload(u + i)));
		if (i < n)
			vstore_n(y + i, vmul(act(vload_n(g + i, n - i)), vload_n(u + i, n - i)), n - i);
	} else {
		for (; i + VL <= n; i += VL)
			vstore(y + i, act(vload(g + i)));
		if (i < n)
			vstore_n(y + i, act(vload_n(g + i, n - i)), n - i);
	}
}

static void none(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_none); }
static void silu(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_silu); }
static void gelu(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_gelu); }
static void gelu_tanh(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_gelu_tanh); }
static void relu(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_relu); }
static void quick_gelu(float *y, const float *g, const float *u, int64_t n) { glu(y, g, u, n, act_quick_gelu); }

static inline void install(struct kern *k)
{
	k->glu[K_NONE] = none;
	k->glu[K_SILU] = silu;
	k->glu[K_GELU] = gelu;
	k->glu[K_GELU_TANH] = gelu_tanh;
	k->glu[K_RELU] = relu;
	k->glu[K_QUICK_GELU] = quick_gelu;
}
