/* Products of f32 numbers by panels: see pack32_t and mul32 in kern.h.  Six rows by as many vectors as fill the registers
 * with sums; a step of k takes a load per vector and a broadcast per row. */
#include "kernels/cpu/vec.h"

enum { ROWS = 6, VECS = VL == 16 ? 4 : 2, WIDE = VECS * VL };

static void pack_t(float *p, const float *b, int64_t ldb, int64_t k, int64_t n)
{
	for (int64_t q = 0; q < k; q += VL)
		for (int j = 0; j < K_PANEL; j += VL) {
			int64_t have = k - q < VL ? k - q : VL;
			V r[VL];

			for (int i = 0; i < VL; i++)
				r[i] = j + i < n ? vload_n(b + (j + i) * ldb + q, have) : vset(0);
			vtranspose(r);
			for (int i = 0; i < VL && i < have; i++)
				vstore(p + (q + i) * K_PANEL + j, r[i]);
		}
}

/* M rows, n columns of at most WIDE */
static inline __attribute__((always_inline)) void tile(const int M, int64_t n, int64_t k, const float *a, int64_t lda,
                                                       const float *p, int add, float *c, int64_t ldc)
{
	V s[ROWS][VECS];

	for (int i = 0; i < M; i++)
		for (int v = 0; v < VECS; v++) {
			_mm_prefetch((const char *)(c + i * ldc + VL * v), _MM_HINT_T0);
			s[i][v] = vset(0);
		}
	for (int64_t q = 0; q < k; q++, p += K_PANEL) {
		V b[VECS];

		for (int v = 0; v < VECS; v++)
			b[v] = vload(p + VL * v);
		for (int i = 0; i < M; i++) {
			V x = vset(a[i * lda + q]);

			for (int v = 0; v < VECS; v++)
				s[i][v] = vfma(x, b[v], s[i][v]);
		}
	}
	for (int i = 0; i < M; i++)
		for (int v = 0; v < VECS && VL * v < n; v++) {
			float *t = c + i * ldc + VL * v;

			if (n - VL * v >= VL)
				vstore(t, add ? vadd(vload(t), s[i][v]) : s[i][v]);
			else
				vstore_n(t, add ? vadd(vload_n(t, n - VL * v), s[i][v]) : s[i][v], n - VL * v);
		}
}

static void mul(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *p, int add, float *c, int64_t ldc)
{
	for (; m > 0; m -= ROWS, a += ROWS * lda, c += ROWS * ldc)
		for (int64_t j = 0; j < n; j += WIDE)
			switch (m) {
			default: tile(ROWS, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			case 5: tile(5, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			case 4: tile(4, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			case 3: tile(3, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			case 2: tile(2, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			case 1: tile(1, n - j, k, a, lda, p + j, add, c + j, ldc); break;
			}
}

static inline void install(struct kern *k)
{
	k->pack32_t = pack_t;
	k->mul32 = mul;
}
