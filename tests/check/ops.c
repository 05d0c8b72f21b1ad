/* The operators of a device, against formulas; and that the number of threads changes no byte. */
#include "tests/check/check.h"

#include "base/err.h"
#include "base/pool.h"
#include "op/mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float through_bf16(float x)
{
	return bf16_f32(f32_bf16(x));
}

/* Rows of x, columns of it, rows of w. */
static const struct { int m, k, n; } shape[] = {
	{ 1, 1, 1 }, { 1, 64, 300 }, { 3, 17, 63 }, { 17, 65, 3 }, { 70, 63, 19 }, { 63, 172, 65 }, { 300, 33, 577 }, { 520, 172, 270 },
};
enum { NSHAPE = sizeof(shape) / sizeof(*shape) };

static void linear_case(const struct level *l, int s, enum fill f, bool half)
{
	int m = shape[s].m, k = shape[s].k, n = shape[s].n;
	float *x = floats((int64_t)m * k, s % 4), *w = floats((int64_t)n * k, s % 3), *b = floats(n, 1);
	float *y = floats((int64_t)m * n, (s + 1) % 4);
	uint16_t *w16 = guarded((int64_t)n * k, 2, s % 5);
	struct tensor X = tensor_view(x, DT_F32, m, k),
		      W = tensor_view(half ? (void *)w16 : w, half ? DT_BF16 : DT_F32, n, k),
		      B = tensor_view(b, DT_F32, 1, n), Y = tensor_view(y, DT_F32, m, n);
	bool bias = s % 2;

	seed((uint64_t)(s * 10 + (int)f));
	fill(x, (int64_t)m * k, f);
	fill(w, (int64_t)n * k, FILL_NORMAL);
	fill(b, n, f == FILL_LARGE ? FILL_LARGE : FILL_NORMAL);
	for (int64_t i = 0; half && i < (int64_t)n * k; i++)
		w[i] = bf16_f32(w16[i] = f32_bf16(w[i]));
	where("[%d,%d] x [%d,%d], %s%s", m, k, n, k, fill_name[f], bias ? ", bias" : "");
	expect(l->dev->ops->linear(l->dev, &Y, &X, &W, bias ? &B : NULL) == 0, "linear returns 0");
	for (int i = 0; first && i < m; i++) {
		for (int j = 0; j < n; j++) {
			double a = bias ? b[j] : 0, size = fabs(a);

			for (int c = 0; c < k; c++) {
				double t = (double)(half ? through_bf16(x[i * k + c]) : x[i * k + c]) * w[j * k + c];

				a += t;
				size += fabs(t);
			}
			near(y[i * n + j], a, size, half ? TOL_BF16_SUM : TOL_F32_SUM);
		}
	}
	clean(y, "y");
	same(y, (int64_t)m * n * (int64_t)sizeof(*y));
	if (half) {
		uint16_t *x16 = guarded((int64_t)m * k, 2, s % 3);
		float *z = floats((int64_t)m * n, 1);
		struct tensor X16 = tensor_view(x16, DT_BF16, m, k), Z = tensor_view(z, DT_F32, m, n);

		for (int64_t i = 0; i < (int64_t)m * k; i++)
			x16[i] = f32_bf16(x[i]);
		expect(l->dev->ops->linear(l->dev, &Z, &X16, &W, bias ? &B : NULL) == 0, "linear of BF16 returns 0");
		expect(!memcmp(y, z, (size_t)m * (size_t)n * sizeof(*y)), "x rounded beforehand gives the same bits");
		clean(z, "y of BF16");
		release(x16);
		release(z);
	}
	release(x);
	release(w);
	release(w16);
	release(b);
	release(y);
}

static void check_linear(const struct level *l)
{
	for (int half = 0; half < 2; half++) {
		test_begin("%s, %d threads: linear, %s", l->name, pool_threads(), half ? "bf16" : "f32");
		for (int s = 0; s < NSHAPE; s++)
			for (int f = 0; f < FILL_WIDE; f++)
				/* oneDNN takes bf16 denormals for zero, as the hardware does */
				if (!(half && f == FILL_TINY))
					linear_case(l, s, (enum fill)f, half);
		test_end();
	}
}

static void gemm_case(const struct level *l, int s, int ta, int tb, float alpha, float beta)
{
	int m = shape[s].m, k = shape[s].k, n = shape[s].n, pad = s % 3;
	int lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + 2 * pad, ldc = n + pad;
	float *a = floats((int64_t)(ta ? k : m) * lda, 1), *b = floats((int64_t)(tb ? n : k) * ldb, 2);
	float *c = floats((int64_t)m * ldc, 3), *old = floats((int64_t)m * ldc, 0);

	seed((uint64_t)(s * 10 + ta * 2 + tb));
	fill(a, (int64_t)(ta ? k : m) * lda, FILL_NORMAL);
	fill(b, (int64_t)(tb ? n : k) * ldb, FILL_NORMAL);
	fill(old, (int64_t)m * ldc, FILL_NORMAL);
	for (int i = 0; i < m; i++) {
		if (beta == 0)
			sentinel(old + i * ldc, n);     /* NaN: beta 0 is not to read it */
		sentinel(old + i * ldc + n, ldc - n);
	}
	memcpy(c, old, (size_t)(m * ldc) * sizeof(*c));
	where("[%d,%d,%d]%s%s, alpha %g beta %g", m, n, k, ta ? " a'" : "", tb ? " b'" : "", (double)alpha,
	      (double)beta);
	expect(l->dev->ops->gemm(l->dev, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) == 0, "gemm returns 0");
	for (int i = 0; first && i < m; i++) {
		for (int j = 0; j < n; j++) {
			double t = beta == 0 ? 0 : (double)beta * old[i * ldc + j], size = fabs(t);

			for (int q = 0; q < k; q++) {
				double p = (double)alpha * (ta ? a[q * lda + i] : a[i * lda + q]) *
					   (tb ? b[j * ldb + q] : b[q * ldb + j]);

				t += p;
				size += fabs(p);
			}
			near(c[i * ldc + j], t, size, TOL_F32_SUM);
		}
		expect(is_sentinel(c + i * ldc + n, ldc - n), "gaps between rows are left alone");
	}
	clean(c, "c");
	same(c, (int64_t)m * ldc * (int64_t)sizeof(*c));
	release(a);
	release(b);
	release(c);
	release(old);
}

/* A row of y alone, or among few or many, has the same bits: micro-batches may be of any size.  Where oneDNN multiplies,
 * they are of whole tiles (op.h). */
static void alone_case(const struct level *l, int k, int n, bool half, bool bf16)
{
	static const int rows[] = { 256, 1, 2, 7, 16, 33, 128, 300, 513 };
	enum { M = 768 };
	char *x = guarded((int64_t)M * k, half ? 2 : 4, 0), *w = guarded((int64_t)n * k, bf16 ? 2 : 4, 0);
	float *all = floats((int64_t)M * n, 0), *y = floats((int64_t)M * n, 1);
	enum dtype xt = half ? DT_BF16 : DT_F32, wt = bf16 ? DT_BF16 : DT_F32;
	bool tiles = l->dnnl || (bf16 && l->feat & CPU_AMX_BF16 && mm_have_bf16());
	struct tensor X = tensor_view(x, xt, M, k), W = tensor_view(w, wt, n, k), Y = tensor_view(all, DT_F32, M, n);

	for (int64_t i = 0; i < (int64_t)M * k; i++)
		from_f32(x + i * (int64_t)dtype_size(xt), xt, &(float){ (float)normal() }, 1);
	for (int64_t i = 0; i < (int64_t)n * k; i++)
		from_f32(w + i * (int64_t)dtype_size(wt), wt, &(float){ (float)normal() }, 1);
	expect(l->dev->ops->linear(l->dev, &Y, &X, &W, NULL) == 0, "linear returns 0");
	for (int r = 0; r < (tiles ? 1 : 9); r++) {
		int64_t at = (M - rows[r]) / 2;

		where("%d of %d rows, [%d,%d] %s", rows[r], M, n, k, dtype_name(wt));
		X = tensor_view(x + at * k * (int64_t)dtype_size(xt), xt, rows[r], k);
		Y = tensor_view(y, DT_F32, rows[r], n);
		expect(l->dev->ops->linear(l->dev, &Y, &X, &W, NULL) == 0, "linear returns 0");
		expect(!memcmp(y, all + at * n, tensor_bytes(&Y)), "the rows among the others");
	}
	release(x);
	release(w);
	release(all);
	release(y);
}

static void check_alone(const struct level *l)
{
	if (!first || !strcmp(l->name, "plain"))
		return;
	test_begin("%s: linear, rows by themselves", l->name);
	seed(3);
	for (int bf16 = 0; bf16 < 2; bf16++) {
		alone_case(l, 172, 64, bf16, bf16);
		alone_case(l, 65, 33, bf16, bf16);
		if (strcmp(l->name, "ref")) {
			alone_case(l, 576, 192, bf16, bf16);
			alone_case(l, 1536, 576, bf16, bf16);
			alone_case(l, 4096, 48, bf16, bf16);
		}
	}
	test_end();
}

static void check_gemm(const struct level *l)
{
	test_begin("%s, %d threads: gemm", l->name, pool_threads());
	for (int s = 0; s < NSHAPE; s++)
		for (int t = 0; t < 4; t++)
			gemm_case(l, s, t & 1, t >> 1, s % 2 ? -1 : 0.5f, t % 3 ? 1 : 0);
	test_end();
}

struct attn_case { int n, T, H, K, D, Dv, window; float cap, slope; bool bias; };

static void attn_case(const struct level *l, const struct attn_case *c, bool half)
{
	int64_t rows = (int64_t)c->n * c->T;
	int ldq = c->H * c->D + 3, ldk = c->K * c->D + 1, ldv = c->K * c->Dv + 2, ldo = c->H * c->Dv;
	float *q = floats(rows * ldq, 1), *k = floats(rows * ldk, 2), *v = floats(rows * ldv, 3);
	float *o = floats(rows * ldo, 1);
	uint16_t *o16 = guarded(rows * ldo, 2, 1);
	struct tensor O = tensor_view(o, DT_F32, rows, ldo), O16 = tensor_view(o16, DT_BF16, rows, ldo);
	float *slope = floats(c->H, 0), *bias = floats((int64_t)c->H * c->T, 0), scale = 1 / sqrtf((float)c->D);
	double *p = malloc((size_t)c->T * sizeof(*p));
	struct attn_args a = { q, k, v, ldq, ldk, ldv, c->n, c->T, c->H, c->K, c->D, c->Dv, scale, c->cap,
	                       c->window, c->slope > 0 ? slope : NULL, c->bias ? bias : NULL };

	seed((uint64_t)(c->T * 100 + c->H));
	fill(q, rows * ldq, FILL_NORMAL);
	fill(k, rows * ldk, FILL_NORMAL);
	fill(v, rows * ldv, FILL_NORMAL);
	fill(bias, (int64_t)c->H * c->T, FILL_NORMAL);
	for (int h = 0; h < c->H; h++)
		slope[h] = c->slope * (float)pow(2, -8.0 * (h + 1) / c->H);
	where("n %d, T %d, H %d/%d, D %d/%d, window %d, cap %g, slope %g, bias %d", c->n, c->T, c->H, c->K, c->D,
	      c->Dv, c->window, (double)c->cap, (double)c->slope, c->bias);
	l->dev->mm = half ? DT_BF16 : DT_F32;
	expect(l->dev->ops->attn(l->dev, &O, &a) == 0, "attn returns 0");
	expect(l->dev->ops->attn(l->dev, &O16, &a) == 0, "attn to BF16 returns 0");
	l->dev->mm = DT_F32;
	for (int64_t r = 0; first && r < rows; r++) {
		int64_t i = r % c->T, base = r - i, lo = c->window && i >= c->window ? i - c->window + 1 : 0;

		for (int h = 0; h < c->H; h++) {
			int kv = h / (c->H / c->K);
			double top = -INFINITY, z = 0;

			if (r > 40 && (r * c->H + h) % 13)       /* the sums below are most of the time */
				continue;
			for (int64_t j = lo; j <= i; j++) {
				double t = 0;

				for (int d = 0; d < c->D; d++)
					t += (double)q[r * ldq + h * c->D + d] * k[(base + j) * ldk + kv * c->D + d];
				t = (t + (c->bias ? (double)bias[(int64_t)h * c->T + j] : 0)) * scale;
				t = c->cap > 0 ? c->cap * tanh(t / c->cap) : t;
				p[j] = t + (c->slope > 0 ? (double)slope[h] * (double)j : 0);
				top = fmax(top, p[j]);
			}
			for (int64_t j = lo; j <= i; j++)
				z += p[j] = exp(p[j] - top);
			for (int d = 0; d < c->Dv; d++) {
				double t = 0, size = 0;

				for (int64_t j = lo; j <= i; j++) {
					t += p[j] / z * v[(base + j) * ldv + kv * c->Dv + d];
					size += p[j] / z * fabs((double)v[(base + j) * ldv + kv * c->Dv + d]);
				}
				near(o[r * ldo + h * c->Dv + d], t, size, half ? TOL_BF16 : TOL_F32_SUM);
			}
		}
	}
	clean(o, "o");
	rounded(o16, o, rows * ldo);
	same(o, rows * ldo * (int64_t)sizeof(*o));
	free(p);
	release(q);
	release(k);
	release(v);
	release(o);
	release(o16);
	release(slope);
	release(bias);
}

static void check_attn(const struct level *l)
{
	static const struct attn_case c[] = {
		{ 1, 1, 1, 1, 1, 1, 0, 0, 0, false }, { 3, 17, 3, 1, 8, 8, 0, 0, 0, true },
		{ 2, 63, 4, 2, 17, 5, 0, 0, 0, false }, { 1, 65, 9, 3, 64, 64, 20, 0, 0, false },
		{ 2, 172, 4, 4, 16, 24, 0, 20, 0, false }, { 1, 172, 6, 2, 16, 16, 0, 0, 1, false },
		{ 1, 600, 2, 1, 8, 8, 1, 0, 0, false }, { 1, 1100, 2, 2, 16, 8, 530, 10, 1, true },
		{ 1, 700, 16, 1, 8, 8, 0, 0, 0, true },
	};

	for (int half = 0; half < 2; half++) {
		test_begin("%s, %d threads: attn, %s", l->name, pool_threads(), half ? "bf16" : "f32");
		for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
			attn_case(l, &c[i], half);
		test_end();
	}
}

/* Any element type to F32, F16 and BF16: what lib/tensor makes of it, which has tests of its own. */
static void check_copy(const struct level *l)
{
	static const enum dtype type[] = { DT_F32, DT_F16, DT_BF16 };
	enum { N = 70001 };
	float *x = floats(N, 0), *want = floats(N, 0);
	char *src = guarded(N, 4, 0), *dst = guarded(N, 4, 0);

	test_begin("%s, %d threads: copy", l->name, pool_threads());
	fill(x, N, FILL_WIDE);
	for (int i = 0; i < 9; i++) {
		enum dtype from = type[i / 3], to = type[i % 3];
		int64_t n = i % 2 ? N : 63;
		struct tensor S = tensor_view(src, from, 1, n), D = tensor_view(dst, to, 1, n);

		where("%s to %s", dtype_name(from), dtype_name(to));
		from_f32(src, from, x, (size_t)n);
		expect(l->dev->ops->copy(l->dev, &D, &S) == 0, "copy returns 0");
		to_f32(want, src, from, (size_t)n);
		from_f32(src, to, want, (size_t)n);
		expect(!memcmp(src, dst, (size_t)n * dtype_size(to)), "as lib/tensor converts");
		clean(dst, "dst");
	}
	where("I32 to F32");
	{
		struct tensor S = tensor_view(src, DT_I32, 1, 8), D = tensor_view(dst, DT_F32, 1, 8);

		expect(l->dev->ops->copy(l->dev, &D, &S) < 0 && err_status() == ST_UNSUP, "refused");
	}
	test_end();
	release(x);
	release(want);
	release(src);
	release(dst);
}

static void check_embed(const struct level *l)
{
	static const enum dtype type[] = { DT_F32, DT_F16, DT_BF16, DT_F8E4M3 };
	int m = 37, C = 65, V = 101;
	char *table = guarded(V * C, 4, 1);
	float *f = floats(V * C, 0), *y = floats(m * C, 1);
	int32_t ids[37];

	test_begin("%s, %d threads: embed", l->name, pool_threads());
	for (int t = 0; t < 4; t++) {
		struct tensor T = tensor_view(table, type[t], V, C), Y = tensor_view(y, DT_F32, m, C);

		where("%s", dtype_name(type[t]));
		fill(f, V * C, FILL_NORMAL);
		if (type[t] == DT_F8E4M3)
			for (int i = 0; i < V * C; i++)
				table[i] = (char)(rnd() & 0x77);
		else
			from_f32(table, type[t], f, (size_t)(V * C));
		for (int i = 0; i < m; i++)
			ids[i] = (int32_t)(rnd() % (uint64_t)V);
		expect(l->dev->ops->embed(l->dev, &Y, &T, ids) == 0, "embed returns 0");
		for (int i = 0; i < m; i++) {
			to_f32(f, table + (size_t)(ids[i] * C) * dtype_size(type[t]), type[t], (size_t)C);
			expect(!memcmp(y + i * C, f, (size_t)C * sizeof(*y)), "the row of the table");
		}
		clean(y, "y");
	}
	test_end();
	release(table);
	release(f);
	release(y);
}

/* Operators that hand rows or runs to a kernel: that each row gets the right arguments. */
static void check_rows(const struct level *l)
{
	int m = 700, C = 172, T = 50, half = 8;
	int64_t n = (int64_t)m * C;
	float *x = floats(n, 0), *u = floats(n, 1), *y = floats(n, 2), *want = floats(n, 0);
	float *w = floats(C, 0), *b = floats(C, 1), *cs = floats(T * half, 0), *sn = floats(T * half, 1);
	struct tensor X = tensor_view(x, DT_F32, m, C), U = tensor_view(u, DT_F32, m, C);
	uint16_t *y16 = guarded(n, 2, 1);
	struct tensor Y = tensor_view(y, DT_F32, m, C), Y16 = tensor_view(y16, DT_BF16, m, C);
	const struct kern *k = &l->k;

	seed(5);
	fill(x, n, FILL_NORMAL);
	fill(u, n, FILL_NORMAL);
	fill(w, C, FILL_NORMAL);
	fill(b, C, FILL_NORMAL);
	fill(cs, T * half, FILL_NORMAL);
	fill(sn, T * half, FILL_NORMAL);
	test_begin("%s, %d threads: norm, rope, glu, axpy: rows", l->name, pool_threads());
	for (int kind = NORM_RMS; kind <= NORM_LAYER; kind++) {
		where("norm %d", kind);
		expect(l->dev->ops->norm(l->dev, &Y, &X, (enum norm)kind, w, kind == NORM_LAYER ? b : NULL, 1e-5f) == 0,
		       "norm returns 0");
		for (int i = 0; i < m; i++)
			k->norm(want + i * C, x + i * C, C, w, kind == NORM_LAYER ? b : NULL, 1e-5f, kind == NORM_LAYER,
			        kind == NORM_RMS1);
		expect(!memcmp(y, want, (size_t)n * sizeof(*y)), "rows as the kernel makes them");
		clean(y, "y");
		expect(l->dev->ops->norm(l->dev, &Y16, &X, (enum norm)kind, w, kind == NORM_LAYER ? b : NULL,
		                         1e-5f) == 0, "norm to BF16 returns 0");
		rounded(y16, y, n);
	}
	for (int inter = 0; inter < 2; inter++) {
		where("rope %d", inter);
		memcpy(y, x, (size_t)n * sizeof(*y));
		memcpy(want, x, (size_t)n * sizeof(*y));
		expect(l->dev->ops->rope(l->dev, y, m, C, 4, 40, 16, T, cs, sn, inter) == 0, "rope returns 0");
		for (int i = 0; i < m; i++)
			k->rope(want + i * C, 4, 40, 16, cs + i % T * half, sn + i % T * half, inter);
		expect(!memcmp(y, want, (size_t)n * sizeof(*y)), "row r at position r % T");
		clean(y, "x");
	}
	for (int a = 0; a < K_ACTS; a++) {
		where("glu %d", a);
		expect(l->dev->ops->glu(l->dev, &Y, &X, a % 2 ? &U : NULL, (enum act)a) == 0, "glu returns 0");
		k->glu[a](want, x, a % 2 ? u : NULL, n);
		expect(!memcmp(y, want, (size_t)n * sizeof(*y)), "as the kernel makes it");
		clean(y, "y");
		expect(l->dev->ops->glu(l->dev, &Y16, &X, a % 2 ? &U : NULL, (enum act)a) == 0, "glu to BF16 returns 0");
		rounded(y16, y, n);
	}
	where("axpy");
	memcpy(y, u, (size_t)n * sizeof(*y));
	expect(l->dev->ops->axpy(l->dev, &Y, &X, -0.7f) == 0, "axpy returns 0");
	for (int64_t i = 0; i < n; i++) {
		volatile float t = -0.7f * x[i];

		near(y[i], u[i] + t, 1, TOL_EXACT);
	}
	clean(y, "y");
	where("shapes that do not fit");
	Y.dim[0]--;
	expect(l->dev->ops->norm(l->dev, &Y, &X, NORM_RMS, w, NULL, 1e-5f) < 0, "norm refuses");
	expect(l->dev->ops->glu(l->dev, &Y, &X, NULL, ACT_SILU) < 0, "glu refuses");
	expect(l->dev->ops->axpy(l->dev, &Y, &X, 1) < 0, "axpy refuses");
	expect(l->dev->ops->linear(l->dev, &Y, &X, &U, NULL) < 0, "linear refuses");
	Y.dim[0]++;
	X.dim[0] = 1;
	X.dt = DT_BF16;
	Y = tensor_view(y, DT_F32, 1, m);
	expect(l->dev->ops->linear(l->dev, &Y, &X, &U, NULL) < 0, "linear refuses BF16 by F32");
	test_end();
	release(x);
	release(u);
	release(y);
	release(want);
	release(w);
	release(b);
	release(cs);
	release(sn);
}

static void check_losses(const struct level *l)
{
	int m = 40, V = 999;
	float *p = floats(m * V, 0), *q = floats(m * V, 1);
	double *loss = guarded(m, sizeof(*loss), 0), *kl = guarded(m, sizeof(*kl), 0);
	int32_t *top = guarded(m, 4, 0), label[40];
	struct tensor P = tensor_view(p, DT_F32, m, V), Q = tensor_view(q, DT_F32, m, V);

	seed(9);
	fill(p, m * V, FILL_NORMAL);
	fill(q, m * V, FILL_NORMAL);
	for (int i = 0; i < m; i++)
		label[i] = (int32_t)(rnd() % (uint64_t)V);
	test_begin("%s, %d threads: nll, kl", l->name, pool_threads());
	where("[%d,%d]", m, V);
	expect(l->dev->ops->nll(l->dev, loss, top, &P, label) == 0, "nll returns 0");
	expect(l->dev->ops->nll(l->dev, NULL, NULL, &P, label) == 0, "nll returns 0 with nowhere to put results");
	expect(l->dev->ops->kl(l->dev, kl, &P, &Q) == 0, "kl returns 0");
	for (int i = 0; i < m; i++) {
		double zp = 0, zq = 0, d = 0;
		int best = 0;

		for (int j = 0; j < V; j++) {
			best = p[i * V + j] > p[i * V + best] ? j : best;
			zp += exp(p[i * V + j]);
			zq += exp(q[i * V + j]);
		}
		for (int j = 0; j < V; j++)
			d += exp(p[i * V + j]) / zp * ((double)p[i * V + j] - q[i * V + j] - log(zp / zq));
		near(loss[i], log(zp) - p[i * V + label[i]], fmax(1, log(zp)), TOL_LOSS);
		near(kl[i], d, 1, TOL_KL);
		expect(top[i] == best, "the greatest");
	}
	clean(loss, "loss");
	clean(kl, "kl");
	clean(top, "top");
	same(loss, m * (int64_t)sizeof(*loss));
	same(kl, m * (int64_t)sizeof(*kl));
	label[3] = V;
	expect(l->dev->ops->nll(l->dev, loss, NULL, &P, label) < 0 && err_status() == ST_BAD,
	       "a label out of range is refused");
	test_end();
	release(p);
	release(q);
	release(loss);
	release(kl);
	release(top);
}

void check_ops(const struct level *l)
{
	check_linear(l);
	check_alone(l);
	check_gemm(l);
	check_attn(l);
	check_copy(l);
	check_embed(l);
	check_rows(l);
	check_losses(l);
}
