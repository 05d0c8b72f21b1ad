/* The one interface to a device.  Nothing above lib/op knows which implementation it has: "ref" (naive, the
 * truth), "cpu" (a copy of ref with overrides), later "cuda".
 *
 * Shapes: m = rows (tokens), C = width, H heads, K kv heads, D head width, V vocabulary.  Activations are
 * row-major, F32; or BF16, where said, which is to the bit the F32 result rounded to nearest even, and as an input the
 * F32 numbers it stands for.  Products accumulate in f32.  All operations return 0, or -1 with the error state set. */
#ifndef OP_H
#define OP_H

#include "tensor/tensor.h"

enum act { ACT_NONE, ACT_SILU, ACT_GELU, ACT_GELU_TANH, ACT_RELU, ACT_QUICK_GELU };
enum norm { NORM_RMS, NORM_RMS1 /* multiplies by 1 + w */, NORM_LAYER };

enum { GRAM_ROWS = 512 };

struct attn_args {
	const float *q, *k, *v;         /* rows of n sequences of T tokens: [n*T, H*D], [n*T, K*D], [n*T, K*Dv] */
	int64_t ldq, ldk, ldv;          /* elements from one row to the next */
	int n, T, H, K, D, Dv;
	float scale;                    /* multiplies q.k */
	float cap;                      /* > 0: s = cap * tanh(s / cap), before the mask */
	int window;                     /* > 0: key j visible to query i iff i - window < j <= i */
	const float *slope;             /* [H] ALiBi slopes, added as slope * j; or NULL */
	const float *bias;              /* [H, T], added to q.k of head and key before `scale`; or NULL */
};

struct ops {
	const char *name;
	/* dst = src, converting between F32, F16 and BF16; same element count. */
	int (*copy)(struct dev *, struct tensor *dst, const struct tensor *src);
	/* y[m,C] = table[ids[i],:], table of any float type; ids are checked by the caller. */
	int (*embed)(struct dev *, struct tensor *y, const struct tensor *table, const int32_t *ids);
	/* y[m,n] = x[m,k] w[n,k]^T (+ b[n]).  w F32: x F32, an f32 product; w BF16: x BF16, or F32 and rounded to
	 * it, products accumulate in f32.  y F32; b F32 or NULL.  A row of y does not depend on the other rows, nor
	 * on how many there are.  (Where libraries multiply, bf16 with AMX and f32 without AVX2, it may, unless calls
	 * are of multiples of 256 rows.) */
	int (*linear)(struct dev *, struct tensor *y, const struct tensor *x, const struct tensor *w,
	              const struct tensor *b);
	/* c[m,n] = alpha * op(a) op(b) + beta * c, all F32; ta, tb transpose.  lda, ldb, ldc in elements. */
	int (*gemm)(struct dev *, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
	            int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
	/* y = norm(x) * w (+ b); statistics in f32.  x F32, y F32 (may be x) or BF16. */
	int (*norm)(struct dev *, struct tensor *y, const struct tensor *x, enum norm, const float *w,
	            const float *b, float eps);
	/* In place on nh heads of width D in each row (ld elements apart); row r is at position r % T.
	 * cos, sin: [T, rot/2].  interleaved pairs (2i, 2i+1), else (i, i + rot/2). */
	int (*rope)(struct dev *, float *x, int64_t rows, int64_t ld, int nh, int D, int rot, int T,
	            const float *cos, const float *sin, int interleaved);
	/* Causal; o [n*T, H*Dv], F32 or BF16.  dev->mm BF16: q, k, v and probabilities may be rounded to bf16. */
	int (*attn)(struct dev *, struct tensor *o, const struct attn_args *);
	/* y = act(g) * u; u NULL: y = act(g).  g, u F32, y F32 (may be g) or BF16. */
	int (*glu)(struct dev *, struct tensor *y, const struct tensor *g, const struct tensor *u, enum act);
	int (*axpy)(struct dev *, struct tensor *y, const struct tensor *x, float alpha);  /* y += alpha x */
	/* The upper triangle of h[k,k] += x^T x, F32; x [m,k] BF16, or F32 and, when dev->mm is BF16, rounded to it.
	 * What is below the diagonal is neither read nor kept; mirror makes it, when all is summed.  Two calls for the
	 * rows before and after a multiple of GRAM_ROWS leave the bits of one. */
	int (*gram)(struct dev *, struct tensor *h, const struct tensor *x);
	int (*mirror)(struct dev *, struct tensor *h);          /* h[j,i] = h[i,j] for j > i */
	/* h[n,n] F32 symmetric positive definite -> u upper triangular with u^T u = h^-1 (zeros below).  f32
	 * with an f64 retry.  u may be h.  Returns 1 when h is not positive definite: u is void, but of an h in its
	 * place the upper triangle is as it was. */
	int (*chol_inv)(struct dev *, struct tensor *u, const struct tensor *h);
	/* One panel of GPTQ: columns [0, nb) of w [rows, >= nb], row stride ldw.  In order j = 0..nb-1:
	 *   code = clamp(rne(w/scale) + zero), err = (w - deq) / u[j][j], w[j+1..] -= err * u[j][j+1..nb)
	 * u: [nb, ldu] panel of the factor.  scale, zero: [rows, ldg], group of column j is grp[j].  Leaves the
	 * dequantized value in w, the code in code [rows, ldc], err in e [rows, nb].  See Frantar et al., arXiv
	 * 2210.17323, algorithm 1. */
	int (*gptq_panel)(struct dev *, int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu,
	                  const float *scale, const float *zero, int64_t ldg, const int32_t *grp, int maxq,
	                  uint8_t *code, int64_t ldc, float *e);
	/* For each row of logits [m,V]: loss[i] = logsumexp - logit[label[i]] (nats), top[i] = argmax (lowest
	 * index on a tie).  loss or top may be NULL. */
	int (*nll)(struct dev *, double *loss, int32_t *top, const struct tensor *logits, const int32_t *label);
	/* kl[i] = sum_v P (ln P - ln Q) in nats, from logits p and q [m,V]. */
	int (*kl)(struct dev *, double *kl, const struct tensor *p, const struct tensor *q);
};

struct dev {
	const struct ops *ops;
	enum dtype mm;                  /* type of products in forward and gram: DT_F32 or DT_BF16 */
};

/* "cpu", "ref"; ST_UNSUP and NULL otherwise.  dtype: 0 auto (see dev_auto), 1 f32, 2 bf16. */
struct dev *dev_open(const char *device, int dtype, int threads);
/* auto: bf16 where the processor multiplies it fast and the checkpoint is 16-bit, else f32. */
void dev_auto(struct dev *, enum dtype checkpoint);
int64_t chol_inv_bytes(const struct dev *, int64_t n);  /* of memory that chol_inv takes meanwhile, if all goes well */
const char *dev_describe(struct dev *);                 /* "cpu: avx512 avx512_bf16, OpenBLAS SkylakeX, ..." */
void dev_close(struct dev *);

extern const struct ops ops_ref, ops_cpu;

#endif
