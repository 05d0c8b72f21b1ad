/* Root-mean-square and layer normalization of one row. */
#include "kernels/kern.h"

#include <math.h>

void norm_ref(float *y, const float *x, int64_t C, const float *w, const float *b, float eps, int center, int plus)
{
	double mean = 0, var = 0;

	for (int64_t i = 0; i < C; i++)
		mean += center ? (double)x[i] / (double)C : 0;
	for (int64_t i = 0; i < C; i++)
		var += (x[i] - mean) * (x[i] - mean) / (double)C;
	for (int64_t i = 0; i < C; i++) {
		double gain = (w ? w[i] : !plus) + (plus ? 1.0 : 0.0);

		y[i] = (float)((x[i] - mean) / sqrt(var + (double)eps) * gain + (b ? b[i] : 0));
	}
}
