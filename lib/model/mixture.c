/* Experts in the forward pass: who goes where, and what an expert makes of it. */
#include "model/fwdint.h"
#include "model/moe.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int fwd_route(struct fwd *f, int64_t m, const float *x, struct tensor *a, int32_t *expert, float *weight)
{
	int E = f->m->n_expert, K = f->m->top_k;
	struct tensor in = tensor_view((void *)(uintptr_t)x, DT_F32, m, f->m->d_model);
	struct tensor n = fwd_scratch(&f->q, DT_F32, m, f->m->d_model), s = fwd_scratch(&f->g, DT_F32, m, E);
	const struct tensor *w = fwd_prepared(f, f->blk, R_ROUTER, P_WEIGHT, DT_F32), *b = NULL;
	float *work = xmalloc(2 * (size_t)E * sizeof(*work));
	int64_t bad;
	int r = -1;

	/* in F32 throughout: a rounding would send tokens elsewhere */
	if (w && (!f->m->router_bias || (b = fwd_prepared(f, f->blk, R_ROUTER, P_BIAS, DT_F32))) &&
	    fwd_norm(f, R_NORM_MLP, &n, &in) == 0 && f->dev->ops->linear(f->dev, &s, &n, w, NULL) == 0)
		r = f->dev->ops->copy(f->dev, a, &n);
	if (r == 0 && (bad = first_nonfinite(s.data, DT_F32, (size_t)(m * E))) >= 0)
		r = err_set(ST_FAIL, "the router's score of expert %lld is not finite", (long long)(bad % E));
	for (int64_t i = 0; i < m && r == 0; i++)
		moe_route(f->m, (float *)s.data + i * E, b ? b->data : NULL, work, expert + i * K, weight + i * K);
	free(work);
	return r;
}

/* What the shared expert's output is multiplied by. */
static int shared_weight(struct fwd *f, const struct tensor *in, float *weight)
{
	const struct tensor *w = fwd_prepared(f, f->blk, R_SHARED_ROUTER, P_WEIGHT, DT_F32);
	int64_t m = tensor_rows(in);
	struct tensor x = fwd_scratch(&f->q, DT_F32, m, f->m->d_model), y = tensor_view(weight, DT_F32, m, 1);

	if (!w || f->dev->ops->copy(f->dev, &x, in) < 0 || f->dev->ops->linear(f->dev, &y, &x, w, NULL) < 0)
		return -1;
	for (int64_t i = 0; i < m; i++)
		weight[i] = 1 / (1 + expf(-weight[i]));
	return 0;
}

static void turn_to(struct fwd *f, int expert)
{
	static const enum role r[] = { R_EXPERT_GATE, R_EXPERT_UP, R_EXPERT_DOWN };

	for (int i = 0; i < 3 && expert != SHARED && expert != f->expert; i++)
		fwd_forget(f, r[i]);
	f->expert = expert == SHARED ? f->expert : expert;
}

int fwd_expert(struct fwd *f, int expert, const struct tensor *in, struct tensor *h, float *weight)
{
	bool shared = expert == SHARED;
	int64_t m = tensor_rows(in), width = expert_width(f->m, expert);
	struct tensor u = fwd_scratch(&f->u, DT_F32, m, width), g = fwd_scratch(&f->g, DT_F32, m, width);

	turn_to(f, expert);
	if (shared)
		for (int64_t i = 0; i < m; i++)
			weight[i] = 1;
	if (shared && f->m->shared_gate && shared_weight(f, in, weight) < 0)
		return -1;
	if (fwd_linear(f, f->blk, shared ? R_SHARED_GATE : R_EXPERT_GATE, &g, in) < 0 ||
	    fwd_linear(f, f->blk, shared ? R_SHARED_UP : R_EXPERT_UP, &u, in) < 0)
		return -1;
	return f->dev->ops->glu(f->dev, h, &g, &u, f->m->act);
}

int fwd_expert_out(struct fwd *f, int expert, const struct tensor *h, struct tensor *y)
{
	turn_to(f, expert);
	return fwd_linear(f, f->blk, expert == SHARED ? R_SHARED_DOWN : R_EXPERT_DOWN, y, h);
}

int fwd_mixture(struct fwd *f, int64_t rows, float *x)
{
	const struct model *m = f->m;
	size_t e = dtype_size(f->dev->mm), n = (size_t)rows, C = (size_t)m->d_model;
	int wide = m->d_shared > m->d_expert ? m->d_shared : m->d_expert, r;
	char *a = xmalloc(n * C * e), *in = xmalloc(n * C * e), *h = xmalloc(n * (size_t)wide * e);
	float *y = xmalloc(n * C * sizeof(*y)), *w = xmalloc(n * sizeof(*w)), *weight = xmalloc(n * (size_t)m->top_k * sizeof(*w));
	int32_t *to = xmalloc(n * (size_t)m->top_k * sizeof(*to));
	int64_t *row = xmalloc(n * sizeof(*row));
	struct tensor at = tensor_view(a, f->dev->mm, rows, m->d_model);

	r = fwd_route(f, rows, x, &at, to, weight);
	for (int k = m->d_shared ? SHARED : 0; k < m->n_expert && r == 0; k++) {
		int64_t some = moe_pick(m, k, rows, to, weight, row, w);
		struct tensor it = tensor_view(in, f->dev->mm, some, m->d_model), yt = tensor_view(y, DT_F32, some, m->d_model);
		struct tensor ht = tensor_view(h, f->dev->mm, some, expert_width(m, k));

		if (!some)
			continue;
		moe_gather(in, a, C * e, row, some);
		if (fwd_expert(f, k, &it, &ht, w) < 0 || fwd_expert_out(f, k, &ht, &yt) < 0)
			r = -1;
		else
			moe_add(x, m->d_model, y, row, w, some);
	}
	free(a);
	free(in);
	free(h);
	free(y);
	free(w);
	free(weight);
	free(to);
	free(row);
	return r;
}
