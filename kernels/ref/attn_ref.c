/* Attention of one query, and the streaming softmax that tiles of it are made of. */
#include "kernels/kern.h"

#include <math.h>

static double bend(double s, double cap)
{
	return cap > 0 ? cap * tanh(s / cap) : s;
}

void attn_ref(float *o, const float *q, const float *k, int64_t ldk, const float *v, int64_t ldv, int64_t T, int D,
              int Dv, float scale, float cap, float slope, const float *bias, double *s)
{
	double max = -INFINITY, sum = 0;

	for (int64_t j = 0; j < T; j++) {
		s[j] = 0;
		for (int d = 0; d < D; d++)
			s[j] += (double)q[d] * k[j * ldk + d];
		s[j] += bias ? (double)bias[j] : 0;
		s[j] = bend(s[j] * scale, cap) + (double)slope * (double)j;
		max = fmax(max, s[j]);
	}
	for (int64_t j = 0; j < T; j++)
		sum += s[j] = exp(s[j] - max);
	for (int d = 0; d < Dv; d++) {
		double a = 0;

		for (int64_t j = 0; j < T; j++)
			a += s[j] * v[j * ldv + d];
		o[d] = (float)(a / sum);
	}
}

float softmax16_ref(uint16_t *p, const float *s, int64_t n, int64_t lo, int64_t hi, float scale, float *max, float *sum)
{
	double old = *max, top = old, total = 0, f;

	for (int64_t i = lo; i < hi; i++)
		top = fmax(top, (float)((double)s[i] * scale));
	for (int64_t i = 0; i < n; i++) {
		float x = i >= lo && i < hi ? (float)exp((double)s[i] * scale - top) : 0;

		f32_bf16_ref(p + i, &x, 1);
		total += x;
	}
	f = exp(old - top);
	*sum = (float)(*sum * f + total);
	*max = (float)top;
	return (float)f;
}

float softmax_ref(float *s, int64_t n, int64_t lo, int64_t hi, int64_t j0, float scale, float cap, float slope,
                  float *max, float *sum)
{
	double old = *max, top = old, total = 0, f;

	for (int64_t i = lo; i < hi; i++) {
		s[i] = (float)(bend((double)s[i] * scale, cap) + (double)slope * (double)(j0 + i));
		top = fmax(top, s[i]);
	}
	for (int64_t i = 0; i < n; i++) {
		double p = i >= lo && i < hi ? exp(s[i] - top) : 0;

		s[i] = (float)p;
		total += p;
	}
	f = exp(old - top);
	*sum = (float)(*sum * f + total);
	*max = (float)top;
	return (float)f;
}
