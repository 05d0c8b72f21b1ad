/* Attention of the cpu device: blocks of queries against tiles of visible keys, the softmax carried along
 * (Milakov and Gimelshein, arXiv 1805.02867), so that no T x T matrix is ever held.
 *
 * An item is (sequence, key head, block of queries): the H/K query heads that read one key head make one product,
 * G * BQ rows high.  Per worker: the queries, gathered; a tile of scores; the output, before division. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <math.h>
#include <string.h>

enum { BK = 512, ROWS = 192 };          /* keys in a tile; rows of a product, about */

struct attn {
	struct host *h;
	const struct attn_args *a;
	float *o, *tmp;
	int64_t G, BQ, blocks, size;    /* query heads per key head; queries in a block; blocks in T; of tmp */
};

/* Keys visible to query i: [first_key, i]. */
static int64_t first_key(const struct attn_args *a, int64_t i)
{
	return a->window > 0 && i >= a->window ? i - a->window + 1 : 0;
}

/* Softmax of the tile s[G * nq, nk] of keys from j0, and o shrunk to the new maximum.  Positions are counted from
 * the query: a slope times a far position would leave no low bits to the scores. */
static void tile(const struct attn *t, float *s, float *o, float *max, float *sum, int64_t kv, int64_t q0, int64_t nq,
                 int64_t j0, int64_t nk)
{
	const struct attn_args *a = t->a;
	const struct kern *k = &t->h->k;

	for (int64_t r = 0; r < t->G * nq; r++) {
		int64_t i = q0 + r % nq, lo = first_key(a, i) - j0, hi = i + 1 - j0;
		float f;

		lo = lo > 0 ? lo : 0;
		hi = least(hi, nk);
		if (lo >= hi) {
			memset(s + r * nk, 0, (size_t)nk * sizeof(*s));
			continue;
		}
		f = k->softmax(s + r * nk, nk, lo, hi, j0 - i, a->scale, a->cap,
		               a->slope ? a->slope[kv * t->G + r / nq] : 0, max + r, sum + r);
		if (f != 1)
			k->scal(o + r * a->Dv, f, a->Dv);
	}
}

static void attn_item(void *arg, int64_t item, int worker)
{
	const struct attn *t = arg;
	const struct attn_args *a = t->a;
	/* The last blocks see the most keys: they go first, that the workers end together. */
	int64_t q0 = (t->blocks - 1 - item / (a->K * a->n)) * t->BQ, kv = item % a->K, n = item / a->K % a->n;
	int64_t nq = least(t->BQ, a->T - q0), rows = t->G * nq, all = t->G * t->BQ;
	int64_t first = n * a->T;
	float *q = t->tmp + worker * t->size, *o = q + all * a->D, *s = o + all * a->Dv, *max = s + all * BK,
	      *sum = max + all;

	for (int64_t r = 0; r < rows; r++) {
		memcpy(q + r * a->D, a->q + (first + q0 + r % nq) * a->ldq + (kv * t->G + r / nq) * a->D,
		       (size_t)a->D * sizeof(*q));
		max[r] = -INFINITY;
		sum[r] = 0;
	}
	memset(o, 0, (size_t)(rows * a->Dv) * sizeof(*o));
	for (int64_t j = first_key(a, q0), nk; j < q0 + nq; j += nk) {
		nk = least(BK, q0 + nq - j);
		mm_f32(0, 1, rows, nk, a->D, 1, q, a->D, a->k + (first + j) * a->ldk + kv * a->D, a->ldk, 0, s, nk);
		tile(t, s, o, max, sum, kv, q0, nq, j, nk);
		mm_f32(0, 0, rows, a->Dv, nk, 1, s, nk, a->v + (first + j) * a->ldv + kv * a->Dv, a->ldv, 1, o, a->Dv);
	}
	for (int64_t r = 0; r < rows; r++) {
		t->h->k.scal(o + r * a->Dv, 1 / sum[r], a->Dv);
		memcpy(t->o + (first + q0 + r % nq) * a->ldo + (kv * t->G + r / nq) * a->Dv, o + r * a->Dv,
		       (size_t)a->Dv * sizeof(*o));
	}
}

int cpu_attn(struct dev *d, float *o, const struct attn_args *a)
{
	struct attn t = { .h = host(d), .a = a, .o = o };

	if (a->K < 1 || a->H % a->K)
		return err_set(ST_FAIL, "attn: %d heads over %d", a->H, a->K);
	t.G = a->H / a->K;
	t.BQ = t.G < ROWS / 32 ? ROWS / t.G / 16 * 16 : 32;
	t.blocks = div_up(a->T, t.BQ);
	t.size = t.G * t.BQ * (a->D + a->Dv + BK + 2);
	t.size = div_up(t.size, 16) * 16;
	t.tmp = host_scratch(t.h, pool_threads() * t.size, sizeof(float));
	pool_for(t.blocks * a->K * a->n, attn_item, &t);
	return 0;
}
