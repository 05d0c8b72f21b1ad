/* The kernels: the inner loops of lib/op, every signature once.  A kernel sees pointers, counts and strides: no
 * tensors, no allocation, no I/O.  All counts and strides are in elements; no pointer need be aligned beyond
 * its element; outputs do not overlap inputs unless said.  An x86 file kernels/cpu/OP_ISA.c is compiled for its
 * ISA and may be called only where dispatch.c found it.
 *
 * The table starts as kern_ref(): complete, naive, accumulating in double.  kern_cpu() overrides, level by
 * level, what the processor does better.  tests/check holds every level against the formulas. */
#ifndef KERN_H
#define KERN_H

#include <stdint.h>

enum { K_NONE, K_SILU, K_GELU, K_GELU_TANH, K_RELU, K_QUICK_GELU, K_ACTS };     /* as enum act of op.h */

struct kern {
	/* y[n] = x[n] in another type, rounding to nearest even; a NaN stays one. */
	void (*bf16_f32)(float *y, const uint16_t *x, int64_t n);
	void (*f32_bf16)(uint16_t *y, const float *x, int64_t n);
	void (*f16_f32)(float *y, const uint16_t *x, int64_t n);
	void (*f32_f16)(uint16_t *y, const float *x, int64_t n);

	/* One row: y[C] = (x - mean) / sqrt(var + eps) * w + b when center, else x / sqrt(mean(x^2) + eps) * w.
	 * plus: the gain is 1 + w.  w, b may be NULL (1 and 0).  y may be x. */
	void (*norm)(float *y, const float *x, int64_t C, const float *w, const float *b, float eps, int center,
	             int plus);

	/* One row, in place: nh heads of D, of which the first rot dimensions turn by cos, sin [rot/2], in
	 * pairs (2i, 2i+1) when interleaved, else (i, i + rot/2). */
	void (*rope)(float *x, int nh, int D, int rot, const float *cos, const float *sin, int interleaved);

	/* y[n] = act(g[n]) * u[n]; u NULL: y = act(g).  y may be g or u. */
	void (*glu[K_ACTS])(float *y, const float *g, const float *u, int64_t n);

	/* y[n] += a * x[n] */
	void (*axpy)(float *y, const float *x, float a, int64_t n);

	/* One query q[D] over keys k[T, D] and values v[T, Dv]: o[Dv] = sum_j p_j v_j, p = softmax of
	 * t_j = cap(scale (q.k_j + bias_j)) + slope * j, cap(s) = cap > 0 ? cap tanh(s / cap) : s.  bias [T] or
	 * NULL; s: [T] scratch. */
	void (*attn)(float *o, const float *q, const float *k, int64_t ldk, const float *v, int64_t ldv, int64_t T,
	             int D, int Dv, float scale, float cap, float slope, const float *bias, double *s);

	/* One row of a tile of scores, for a softmax that sees its keys tile by tile.  s[i] = q.k of the key at
	 * j0 + i (any origin), of which [lo, hi) are visible, 0 <= lo < hi <= n; the others become 0.  With t as
	 * above, M the greater of *max and all t: s[i] = exp(t_i - M), *sum = *sum * f + sum of s, *max = M,
	 * returns f = exp(old max - M), by which what was summed before must shrink.  First tile: *max = -Inf,
	 * *sum = 0. */
	float (*softmax)(float *s, int64_t n, int64_t lo, int64_t hi, int64_t j0, float scale, float cap,
	                 float slope, float *max, float *sum);

	/* The same without cap and slope, s untouched: p[n] = probabilities as bf16 rounds them, some with an error of
	 * 1e-6 more; *sum of those not rounded.  Denormals may become 0. */
	float (*softmax16)(uint16_t *p, const float *s, int64_t n, int64_t lo, int64_t hi, float scale, float *max,
	                   float *sum);

	/* y[n] *= a */
	void (*scal)(float *y, float a, int64_t n);

	/* ln sum_i exp(x_i), i < n, n > 0; *top: lowest index of the greatest. */
	double (*lse)(const float *x, int64_t n, int32_t *top);

	/* sum_i P_i (ln P_i - ln Q_i), P = exp(p - lp), Q = exp(q - lq); lp, lq from lse. */
	double (*kl)(const float *p, const float *q, int64_t n, double lp, double lq);

	/* c[m,n] = alpha op(a) op(b) + beta c; ta, tb: stored transposed.  beta 0: c is not read. */
	void (*gemm)(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
	             const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

	/* Products of bf16 numbers with f32 sums, by panels of b.  A panel is at most K_PANEL columns of b[k,n],
	 * rows in pairs: p[q][j] = (b[2q][j], b[2q+1][j]), j < K_PANEL, 2 q < k, zeros where there is no b.
	 * pack_t: b is stored transposed.  Denormals may count as zeros. */
	void (*pack16)(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n);
	void (*pack16_t)(uint16_t *p, const uint16_t *b, int64_t ldb, int64_t k, int64_t n);
	/* c[m,n] = a[m,k] p, or that added to c.  The pair q of row i of a is at a + i * rs + q * cs, its two numbers
	 * neighbours; of an odd k the last pair is one number.  The sum starts from zero and goes up k: an element of
	 * c is the same whatever m and n. */
	void (*mul16)(int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t rs, int64_t cs, const uint16_t *p,
	            int add, float *c, int64_t ldc);

	/* The same of f32 numbers: p[q][j] = b[q][j], b stored transposed. */
	void (*pack32_t)(float *p, const float *b, int64_t ldb, int64_t k, int64_t n);
	void (*mul32)(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *p, int add, float *c,
	              int64_t ldc);

	/* A panel of GPTQ (gptq_panel of op.h) for some rows.  e: [rows, lde].  tmp: [K_GPTQ_TMP * nb]
	 * scratch.  The arithmetic is prescribed to the bit, f32 and unfused, for column j in ascending order:
	 *     w_j -= e_i * u[i][j]  for each i < j, ascending
	 *     c    = rne(w_j / s) + z;   c = c > 0 ? c : 0;   c = c < maxq ? c : maxq
	 *     d    = (c - z) * s;        e_j = (w_j - d) / u[j][j];     code = c, w_j = d */
	void (*gptq)(int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu, const float *scale,
	             const float *zero, int64_t ldg, const int32_t *grp, int maxq, uint8_t *code, int64_t ldc,
	             float *e, int64_t lde, float *tmp);
};

enum { K_PANEL = 64 };
enum { K_GPTQ_LANES = 16, K_GPTQ_TMP = 3 * K_GPTQ_LANES };      /* rows at a time at most */

/* Features of the processor, a set of bits. */
enum { CPU_AVX2 = 1, CPU_AVX512 = 2, CPU_AVX512_BF16 = 4, CPU_AMX_BF16 = 8 };

/* What this processor and its operating system offer, less the features that mask names ("avx2,amx_bf16"; may
 * be NULL), less what cannot be used without those. */
unsigned cpu_features(const char *mask);
const char *cpu_feature_name(unsigned bit);             /* "avx512"; NULL: no such bit */

void kern_ref(struct kern *);
void kern_cpu(struct kern *, unsigned features);        /* kern_ref and the overrides */

/* The reference, kernels/ref */
void bf16_f32_ref(float *, const uint16_t *, int64_t);
void f32_bf16_ref(uint16_t *, const float *, int64_t);
void f16_f32_ref(float *, const uint16_t *, int64_t);
void f32_f16_ref(uint16_t *, const float *, int64_t);
void norm_ref(float *, const float *, int64_t, const float *, const float *, float, int, int);
void rope_ref(float *, int, int, int, const float *, const float *, int);
void glu_none_ref(float *, const float *, const float *, int64_t);
void glu_silu_ref(float *, const float *, const float *, int64_t);
void glu_gelu_ref(float *, const float *, const float *, int64_t);
void glu_gelu_tanh_ref(float *, const float *, const float *, int64_t);
void glu_relu_ref(float *, const float *, const float *, int64_t);
void glu_quick_gelu_ref(float *, const float *, const float *, int64_t);
void axpy_ref(float *, const float *, float, int64_t);
void scal_ref(float *, float, int64_t);
void attn_ref(float *, const float *, const float *, int64_t, const float *, int64_t, int64_t, int, int, float, float,
              float, const float *, double *);
float softmax_ref(float *, int64_t, int64_t, int64_t, int64_t, float, float, float, float *, float *);
float softmax16_ref(uint16_t *, const float *, int64_t, int64_t, int64_t, float, float *, float *);
double lse_ref(const float *, int64_t, int32_t *);
double kl_ref(const float *, const float *, int64_t, double, double);
void gemm_ref(int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t, float,
              float *, int64_t);
void pack16_ref(uint16_t *, const uint16_t *, int64_t, int64_t, int64_t);
void pack16_t_ref(uint16_t *, const uint16_t *, int64_t, int64_t, int64_t);
void mul16_ref(int64_t, int64_t, int64_t, const uint16_t *, int64_t, int64_t, const uint16_t *, int, float *, int64_t);
void pack32_t_ref(float *, const float *, int64_t, int64_t, int64_t);
void mul32_ref(int64_t, int64_t, int64_t, const float *, int64_t, const float *, int, float *, int64_t);
void gptq_ref(int64_t, int, float *, int64_t, const float *, int64_t, const float *, const float *, int64_t,
              const int32_t *, int, uint8_t *, int64_t, float *, int64_t, float *);

#endif
