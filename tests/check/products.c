/* Products by panels. */
#include "tests/check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t *halves(int64_t n, int off)
{
	uint16_t *p = guarded(n, sizeof(*p), off);

	for (int64_t i = 0; i < n; i++)
		p[i] = f32_bf16((float)normal());
	return p;
}

static void pack_case(const struct level *l, int k, int n)
{
	int64_t size = (int64_t)((k + 1) / 2) * 2 * K_PANEL;
	int ld = n + 3, ldt = k + 5;
	uint16_t *b = halves((int64_t)(k - 1) * ld + n, 1), *bt = halves((int64_t)(n - 1) * ldt + k, 3);
	uint16_t *p = guarded(size, 2, 5), *pt = guarded(size, 2, 0);
	bool same_bits = true;

	where("%d rows, %d columns", k, n);
	l->k.pack16(p, b, ld, k, n);
	l->k.pack16_t(pt, bt, ldt, k, n);
	for (int64_t q = 0; q < (k + 1) / 2; q++)
		for (int64_t j = 0; j < K_PANEL; j++)
			for (int64_t h = 0; h < 2; h++) {
				bool in = j < n && 2 * q + h < k;
				int64_t at = (q * K_PANEL + j) * 2 + h;

				same_bits = same_bits && p[at] == (in ? b[(2 * q + h) * ld + j] : 0) &&
				            pt[at] == (in ? bt[j * ldt + 2 * q + h] : 0);
			}
	expect(same_bits, "rows in pairs");
	clean(p, "p");
	clean(pt, "p of the transposed");
	release(b);
	release(bt);
	release(p);
	release(pt);
}

/* pairs: a stored by columns of pairs, as a panel is; else by rows */
static void mul_case(const struct level *l, int m, int n, int k, bool add, bool pairs)
{
	int64_t rs = pairs ? 2 : k + 3, cs = pairs ? 2 * m + 4 : 2, ldc = n + 3, half = (k + 1) / 2;
	int64_t na = (m - 1) * rs + (half - 1) * cs + (k % 2 ? 1 : 2);
	uint16_t *a = halves(na, 1), *b = halves((int64_t)k * n, 0), *p = guarded(half * 2 * K_PANEL, 2, 3);
	float *c = floats(m * ldc, 1), *old = floats(m * ldc, 0), *one = floats(n, 2);

	where("[%d,%d,%d]%s%s", m, n, k, add ? ", added" : "", pairs ? ", pairs" : "");
	fill(old, m * ldc, FILL_NORMAL);
	for (int i = 0; i < m; i++) {
		if (!add)
			sentinel(old + i * ldc, n);     /* NaN: not to be read */
		sentinel(old + i * ldc + n, ldc - n);
	}
	memcpy(c, old, (size_t)(m * ldc) * sizeof(*c));
	pack16_ref(p, b, n, k, n);
	l->k.mul16(m, n, k, a, rs, cs, p, add, c, ldc);
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < n; j++) {
			double t = add ? old[i * ldc + j] : 0, size = fabs(t);

			for (int q = 0; q < k; q++) {
				double s = (double)bf16_f32(a[i * rs + q / 2 * cs + q % 2]) * bf16_f32(b[q * n + j]);

				t += s;
				size += fabs(s);
			}
			near(c[i * ldc + j], t, size, TOL_BF16_SUM);
		}
		memcpy(one, old + i * ldc, (size_t)n * sizeof(*one));
		l->k.mul16(1, n, k, a + i * rs, rs, cs, p, add, one, n);
		expect(!memcmp(one, c + i * ldc, (size_t)n * sizeof(*one)), "a row alone has the same bits");
		expect(is_sentinel(c + i * ldc + n, ldc - n), "gaps between rows are left alone");
	}
	clean(c, "c");
	release(a);
	release(b);
	release(p);
	release(c);
	release(old);
	release(one);
}

static void mul32_case(const struct level *l, int m, int n, int k, bool add)
{
	int lda = k + 3, ldc = n + 3, ldb = k + 1;
	float *a = floats((m - 1) * lda + k, 1), *b = floats((n - 1) * ldb + k, 0), *p = floats(k * K_PANEL, 3);
	float *c = floats(m * ldc, 1), *old = floats(m * ldc, 0), *one = floats(n, 2);

	where("[%d,%d,%d]%s", m, n, k, add ? ", added" : "");
	fill(a, (m - 1) * lda + k, FILL_NORMAL);
	fill(b, (n - 1) * ldb + k, FILL_NORMAL);
	fill(old, m * ldc, FILL_NORMAL);
	for (int i = 0; i < m; i++) {
		if (!add)
			sentinel(old + i * ldc, n);
		sentinel(old + i * ldc + n, ldc - n);
	}
	memcpy(c, old, (size_t)(m * ldc) * sizeof(*c));
	l->k.pack32_t(p, b, ldb, k, n);
	for (int q = 0; q < k; q++)
		for (int j = 0; j < K_PANEL; j++)
			near(p[q * K_PANEL + j], j < n ? b[j * ldb + q] : 0, 1, TOL_EXACT);
	l->k.mul32(m, n, k, a, lda, p, add, c, ldc);
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < n; j++) {
			double t = add ? old[i * ldc + j] : 0, size = fabs(t);

			for (int q = 0; q < k; q++) {
				t += (double)a[i * lda + q] * b[j * ldb + q];
				size += fabs((double)a[i * lda + q] * b[j * ldb + q]);
			}
			near(c[i * ldc + j], t, size, TOL_F32_SUM);
		}
		memcpy(one, old + i * ldc, (size_t)n * sizeof(*one));
		l->k.mul32(1, n, k, a + i * lda, lda, p, add, one, n);
		expect(!memcmp(one, c + i * ldc, (size_t)n * sizeof(*one)), "a row alone has the same bits");
		expect(is_sentinel(c + i * ldc + n, ldc - n), "gaps between rows are left alone");
	}
	clean(c, "c");
	clean(p, "p");
	release(a);
	release(b);
	release(p);
	release(c);
	release(old);
	release(one);
}

void check_panels(const struct level *l)
{
	static const int width[] = { 1, 15, 16, 17, 33, 48, 63, 64 }, depth[] = { 1, 2, 3, 31, 32, 33, 64, 257 };

	test_begin("%s: pack16, pack16_t", l->name);
	seed(7);
	for (int w = 0; w < 8; w++)
		for (int d = 0; d < 8; d++)
			pack_case(l, depth[d], width[w]);
	test_end();
	test_begin("%s: mul16", l->name);
	for (int m = 1; m <= 13; m++)
		for (int w = 0; w < 8; w++)
			mul_case(l, m, width[w], depth[(m + w) % 8], (m + w) / 2 % 2, m / 3 % 2);
	test_end();
	test_begin("%s: pack32_t, mul32", l->name);
	for (int m = 1; m <= 13; m++)
		for (int w = 0; w < 8; w++)
			mul32_case(l, m, width[w], depth[(m + w) % 8], (m + w) / 2 % 2);
	test_end();
}
