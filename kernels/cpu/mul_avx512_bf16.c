/* Products of bf16 numbers, AVX512_BF16: see pack and mul in kern.h.  Six rows by four vectors of sums fill the
 * registers; a step of two elements of k takes four loads of the panel and a broadcast per row. */
#include "kernels/cpu/level.h"
#include "kernels/cpu/vec.h"

enum { ROWS = 6, VECS = K_PANEL / VL };

/* Two numbers in one lane */
static __mmask32 lanes16(int64_t n)
{
	return n >= 32 ? 0xffffffff : n > 0 ? ((__mmask32)1 << n) - 1 : 0;
}

static __mmask16 lanes32(int64_t n)
{
	return n >= VL ? 0xffff : n > 0 ? lanes(n) : 0;
}

/* Rows 2q and 2q + 1 of b shuffled together */
static void pack(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n)
{
	uint16_t low[32], high[32];
	__m512i first, second;

	for (int i = 0; i < 32; i++) {
		low[i] = (uint16_t)(i / 2 + i % 2 * 32);
		high[i] = (uint16_t)(low[i] + 16);
	}
	first = _mm512_loadu_si512(low);
	second = _mm512_loadu_si512(high);
	for (int64_t q = 0; q < k; q += 2)
		for (int j = 0; j < K_PANEL; j += 32, p += 64) {
			__mmask32 m = lanes16(n - j);
			__m512i x = _mm512_maskz_loadu_epi16(m, b + q * ldb + j), y = _mm512_setzero_si512();

			if (q + 1 < k)
				y = _mm512_maskz_loadu_epi16(m, b + (q + 1) * ldb + j);
			_mm512_storeu_si512(p, _mm512_permutex2var_epi16(x, first, y));
			_mm512_storeu_si512(p + 32, _mm512_permutex2var_epi16(x, second, y));
		}
}

/* Squares of pairs, 16 rows of b by 32 elements, to columns */
static void pack_t(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n)
{
	for (int64_t q = 0; q < k; q += 2 * VL)
		for (int j = 0; j < K_PANEL; j += VL) {
			int64_t pairs = (k - q + 1) / 2;
			V r[VL];

			for (int i = 0; i < VL; i++)
				r[i] = j + i < n ? _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(lanes16(k - q),
				                                       b + (j + i) * ldb + q)) : vset(0);
			vtranspose(r);
			for (int i = 0; i < VL && i < pairs; i++)
				_mm512_storeu_si512(p + (q / 2 + i) * 2 * K_PANEL + 2 * j, _mm512_castps_si512(r[i]));
		}
}

static inline __m512bh twice(const uint16_t *a, int bytes)
{
	uint32_t x = 0;

	memcpy(&x, a, (size_t)bytes);
	return (__m512bh)_mm512_set1_epi32((int)x);
}

/* M rows, N vectors; last: lanes of the last vector */
static inline __attribute__((always_inline)) void tile(const int M, const int N, int64_t k, const uint16_t *a, int64_t rs,
                                                       int64_t cs, const uint16_t *p, int add, float *c, int64_t ldc,
                                                       __mmask16 last)
{
	__m512 s[ROWS][VECS];

	for (int i = 0; i < M; i++)
		for (int v = 0; v < N; v++) {
			_mm_prefetch((const char *)(c + i * ldc + VL * v), _MM_HINT_T0);
			s[i][v] = _mm512_setzero_ps();
		}
	for (; k > 0; k -= 2, a += cs, p += 2 * K_PANEL) {
		__m512bh b[VECS];

		for (int v = 0; v < N; v++)
			b[v] = (__m512bh)_mm512_loadu_si512(p + 2 * VL * v);
		for (int i = 0; i < M; i++) {
			__m512bh x = k > 1 ? twice(a + i * rs, 4) : twice(a + i * rs, 2);

			for (int v = 0; v < N; v++)
				s[i][v] = _mm512_dpbf16_ps(s[i][v], x, b[v]);
		}
	}
	for (int i = 0; i < M; i++)
		for (int v = 0; v < N; v++) {
			__mmask16 m = v == N - 1 ? last : 0xffff;
			float *t = c + i * ldc + VL * v;

			if (add)
				s[i][v] = _mm512_add_ps(s[i][v], _mm512_maskz_loadu_ps(m, t));
			_mm512_mask_storeu_ps(t, m, s[i][v]);
		}
}

#define WIDTHS(M) \
	switch (N) { \
	case 1: tile(M, 1, k, a, rs, cs, p, add, c, ldc, last); break; \
	case 2: tile(M, 2, k, a, rs, cs, p, add, c, ldc, last); break; \
	case 3: tile(M, 3, k, a, rs, cs, p, add, c, ldc, last); break; \
	case 4: tile(M, 4, k, a, rs, cs, p, add, c, ldc, last); break; \
	} \
	break

static void mul(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t rs, int64_t cs, const uint16_t *p, int add,
                float *c, int64_t ldc)
{
	int N = (int)((n + VL - 1) / VL);
	__mmask16 last = lanes32(n - (N - 1) * VL);

	for (; m > 0; m -= ROWS, a += ROWS * rs, c += ROWS * ldc)
		switch (m) {
		default: WIDTHS(ROWS);
		case 5: WIDTHS(5);
		case 4: WIDTHS(4);
		case 3: WIDTHS(3);
		case 2: WIDTHS(2);
		case 1: WIDTHS(1);
		}
}

void mul_avx512_bf16(struct kern *k)
{
	k->pack16 = pack;
	k->pack16_t = pack_t;
	k->mul16 = mul;
}
