/* h += x^T x.  Only tiles on and above the diagonal are computed, then mirrored. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <cblas.h>
#include <stdatomic.h>

/* CHUNK rows are summed in one go; sums of more would lose low bits one by one.  Of a bf16 tile on the diagonal
 * half is computed in vain, so that it is halved until it is at most DIAG wide. */
enum { CHUNK = 8192, TILE = 256, DIAG = 64 };

struct gram {
	bool dnnl;
	int64_t m, k, tile, across;
	const float *x;
	const uint16_t *x16;            /* instead of x */
	float *out;
	atomic_int bad;
};

static int off_diagonal(const struct gram *g, int64_t i, int64_t j, int64_t ni, int64_t nj)
{
	float *c = g->out + i * g->k + j;

	if (g->x16)
		return mm_bf16(1, 0, ni, nj, g->m, g->x16 + i, g->k, g->x16 + j, g->k, true, c, g->k);
	mm_f32(g->dnnl, 1, 0, ni, nj, g->m, 1, g->x + i, g->k, g->x + j, g->k, 1, c, g->k);
	return 0;
}

static int diagonal(const struct gram *g, int64_t i, int64_t n)
{
	int64_t half = round_up(n / 2, PAD);

	if (!g->x16) {
		cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)n, (blasint)g->m, 1, g->x + i,
		            (blasint)g->k, 1, g->out + i * g->k + i, (blasint)g->k);
		return 0;
	}
	if (n <= DIAG)
		return off_diagonal(g, i, i, n, n);
	if (diagonal(g, i, half) < 0 || diagonal(g, i + half, n - half) < 0)
		return -1;
	return off_diagonal(g, i, i + half, half, n - half);
}

static void gram_item(void *arg, int64_t item, int worker)
{
	struct gram *g = arg;
	int64_t i = 0, j = item, ni;

	(void)worker;
	while (j >= g->across - i)              /* row i of tiles has across - i of them */
		j -= g->across - i++;
	j = (i + j) * g->tile;
	i *= g->tile;
	ni = least(g->tile, g->k - i);
	if ((i == j ? diagonal(g, i, ni) : off_diagonal(g, i, j, ni, least(g->tile, g->k - j))) < 0)
		atomic_store(&g->bad, 1);
}

/* What is below the diagonal from above it, in squares, a row of them an item. */
static void mirror_item(void *arg, int64_t item, int worker)
{
	const struct gram *g = arg;
	int64_t top = item * 64, end = least(top + 64, g->k);

	(void)worker;
	for (int64_t c = 0; c < end; c += 64)
		for (int64_t i = top; i < end; i++)
			for (int64_t j = c; j < least(c + 64, i); j++)
				g->out[i * g->k + j] = g->out[j * g->k + i];
}

int cpu_gram(struct dev *d, struct tensor *h, const struct tensor *x)
{
	struct host *dev = host(d);
	struct gram g = { .dnnl = dev->f32_by_dnnl, .k = tensor_cols(x), .out = h->data };
	int64_t rows = tensor_rows(x);

	if (!gram_fits(h, x))
		return err_set(ST_FAIL, "gram: shapes or types do not fit");
	g.tile = even_tile(g.k, TILE);
	g.across = g.k ? div_up(g.k, g.tile) : 0;
	for (int64_t r = 0; r < rows; r += CHUNK) {
		struct tensor part = tensor_view((char *)x->data + (size_t)(r * g.k) * dtype_size(x->dt), x->dt,
		                                 least(CHUNK, rows - r), g.k);

		g.m = tensor_rows(&part);
		if ((d->mm == DT_BF16 || x->dt == DT_BF16) && dev->fast_bf16)
			g.x16 = host_bf16(dev, &part, host_scratch(dev, x->dt == DT_BF16 ? 0 : g.m * g.k, 2));
		else if (d->mm == DT_BF16 || x->dt == DT_BF16)
			g.x = host_as_bf16(dev, &part, host_scratch(dev, g.m * g.k, sizeof(float)));
		else
			g.x = part.data;
		pool_for(g.across * (g.across + 1) / 2, gram_item, &g);
	}
	pool_for(div_up(g.k, 64), mirror_item, &g);
	return g.bad ? err_set(ST_FAIL, "oneDNN failed") : 0;
}
