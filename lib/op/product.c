/* Matrix products of the cpu device: cut into tiles of a size that depends on the shape alone, a tile an item of
 * the pool.
 *
 * A tile's whole sum is one call of mm.h.  So are linears where panels.c does not serve: by oneDNN in bf16 where the
 * processor has tiles (AMX), which drives them, and on processors that no kernel of ours knows. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

/* Rows and columns of a tile at most.  Large enough that packing (m k + n k elements moved) is little beside
 * 2 m n k operations, small enough that a few hundred tokens still feed several threads. */
enum { TILE_M = 256, TILE_N = 256 };

int64_t round_up(int64_t a, int64_t b)
{
	return div_up(a, b) * b;
}

int64_t even_tile(int64_t n, int64_t most, int64_t of)
{
	return n <= most ? n : round_up(div_up(n, div_up(n, most)), of);
}

struct product {
	struct host *h;
	int ta, tb;
	int64_t m, n, k, lda, ldb, ldc, tm, tn, across;         /* tile; tiles in a row of them */
	float alpha, beta;
	const float *a, *b, *bias;
	float *c;
	const uint16_t *a16, *b16, *last;       /* last: the last row of tiles of a16, padded */
	float *tmp;                     /* per worker, tmp_size elements */
	int64_t tmp_size;
	atomic_int bad;
};

static void cut(struct product *p)
{
	p->tm = even_tile(p->m, TILE_M, PAD);
	p->tn = even_tile(p->n, TILE_N, PAD);
	p->across = p->tn ? div_up(p->n, p->tn) : 0;
}

static int run(struct product *p, void (*fn)(void *, int64_t, int))
{
	if (p->m && p->n)
		pool_for(p->across * div_up(p->m, p->tm), fn, p);
	return p->bad ? err_set(ST_FAIL, "oneDNN failed") : 0;
}

static void add_bias(const struct product *p, int64_t i, int64_t j, int64_t m, int64_t n)
{
	for (int64_t r = i; p->bias && r < i + m; r++)
		p->h->k.axpy(p->c + r * p->ldc + j, p->bias + j, 1, n);
}

static void f32_item(void *arg, int64_t item, int worker)
{
	const struct product *p = arg;
	int64_t i = item / p->across * p->tm, j = item % p->across * p->tn;
	int64_t m = least(p->tm, p->m - i), n = least(p->tn, p->n - j);

	(void)worker;
	mm_f32(p->h->f32_by_dnnl, p->ta, p->tb, m, n, p->k, p->alpha, p->a + (p->ta ? i : i * p->lda), p->lda,
	       p->b + (p->tb ? j * p->ldb : j), p->ldb, p->beta, p->c + i * p->ldc + j, p->ldc);
	add_bias(p, i, j, m, n);
}

int cpu_gemm(struct dev *d, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
             const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	struct product p = { .h = host(d), .ta = ta, .tb = tb, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb,
	                     .ldc = ldc, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c };

	cut(&p);
	return run(&p, f32_item);
}

/* bf16 weights where only f32 is fast: a tile of them is widened first. */
static void widen_item(void *arg, int64_t item, int worker)
{
	const struct product *p = arg;
	int64_t i = item / p->across * p->tm, j = item % p->across * p->tn;
	int64_t m = least(p->tm, p->m - i), n = least(p->tn, p->n - j);
	float *w = p->tmp + worker * p->tmp_size;

	p->h->k.bf16_f32(w, p->b16 + j * p->ldb, n * p->ldb);
	mm_f32(p->h->f32_by_dnnl, 0, 1, m, n, p->k, 1, p->a + i * p->lda, p->lda, w, p->ldb, 0,
	       p->c + i * p->ldc + j, p->ldc);
	add_bias(p, i, j, m, n);
}

/* The last tile, where its height is no multiple of PAD, is a copy padded to one, lest every length of a text compile
 * kernels of its own. */
static void bf16_item(void *arg, int64_t item, int worker)
{
	struct product *p = arg;
	int64_t i = item / p->across * p->tm, j = item % p->across * p->tn;
	int64_t m = least(p->tm, p->m - i), n = least(p->tn, p->n - j), mp = round_up(m, PAD);
	float *c = p->c + i * p->ldc + j, *to = m == mp ? c : p->tmp + worker * p->tmp_size;
	const uint16_t *a = m == mp ? p->a16 + i * p->lda : p->last;

	if (mm_bf16(0, 1, mp, n, p->k, a, p->lda, p->b16 + j * p->ldb, p->ldb, false, to,
	            m == mp ? p->ldc : n) < 0)
		atomic_store(&p->bad, 1);
	for (int64_t r = 0; m != mp && r < m; r++)
		memcpy(c + r * p->ldc, to + r * n, (size_t)n * sizeof(*c));
	add_bias(p, i, j, m, n);
}

struct narrow {
	const struct kern *k;
	const struct tensor *x;
	uint16_t *y16;                  /* or NULL, and y */
	float *y;
	int64_t n;
};

static void narrow_item(void *arg, int64_t item, int worker)
{
	const struct narrow *w = arg;
	const float *x = w->x->data;
	int64_t a = item * GRAIN, b = least(a + GRAIN, w->n), n;
	uint16_t tmp[1024];

	(void)worker;
	if (w->y16) {
		w->k->f32_bf16(w->y16 + a, x + a, b - a);
		return;
	}
	if (w->x->dt == DT_BF16) {
		w->k->bf16_f32(w->y + a, (const uint16_t *)w->x->data + a, b - a);
		return;
	}
	for (; a < b; a += n) {
		n = least(1024, b - a);
		w->k->f32_bf16(tmp, x + a, n);
		w->k->bf16_f32(w->y + a, tmp, n);
	}
}

const uint16_t *host_bf16(struct host *h, const struct tensor *x, uint16_t *y)
{
	struct narrow w = { &h->k, x, y, NULL, tensor_count(x) };

	if (x->dt == DT_BF16)
		return x->data;
	pool_for(div_up(w.n, GRAIN), narrow_item, &w);
	return y;
}

const float *host_as_bf16(struct host *h, const struct tensor *x, float *y)
{
	struct narrow w = { &h->k, x, NULL, y, tensor_count(x) };

	pool_for(div_up(w.n, GRAIN), narrow_item, &w);
	return y;
}

int cpu_linear(struct dev *d, struct tensor *y, const struct tensor *x, const struct tensor *w, const struct tensor *b)
{
	struct host *h = host(d);
	int64_t m = tensor_rows(x), k = tensor_cols(x), n = tensor_rows(w), T = pool_threads();
	struct product p = { .h = h, .tb = 1, .m = m, .n = n, .k = k, .lda = k, .ldb = k, .ldc = n, .alpha = 1,
	                     .a = x->data, .b = w->data, .b16 = w->data, .bias = b ? b->data : NULL, .c = y->data };

	if (!linear_fits(y, x, w, b))
		return err_set(ST_FAIL, "linear: shapes or types do not fit");
	cut(&p);
	if (m && n && k && (w->dt == DT_F32 || !h->fast_bf16 ? h->panels32 : h->panels16)) {
		panels_linear(h, y, x, w, b);
		return 0;
	}
	if (w->dt == DT_F32 || !m || !n || !k)
		return run(&p, f32_item);
	if (h->fast_bf16) {
		int64_t last = m % PAD ? m - (m - 1) / p.tm * p.tm : 0, high = round_up(last, PAD);
		int64_t xs = x->dt == DT_BF16 ? 0 : round_up(m * k, 32);        /* 32 of 16 bits: 64 bytes */
		uint16_t *s;

		p.tmp_size = last ? high * p.tn : 0;
		s = host_scratch(h, (xs + round_up(high * k, 32)) * 2 + T * p.tmp_size * (int64_t)sizeof(float), 1);
		p.a16 = host_bf16(h, x, s);
		p.last = s + xs;
		memcpy(s + xs, p.a16 + (m - last) * k, (size_t)(last * k) * sizeof(*s));
		memset(s + xs + last * k, 0, (size_t)((high - last) * k) * sizeof(*s));
		p.tmp = (float *)(void *)(s + xs + round_up(high * k, 32));
		return run(&p, bf16_item);
	}
	p.tmp_size = p.tn * k;
	p.tmp = host_scratch(h, T * p.tmp_size + m * k, sizeof(float));
	p.a = host_as_bf16(h, x, p.tmp + T * p.tmp_size);
	return run(&p, widen_item);
}
