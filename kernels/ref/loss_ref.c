/* Rows of logits: logarithm of the sum of exponentials, greatest, divergence. */
#include "kernels/kern.h"

#include <math.h>

double lse_ref(const float *x, int64_t n, int32_t *top)
{
	double sum = 0;
	int64_t best = 0;

	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	for (int64_t i = 0; i < n; i++)
		sum += exp((double)x[i] - x[best]);
	*top = (int32_t)best;
	return x[best] + log(sum);
}

double kl_ref(const float *p, const float *q, int64_t n, double lp, double lq)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += exp(p[i] - lp) * (((double)p[i] - q[i]) - (lp - lq));
	return sum;
}
