/* The columns of a panel of GPTQ, Frantar et al., arXiv 2210.17323, algorithm 1.  In f32: codes are discrete, and
 * every implementation must find the same ones. */
#include "kernels/kern.h"

#include <math.h>

void gptq_ref(int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu, const float *scale,
              const float *zero, int64_t ldg, const int32_t *grp, int maxq, uint8_t *code, int64_t ldc, float *e,
              int64_t lde, float *tmp)
{
	float top = (float)maxq;

	(void)tmp;
	for (int64_t r = 0; r < rows; r++) {
		for (int j = 0; j < nb; j++) {
			float *x = w + r * ldw + j, s = scale[r * ldg + grp[j]], z = zero[r * ldg + grp[j]];
			float c = rintf(*x / s) + z, d;

			c = c > 0 ? c : 0;
			c = c < top ? c : top;
			d = (c - z) * s;
			e[r * lde + j] = (*x - d) / u[j * ldu + j];
			code[r * ldc + j] = (uint8_t)c;
			*x = d;
			for (int k = j + 1; k < nb; k++)
				w[r * ldw + k] -= e[r * lde + j] * u[j * ldu + k];
		}
	}
}
