/* h += x^T x.  Only tiles on and above the diagonal are computed, then mirrored. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <cblas.h>

/* CHUNK rows are summed in one go; sums of more would lose low bits one by one.  A tile on the diagonal is
 * halved until it is at most DIAG wide, since half of what a product does there is wasted. */
enum { CHUNK = 8192, TILE = 256, DIAG = 64 };

struct gram {
	struct host *h;
	int64_t m, k, tile, across;
	const float *x;
	float *out;
	float *tmp;
};

static void gram_item(void *arg, int64_t item, int worker)
{
	const struct gram *g = arg;
	int64_t i = 0, j = item, ni, nj;

	(void)worker;
	while (j >= g->across - i)              /* row i of tiles has across - i of them */
		j -= g->across - i++;
	j = (i + j) * g->tile;
	i *= g->tile;
	ni = least(g->tile, g->k - i);
	nj = least(g->tile, g->k - j);
	if (i == j)
		cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)ni, (blasint)g->m, 1, g->x + i,
		            (blasint)g->k, 1, g->out + i * g->k + i, (blasint)g->k);
	else
		mm_f32(1, 0, ni, nj, g->m, 1, g->x + i, g->k, g->x + j, g->k, 1, g->out + i * g->k + j, g->k);
}

/* Tiles below the diagonal from those above, a row of tiles an item. */
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
	struct gram g = { .h = host(d), .k = tensor_cols(x), .out = h->data };
	int64_t rows = tensor_rows(x);

	if (x->dt != DT_F32 || h->dt != DT_F32 || tensor_count(h) != g.k * g.k)
		return err_set(ST_FAIL, "gram: shapes or types do not fit");
	g.tile = least(g.k, TILE);
	g.across = g.k ? div_up(g.k, g.tile) : 0;
	for (int64_t r = 0; r < rows; r += CHUNK) {
		g.m = least(CHUNK, rows - r);
		g.x = (const float *)x->data + r * g.k;
		pool_for(g.across * (g.across + 1) / 2, gram_item, &g);
	}
	pool_for(div_up(g.k, 64), mirror_item, &g);
	return 0;
}
