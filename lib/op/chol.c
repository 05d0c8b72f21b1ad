/* The factor that GPTQ descends by: u upper triangular with u^T u = h^-1.
 *
 * Turned upside down and left to right (J h J, J the reversal), h has an ordinary Cholesky factor L; then
 * h = R R^T with R = J L J upper triangular, and u = R^-1 = J L^-1 J.  One factorisation and one triangular
 * inverse, 2 n^3 / 3 operations, and no squaring of the condition number on a detour through h^-1.
 *
 * Both are blocked, and what is cubic is a product of tiles in the pool: for a block of NB columns
 *
 *     L     . . .           factor the diagonal block; solve the tiles below it; subtract their products from
 *     P  L  . .             every tile to their right
 *     P  a  a .
 *
 * and for a block row i of the inverse X, in place of L:  X_ii = L_ii^-1,  T = -X_ii L_i,  X_ij = sum_k T_k X_kj,
 * j <= k < i.  T is kept beside, since X_ij takes the place of L_ij while others still read it.
 *
 * f64 for small n (wide_n of host.h).  Beyond, f32 in u's own memory: it works in the lower triangle and in the
 * diagonal blocks, while h, symmetric, stays readable above them.  When that fails, the diagonal blocks are put back
 * and f64 has a try before giving up. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LAPACK, in OpenBLAS.  Column-major: its upper triangle is our lower one. */
extern void spotrf_(const char *, const int *, float *, const int *, int *, size_t);
extern void dpotrf_(const char *, const int *, double *, const int *, int *, size_t);
extern void strtri_(const char *, const char *, const int *, float *, const int *, int *, size_t, size_t);
extern void dtrtri_(const char *, const char *, const int *, double *, const int *, int *, size_t, size_t);

/* a[n,n], which is u, or double d[n,n]: exactly one of the two is set.  ta, td: T, [NB, n]; before the inversion ta holds
 * the diagonal blocks as they were.  NB: width of blocks and tiles; narrow ones waste less on the diagonal, wide ones
 * multiply faster. */
struct fac {
	bool dnnl;
	float *a, *ta, *u;
	double *d, *td;
	int64_t n, NB, at, nb;          /* the block in hand: [at, at + nb) */
};

static void product(const struct fac *f, int tb, int64_t m, int64_t n, int64_t k, double alpha, int64_t a, int64_t b,
                    double beta, int64_t c, int from_t)
{
	int N = (int)f->n;

	if (f->d)
		cblas_dgemm(CblasRowMajor, CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha,
		            (from_t ? f->td : f->d) + a, N, f->d + b, N, beta, f->d + c, N);
	else
		mm_f32(f->dnnl, 0, tb, m, n, k, (float)alpha, (from_t ? f->ta : f->a) + a, f->n, f->a + b, f->n,
		       (float)beta, f->a + c, f->n);
}

/* The diagonal block to its factor, zeros above it (products left something there); 1 when it is not positive
 * definite. */
static int potrf(const struct fac *f)
{
	int64_t o = f->at * f->n + f->at;
	int nb = (int)f->nb, N = (int)f->n, info;

	if (f->d)
		dpotrf_("U", &nb, f->d + o, &N, &info, 1);
	else
		spotrf_("U", &nb, f->a + o, &N, &info, 1);
	for (int64_t i = 0; i < f->nb && !info; i++) {          /* a NaN is no pivot that LAPACK refuses */
		double x = f->d ? f->d[o + i * (f->n + 1)] : (double)f->a[o + i * (f->n + 1)];

		info = !(x > 0 && isfinite(x));
		if (f->d)
			memset(f->d + o + i * (f->n + 1) + 1, 0, (size_t)(f->nb - 1 - i) * sizeof(double));
		else
			memset(f->a + o + i * (f->n + 1) + 1, 0, (size_t)(f->nb - 1 - i) * sizeof(float));
	}
	return info != 0;
}

/* Tile `item` below the block: P = A L^-T */
static void solve_item(void *arg, int64_t item, int worker)
{
	const struct fac *f = arg;
	int64_t i = f->at + f->nb + item * f->NB, m = least(f->NB, f->n - i);
	int64_t l = f->at * f->n + f->at, p = i * f->n + f->at;
	int N = (int)f->n;

	(void)worker;
	if (f->d)
		cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)m, (int)f->nb, 1,
		            f->d + l, N, f->d + p, N);
	else
		cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)m, (int)f->nb, 1,
		            f->a + l, N, f->a + p, N);
}

static void trail_item(void *arg, int64_t item, int worker)
{
	const struct fac *f = arg;
	int64_t i = 0, j = item, next = f->at + f->nb;

	(void)worker;
	while (j > i)                           /* row i of tiles has i + 1 of them */
		j -= ++i;
	i = next + i * f->NB;
	j = next + j * f->NB;
	product(f, 1, least(f->NB, f->n - i), least(f->NB, f->n - j), f->nb, -1, i * f->n + f->at, j * f->n + f->at, 1,
	        i * f->n + j, 0);
}

static int cholesky(struct fac *f)
{
	for (f->at = 0; f->at < f->n; f->at += f->nb) {
		int64_t below;

		f->nb = least(f->NB, f->n - f->at);
		if (potrf(f))
			return 1;
		below = div_up(f->n - f->at - f->nb, f->NB);
		pool_for(below, solve_item, f);
		pool_for(below * (below + 1) / 2, trail_item, f);
	}
	return 0;
}

/* Tile of T = -X_ii L_i; X_ii is in place already. */
static void left_item(void *arg, int64_t item, int worker)
{
	const struct fac *f = arg;
	int64_t j = item * f->NB;
	int N = (int)f->n, nb = (int)f->nb;

	(void)worker;
	if (f->d)
		cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, nb, (int)f->NB, nb, -1,
		            f->d + f->at * f->n + f->at, N, f->d + f->at * f->n + j, N, 0, f->td + j, N);
	else
		mm_f32(f->dnnl, 0, 0, f->nb, f->NB, f->nb, -1, f->a + f->at * f->n + f->at, f->n,
		       f->a + f->at * f->n + j, f->n, 0, f->ta + j, f->n);
}

static void row_item(void *arg, int64_t item, int worker)
{
	const struct fac *f = arg;
	int64_t j = item * f->NB;

	(void)worker;
	product(f, 0, f->nb, f->NB, f->at - j, 1, j, j * f->n + j, 0, f->at * f->n + j, 1);
}

static int invert(struct fac *f)
{
	for (f->at = 0; f->at < f->n; f->at += f->nb) {
		int64_t o = f->at * f->n + f->at;
		int nb = (int)(f->nb = least(f->NB, f->n - f->at)), N = (int)f->n, info;

		if (f->d)
			dtrtri_("U", "N", &nb, f->d + o, &N, &info, 1, 1);
		else
			strtri_("U", "N", &nb, f->a + o, &N, &info, 1, 1);
		if (info)
			return 1;
		pool_for(f->at / f->NB, left_item, f);
		pool_for(f->at / f->NB, row_item, f);
	}
	return 0;
}

/* Row i of d = J h J up to the diagonal, zeros after it, from the upper triangle of h in u. */
static void load_item(void *arg, int64_t i, int worker)
{
	const struct fac *f = arg;
	const float *from = f->u + (f->n - 1 - i) * f->n + f->n - 1;

	(void)worker;
	for (int64_t j = 0; j < f->n; j++)
		f->d[i * f->n + j] = j <= i ? from[-j] : 0;
}

/* The same in place: what is written below the diagonal is read above it. */
static void flip_item(void *arg, int64_t i, int worker)
{
	const struct fac *f = arg;
	const float *from = f->a + (f->n - 1 - i) * f->n + f->n - 1;

	(void)worker;
	for (int64_t j = 0; j < i; j++)
		f->a[i * f->n + j] = from[-j];
}

static void flip_diagonal(const struct fac *f)
{
	for (int64_t i = 0, o = f->n - 1; i < o; i++, o--) {
		float x = f->a[i * (f->n + 1)];

		f->a[i * (f->n + 1)] = f->a[o * (f->n + 1)];
		f->a[o * (f->n + 1)] = x;
	}
}

/* Rows of the diagonal blocks, from the diagonal on: to ta, or back. */
static void keep(const struct fac *f, bool back)
{
	for (int64_t i = 0; i < f->n; i++) {
		int64_t end = least(f->n, (i / f->NB + 1) * f->NB);
		float *a = f->a + i * f->n + i, *t = f->ta + i * f->NB;

		memcpy(back ? a : t, back ? t : a, (size_t)(end - i) * sizeof(*a));
	}
}

/* Row i of u = J X J from d */
static void store_item(void *arg, int64_t i, int worker)
{
	const struct fac *f = arg;
	const double *from = f->d + (f->n - 1 - i) * f->n + f->n - 1;

	(void)worker;
	for (int64_t j = 0; j < f->n; j++)
		f->u[i * f->n + j] = (float)from[-j];
}

/* J X J in place, zeros below: row i against row n-1-i, each backwards. */
static void turn_item(void *arg, int64_t i, int worker)
{
	const struct fac *f = arg;
	int64_t n = f->n, o = n - 1 - i;
	float *a = f->a + i * n, *b = f->a + o * n;

	(void)worker;
	for (int64_t j = 0; j < (i == o ? n / 2 : n); j++) {
		float x = a[j];

		a[j] = b[n - 1 - j];
		b[n - 1 - j] = x;
	}
	memset(a, 0, (size_t)i * sizeof(*a));
	memset(b, 0, (size_t)o * sizeof(*b));
}

static int narrow(struct fac *f)
{
	int r;

	f->a = f->u;
	f->ta = xmalloc((size_t)f->n * (size_t)f->NB * sizeof(float));
	pool_for(f->n, flip_item, f);
	flip_diagonal(f);
	keep(f, false);
	if ((r = cholesky(f))) {
		keep(f, true);
		flip_diagonal(f);
	} else if (!(r = invert(f))) {
		pool_for((f->n + 1) / 2, turn_item, f);
	}
	free(f->ta);
	f->a = f->ta = NULL;
	return r;
}

static int wide(struct fac *f)
{
	size_t n = (size_t)f->n;
	int r;

	f->d = xmalloc(n * n * sizeof(double));
	f->td = xmalloc(n * (size_t)f->NB * sizeof(double));
	pool_for(f->n, load_item, f);
	if (!(r = cholesky(f) || invert(f)))
		pool_for(f->n, store_item, f);
	free(f->d);
	free(f->td);
	return r;
}

int cpu_chol_inv(struct dev *dev, struct tensor *u, const struct tensor *h)
{
	struct fac f = { .dnnl = host(dev)->f32_by_dnnl, .n = tensor_cols(h), .u = u->data };

	if (!factor_fits(u, h))
		return err_set(ST_FAIL, "chol_inv: shapes or types do not fit");
	f.NB = f.n < 2048 ? 128 : 256;
	if (u->data != h->data)
		memcpy(u->data, h->data, tensor_bytes(h));
	if (f.n > host(dev)->wide_n && !narrow(&f))
		return 0;
	return wide(&f);
}

int64_t chol_inv_bytes(const struct dev *dev, int64_t n)
{
	int64_t NB = n < 2048 ? 128 : 256;

	return n > ((const struct host *)dev)->wide_n ? n * NB * 4 : n * (n + NB) * 8;
}
