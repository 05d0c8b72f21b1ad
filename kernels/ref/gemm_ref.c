/* A matrix product, one dot product after the other. */
#include "kernels/kern.h"

void gemm_ref(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b,
              int64_t ldb, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++) {
		for (int64_t j = 0; j < n; j++) {
			double s = 0;

			for (int64_t l = 0; l < k; l++)
				s += (double)(ta ? a[l * lda + i] : a[i * lda + l]) *
				     (tb ? b[j * ldb + l] : b[l * ldb + j]);
			s *= alpha;
			if (beta != 0)
				s += (double)beta * c[i * ldc + j];
			c[i * ldc + j] = (float)s;
		}
	}
}
