/* Experts, one at a time: the rows that go to it are gathered from the states that all of them read, and what it makes
 * of them is added to the stream.  So one expert's matrices are worked with at a time, work is proportional to the
 * tokens routed, and a method sees each expert's inputs alone.
 *
 * States are walked in the same batches by every pass, of which the rows of one expert are picked: products of the
 * same rows together, hence the same bits with a tap as without. */
#include "run/side.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"

#include <stdlib.h>
#include <string.h>

/* Rows of one batch that go to an expert. */
struct pick {
	int64_t n;
	int64_t *row;                   /* [n] of the batch */
	float *weight;                  /* [n] */
	void *in;                       /* [n, C] dev->mm, gathered */
};

static int64_t step_of(const struct side *s, int T)
{
	return least(fwd_wide(s->fwd), (int64_t)fwd_batch(s->fwd) * T);
}

static void pick_open(const struct calib *c, const struct side *s, struct pick *p)
{
	size_t n = (size_t)step_of(s, c->T);

	p->row = xmalloc(n * sizeof(*p->row));
	p->weight = xmalloc(n * sizeof(*p->weight));
	p->in = xmalloc(n * (size_t)c->m->d_model * dtype_size(c->dev->mm));
}

static void pick_close(struct pick *p)
{
	free(p->row);
	free(p->weight);
	free(p->in);
}

/* Rows [row, row + m) that `routes` sends to the expert, NULL: all, from the states of s.  -1: error set. */
static int pick(const struct calib *c, const struct side *routes, struct side *s, int expert, int64_t row, int64_t m,
                struct pick *p)
{
	int64_t at = row * c->m->top_k;
	const char *a;

	p->n = moe_pick(c->m, routes ? expert : SHARED, m, routes ? routes->expert + at : NULL,
	                routes ? routes->weight + at : NULL, p->row, p->weight);
	if (!p->n)
		return 0;
	a = states_get(s->a, row, m);
	if (!a)
		return -1;
	moe_gather(p->in, a, (size_t)c->m->d_model * dtype_size(c->dev->mm), p->row, p->n);
	return 0;
}

/* a = what experts read, and who goes where. */
static int route(struct calib *c, struct side *s)
{
	int64_t total = c->N * c->T, step = step_of(s, c->T);
	size_t K = (size_t)c->m->top_k, n = (size_t)total;
	int r = 0;

	if (!s->a && !(s->a = calib_room(c, model_width(c->m), c->dev->mm)))
		return -1;
	if (!s->expert) {
		s->expert = xmalloc(n * K * sizeof(*s->expert));
		s->count = xmalloc((size_t)c->m->n_expert * sizeof(*s->count));
		s->weight = xmalloc(n * K * sizeof(*s->weight));
		s->shared = xmalloc(n * sizeof(*s->shared));
	}
	states_width(s->a, c->m->d_model);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t m = least(step, total - i);
		const float *x = states_get(s->x, i, m);
		struct tensor a = tensor_view(x ? states_room(s->a, i, m) : NULL, c->dev->mm, m, c->m->d_model);

		if (!x || fwd_route(s->fwd, m, x, &a, s->expert + i * (int64_t)K, s->weight + i * (int64_t)K) < 0 ||
		    states_put(s->a, i, m) < 0)
			r = -1;
	}
	fwd_rest(s->fwd);
	memset(s->count, 0, (size_t)c->m->n_expert * sizeof(*s->count));
	for (size_t i = 0; i < n * K && r == 0; i++)
		s->count[s->expert[i]]++;
	return r;
}

/* x += weight * y for the rows picked, of the batch [row, row + m). */
static int scatter(const struct calib *c, struct side *s, const struct pick *p, const float *y, int64_t row, int64_t m)
{
	float *x = states_get(s->x, row, m);

	if (!x)
		return -1;
	moe_add(x, c->m->d_model, y, p->row, p->weight, p->n);
	return states_put(s->x, row, m);
}

/* The expert from input to stream, by the side's own routes. */
static int through(struct calib *c, struct side *s, int expert)
{
	int64_t total = c->N * c->T, step = step_of(s, c->T);
	int W = expert_width(c->m, expert), C = c->m->d_model, r = 0;
	char *h = xmalloc((size_t)(step * W) * dtype_size(c->dev->mm));
	float *y = xmalloc((size_t)(step * C) * sizeof(*y));
	struct pick p;

	pick_open(c, s, &p);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t m = least(step, total - i);
		struct tensor in, ht, yt;

		r = pick(c, s, s, expert, i, m, &p);
		if (r < 0 || !p.n)
			continue;
		in = tensor_view(p.in, c->dev->mm, p.n, C);
		ht = tensor_view(h, c->dev->mm, p.n, W);
		yt = tensor_view(y, DT_F32, p.n, C);
		if (fwd_expert(s->fwd, expert, &in, &ht, p.weight) < 0 || fwd_expert_out(s->fwd, expert, &ht, &yt) < 0 ||
		    scatter(c, s, &p, y, i, m) < 0)
			r = -1;
	}
	pick_close(&p);
	free(h);
	free(y);
	fwd_rest(s->fwd);
	return r;
}

/* Those that a piece has: the first, which knows the routes, also the one that all tokens share. */
static void range(const struct calib *c, const struct block *b, int *from, int *to)
{
	piece_experts(c->m, b->index, b->piece, from, to);
	if (!b->piece && c->m->d_shared)
		*from = SHARED;
}

static bool last_piece(const struct calib *c, const struct block *b)
{
	return b->piece + 1 == layer_pieces(c->m, b->index);
}

static int finite(struct calib *c, struct side *s)
{
	int64_t total = c->N * c->T, step = step_of(s, c->T);

	for (int64_t i = 0; i < total; i += step) {
		int64_t m = least(step, total - i);
		const float *x = states_get(s->x, i, m);

		if (!x || calib_finite(c, x, DT_F32, i, m, c->m->d_model, "output") < 0)
			return -1;
	}
	return 0;
}

int experts_straight(struct calib *c, struct side *s, const struct block *b)
{
	int from, to, r = b->piece ? 0 : route(c, s);

	range(c, b, &from, &to);
	for (int e = from; e < to && r == 0; e++)
		r = through(c, s, e);
	return r == 0 && last_piece(c, b) ? finite(c, s) : r;
}

/* What an expert's input site reads, to the method, a batch at a time; of the twin the same rows. */
static int see_in(struct calib *c, const struct tap *tap, const struct site *site, int expert, const struct side *routes)
{
	int64_t total = c->N * c->T, step = step_of(&c->main, c->T);
	bool twin = c->twin.fwd;
	struct pick p, q = { 0 };
	int r = 0;

	pick_open(c, &c->main, &p);
	if (twin)
		pick_open(c, &c->main, &q);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t m = least(step, total - i);
		struct tensor x, t;

		r = pick(c, routes, &c->main, expert, i, m, &p);
		if (r == 0 && twin)
			r = pick(c, routes, &c->twin, expert, i, m, &q);
		if (r < 0 || !p.n)
			continue;
		x = tensor_view(p.in, c->dev->mm, p.n, c->m->d_model);
		t = tensor_view(q.in, c->dev->mm, p.n, c->m->d_model);
		r = tap->see(tap->arg, site, &x, twin ? &t : NULL);
	}
	pick_close(&p);
	if (twin)
		pick_close(&q);
	return r;
}

/* h of the rows that `routes` sends to the expert, one behind the other; *n: how many. */
static int make_h(struct calib *c, struct side *s, int expert, const struct side *routes, int64_t *n)
{
	int64_t total = c->N * c->T, step = step_of(s, c->T);
	int W = expert_width(c->m, expert), most = c->m->d_shared > c->m->d_expert ? c->m->d_shared : c->m->d_expert, r = 0;
	struct pick p;

	*n = 0;
	if (!s->h && !(s->h = calib_room(c, most, c->dev->mm)))
		return -1;
	states_width(s->h, W);
	pick_open(c, s, &p);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		struct tensor in, h;

		r = pick(c, routes, s, expert, i, least(step, total - i), &p);
		if (r < 0 || !p.n)
			continue;
		in = tensor_view(p.in, c->dev->mm, p.n, c->m->d_model);
		h = tensor_view(states_room(s->h, *n, p.n), c->dev->mm, p.n, W);
		if (!h.data || fwd_expert(s->fwd, expert, &in, &h, p.weight) < 0 || states_put(s->h, *n, p.n) < 0)
			r = -1;
		else if (expert == SHARED)
			memcpy(s->shared + i, p.weight, (size_t)p.n * sizeof(*p.weight));
		*n += p.n;
	}
	pick_close(&p);
	fwd_rest(s->fwd);
	return r;
}

static int see_h(struct calib *c, const struct tap *tap, const struct site *site, int64_t n)
{
	int64_t step = calib_see_rows(site->width);
	int r = 0;

	for (int64_t i = 0; i < n && r == 0; i += step) {
		int64_t m = least(step, n - i);
		struct tensor x = tensor_view(states_get(c->main.h, i, m), c->dev->mm, m, site->width), t = { 0 };

		if (c->twin.fwd)
			t = tensor_view(states_get(c->twin.h, i, m), c->dev->mm, m, site->width);
		if (!x.data || (c->twin.fwd && !t.data) || calib_finite(c, x.data, x.dt, i, m, site->width, site->name) < 0)
			return -1;
		r = tap->see(tap->arg, site, &x, c->twin.fwd ? &t : NULL);
	}
	return r;
}

/* The stream of the main side through what the method left of down. */
static int add_out(struct calib *c, struct side *s, int expert)
{
	int64_t total = c->N * c->T, step = step_of(s, c->T), at = 0;
	int W = expert_width(c->m, expert), C = c->m->d_model, r = 0;
	float *y = xmalloc((size_t)(step * C) * sizeof(*y));
	struct pick p;

	pick_open(c, s, &p);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t m = least(step, total - i);
		struct tensor h, yt;

		r = pick(c, s, s, expert, i, m, &p);
		if (r < 0 || !p.n)
			continue;
		if (expert == SHARED)
			memcpy(p.weight, s->shared + i, (size_t)p.n * sizeof(*p.weight));
		h = tensor_view(states_get(s->h, at, p.n), c->dev->mm, p.n, W);
		yt = tensor_view(y, DT_F32, p.n, C);
		if (!h.data || fwd_expert_out(s->fwd, expert, &h, &yt) < 0 || scatter(c, s, &p, y, i, m) < 0)
			r = -1;
		at += p.n;
	}
	pick_close(&p);
	free(y);
	fwd_rest(s->fwd);
	return r;
}

/* Does a method see all tokens at this expert's sites? */
static bool sees_all(const struct calib *c, int expert)
{
	int widest = c->m->d_model > c->m->d_expert ? c->m->d_model : c->m->d_expert;
	int64_t total = c->N * c->T, share = total * c->m->top_k / c->m->n_expert;

	if (expert == SHARED)
		return false;                   /* it does already */
	return common.all_experts || !c->main.count[expert] || c->main.count[expert] < widest / 16 ||
	       c->main.count[expert] < share / 200;
}

static int see_out(struct calib *c, const struct tap *tap, const struct site *out, int expert, const struct side *routes)
{
	int64_t n;

	if (make_h(c, &c->main, expert, routes, &n) < 0 || (c->twin.fwd && make_h(c, &c->twin, expert, routes, &n) < 0))
		return -1;
	return see_h(c, tap, out, n) < 0 ? -1 : tap->done(tap->arg, out);
}

static int one(struct calib *c, const struct tap *tap, int expert)
{
	const struct side *routes = &c->main;
	struct site in, out;
	bool made = false;
	int64_t n;

	expert_sites(c->m, expert, &in, &out);
	in.all = out.all = sees_all(c, expert);
	in.routed = out.routed = expert == SHARED ? c->N * c->T : c->main.count[expert];
	if (in.all)
		routes = NULL;
	if (tap->wants(tap->arg, &in) && (see_in(c, tap, &in, expert, routes) < 0 || tap->done(tap->arg, &in) < 0))
		return -1;
	if (tap->wants(tap->arg, &out)) {
		if (see_out(c, tap, &out, expert, routes) < 0)
			return -1;
		made = routes;
	}
	/* of the rows that go on, together as without a tap: the same bits */
	if ((!made && make_h(c, &c->main, expert, &c->main, &n) < 0) || add_out(c, &c->main, expert) < 0)
		return -1;
	return c->twin.fwd ? through(c, &c->twin, expert) : 0;
}

int experts_tapped(struct calib *c, const struct block *b, const struct tap *tap)
{
	int from, to, r = b->piece ? 0 : route(c, &c->main);

	if (r == 0 && !b->piece && c->twin.fwd)
		r = route(c, &c->twin);
	range(c, b, &from, &to);
	for (int e = from; e < to && r == 0; e++)
		r = one(c, tap, e);
	return r == 0 && last_piece(c, b) ? finite(c, &c->main) : r;
}
