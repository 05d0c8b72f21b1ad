/* Rates of the operators on this machine, as TSV: seconds of the best of several runs, GFLOP/s and its share of the
 * machine's rate for products of that type measured in the same process, or GB/s of what is read and written. */
#include "tests/check/check.h"

#include "base/err.h"
#include "base/pool.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* With one thread the processor's time, which neighbours disturb less. */
static double now(void)
{
	struct timespec t;

	clock_gettime(pool_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { SIDE = 1536 };

static struct {
	struct dev *d;
	struct tensor x, y, w, w16, h, u;
	const struct attn_args *a;
	const float *scale, *zero;
	const int32_t *grp;
	uint8_t *code;
	float *e, *cs, *sn;
	int panel;
	int32_t *top;
	double *loss;
} b;

/* What is timed: each returns what the operator does. */
static int run_linear(void) { return b.d->ops->linear(b.d, &b.y, &b.x, &b.w, NULL); }
static int run_linear16(void) { return b.d->ops->linear(b.d, &b.y, &b.x, &b.w16, NULL); }
static int run_gram(void) { return b.d->ops->gram(b.d, &b.h, &b.x); }
static int run_attn(void) { return b.d->ops->attn(b.d, &b.y, b.a); }
static int run_factor(void) { return b.d->ops->chol_inv(b.d, &b.u, &b.h); }
static int run_norm(void) { return b.d->ops->norm(b.d, &b.y, &b.x, NORM_RMS, b.w.data, NULL, 1e-5f); }
static int run_silu(void) { return b.d->ops->glu(b.d, &b.y, &b.x, &b.x, ACT_SILU); }
static int run_gelu(void) { return b.d->ops->glu(b.d, &b.y, &b.x, &b.x, ACT_GELU); }
static int run_axpy(void) { return b.d->ops->axpy(b.d, &b.y, &b.x, 1e-9f); }
static int run_copy(void) { return b.d->ops->copy(b.d, &b.w16, &b.w); }
static int run_nll(void) { return b.d->ops->nll(b.d, b.loss, b.top, &b.y, b.top); }
static int run_kl(void) { return b.d->ops->kl(b.d, b.loss, &b.y, &b.y); }

static int run_rope(void)
{
	return b.d->ops->rope(b.d, b.y.data, b.y.dim[0], b.y.dim[1], (int)(b.y.dim[1] / 64), 64, 64, 2048, b.cs,
	                      b.sn, 0);
}

static int run_panel(void)
{
	int64_t m = b.w.dim[0], n = b.w.dim[1];

	return b.d->ops->gptq_panel(b.d, m, b.panel, b.w.data, n, b.u.data, n, b.scale, b.zero, 1, b.grp, 15, b.code, n,
	                            b.e);
}

static int run_update(void)
{
	int64_t m = b.w.dim[0], n = b.w.dim[1], p = b.panel;

	return b.d->ops->gemm(b.d, 0, 0, m, n - p, p, -1e-6f, b.e, p, (float *)b.u.data + p, n, 1,
	                      (float *)b.w.data + p, n);
}

static double best_of(int (*fn)(void))
{
	double best = INFINITY, start = now();

	for (int i = 0; i < 50 && (i < 3 || now() - start < 1); i++) {
		double t = now();

		if (fn() < 0)
			die_err();
		t = now() - t;
		best = t < best ? t : best;
	}
	return best;
}

/* flops and rate, or bytes */
static void row(const char *what, int (*fn)(void), double flops, double rate, double bytes)
{
	double t = best_of(fn);

	if (flops > 0)
		printf("%s\t%.6f\t%.1f\t%.0f\t-\n", what, t, flops / t * 1e-9, 100 * flops / t / rate);
	else
		printf("%s\t%.6f\t-\t-\t%.2f\n", what, t, bytes / t * 1e-9);
}

static struct tensor matrix(enum dtype dt, int64_t r, int64_t c)
{
	float *x = floats(r * c, 0);

	if (dt == DT_F32)
		fill(x, r * c, FILL_NORMAL);
	else
		for (int64_t i = 0; i < r * c; i++)
			((uint16_t *)(void *)x)[i] = f32_bf16((float)normal());
	return tensor_view(x, dt, r, c);
}

static void drop(struct tensor *t)
{
	release(t->data);
}

static double rate(bool half)
{
	int64_t n = SIDE;
	double t;

	b.x = matrix(DT_F32, n, n);
	b.y = matrix(DT_F32, n, n);
	b.w = matrix(DT_F32, n, n);
	b.w16 = matrix(DT_BF16, n, n);
	t = best_of(half ? run_linear16 : run_linear);
	drop(&b.x);
	drop(&b.y);
	drop(&b.w);
	drop(&b.w16);
	return 2.0 * SIDE * SIDE * SIDE / t;
}

static void linears(double r32, double r16)
{
	/* SmolLM2's, a Llama's down projection of some tokens, one token */
	static const struct { int m, n, k; } s[] = {
		{ 2048, 576, 576 }, { 2048, 192, 576 }, { 2048, 1536, 576 }, { 2048, 576, 1536 }, { 512, 4096, 4096 },
		{ 64, 1536, 576 }, { 1, 4096, 4096 },
	};

	for (size_t i = 0; i < sizeof(s) / sizeof(*s); i++) {
		char name[64];
		double f = 2.0 * s[i].m * s[i].n * s[i].k;

		b.x = matrix(DT_F32, s[i].m, s[i].k);
		b.y = matrix(DT_F32, s[i].m, s[i].n);
		b.w = matrix(DT_F32, s[i].n, s[i].k);
		b.w16 = matrix(DT_BF16, s[i].n, s[i].k);
		snprintf(name, sizeof(name), "linear f32 %dx%dx%d", s[i].m, s[i].n, s[i].k);
		row(name, run_linear, f, r32, 0);
		snprintf(name, sizeof(name), "linear bf16 %dx%dx%d", s[i].m, s[i].n, s[i].k);
		row(name, run_linear16, f, r16, 0);
		drop(&b.x);
		drop(&b.y);
		drop(&b.w);
		drop(&b.w16);
	}
}

/* The least work: causal, so half of the square. */
static void attention(double r32, double r16)
{
	static const struct { int n, T, H, K, D; } s[] = {
		{ 1, 2048, 9, 3, 64 }, { 4, 512, 9, 3, 64 }, { 1, 2048, 8, 2, 128 },
	};

	for (size_t i = 0; i < sizeof(s) / sizeof(*s); i++) {
		int64_t rows = (int64_t)s[i].n * s[i].T, wq = s[i].H * s[i].D, wk = s[i].K * s[i].D;
		struct tensor q = matrix(DT_F32, rows, wq), k = matrix(DT_F32, rows, wk), v = matrix(DT_F32, rows, wk);
		struct tensor o = matrix(DT_F32, rows, wq);
		struct attn_args a = { q.data, k.data, v.data, wq, wk, wk, s[i].n, s[i].T, s[i].H, s[i].K, s[i].D,
		                       s[i].D, 1 / sqrtf((float)s[i].D), 0, 0, NULL, NULL };
		char name[64];

		b.y = o;
		b.a = &a;
		for (int half = 0; half < 2; half++) {
			snprintf(name, sizeof(name), "attn %s n%d T%d H%d/%d D%d", half ? "bf16" : "f32", s[i].n,
			         s[i].T, s[i].H, s[i].K, s[i].D);
			b.d->mm = half ? DT_BF16 : DT_F32;
			row(name, run_attn, 2.0 * (double)rows * s[i].T * (double)wq, half ? r16 : r32, 0);
		}
		b.d->mm = DT_F32;
		drop(&q);
		drop(&k);
		drop(&v);
		drop(&o);
	}
}

static void grams(double r32, double r16)
{
	static const struct { int m, k; } s[] = { { 8192, 576 }, { 4096, 1536 }, { 2048, 4096 } };

	for (size_t i = 0; i < sizeof(s) / sizeof(*s); i++) {
		double f = (double)s[i].m * s[i].k * (s[i].k + 1);
		char name[64];

		b.x = matrix(DT_F32, s[i].m, s[i].k);
		b.h = matrix(DT_F32, s[i].k, s[i].k);
		snprintf(name, sizeof(name), "gram f32 %dx%d", s[i].m, s[i].k);
		row(name, run_gram, f, r32, 0);
		b.d->mm = DT_BF16;
		snprintf(name, sizeof(name), "gram bf16 %dx%d", s[i].m, s[i].k);
		row(name, run_gram, f, r16, 0);
		b.d->mm = DT_F32;
		drop(&b.x);
		drop(&b.h);
	}
}

static void solver(double r32)
{
	for (int n = 576; n <= 4096; n = n == 576 ? 1536 : n == 1536 ? 4096 : 5000) {
		char name[64];
		int32_t *grp = guarded(n, 4, 0);
		struct tensor scale = matrix(DT_F32, n, 1), zero = matrix(DT_F32, n, 1), e;
		float *h;

		b.panel = 128;
		b.h = matrix(DT_F32, n, n);
		b.u = matrix(DT_F32, n, n);
		b.w = matrix(DT_F32, n, n);
		e = matrix(DT_F32, n, b.panel);
		h = b.h.data;
		for (int i = 0; i < n; i++) {
			grp[i] = 0;
			((float *)scale.data)[i] = 0.2f;
			((float *)zero.data)[i] = 8;
			for (int j = 0; j < i; j++)
				h[i * (int64_t)n + j] = h[j * (int64_t)n + i] *= 0.1f;
			h[i * (int64_t)n + i] = (float)n;
		}
		b.code = guarded((int64_t)n * n, 1, 0);
		b.scale = scale.data;
		b.zero = zero.data;
		b.grp = grp;
		b.e = e.data;
		snprintf(name, sizeof(name), "chol_inv f64 %d", n);
		row(name, run_factor, 2.0 / 3 * n * n * n, r32, 0);
		host(b.d)->wide_n = 0;
		snprintf(name, sizeof(name), "chol_inv f32 %d", n);
		row(name, run_factor, 2.0 / 3 * n * n * n, r32, 0);
		host(b.d)->wide_n = 4096;
		snprintf(name, sizeof(name), "gptq_panel %dx%d", n, b.panel);
		row(name, run_panel, (double)n * b.panel * b.panel, r32, 0);
		snprintf(name, sizeof(name), "gptq update %dx%dx%d", n, n - b.panel, b.panel);
		row(name, run_update, 2.0 * n * (n - b.panel) * b.panel, r32, 0);
		release(grp);
		release(b.code);
		drop(&scale);
		drop(&zero);
		drop(&e);
		drop(&b.h);
		drop(&b.u);
		drop(&b.w);
	}
}

static void elements(void)
{
	int64_t m = 2048, C = 1536, V = 49152, k = m * C;
	struct tensor cs = matrix(DT_F32, 2048, 32), sn = matrix(DT_F32, 2048, 32);

	b.cs = cs.data;
	b.sn = sn.data;
	b.x = matrix(DT_F32, m, C);
	b.y = matrix(DT_F32, m, C);
	b.w = matrix(DT_F32, m, C);
	b.w16 = matrix(DT_BF16, m, C);
	row("norm 2048x1536", run_norm, 0, 0, 8.0 * (double)k);
	row("rope 2048x1536", run_rope, 0, 0, 8.0 * (double)k);
	row("silu 2048x1536, gating", run_silu, 0, 0, 8.0 * (double)k);
	row("gelu 2048x1536, gating", run_gelu, 0, 0, 8.0 * (double)k);
	row("axpy 2048x1536", run_axpy, 0, 0, 12.0 * (double)k);
	row("copy f32 to bf16 2048x1536", run_copy, 0, 0, 6.0 * (double)k);
	drop(&b.x);
	drop(&b.y);
	drop(&b.w);
	drop(&b.w16);
	b.y = matrix(DT_F32, 64, V);
	b.loss = guarded(64, sizeof(*b.loss), 0);
	b.top = guarded(64, 4, 0);
	for (int i = 0; i < 64; i++)
		b.top[i] = i;
	row("nll 64x49152", run_nll, 0, 0, 4.0 * 64 * (double)V);
	row("kl 64x49152", run_kl, 0, 0, 8.0 * 64 * (double)V);
	drop(&b.y);
	drop(&cs);
	drop(&sn);
	release(b.loss);
	release(b.top);
}

int bench(int threads)
{
	double r32, r16;

	if (!(b.d = dev_open("cpu", 1, threads)))
		die_err();
	seed(1);
	r32 = rate(false);
	r16 = rate(true);
	printf("# %s\n# OpenBLAS: %s\n", dev_describe(b.d), openblas_get_config());
	printf("# products of %d^3: f32 %.1f, bf16 %.1f GFLOP/s; shares are of these\n", SIDE, r32 * 1e-9, r16 * 1e-9);
	printf("# what\tseconds\tGFLOP/s\tpercent\tGB/s\n");
	linears(r32, r16);
	attention(r32, r16);
	grams(r32, r16);
	solver(r32);
	elements();
	dev_close(b.d);
	return 0;
}
