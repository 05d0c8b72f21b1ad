/* Attention in bf16 by panels (see kern.h): the way of attn.c, with the packing done once.
 *
 * First the keys and values of every key head go into panels, of 64 keys and all of a head's width, and of all keys and 64
 * columns; a key block an item.  Then an item is (sequence, key head, block of queries), the queries of the heads that
 * share the key head one above the other.  Since nothing is packed for it a block may be low, which wastes little above
 * the diagonal. */
#include "op/host.h"

#include "base/err.h"
#include "base/pool.h"

#include <math.h>
#include <string.h>

enum { BK = 8 * K_PANEL, ROWS = 96 };   /* keys in a tile; rows of a product, about */

struct attn {
	struct host *h;
	const struct attn_args *a;
	struct tensor *o;
	uint16_t *k, *v;                /* panels: per (sequence, key head) sk, sv elements */
	int64_t sk, sv, keys;           /* keys: T in whole panels */
	int64_t G, BQ, blocks;          /* query heads per key head; queries in a block; blocks in T */
	char *tmp;                      /* per worker, `size` bytes */
	int64_t size;
};

/* A worker's memory */
struct work {
	float *o, *s, *max, *sum;       /* [rows, Dv], [rows, BK], [rows], [rows] */
	uint16_t *q16, *p;              /* [rows, D], [rows, BK] */
};

static struct work work_of(const struct attn *t, int worker)
{
	int64_t rows = t->G * t->BQ;
	struct work w = { .s = (float *)(void *)(t->tmp + worker * t->size) };

	w.o = w.s + rows * BK;
	w.max = w.o + rows * t->a->Dv;
	w.sum = w.max + rows;
	w.p = (uint16_t *)(void *)(w.sum + rows);
	w.q16 = w.p + rows * BK;
	return w;
}

static int64_t work_size(const struct attn *t)
{
	int64_t rows = t->G * t->BQ, pack = K_PANEL * (t->a->D > t->a->Dv ? t->a->D : t->a->Dv);
	int64_t n = rows * (BK + t->a->Dv + 2) * 4 + rows * (BK + t->a->D) * 2;

	return round_up(n > 2 * pack ? n : 2 * pack, 64);
}

/* Keys [j, j + 64) of one head, and their values */
static void pack_item(void *arg, int64_t item, int worker)
{
	const struct attn *t = arg;
	const struct attn_args *a = t->a;
	const struct kern *k = &t->h->k;
	int64_t per = t->keys / K_PANEL, j = item % per * K_PANEL, head = item / per, n = least(K_PANEL, a->T - j);
	int64_t row = head / a->K * a->T + j, kv = head % a->K;
	uint16_t *x = (uint16_t *)(void *)(t->tmp + worker * t->size);

	for (int64_t i = 0; i < n; i++)
		k->f32_bf16(x + i * a->D, a->k + (row + i) * a->ldk + kv * a->D, a->D);
	k->pack16_t(t->k + head * t->sk + j / K_PANEL * panel_size(a->D), x, a->D, a->D, n);
	memset(x + n * a->Dv, 0, (size_t)((K_PANEL - n) * a->Dv) * sizeof(*x));
	for (int64_t i = 0; i < n; i++)
		k->f32_bf16(x + i * a->Dv, a->v + (row + i) * a->ldv + kv * a->Dv, a->Dv);
	for (int64_t d = 0; d < a->Dv; d += K_PANEL)
		k->pack16(t->v + head * t->sv + d * t->keys + j * K_PANEL, x + d, a->Dv, K_PANEL,
		        least(K_PANEL, a->Dv - d));
}

static int64_t first_key(const struct attn_args *a, int64_t i)
{
	return a->window > 0 && i >= a->window ? i - a->window + 1 : 0;
}

/* Probabilities of the tile s[G * nq, nk] of keys from j0, and o shrunk to the new maximum. */
static void tile(const struct attn *t, const struct work *w, int64_t kv, int64_t q0, int64_t nq, int64_t j0, int64_t nk)
{
	const struct attn_args *a = t->a;
	const struct kern *k = &t->h->k;

	for (int64_t r = 0; r < t->G * nq; r++) {
		int64_t i = q0 + r % nq, lo = first_key(a, i) - j0, hi = least(i + 1 - j0, nk);
		float slope = a->slope ? a->slope[kv * t->G + r / nq] : 0, *s = w->s + r * BK, f;
		uint16_t *p = w->p + r * BK;

		lo = lo > 0 ? lo : 0;
		if (lo >= hi) {
			memset(p, 0, (size_t)nk * sizeof(*p));
			continue;
		}
		if (a->bias)
			k->axpy(s, a->bias + (kv * t->G + r / nq) * a->T + j0, 1, least(i + 1 - j0, nk));
		if (a->cap > 0 || slope != 0) {
			f = k->softmax(s, nk, lo, hi, j0 - i, a->scale, a->cap, slope, w->max + r, w->sum + r);
			k->f32_bf16(p, s, nk);
		} else {
			f = k->softmax16(p, s, nk, lo, hi, a->scale, w->max + r, w->sum + r);
		}
		if (f != 1)
			k->scal(w->o + r * a->Dv, f, a->Dv);
	}
}

static void attn_item(void *arg, int64_t item, int worker)
{
	struct attn *t = arg;
	const struct attn_args *a = t->a;
	const struct kern *k = &t->h->k;
	/* The last blocks see the most keys: they go first, that the workers end together. */
	int64_t q0 = (t->blocks - 1 - item / (a->K * a->n)) * t->BQ, head = item % (a->K * a->n), kv = head % a->K;
	int64_t nq = least(t->BQ, a->T - q0), rows = t->G * nq, first = head / a->K * a->T;
	const uint16_t *kp = t->k + head * t->sk, *vp = t->v + head * t->sv;
	struct work w = work_of(t, worker);

	for (int64_t r = 0; r < rows; r++) {
		k->f32_bf16(w.q16 + r * a->D, a->q + (first + q0 + r % nq) * a->ldq + (kv * t->G + r / nq) * a->D,
		            a->D);
		w.max[r] = -INFINITY;
		w.sum[r] = 0;
	}
	memset(w.o, 0, (size_t)(rows * a->Dv) * sizeof(*w.o));
	for (int64_t j = first_key(a, q0) / K_PANEL * K_PANEL, nk; j < q0 + nq; j += nk) {
		nk = least(BK, round_up(q0 + nq - j, 2));       /* in pairs; j stays at a panel's start */
		for (int64_t c = 0; c < nk; c += K_PANEL)
			k->mul16(rows, least(K_PANEL, nk - c), a->D, w.q16, a->D, 2,
			       kp + (j + c) / K_PANEL * panel_size(a->D), 0, w.s + c, BK);
		tile(t, &w, kv, q0, nq, j, nk);
		for (int64_t d = 0; d < a->Dv; d += K_PANEL)
			k->mul16(rows, least(K_PANEL, a->Dv - d), nk, w.p, BK, 2, vp + d * t->keys + j * K_PANEL, 1,
			       w.o + d, a->Dv);
	}
	for (int64_t r = 0; r < rows; r++) {
		float *o = w.o + r * a->Dv;
		int64_t to = ((first + q0 + r % nq) * a->H + kv * t->G + r / nq) * a->Dv;

		k->scal(o, 1 / w.sum[r], a->Dv);
		if (t->o->dt == DT_F32)
			memcpy((float *)t->o->data + to, o, (size_t)a->Dv * sizeof(*o));
		else
			k->f32_bf16((uint16_t *)t->o->data + to, o, a->Dv);
	}
}

void attn_panels(struct host *h, struct tensor *o, const struct attn_args *a)
{
	struct attn t = { .h = h, .a = a, .o = o, .G = a->H / a->K, .keys = round_up(a->T, K_PANEL) };
	int64_t heads = (int64_t)a->n * a->K;

	t.BQ = t.G < ROWS / 16 ? ROWS / t.G / 16 * 16 : 16;
	t.blocks = div_up(a->T, t.BQ);
	t.sk = t.keys / K_PANEL * panel_size(a->D);
	t.sv = round_up(a->Dv, K_PANEL) * t.keys;
	t.size = work_size(&t);
	t.tmp = host_scratch(h, pool_threads() * t.size + heads * (t.sk + t.sv) * 2, 1);
	t.k = (uint16_t *)(void *)(t.tmp + pool_threads() * t.size);
	t.v = t.k + heads * t.sk;
	pool_for(heads * t.keys / K_PANEL, pack_item, &t);
	pool_for(t.blocks * heads, attn_item, &t);
}
