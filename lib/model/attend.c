/* Attention of the forward pass: with keys and values of their own, or made of a latent. */
#include "model/fwdint.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/* Slope times position as bf16 has it: of far keys it is coarse, and the model was trained with that. */
float *fwd_coarse_bias(int H, int T, const float *slope)
{
	float *b = xmalloc((size_t)H * (size_t)T * sizeof(*b));

	for (int h = 0; h < H; h++)
		for (int t = 0; t < T; t++)
			b[(int64_t)h * T + t] = bf16_f32(f32_bf16(bf16_f32(f32_bf16(slope[h])) * (float)t));
	return b;
}

/* Rows of `from`, lf apart, to rows of `to`, lt apart: n elements of each. */
static void move(float *to, int64_t lt, const float *from, int64_t lf, int64_t n, int64_t rows)
{
	for (int64_t i = 0; i < rows; i++)
		memcpy(to + i * lt, from + i * lf, (size_t)n * sizeof(*to));
}

/* y = norm of w[:, 0 .. width) of w, a product [m, wide]. */
int fwd_latent(struct fwd *f, enum role from, const struct tensor *w, struct tensor *y)
{
	const struct tensor *gain = fwd_prepared(f, f->blk, from == R_QA ? R_NORM_QA : R_NORM_KVA, P_WEIGHT, DT_F32);
	int64_t n = tensor_cols(y), wide = tensor_cols(w), rows = tensor_rows(w);
	struct tensor c = fwd_scratch(&f->v, DT_F32, rows, n);

	if (!gain)
		return -1;
	move(c.data, n, w->data, wide, n, rows);
	return f->dev->ops->norm(f->dev, y, &c, NORM_RMS, gain->data, NULL, (float)f->m->eps_latent);
}

/* n heads of x [rows, n * d_head] under their norm, or all of them under one. */
static int head_norm(struct fwd *f, enum role r, int n, struct tensor *x)
{
	const struct model *m = f->m;
	bool rms = m->qk_norm == QK_RMS || m->qk_norm == QK_RMS_ALL, each = m->qk_norm == QK_LAYER_EACH;
	struct tensor heads = m->qk_norm == QK_RMS_ALL ? *x : tensor_view(x->data, DT_F32, tensor_rows(x) * n, m->d_head);
	const struct tensor *w = fwd_prepared(f, f->blk, r, P_WEIGHT, DT_F32), *b = NULL;
	float *v = x->data;

	if (!w || (m->qk_norm == QK_LAYER && !(b = fwd_prepared(f, f->blk, r, P_BIAS, DT_F32))) ||
	    f->dev->ops->norm(f->dev, &heads, &heads, rms ? NORM_RMS : NORM_LAYER,
	                      each ? NULL : w->data, b ? b->data : NULL, (float)m->eps) < 0)
		return -1;
	for (int64_t i = 0; each && i < tensor_count(x); i++)
		v[i] *= ((const float *)w->data)[i % tensor_cols(x)];
	return 0;
}

static int rotate(struct fwd *f, struct tensor *x, int n)
{
	const struct model *m = f->m;

	if (m->rope.type == ROPE_NONE)
		return 0;
	return f->dev->ops->rope(f->dev, x->data, tensor_rows(x), tensor_cols(x), n, m->d_head, m->rope.dim, f->T, f->cos,
	                         f->sin, m->rope.interleaved);
}

static int plain(struct fwd *f, const struct step *s, int64_t rows, const float *x, struct tensor *out)
{
	const struct model *m = f->m;
	int64_t wq = (int64_t)m->n_head * m->d_head, wk = (int64_t)m->n_kv * m->d_head;
	struct tensor q = fwd_scratch(&f->q, DT_F32, rows, wq), k = fwd_scratch(&f->k, DT_F32, rows, wk);
	struct tensor v = fwd_scratch(&f->v, DT_F32, rows, wk), in;
	struct attn_args args = {
		.q = q.data, .k = k.data, .v = v.data, .ldq = wq, .ldk = wk, .ldv = wk,
		.n = (int)(rows / f->T), .T = f->T, .H = m->n_head, .K = m->n_kv, .D = m->d_head, .Dv = m->d_head,
		.scale = (float)m->attn_scale, .cap = (float)m->cap_attn,
		.window = m->slide[f->blk->index] ? m->window : 0,
		.slope = f->bias ? NULL : f->slope, .bias = f->bias,
	};

	if (fwd_read(f, s->in, rows, x, &in) < 0 || fwd_linear(f, f->blk, R_Q, &q, &in) < 0 ||
	    fwd_linear(f, f->blk, R_K, &k, &in) < 0 || fwd_linear(f, f->blk, R_V, &v, &in) < 0)
		return -1;
	if (m->qk_norm != QK_NONE &&
	    (head_norm(f, R_NORM_Q, m->n_head, &q) < 0 || head_norm(f, R_NORM_K, m->n_kv, &k) < 0))
		return -1;
	if (rotate(f, &q, m->n_head) < 0 || rotate(f, &k, m->n_kv) < 0)
		return -1;
	return f->dev->ops->attn(f->dev, out, &args);
}

/* k [rows, H * D] from the plain part of each head and the rotated one that they share. */
static void assemble(const struct model *m, const float *kv, const float *kr, int64_t ldr, float *k, float *v, int64_t rows)
{
	int64_t H = m->n_head, D = m->d_head, dr = m->rope.dim, dn = D - dr, dv = model_dv(m), w = H * (dn + dv);

	for (int64_t h = 0; h < H; h++) {
		move(k + h * D, H * D, kv + h * (dn + dv), w, dn, rows);
		move(k + h * D + dn, H * D, kr, ldr, dr, rows);
		move(v + h * dv, H * dv, kv + h * (dn + dv) + dn, w, dv, rows);
	}
}

static int latent(struct fwd *f, const struct step *s, int64_t rows, const float *x, struct tensor *out)
{
	const struct model *m = f->m;
	const struct ops *op = f->dev->ops;
	int64_t H = m->n_head, D = m->d_head, dr = m->rope.dim, dn = D - dr, dv = model_dv(m), wc = m->kv_rank + dr;
	struct tensor q = fwd_scratch(&f->q, DT_F32, rows, H * D), k;
	struct tensor kva = fwd_scratch(&f->g, DT_F32, rows, wc), kv = fwd_scratch(&f->u, DT_F32, rows, H * (dn + dv)), v, in, c;
	struct attn_args args = {
		.ldq = H * D, .ldk = H * D, .ldv = H * dv,
		.n = (int)(rows / f->T), .T = f->T, .H = (int)H, .K = (int)H, .D = (int)D, .Dv = (int)dv,
		.scale = (float)m->attn_scale, .cap = (float)m->cap_attn,
		.window = m->slide[f->blk->index] ? m->window : 0,
	};
	float *kr = (float *)kva.data + m->kv_rank;

	if (fwd_read(f, s->in, rows, x, &in) < 0 || fwd_linear(f, f->blk, R_KVA, &kva, &in) < 0)
		return -1;
	if (m->q_rank) {
		struct tensor w = fwd_scratch(&f->k, DT_F32, rows, m->q_rank);

		c = fwd_scratch(&f->part, f->dev->mm, rows, m->q_rank);
		if (fwd_linear(f, f->blk, R_QA, &w, &in) < 0 || fwd_latent(f, R_QA, &w, &c) < 0 ||
		    fwd_linear(f, f->blk, R_QB, &q, &c) < 0)
			return -1;
	} else if (fwd_linear(f, f->blk, R_Q, &q, &in) < 0)
		return -1;
	c = fwd_scratch(&f->part, f->dev->mm, rows, m->kv_rank);
	if (fwd_latent(f, R_KVA, &kva, &c) < 0 || fwd_linear(f, f->blk, R_KVB, &kv, &c) < 0 ||
	    op->rope(f->dev, (float *)q.data + dn, rows, H * D, (int)H, (int)D, (int)dr, f->T, f->cos, f->sin,
	             m->rope.interleaved) < 0 ||
	    op->rope(f->dev, kr, rows, wc, 1, (int)dr, (int)dr, f->T, f->cos, f->sin, m->rope.interleaved) < 0)
		return -1;
	k = fwd_scratch(&f->k, DT_F32, rows, H * D);
	v = fwd_scratch(&f->v, DT_F32, rows, H * dv);
	assemble(m, kv.data, kr, wc, k.data, v.data, rows);
	args.q = q.data;
	args.k = k.data;
	args.v = v.data;
	return op->attn(f->dev, out, &args);
}

int fwd_attend(struct fwd *f, const struct step *s, int64_t rows, const float *x, struct tensor *out)
{
	return f->m->kv_rank ? latent(f, s, rows, x, out) : plain(f, s, rows, x, out);
}
