/* Both ends of the forward pass: tokens to hidden states, hidden states to logits. */
#include "model/fwdint.h"

#include "base/err.h"

#include <math.h>

/* What the table gives, in f->g, when it is not yet x: to be projected. */
static int project_in(struct fwd *f, struct block *embed, const struct tensor *table, const int32_t *ids,
                      struct tensor *x)
{
	struct tensor y = fwd_scratch(&f->g, DT_F32, tensor_rows(x), f->m->d_embed);

	return f->dev->ops->embed(f->dev, &y, table, ids) < 0 ? -1 : fwd_linear(f, embed, R_PROJ_IN, x, &y);
}

/* The rows of ids are whole sequences: what is added depends on the position. */
static int add_positions(struct fwd *f, struct block *embed, struct tensor *x)
{
	const struct tensor *pos = fwd_prepared(f, embed, R_POS, P_WEIGHT, DT_F32);
	int64_t C = f->m->d_model, n = (int64_t)f->T * C;

	if (!pos)
		return -1;
	if (f->T > f->m->pos_rows - f->m->pos_first)
		return err_set(ST_BAD, "sequences of %d tokens, and the model knows %d positions", f->T,
		               f->m->pos_rows - f->m->pos_first);
	for (int64_t i = 0; i < tensor_count(x); i++)
		((float *)x->data)[i] += ((const float *)pos->data)[f->m->pos_first * C + i % n];
	return 0;
}

/* x from the rows of the table: projected, scaled, at its positions, under its norm. */
static int embed_rows(struct fwd *f, struct block *embed, const struct tensor *table, const int32_t *ids,
                      struct tensor *x)
{
	const struct model *m = f->m;
	float *v = x->data;

	if ((m->d_embed ? project_in(f, embed, table, ids, x) : f->dev->ops->embed(f->dev, x, table, ids)) < 0)
		return -1;
	for (int64_t i = 0; m->mul_embed > 0 && i < tensor_count(x); i++)
		v[i] *= (float)m->mul_embed;
	if (m->pos_rows && add_positions(f, embed, x) < 0)
		return -1;
	return m->embed_norm ? fwd_norm(f, R_NORM_EMBED, x, x) : 0;
}

int fwd_embed(struct fwd *f, struct block *embed, const int32_t *ids, int64_t rows, float *x)
{
	const struct tensor *table = block_get(embed, R_EMBED, P_WEIGHT);
	struct tensor y = tensor_view(x, DT_F32, rows, f->m->d_model);
	struct block *bound = f->blk;
	int r;

	for (int64_t i = 0; i < rows; i++)
		if (ids[i] < 0 || ids[i] >= f->m->vocab)
			return err_set(ST_BAD, "token id %d is outside the vocabulary of %d", ids[i], f->m->vocab);
	if (!table)
		return err_set(ST_BAD, "'embed.weight' is missing");
	if (!table->data)
		table = fwd_prepared(f, embed, R_EMBED, P_WEIGHT, DT_F32);
	if (!table)
		return -1;
	f->blk = embed;
	r = embed_rows(f, embed, table, ids, &y);
	f->blk = bound;
	return r;
}

int fwd_bind_head(struct fwd *f, struct block *head, struct block *embed)
{
	fwd_unbind(f);
	f->blk = head;
	f->embed = embed;
	if (!block_get(head, R_HEAD, P_WEIGHT) && !embed)
		return err_set(ST_BAD, "neither a head nor an embedding to tie it to");
	return 0;
}

int fwd_final(struct fwd *f, int64_t rows, const float *x, float *y)
{
	const struct model *m = f->m;
	struct tensor in = tensor_view((void *)(uintptr_t)x, DT_F32, rows, m->d_model);
	struct tensor out = tensor_view(y, DT_F32, rows, m->d_model);

	return m->flags & MF_NO_FINAL ? f->dev->ops->copy(f->dev, &out, &in) : fwd_norm(f, R_NORM_FINAL, &out, &in);
}

/* Of a head whose weight is the embedding. */
static int add_bias(struct fwd *f, int64_t rows, float *logits)
{
	const struct tensor *bias = fwd_prepared(f, f->blk, R_HEAD, P_BIAS, DT_F32);

	for (int64_t i = 0; bias && i < rows * f->m->vocab; i++)
		logits[i] += ((const float *)bias->data)[i % f->m->vocab];
	return bias ? 0 : -1;
}

int fwd_logits(struct fwd *f, int64_t rows, const float *y, float *logits)
{
	const struct model *m = f->m;
	struct tensor in = tensor_view((void *)(uintptr_t)y, DT_F32, rows, m->d_model), narrow;
	struct tensor out = tensor_view(logits, DT_F32, rows, m->vocab);
	bool own = block_get(f->blk, R_HEAD, P_WEIGHT) != NULL;
	float cap = (float)m->cap_logit;

	if (m->d_embed) {
		narrow = fwd_scratch(&f->g, DT_F32, rows, m->d_embed);
		if (fwd_linear(f, f->blk, R_PROJ_OUT, &narrow, &in) < 0)
			return -1;
		in = narrow;
	}
	if (fwd_linear(f, own ? f->blk : f->embed, own ? R_HEAD : R_EMBED, &out, &in) < 0)
		return -1;
	if (!own && m->flags & MF_BIAS_HEAD && add_bias(f, rows, logits) < 0)
		return -1;
	for (int64_t i = 0; m->mul_logit > 0 && i < rows * m->vocab; i++)
		logits[i] *= (float)m->mul_logit;
	for (int64_t i = 0; cap > 0 && i < rows * m->vocab; i++)
		logits[i] = cap * tanhf(logits[i] / cap);
	return 0;
}
