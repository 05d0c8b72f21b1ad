/* Rotary position embedding, Su et al., arXiv 2104.09864, of the heads of one row. */
#include "kernels/kern.h"

void rope_ref(float *x, int nh, int D, int rot, const float *cos, const float *sin, int interleaved)
{
	for (int h = 0; h < nh; h++) {
		for (int i = 0; i < rot / 2; i++) {
			float *a = x + (int64_t)h * D + (interleaved ? 2 * i : i);
			float *b = interleaved ? a + 1 : a + rot / 2;
			double u = *a, v = *b;

			*a = (float)(u * cos[i] - v * sin[i]);
			*b = (float)(v * cos[i] + u * sin[i]);
		}
	}
}
