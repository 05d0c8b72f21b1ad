/* Attention of the cpu device: blocks of queries against tiles of visible keys, the softmax carried along
 * (Milakov and Gimelshein, arXiv 1805.02867), so that no T x T matrix is ever held.
 *
 * An item is (sequence, key head, block of queries): the H/K query heads that read one key head make one product,
 * G * BQ rows high.  Per worker: the queries, gathered; a tile of scores; the output, before division.
 *
 * Where products are bf16, q, k, v and the probabilities are rounded to it; scores, softmax and output stay f32.
 * Products are then padded to multiples of PAD, lest every length of a text compile kernels of its own: with rows
 * that nobody reads, and with keys that are not visible, of probability 0, of the next rows of k and v. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/pool.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BK = 512, ROWS = 192 };          /* keys in a tile; rows of a product, about */

struct attn {
	struct host *h;
	const struct attn_args *a;
	struct tensor *o;
	char *tmp;                      /* per worker, `size` bytes */
	int64_t G, BQ, blocks, size;    /* query heads per key head; queries in a block; blocks in T */
	const uint16_t *k16, *v16;      /* bf16 copies [n*T + PAD, K*D], [n*T + PAD, K*Dv], or NULL */
	atomic_int bad;
};

/* A worker's memory */
struct work {
	float *q, *o, *s, *max, *sum;   /* [rows, D], [rows, Dv], [rows, BK], [rows], [rows] */
	uint16_t *q16, *p16;            /* [rows, D], [rows, BK] */
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
		if (a->bias)
			k->axpy(s + r * nk, a->bias + (kv * t->G + r / nq) * a->T + j0, 1, hi);
		f = k->softmax(s + r * nk, nk, lo, hi, j0 - i, a->scale, a->cap,
		               a->slope ? a->slope[kv * t->G + r / nq] : 0, max + r, sum + r);
		if (f != 1)
			k->scal(o + r * a->Dv, f, a->Dv);
	}
}

static struct work work_of(const struct attn *t, int worker)
{
	int64_t rows = round_up(t->G * t->BQ, PAD);
	struct work w = { .q = (float *)(void *)(t->tmp + worker * t->size) };

	w.o = w.q + rows * t->a->D;
	w.s = w.o + rows * t->a->Dv;
	w.max = w.s + rows * BK;
	w.sum = w.max + rows;
	w.q16 = (uint16_t *)(void *)(w.sum + rows);
	w.p16 = w.q16 + rows * t->a->D;
	return w;
}

/* s = q k^T for nk keys from row j of k */
static int scores(const struct attn *t, const struct work *w, int64_t rows, int64_t nk, int64_t j, int64_t kv)
{
	const struct attn_args *a = t->a;

	if (t->k16)
		return mm_bf16(0, 1, rows, nk, a->D, w->q16, a->D, t->k16 + (j * a->K + kv) * a->D,
		               (int64_t)a->K * a->D, false, w->s, nk);
	mm_f32(t->h->f32_by_dnnl, 0, 1, rows, nk, a->D, 1, w->q, a->D, a->k + j * a->ldk + kv * a->D, a->ldk,
	       0, w->s, nk);
	return 0;
}

/* o += p v */
static int values(const struct attn *t, const struct work *w, int64_t rows, int64_t nk, int64_t j, int64_t kv)
{
	const struct attn_args *a = t->a;

	if (t->v16) {
		t->h->k.f32_bf16(w->p16, w->s, rows * nk);
		return mm_bf16(0, 0, rows, a->Dv, nk, w->p16, nk, t->v16 + (j * a->K + kv) * a->Dv,
		               (int64_t)a->K * a->Dv, true, w->o, a->Dv);
	}
	mm_f32(t->h->f32_by_dnnl, 0, 0, rows, a->Dv, nk, 1, w->s, nk, a->v + j * a->ldv + kv * a->Dv, a->ldv,
	       1, w->o, a->Dv);
	return 0;
}

static void attn_item(void *arg, int64_t item, int worker)
{
	struct attn *t = arg;
	const struct attn_args *a = t->a;
	/* The last blocks see the most keys: they go first, that the workers end together. */
	int64_t q0 = (t->blocks - 1 - item / (a->K * a->n)) * t->BQ, kv = item % a->K, n = item / a->K % a->n;
	int64_t nq = least(t->BQ, a->T - q0), rows = t->G * nq, first = n * a->T;
	int64_t pad = t->k16 ? PAD : 1, high = round_up(rows, pad);
	struct work w = work_of(t, worker);

	for (int64_t r = 0; r < rows; r++) {
		memcpy(w.q + r * a->D, a->q + (first + q0 + r % nq) * a->ldq + (kv * t->G + r / nq) * a->D,
		       (size_t)a->D * sizeof(*w.q));
		w.max[r] = -INFINITY;
		w.sum[r] = 0;
	}
	memset(w.q + rows * a->D, 0, (size_t)((high - rows) * a->D) * sizeof(*w.q));
	memset(w.o, 0, (size_t)(high * a->Dv) * sizeof(*w.o));
	if (t->k16)
		t->h->k.f32_bf16(w.q16, w.q, high * a->D);
	for (int64_t j = first_key(a, q0), nk; j < q0 + nq; j += nk) {
		nk = least(BK, round_up(q0 + nq - j, pad));
		if (scores(t, &w, high, nk, first + j, kv) < 0)
			atomic_store(&t->bad, 1);
		tile(t, w.s, w.o, w.max, w.sum, kv, q0, nq, j, nk);
		memset(w.s + rows * nk, 0, (size_t)((high - rows) * nk) * sizeof(*w.s));
		if (values(t, &w, high, nk, first + j, kv) < 0)
			atomic_store(&t->bad, 1);
	}
	for (int64_t r = 0; r < rows; r++) {
		float *o = w.o + r * a->Dv;
		int64_t to = ((first + q0 + r % nq) * a->H + kv * t->G + r / nq) * a->Dv;

		t->h->k.scal(o, 1 / w.sum[r], a->Dv);
		if (t->o->dt == DT_F32)
			memcpy((float *)t->o->data + to, o, (size_t)a->Dv * sizeof(*o));
		else
			t->h->k.f32_bf16((uint16_t *)t->o->data + to, o, a->Dv);
	}
}

/* Rows of x, ld apart, to bf16, tight */
struct rounding {
	const struct kern *k;
	uint16_t *y;
	const float *x;
	int64_t ld, width, rows;
};

static void round_item(void *arg, int64_t item, int worker)
{
	const struct rounding *r = arg;

	(void)worker;
	for (int64_t i = item * 64; i < least(item * 64 + 64, r->rows); i++)
		r->k->f32_bf16(r->y + i * r->width, r->x + i * r->ld, r->width);
}

static void round_rows(const struct attn *t, uint16_t *y, const float *x, int64_t ld, int64_t width)
{
	struct rounding r = { &t->h->k, y, x, ld, width, (int64_t)t->a->n * t->a->T };

	pool_for(div_up(r.rows, 64), round_item, &r);
	memset(y + r.rows * width, 0, (size_t)(PAD * width) * sizeof(*y));
}

int cpu_attn(struct dev *d, struct tensor *o, const struct attn_args *a)
{
	struct attn t = { .h = host(d), .a = a, .o = o };
	int64_t wk = (int64_t)a->K * a->D, wv = (int64_t)a->K * a->Dv, rows, keys = (int64_t)a->n * a->T + PAD;
	bool half = d->mm == DT_BF16 && t.h->fast_bf16;
	uint16_t *s;

	if (!attn_fits(o, a))
		return err_set(ST_FAIL, "attn: shapes or types do not fit");
	if (half && t.h->panels16) {
		attn_panels(t.h, o, a);
		return 0;
	}
	t.G = a->H / a->K;
	t.BQ = t.G < ROWS / 32 ? ROWS / t.G / 16 * 16 : 32;
	t.blocks = div_up(a->T, t.BQ);
	rows = round_up(t.G * t.BQ, PAD);
	t.size = round_up(rows * ((a->D + a->Dv + BK + 2) * (int64_t)sizeof(float) + (a->D + BK) * 2), 64);
	s = host_scratch(t.h, pool_threads() * t.size + (half ? keys * (wk + wv) * 2 : 0), 1);
	t.tmp = (char *)s;
	if (half) {
		s = (uint16_t *)(void *)(t.tmp + pool_threads() * t.size);
		round_rows(&t, s, a->k, a->ldk, wk);
		round_rows(&t, s + keys * wk, a->v, a->ldv, wv);
		t.k16 = s;
		t.v16 = s + keys * wk;
	}
	pool_for(t.blocks * a->K * a->n, attn_item, &t);
	return t.bad ? err_set(ST_FAIL, "oneDNN failed") : 0;
}
