/* y = x w^T by the panels of kernels/ (see kern.h): a tile of y is an item; its part of w is packed, DEPTH elements of a sum
 * at a time, and meets the rows of x where they lie.
 *
 * Why not a library's product: a row's sum here takes the same course whatever the number of rows, which libraries
 * choose their kernels by; bf16 panels of one matrix serve all tiles of gram.c and all queries of attn_panel.c; and no
 * library decides by model number how wide a processor it knows is. */
#include "op/host.h"

#include "base/pool.h"

/* BAND rows of x stay in the cache while they meet panel after panel. */
enum { TILE_M = 512, TILE_N = 256, DEPTH32 = 384, DEPTH16 = 2 * DEPTH32, BAND = 96 };

struct product {
	struct host *h;
	int64_t m, n, k, tm, tn, deep, across;  /* tile; part of a sum; tiles in a row of them */
	const float *x;
	const uint16_t *x16;                    /* instead of x */
	const struct tensor *w;
	const float *bias;
	float *y;
	float *tmp;                             /* per worker, `size` */
	int64_t size;
};

int64_t panel_size(int64_t k)
{
	return round_up(k, 2) * K_PANEL;
}

/* bf16 weights where only f32 is fast are widened first. */
static const float *widened(const struct product *p, float *to, int64_t j, int64_t n, int64_t q, int64_t k)
{
	const uint16_t *w = (const uint16_t *)p->w->data + j * p->k + q;

	for (int64_t i = 0; i < n; i++)
		p->h->k.bf16_f32(to + i * p->deep, w + i * p->k, k);
	return to;
}

/* Panels of columns [j, j + n) of w^T, elements [q, q + k) of the sums */
static void pack(const struct product *p, float *to, int64_t j, int64_t n, int64_t q, int64_t k)
{
	const struct kern *f = &p->h->k;
	int64_t ld = p->k;
	const float *w = (const float *)p->w->data + j * ld + q;

	if (p->x16) {
		for (int64_t c = 0; c < n; c += K_PANEL)
			f->pack16_t((uint16_t *)(void *)to + c / K_PANEL * panel_size(k),
			            (const uint16_t *)p->w->data + (j + c) * ld + q, ld, k, least(K_PANEL, n - c));
		return;
	}
	if (p->w->dt != DT_F32) {
		w = widened(p, to + round_up(p->tn, K_PANEL) * p->deep, j, n, q, k);
		ld = p->deep;
	}
	for (int64_t c = 0; c < n; c += K_PANEL)
		f->pack32_t(to + c * k, w + c * ld, ld, k, least(K_PANEL, n - c));
}

/* Rows [i, i + m) by the panels */
static void multiply(const struct product *p, const float *w, int64_t i, int64_t m, int64_t j, int64_t n, int64_t q,
                     int64_t k)
{
	const struct kern *f = &p->h->k;

	for (int64_t c = 0; c < n; c += K_PANEL) {
		float *y = p->y + i * p->n + j + c;
		int64_t wide = least(K_PANEL, n - c);

		if (p->x16)
			f->mul16(m, wide, k, p->x16 + i * p->k + q, p->k, 2,
			         (const uint16_t *)(const void *)w + c / K_PANEL * panel_size(k), q > 0, y, p->n);
		else
			f->mul32(m, wide, k, p->x + i * p->k + q, p->k, w + c * k, q > 0, y, p->n);
	}
}

static void item(void *arg, int64_t item, int worker)
{
	const struct product *p = arg;
	int64_t i = item / p->across * p->tm, j = item % p->across * p->tn;
	int64_t m = least(p->tm, p->m - i), n = least(p->tn, p->n - j);
	float *w = p->tmp + worker * p->size;

	for (int64_t q = 0; q < p->k; q += p->deep) {
		int64_t k = least(p->deep, p->k - q);

		pack(p, w, j, n, q, k);
		for (int64_t r = 0; r < m; r += BAND)
			multiply(p, w, i + r, least(BAND, m - r), j, n, q, k);
	}
	for (int64_t r = i; p->bias && r < i + m; r++)
		p->h->k.axpy(p->y + r * p->n + j, p->bias + j, 1, n);
}

void panels_linear(struct host *h, struct tensor *y, const struct tensor *x, const struct tensor *w, const struct tensor *b)
{
	struct product p = { .h = h, .m = tensor_rows(x), .n = tensor_rows(w), .k = tensor_cols(x), .x = x->data, .w = w,
	                     .bias = b ? b->data : NULL, .y = y->data };
	bool half = w->dt == DT_BF16, wide = half && !h->panels16;
	int64_t all = pool_threads();

	p.tm = even_tile(p.m, TILE_M, PAD);
	p.tn = even_tile(p.n, TILE_N, K_PANEL);
	p.across = div_up(p.n, p.tn);
	p.deep = even_tile(p.k, half && !wide ? DEPTH16 : DEPTH32, 2);
	p.size = round_up(p.tn, K_PANEL) * round_up(p.deep, 2) / (half && !wide ? 2 : 1) + (wide ? p.tn * p.deep : 0);
	p.size = round_up(p.size, 16);
	all *= p.size;
	p.tmp = host_scratch(h, all + (wide ? p.m * p.k : half && x->dt == DT_F32 ? (p.m * p.k + 1) / 2 : 0), sizeof(float));
	if (wide)
		p.x = host_as_bf16(h, x, p.tmp + all);
	else if (half)
		p.x16 = host_bf16(h, x, (uint16_t *)(void *)(p.tmp + all));
	pool_for(p.across * div_up(p.m, p.tm), item, &p);
}
