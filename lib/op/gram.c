/* The upper triangle of h += x^T x.
 *
 * Rows are summed GRAM_ROWS at a time from the first, each sum then added to h: calls cut at multiples of that give the
 * same bits.  By panels (see product.c) x is both sides of the product: a column pair of a panel is an element pair of a row
 * of x^T, so that one packing of a chunk serves all tiles. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <cblas.h>
#include <stdatomic.h>

/* Of a tile on the diagonal half is computed in vain, so that it is halved until it is at most DIAG wide. */
enum { TILE = 256, DIAG = 64, PACKED = 2 * GRAM_ROWS };        /* PACKED: rows in panels, between two walks through h */

_Static_assert(TILE % K_PANEL == 0, "tiles are of whole panels");

struct gram {
	struct host *h;
	int64_t m, k, tile, across;
	const float *x;
	const uint16_t *x16;            /* instead of x */
	uint16_t *p;                    /* panels of x16, GRAM_ROWS rows after the other */
	int64_t size;                   /* of those of GRAM_ROWS rows */
	float *out;
	atomic_int bad;
};

static int off_diagonal(const struct gram *g, int64_t i, int64_t j, int64_t ni, int64_t nj)
{
	float *c = g->out + i * g->k + j;

	if (g->x16)
		return mm_bf16(1, 0, ni, nj, g->m, g->x16 + i, g->k, g->x16 + j, g->k, true, c, g->k);
	mm_f32(g->h->f32_by_dnnl, 1, 0, ni, nj, g->m, 1, g->x + i, g->k, g->x + j, g->k, 1, c, g->k);
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

/* Rows [i, i + ni), columns [j, j + nj) of x^T x, each within a panel p of m rows */
static void by_panels(const struct gram *g, const uint16_t *p, int64_t m, int64_t i, int64_t ni, int64_t j, int64_t nj)
{
	const uint16_t *a = p + i / K_PANEL * panel_size(m), *b = p + j / K_PANEL * panel_size(m);
	float *c = g->out + i * g->k + j;

	if (i != j) {
		g->h->k.mul16(ni, nj, m, a, 2, 2 * K_PANEL, b, 1, c, g->k);
		return;
	}
	for (int64_t s = 0; s < ni; s += PAD)   /* a step down the diagonal: columns from s on */
		g->h->k.mul16(least(PAD, ni - s), nj - s, m, a + 2 * s, 2, 2 * K_PANEL, b + 2 * s, 1,
		            c + s * g->k + s, g->k);
}

static int panel_tile(const struct gram *g, int64_t i, int64_t j, int64_t ni, int64_t nj)
{
	for (int64_t r = 0; r < g->m; r += GRAM_ROWS)
		for (int64_t v = 0; v < nj; v += K_PANEL)
			for (int64_t u = 0; u < ni && i + u <= j + v; u += K_PANEL)
				by_panels(g, g->p + r / GRAM_ROWS * g->size, least(GRAM_ROWS, g->m - r), i + u,
				          least(K_PANEL, ni - u), j + v, least(K_PANEL, nj - v));
	return 0;
}

static void gram_item(void *arg, int64_t item, int worker)
{
	struct gram *g = arg;
	int64_t i = 0, j = item, ni, nj;
	int r;

	(void)worker;
	while (j >= g->across - i)              /* row i of tiles has across - i of them */
		j -= g->across - i++;
	j = (i + j) * g->tile;
	i *= g->tile;
	ni = least(g->tile, g->k - i);
	nj = least(g->tile, g->k - j);
	r = g->p ? panel_tile(g, i, j, ni, nj) : i == j ? diagonal(g, i, ni) : off_diagonal(g, i, j, ni, nj);
	if (r < 0)
		atomic_store(&g->bad, 1);
}

static void pack_item(void *arg, int64_t item, int worker)
{
	const struct gram *g = arg;
	int64_t panels = div_up(g->k, K_PANEL), i = item % panels, r = item / panels;
	int64_t m = least(GRAM_ROWS, g->m - r * GRAM_ROWS);

	(void)worker;
	g->h->k.pack16(g->p + r * g->size + i * panel_size(m), g->x16 + r * GRAM_ROWS * g->k + i * K_PANEL, g->k, m,
	               least(K_PANEL, g->k - i * K_PANEL));
}

/* Rows of x as the products want them */
static void take(struct gram *g, const struct tensor *x, bool half)
{
	int64_t n = tensor_count(x), panels = div_up(g->k, K_PANEL), parts, size;

	g->m = tensor_rows(x);
	parts = div_up(g->m, GRAM_ROWS);
	g->size = panels * panel_size(least(GRAM_ROWS, g->m));
	size = parts * g->size;
	if (half && g->h->panels16) {
		g->p = host_scratch(g->h, size + (x->dt == DT_BF16 ? 0 : n), sizeof(*g->p));
		g->x16 = host_bf16(g->h, x, g->p + size);
		pool_for(panels * parts, pack_item, g);
	} else if (half && g->h->fast_bf16)
		g->x16 = host_bf16(g->h, x, host_scratch(g->h, x->dt == DT_BF16 ? 0 : n, sizeof(*g->x16)));
	else if (half)
		g->x = host_as_bf16(g->h, x, host_scratch(g->h, n, sizeof(*g->x)));
	else
		g->x = x->data;
}

int cpu_gram(struct dev *d, struct tensor *h, const struct tensor *x)
{
	struct gram g = { .h = host(d), .k = tensor_cols(x), .out = h->data };
	bool half = d->mm == DT_BF16 || x->dt == DT_BF16;
	int64_t rows = tensor_rows(x), step = half && g.h->panels16 ? PACKED : GRAM_ROWS;

	if (!gram_fits(h, x))
		return err_set(ST_FAIL, "gram: shapes or types do not fit");
	g.tile = even_tile(g.k, TILE, K_PANEL);
	g.across = g.k ? div_up(g.k, g.tile) : 0;
	for (int64_t r = 0; r < rows; r += step) {
		struct tensor part = tensor_view((char *)x->data + (size_t)(r * g.k) * dtype_size(x->dt), x->dt,
		                                 least(step, rows - r), g.k);

		take(&g, &part, half);
		pool_for(g.across * (g.across + 1) / 2, gram_item, &g);
	}
	return g.bad ? err_set(ST_FAIL, "oneDNN failed") : 0;
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

int op_mirror(struct dev *d, struct tensor *h)
{
	struct gram g = { .h = host(d), .k = tensor_cols(h), .out = h->data };

	if (h->dt != DT_F32 || tensor_count(h) != g.k * g.k)
		return err_set(ST_FAIL, "mirror: shapes or types do not fit");
	pool_for(div_up(g.k, 64), mirror_item, &g);
	return 0;
}
