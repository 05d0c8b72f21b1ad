/* Products by panels. */
#include "kernels/kern.h"

void pack16_ref(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n)
{
	for (int64_t q = 0; q < k; q += 2)
		for (int64_t j = 0; j < K_PANEL; j++) {
			*p++ = j < n ? b[q * ldb + j] : 0;
			*p++ = j < n && q + 1 < k ? b[(q + 1) * ldb + j] : 0;
		}
}

void pack16_t_ref(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n)
{
	for (int64_t q = 0; q < k; q += 2)
		for (int64_t j = 0; j < K_PANEL; j++) {
			*p++ = j < n ? b[j * ldb + q] : 0;
			*p++ = j < n && q + 1 < k ? b[j * ldb + q + 1] : 0;
		}
}

void mul16_ref(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t rs, int64_t cs, const uint16_t *p, int add, float *c,
             int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			double s = add ? (double)c[i * ldc + j] : 0;

			for (int64_t q = 0; q < k; q++) {
				float x, y;

				bf16_f32_ref(&x, a + i * rs + q / 2 * cs + q % 2, 1);
				bf16_f32_ref(&y, p + q / 2 * 2 * K_PANEL + j * 2 + q % 2, 1);
				s += (double)x * y;
			}
			c[i * ldc + j] = (float)s;
		}
}

void pack32_t_ref(float *p, const float *b, int64_t ldb, int64_t k, int64_t n)
{
	for (int64_t q = 0; q < k; q++)
		for (int64_t j = 0; j < K_PANEL; j++)
			*p++ = j < n ? b[j * ldb + q] : 0;
}

void mul32_ref(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *p, int add, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			double s = add ? (double)c[i * ldc + j] : 0;

			for (int64_t q = 0; q < k; q++)
				s += (double)a[i * lda + q] * p[q * K_PANEL + j];
			c[i * ldc + j] = (float)s;
		}
}
