/* Activations, alone or gating: y = act(g) * u. */
#include "kernels/kern.h"

#include <math.h>

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double gate(const float *u, int64_t i)
{
	return u ? u[i] : 1;
}

void glu_none_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)(g[i] * gate(u, i));
}

void glu_silu_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)(g[i] * sigmoid(g[i]) * gate(u, i));
}

/* x Phi(x); erfc keeps the digits of the lower tail */
void glu_gelu_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)(g[i] * 0.5 * erfc(-g[i] * 0.70710678118654752440) * gate(u, i));
}

/* x (1 + tanh z) / 2 = x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3) */
void glu_gelu_tanh_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double x = g[i], z = 0.79788456080286535588 * (x + 0.044715 * x * x * x);

		y[i] = (float)(x * sigmoid(2 * z) * gate(u, i));
	}
}

void glu_relu_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)((g[i] > 0 ? g[i] : 0) * gate(u, i));
}

void glu_quick_gelu_ref(float *y, const float *g, const float *u, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = (float)(g[i] * sigmoid(1.702 * g[i]) * gate(u, i));
}
