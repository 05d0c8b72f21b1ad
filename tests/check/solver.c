/* What GPTQ needs of a device: Gram matrices, the factor, the panel.  And the opening of devices. */
#include "tests/check/check.h"

#include "base/err.h"
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void gram_case(const struct level *l, int m, int k, enum fill f, bool half)
{
	float *x = floats((int64_t)m * k, 1), *h = floats((int64_t)k * k, 2), *old = floats((int64_t)k * k, 0);
	float *rest = floats((int64_t)k * k, 0);
	struct tensor X = tensor_view(x, DT_F32, m, k), H = tensor_view(h, DT_F32, k, k);

	seed((uint64_t)(m * 1000 + k));
	fill(x, (int64_t)m * k, f);
	for (int i = 0; i < k; i++)
		for (int j = i; j < k; j++)
			old[i * k + j] = old[j * k + i] = f == FILL_NORMAL ? (float)normal() * 10 : 0;
	memcpy(h, old, (size_t)(k * k) * sizeof(*h));
	where("[%d,%d], %s", m, k, fill_name[f]);
	l->dev->mm = half ? DT_BF16 : DT_F32;
	for (int i = 0; i < k; i++)             /* is not read */
		sentinel(h + i * k, i);
	expect(l->dev->ops->gram(l->dev, &H, &X) == 0, "gram returns 0");
	expect(l->dev->ops->mirror(l->dev, &H) == 0, "mirror returns 0");
	l->dev->mm = DT_F32;
	for (int64_t i = 0; half && i < (int64_t)m * k; i++)
		x[i] = bf16_f32(f32_bf16(x[i]));
	for (int i = 0; first && i < k; i++) {
		for (int j = 0; j <= i; j++) {
			double s = old[i * k + j], size = fabs(s);

			for (int r = 0; r < m; r++) {
				s += (double)x[r * k + i] * x[r * k + j];
				size += fabs((double)x[r * k + i] * x[r * k + j]);
			}
			near(h[i * k + j], s, size, half ? TOL_BF16_SUM : TOL_F32_SUM);
			near(h[j * k + i], h[i * k + j], 1, TOL_EXACT);
		}
	}
	clean(h, "h");
	same(h, (int64_t)k * k * (int64_t)sizeof(*h));
	if (m > GRAM_ROWS) {
		struct tensor G = tensor_view(old, DT_F32, k, k);
		int64_t n = m / GRAM_ROWS * GRAM_ROWS;

		l->dev->mm = half ? DT_BF16 : DT_F32;
		memcpy(rest, old, (size_t)(k * k) * sizeof(*rest));
		X = tensor_view(x, DT_F32, n, k);
		expect(l->dev->ops->gram(l->dev, &G, &X) == 0, "gram of the first rows returns 0");
		X = tensor_view(x + n * k, DT_F32, m - n, k);
		expect(l->dev->ops->gram(l->dev, &G, &X) == 0, "gram of the others returns 0");
		expect(l->dev->ops->mirror(l->dev, &G) == 0, "mirror returns 0");
		if (strcmp(l->name, "ref"))
			expect(!memcmp(h, old, (size_t)(k * k) * sizeof(*h)), "in two calls the same bits");
		memcpy(old, rest, (size_t)(k * k) * sizeof(*rest));
		l->dev->mm = DT_F32;
	}
	if (half) {
		uint16_t *x16 = guarded((int64_t)m * k, 2, 3);
		struct tensor X16 = tensor_view(x16, DT_BF16, m, k), G = tensor_view(old, DT_F32, k, k);

		for (int64_t i = 0; i < (int64_t)m * k; i++)
			x16[i] = f32_bf16(x[i]);
		expect(l->dev->ops->gram(l->dev, &G, &X16) == 0, "gram of BF16 returns 0");
		expect(l->dev->ops->mirror(l->dev, &G) == 0, "mirror returns 0");
		expect(!memcmp(h, old, (size_t)(k * k) * sizeof(*h)), "x rounded beforehand gives the same bits");
		clean(x16, "x");
		release(x16);
	}
	release(x);
	release(h);
	release(old);
	release(rest);
}

static void check_gram(const struct level *l)
{
	static const struct { int m, k; } shape[] = {
		{ 1, 1 }, { 3, 17 }, { 65, 63 }, { 100, 64 }, { 17, 172 }, { 200, 270 }, { 33, 577 }, { 8200, 5 },
		{ 20, 1040 }, { 1100, 150 },
	};

	for (int half = 0; half < 2; half++) {
		test_begin("%s, %d threads: gram, %s", l->name, pool_threads(), half ? "bf16" : "f32");
		for (size_t s = 0; s < sizeof(shape) / sizeof(*shape); s++)
			for (int f = 0; f < FILL_WIDE; f++)
				if (!(half && f == FILL_TINY))
					gram_case(l, shape[s].m, shape[s].k, (enum fill)f, half);
		test_end();
	}
}

/* h^-1 by Gauss-Jordan, then its Cholesky factor row by row: not the way that chol_inv goes. */
static void naive_factor(const float *h, int n, double *u)
{
	double *a = malloc(sizeof(double) * (size_t)(n * 2 * n));

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			a[i * 2 * n + j] = h[i * n + j];
			a[i * 2 * n + n + j] = i == j;
		}
	for (int p = 0; p < n; p++) {
		double d = 1 / a[p * 2 * n + p];

		for (int j = 0; j < 2 * n; j++)
			a[p * 2 * n + j] *= d;
		for (int i = 0; i < n; i++) {
			double f = a[i * 2 * n + p];

			for (int j = p; i != p && j < 2 * n; j++)
				a[i * 2 * n + j] -= f * a[p * 2 * n + j];
		}
	}
	memset(u, 0, sizeof(double) * (size_t)(n * n));
	for (int i = 0; i < n; i++) {
		for (int j = i; j < n; j++) {
			double s = a[i * 2 * n + n + j];

			for (int k = 0; k < i; k++)
				s -= u[k * n + i] * u[k * n + j];
			u[i * n + j] = i == j ? sqrt(s) : s / u[i * n + i];
		}
	}
	free(a);
}

/* x' x / m + damp, m = 2 n rows of x that share a direction, as activations do */
static void hessian(float *h, int n, double damp)
{
	double *x = malloc(sizeof(double) * (size_t)(n * n)), *g = calloc((size_t)(n * n), sizeof(double));

	for (int half = 0; half < 2; half++) {
		for (int r = 0; r < n; r++) {
			double common = normal();

			for (int j = 0; j < n; j++)
				x[r * n + j] = (normal() + common) * (1 + j % 7);
			for (int i = 0; i < n; i++)
				for (int j = i; j < n; j++)
					g[i * n + j] += x[r * n + i] * x[r * n + j];
		}
	}
	for (int i = 0; i < n; i++)
		for (int j = i; j < n; j++)
			h[i * n + j] = h[j * n + i] = (float)(g[i * n + j] / (2 * n) + (i == j ? damp : 0));
	free(x);
	free(g);
}

/* The same problem serves all levels. */
static float *problem(int n)
{
	static struct { int n; float *h; } kept[16];
	int i;

	for (i = 0; kept[i].h && kept[i].n != n; i++)
		continue;
	if (!kept[i].h) {
		kept[i].n = n;
		kept[i].h = floats((int64_t)n * n, 1);
		hessian(kept[i].h, n, 0.1);
	}
	return kept[i].h;
}

/* y = u' u x */
static void apply(const float *u, int n, const double *x, double *y)
{
	memset(y, 0, sizeof(double) * (size_t)n);
	for (int k = 0; k < n; k++) {
		double s = 0;

		for (int j = k; j < n; j++)
			s += u[k * n + j] * x[j];
		for (int i = k; i < n; i++)
			y[i] += u[k * n + i] * s;
	}
}

/* |u'u h - 1| / (|u'u| |h|), Frobenius norms as random vectors see them: E |A x|^2 = |A|^2 for x of unit variance. */
static double residual(const float *u, const float *h, int n)
{
	double *x = malloc(sizeof(double) * (size_t)n * 3), *y = x + n, *z = y + n, r = 0, gg = 0, hh = 0;

	for (int p = 0; p < 8; p++) {
		for (int i = 0; i < n; i++)
			x[i] = normal();
		for (int i = 0; i < n; i++) {
			y[i] = 0;
			for (int j = 0; j < n; j++)
				y[i] += h[i * n + j] * x[j];
			hh += y[i] * y[i] / 8;
		}
		apply(u, n, y, z);
		for (int i = 0; i < n; i++)
			r += (z[i] - x[i]) * (z[i] - x[i]) / 8;
		apply(u, n, x, z);
		for (int i = 0; i < n; i++)
			gg += z[i] * z[i] / 8;
	}
	free(x);
	return sqrt(r) / sqrt(gg * hh);
}

static void factor_case(const struct level *l, int n)
{
	float *h, *u = floats((int64_t)n * n, 3), *here = floats((int64_t)n * n, 1);
	struct tensor H, U = tensor_view(u, DT_F32, n, n), P = tensor_view(here, DT_F32, n, n);
	double *want = malloc(sizeof(double) * (size_t)(n * n)), low = 0;

	seed((uint64_t)n);
	h = problem(n);
	H = tensor_view(h, DT_F32, n, n);
	where("n %d", n);
	expect(l->dev->ops->chol_inv(l->dev, &U, &H) == 0, "chol_inv returns 0");
	if (first)
		near(residual(u, h, n), 0, 1, TOL_FACTOR);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			low = fmax(low, fabs((double)u[i * n + j]));
	near(low, 0, 1, TOL_EXACT);
	if (first && n <= 172) {
		naive_factor(h, n, want);
		for (int i = 0; i < n; i++)
			for (int j = i; j < n; j++)
				near(u[i * n + j], want[i * n + j], want[j * n + j] + fabs(want[i * n + j]),
				     TOL_FACTOR);
	}
	clean(u, "u");
	same(u, (int64_t)n * n * (int64_t)sizeof(*u));
	memcpy(here, h, tensor_bytes(&H));
	expect(l->dev->ops->chol_inv(l->dev, &P, &P) == 0, "chol_inv in place returns 0");
	expect(!memcmp(here, u, tensor_bytes(&U)), "the same in place");
	clean(here, "h in place");
	free(want);
	release(u);
	release(here);
}

/* [LAST, BESIDE; BESIDE, 1] has the pivots 1 and LAST - BESIDE^2, which f32 cannot tell from 0, and f64 can. */
static const float LAST = 0x3p-149f, BESIDE = 0x1.23d70ap-74f;

/* f32 comes to the last block of several, where it fails: f64 must find h as it was. */
static void retry_case(const struct level *l)
{
	enum { N = 577 };
	float *h = floats(N * N, 0), *u = floats(N * N, 1);
	struct tensor H = tensor_view(h, DT_F32, N, N), U = tensor_view(u, DT_F32, N, N);

	test_begin("%s, %d threads: chol_inv, f32 in vain", l->name, pool_threads());
	where("n %d", N);
	memcpy(h, problem(N), sizeof(float) * N * N);
	for (int j = 0; j < N; j++)
		h[j] = h[j * N] = h[N + j] = h[j * N + 1] = 0;
	h[0] = LAST;                            /* the last that the factor comes to */
	h[N + 1] = 1;
	h[1] = h[N] = BESIDE;
	host(l->dev)->wide_n = N;
	expect(l->dev->ops->chol_inv(l->dev, &U, &H) == 0, "f64 returns 0");
	host(l->dev)->wide_n = 0;
	expect(l->dev->ops->chol_inv(l->dev, &H, &H) == 0, "f64 after all");
	expect(!memcmp(h, u, tensor_bytes(&U)), "the same");
	clean(h, "h");
	release(h);
	release(u);
	test_end();
}

static void check_factor(const struct level *l)
{
	static const int size[] = { 1, 2, 3, 17, 63, 65, 172, 256, 257, 577 };
	struct host *dev = host(l->dev);
	int64_t wide = dev->wide_n;
	float h[9], u[9];
	struct tensor H = tensor_view(h, DT_F32, 3, 3), U = tensor_view(u, DT_F32, 3, 3);

	for (int f32 = 0; f32 < 2; f32++) {
		test_begin("%s, %d threads: chol_inv, %s first", l->name, pool_threads(), f32 ? "f32" : "f64");
		dev->wide_n = f32 ? 0 : wide;
		for (size_t s = 0; s < sizeof(size) / sizeof(*size); s++)
			if (size[s] < 500 || strcmp(l->name, "ref"))
				factor_case(l, size[s]);
		for (int c = 0; c < 6; c++) {
			static const float at[6] = { 0, -1, NAN, INFINITY, 1, 1e-3f };

			where("diagonal of 1, 1, %g, off it %g", (double)at[c], c == 4 ? 2.0 : 0);
			memset(h, 0, sizeof(h));
			h[0] = h[4] = 1;
			h[8] = at[c];
			h[2] = h[6] = c == 4 ? 2 : 0;
			expect(l->dev->ops->chol_inv(l->dev, &U, &H) == (c == 5 ? 0 : 1),
			       "1 when it is not positive definite, else 0");
		}
		where("nearly singular");
		memset(h, 0, sizeof(h));
		h[0] = LAST;
		h[4] = h[8] = 1;
		h[1] = h[3] = BESIDE;
		expect(l->dev->ops->chol_inv(l->dev, &U, &H) == 0, "f64 after all");
		near(u[0], 1 / sqrt(LAST - pow(BESIDE, 2)), 1 / sqrt(LAST - pow(BESIDE, 2)), TOL_F32);
		test_end();
	}
	if (strcmp(l->name, "ref"))
		retry_case(l);
	dev->wide_n = wide;
}

/* The textbook, one row and one column after the other, in the arithmetic that op.h prescribes. */
static void naive_panel(int nb, float *w, const float *u, int ldu, const float *scale, const float *zero,
                        const int32_t *grp, int maxq, uint8_t *code, float *e)
{
	for (int j = 0; j < nb; j++) {
		float s = scale[grp[j]], z = zero[grp[j]];
		volatile float ratio = w[j] / s, c = rintf(ratio) + z, d;

		if (!(c > 0))
			c = 0;
		if (c > (float)maxq)
			c = (float)maxq;
		d = (c - z) * s;
		code[j] = (uint8_t)c;
		e[j] = (w[j] - d) / u[j * ldu + j];
		w[j] = d;
		for (int k = j + 1; k < nb; k++) {
			volatile float p = e[j] * u[j * ldu + k];

			w[k] = w[k] - p;
		}
	}
}

static void panel_case(const struct level *l, int rows, int nb, int group, int maxq, enum fill f, bool shuffle)
{
	int G = nb / group + 1, ldw = nb + 5, ldu = nb + 3, ldc = nb + 1, ldg = G + 2;
	float *w = floats((int64_t)rows * ldw, 1), *u = floats((int64_t)nb * ldu, 2);
	float *e = floats((int64_t)rows * nb, 3);
	float *scale = floats((int64_t)rows * ldg, 1), *zero = floats((int64_t)rows * ldg, 0);
	float *row = floats(nb, 0), *ee = floats(nb, 0);
	uint8_t *code = guarded((int64_t)rows * ldc, 1, 3), cc[256];
	float *old = floats((int64_t)rows * ldw, 0);
	int32_t grp[256];

	seed((uint64_t)(rows * 1000 + nb));
	fill(w, (int64_t)rows * ldw, f);
	fill(u, (int64_t)nb * ldu, FILL_NORMAL);
	for (int j = 0; j < nb; j++) {
		u[j * ldu + j] = 1.5f + fabsf(u[j * ldu + j]);
		grp[j] = (int32_t)(shuffle ? rnd() % (uint64_t)G : (uint64_t)(j / group));
	}
	for (int i = 0; i < rows * ldg; i++) {
		scale[i] = (float)(0.2 + fabs(uniform())) * (f == FILL_LARGE ? 1e3f : 0.3f);
		if (f == FILL_TINY && i % 5 == 0)
			scale[i] = 1e-42f;
		zero[i] = (float)(rnd() % (uint64_t)(maxq + 1));
	}
	for (int r = 0; r < rows; r++)
		sentinel(w + r * ldw + nb, ldw - nb);
	memcpy(old, w, sizeof(float) * (size_t)(rows * ldw));
	memset(code, 0xee, (size_t)(rows * ldc));
	where("[%d,%d], groups of %d%s, codes to %d, %s", rows, nb, group, shuffle ? " shuffled" : "", maxq,
	      fill_name[f]);
	expect(l->dev->ops->gptq_panel(l->dev, rows, nb, w, ldw, u, ldu, scale, zero, ldg, grp, maxq, code, ldc,
	                               e) == 0, "gptq_panel returns 0");
	for (int r = 0; r < rows; r++) {
		memcpy(row, old + r * ldw, sizeof(float) * (size_t)nb);
		naive_panel(nb, row, u, ldu, scale + r * ldg, zero + r * ldg, grp, maxq, cc, ee);
		expect(!memcmp(cc, code + r * ldc, (size_t)nb), "the codes of the textbook");
		expect(code[r * ldc + nb] == 0xee, "gaps between rows of codes are left alone");
		for (int j = 0; j < nb; j++) {
			near(w[r * ldw + j], row[j], 1, TOL_EXACT);
			near(e[r * nb + j], ee[j], 1, TOL_EXACT);
		}
		expect(is_sentinel(w + r * ldw + nb, ldw - nb), "gaps between rows are left alone");
	}
	clean(w, "w");
	clean(e, "e");
	clean(code, "code");
	same(w, (int64_t)rows * ldw * 4);
	same(code, (int64_t)rows * ldc);
	same(e, (int64_t)rows * nb * 4);
	release(w);
	release(u);
	release(e);
	release(scale);
	release(zero);
	release(row);
	release(ee);
	release(code);
	release(old);
}

static void check_panel(const struct level *l)
{
	static const int rows[] = { 1, 3, 16, 17, 63, 65, 130 }, nb[] = { 1, 3, 7, 8, 17, 63, 128 };

	test_begin("%s, %d threads: gptq_panel", l->name, pool_threads());
	for (int r = 0; r < 7; r++)
		for (int b = 0; b < 7; b++)
			panel_case(l, rows[r], nb[b], b % 2 ? 16 : 32, r % 3 == 0 ? 15 : r % 3 == 1 ? 3 : 255,
			           (enum fill)((r + b) % FILL_LAST), r % 2);
	test_end();
}

void check_solver(const struct level *l)
{
	check_gram(l);
	check_factor(l);
	check_panel(l);
}

void check_devices(void)
{
	struct dev *d;

	test_begin("devices");
	where("unknown");
	expect(!dev_open("tpu", 0, 1) && err_status() == ST_UNSUP, "refused with status 4");
	where("auto");
	unsetenv("LLMC_CPU_MASK");
	d = dev_open("cpu", 0, 1);
	dev_auto(d, DT_F32);
	expect(d->mm == DT_F32, "an F32 checkpoint is multiplied in f32");
	dev_auto(d, DT_BF16);
	expect(d->mm == (host(d)->fast_bf16 ? DT_BF16 : DT_F32), "a BF16 one in bf16 where that is fast");
	expect(strstr(dev_describe(d), dtype_name(d->mm)) != NULL, "the description says so");
	expect(strstr(dev_describe(d), "OpenBLAS ") != NULL, "and names the kernel of OpenBLAS");
	dev_close(d);
	where("asked for");
	d = dev_open("cpu", 1, 1);
	dev_auto(d, DT_BF16);
	expect(d->mm == DT_F32, "f32 stays f32");
	dev_close(d);
	d = dev_open("ref", 2, 1);
	dev_auto(d, DT_F32);
	expect(d->mm == DT_BF16, "bf16 stays bf16");
	dev_close(d);
	where("masked");
	setenv("LLMC_CPU_MASK", "avx2", 1);
	d = dev_open("cpu", 0, 1);
	dev_auto(d, DT_BF16);
	expect(host(d)->feat == 0 && d->mm == DT_F32, "without avx2 nothing that needs it is used");
	dev_close(d);
	unsetenv("LLMC_CPU_MASK");
	test_end();
}
