/* The interpreter: the stages of site.h over tensors of one micro-batch.  The residual stream and what a product makes
 * are F32, what a product takes is of the device's product type; weights are prepared once per block in that type
 * (dequantized where they are quantized). */
#include "model/forward.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct prepared {
	struct tensor t;                /* F32 or BF16; data NULL: not yet prepared */
	void *own;                      /* storage, or NULL where t borrows the block's */
};

struct buf {
	void *p;
	size_t cap;                     /* bytes */
};

/* Rows of a micro-batch: enough for products at full speed, few enough to stay small.  And bytes of one activation of
 * the MLP, which is wide, and knows no sequences. */
enum { BATCH_ROWS = 2048, WIDE_BYTES = 32 << 20, WIDE_STEP = 256 };

struct fwd {
	struct dev *dev;
	const struct model *m;
	int T;
	float *cos, *sin;               /* [T, rope.dim/2] */
	struct block *blk;              /* the layer bound, or the head */
	struct block *embed;            /* of a tied head */
	struct prepared w[R_N][P_N];
	struct buf n, q, k, v, g, u;
};

struct fwd *fwd_new(struct dev *dev, const struct model *m, int T)
{
	struct fwd *f = xcalloc(1, sizeof(*f));

	f->dev = dev;
	f->m = m;
	fwd_resize(f, T);
	return f;
}

void fwd_resize(struct fwd *f, int T)
{
	size_t n = (size_t)T * (size_t)(f->m->rope.dim / 2);

	f->T = T;
	free(f->cos);
	free(f->sin);
	f->cos = xmalloc(n * sizeof(float));
	f->sin = xmalloc(n * sizeof(float));
	if (f->m->rope.type != ROPE_NONE)
		rope_table(f->m, T, f->cos, f->sin);
}

static void forget(struct fwd *f, enum role r)
{
	for (int p = 0; p < P_N; p++) {
		free(f->w[r][p].own);
		memset(&f->w[r][p], 0, sizeof(f->w[r][p]));
	}
}

static void drop(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

void fwd_rest(struct fwd *f)
{
	for (int r = 0; r < R_N; r++)
		forget(f, (enum role)r);
	drop(&f->n);
	drop(&f->q);
	drop(&f->k);
	drop(&f->v);
	drop(&f->g);
	drop(&f->u);
}

void fwd_unbind(struct fwd *f)
{
	for (int r = 0; r < R_N; r++)
		forget(f, (enum role)r);
	f->blk = f->embed = NULL;
}

void fwd_free(struct fwd *f)
{
	if (!f)
		return;
	fwd_rest(f);
	free(f->cos);
	free(f->sin);
	free(f);
}

/* Scratch of rows x cols, kept from call to call. */
static struct tensor scratch(struct buf *b, enum dtype dt, int64_t rows, int64_t cols)
{
	size_t n = (size_t)rows * (size_t)cols * dtype_size(dt);

	if (b->cap < n) {
		drop(b);
		b->p = xmalloc(n);
		b->cap = n;
	}
	return tensor_view(b->p, dt, rows, cols);
}

struct prepare {
	const struct block *b;
	int i;                          /* tensor */
	int64_t rows, cols;
	enum dtype dt;
	char *out;
	int bad;
};
enum { PREP_ROWS = 64 };
static struct tally preparing = { .name = "weights" };

static void prepare_rows(void *arg, int64_t item, int worker)
{
	struct prepare *p = arg;
	int64_t r0 = item * PREP_ROWS, r1 = r0 + PREP_ROWS < p->rows ? r0 + PREP_ROWS : p->rows;
	size_t n = (size_t)(r1 - r0) * (size_t)p->cols;
	char *out = p->out + (size_t)r0 * (size_t)p->cols * dtype_size(p->dt);
	float *tmp;

	(void)worker;
	if (p->dt == DT_F32) {
		if (block_f32(p->b, p->i, r0, r1, (float *)out) < 0)
			p->bad = 1;
		return;
	}
	tmp = xmalloc(n * sizeof(*tmp));
	if (block_f32(p->b, p->i, r0, r1, tmp) < 0 || from_f32(out, p->dt, tmp, n) < 0)
		p->bad = 1;
	free(tmp);
}

/* The tensor of a role of block b in type dt; NULL, error set, when there is none. */
static const struct tensor *prepared(struct fwd *f, struct block *b, enum role r, enum part part, enum dtype dt)
{
	struct prepared *p = &f->w[r][part];
	struct prepare job = { .b = b, .dt = dt };

	if (p->t.data)
		return &p->t;
	job.i = block_find(b, r, part);
	if (job.i < 0) {
		err_set(ST_BAD, "'%s.%s' is missing", role_name(r), part_name(part));
		return NULL;
	}
	p->t = b->t[job.i];
	if (b->t[job.i].dt == dt && b->q[job.i].spec.fmt == Q_NONE)
		return &p->t;
	job.rows = tensor_rows(&p->t);
	job.cols = tensor_cols(&p->t);
	p->t.dt = dt;
	p->t.data = p->own = job.out = xmalloc(tensor_bytes(&p->t));
	tally_enter(&preparing);
	pool_for((job.rows + PREP_ROWS - 1) / PREP_ROWS, prepare_rows, &job);
	tally_leave(&preparing, (double)tensor_bytes(&p->t));
	if (job.bad) {
		err_set(ST_BAD, "'%s.%s' cannot be read", role_name(r), part_name(part));
		forget(f, r);
		return NULL;
	}
	return &p->t;
}

static int linear(struct fwd *f, struct block *b, enum role r, struct tensor *y, const struct tensor *x)
{
	const struct tensor *w = prepared(f, b, r, P_WEIGHT, f->dev->mm), *bias = NULL;

	if (!w)
		return -1;
	if (block_find(b, r, P_BIAS) >= 0 && !(bias = prepared(f, b, r, P_BIAS, DT_F32)))
		return -1;
	return f->dev->ops->linear(f->dev, y, x, w, bias);
}

static int norm(struct fwd *f, enum role r, struct tensor *y, const struct tensor *x)
{
	const struct tensor *w = prepared(f, f->blk, r, P_WEIGHT, DT_F32), *b = NULL;

	if (!w || (f->m->norm == NORM_LAYER && !(b = prepared(f, f->blk, r, P_BIAS, DT_F32))))
		return -1;
	return f->dev->ops->norm(f->dev, y, x, f->m->norm, w->data, b ? b->data : NULL, (float)f->m->eps);
}

int fwd_bind(struct fwd *f, struct block *b)
{
	fwd_unbind(f);
	f->blk = b;
	return 0;
}

int fwd_norm(struct fwd *f, int s, int64_t m, const float *x, struct tensor *y)
{
	struct tensor in = tensor_view((void *)(uintptr_t)x, DT_F32, m, f->m->d_model);

	return norm(f, s == 0 ? R_NORM_ATTN : R_NORM_MLP, y, &in);
}

/* The input of the products of stage s + 1. */
static int normed(struct fwd *f, int s, int64_t rows, const float *x, struct tensor *in)
{
	*in = scratch(&f->n, f->dev->mm, rows, f->m->d_model);
	return fwd_norm(f, s, rows, x, in);
}

static int attention(struct fwd *f, int64_t rows, const float *x, struct tensor *out)
{
	const struct model *m = f->m;
	const struct ops *op = f->dev->ops;
	int64_t wq = (int64_t)m->n_head * m->d_head, wk = (int64_t)m->n_kv * m->d_head;
	struct tensor q = scratch(&f->q, DT_F32, rows, wq), k = scratch(&f->k, DT_F32, rows, wk);
	struct tensor v = scratch(&f->v, DT_F32, rows, wk), in;
	struct attn_args args = {
		.q = q.data, .k = k.data, .v = v.data, .ldq = wq, .ldk = wk, .ldv = wk,
		.n = (int)(rows / f->T), .T = f->T, .H = m->n_head, .K = m->n_kv, .D = m->d_head, .Dv = m->d_head,
		.scale = (float)m->attn_scale, .cap = (float)m->cap_attn,
		.window = m->slide[f->blk->index] ? m->window : 0,
	};

	if (normed(f, 0, rows, x, &in) < 0 || linear(f, f->blk, R_Q, &q, &in) < 0 ||
	    linear(f, f->blk, R_K, &k, &in) < 0 || linear(f, f->blk, R_V, &v, &in) < 0)
		return -1;
	if (m->rope.type != ROPE_NONE &&
	    (op->rope(f->dev, q.data, rows, wq, m->n_head, m->d_head, m->rope.dim, f->T, f->cos, f->sin,
	              m->rope.interleaved) < 0 ||
	     op->rope(f->dev, k.data, rows, wk, m->n_kv, m->d_head, m->rope.dim, f->T, f->cos, f->sin,
	              m->rope.interleaved) < 0))
		return -1;
	return op->attn(f->dev, out, &args);
}

/* x += linear(a) */
static int residual(struct fwd *f, enum role r, int64_t rows, float *x, const struct tensor *a)
{
	struct tensor y = scratch(&f->q, DT_F32, rows, f->m->d_model);
	struct tensor xt = tensor_view(x, DT_F32, rows, f->m->d_model);

	if (linear(f, f->blk, r, &y, a) < 0)
		return -1;
	return f->dev->ops->axpy(f->dev, &xt, &y, 1);
}

static int gate_up(struct fwd *f, int64_t rows, const float *x, struct tensor *out)
{
	struct tensor u = scratch(&f->u, DT_F32, rows, f->m->d_ff), g, in;

	if (normed(f, 2, rows, x, &in) < 0 || linear(f, f->blk, R_UP, &u, &in) < 0)
		return -1;
	if (!f->m->gated)
		return f->dev->ops->glu(f->dev, out, &u, NULL, f->m->act);
	g = scratch(&f->g, DT_F32, rows, f->m->d_ff);
	if (linear(f, f->blk, R_GATE, &g, &in) < 0)
		return -1;
	return f->dev->ops->glu(f->dev, out, &g, &u, f->m->act);
}

int fwd_stage(struct fwd *f, int s, int64_t rows, float *x, struct tensor *a)
{
	switch (s) {
	case 0: return 0;
	case 1: return attention(f, rows, x, a);
	case 2: return residual(f, R_O, rows, x, a);
	case 3: return gate_up(f, rows, x, a);
	case 4: return residual(f, R_DOWN, rows, x, a);
	}
	return err_set(ST_FAIL, "no stage %d", s);
}

int fwd_a_width(const struct fwd *f, int s)
{
	struct site site[MAX_SITE];
	int n = model_sites(f->m, site), w = 0;

	for (int i = 0; i < n; i++)
		if (site[i].stage == s && !site[i].norm && site[i].col + site[i].width > w)
			w = site[i].col + site[i].width;
	return w;
}

int fwd_batch(const struct fwd *f)
{
	return f->T >= BATCH_ROWS ? 1 : BATCH_ROWS / f->T;
}

int64_t fwd_rows(const struct fwd *f, int s)
{
	int64_t all = (int64_t)fwd_batch(f) * f->T, n = WIDE_BYTES / (int64_t)sizeof(float) / f->m->d_ff;

	n = n < WIDE_STEP ? WIDE_STEP : n / WIDE_STEP * WIDE_STEP;
	return s == 1 || n > all ? all : n;
}

int fwd_block(struct fwd *f, int n, float *x)
{
	int64_t all = (int64_t)n * f->T, C = f->m->d_model;
	char *buf = xmalloc((size_t)all * (size_t)model_width(f->m) * dtype_size(f->dev->mm));
	int width = 0, r = 0;

	for (int s = 0; s < model_stages(f->m); s++) {
		int64_t step = fwd_rows(f, s);

		if (fwd_a_width(f, s))
			width = fwd_a_width(f, s);
		for (int64_t i = 0; i < all && r == 0; i += step) {
			int64_t m = all - i < step ? all - i : step;
			struct tensor a = tensor_view(buf + (size_t)(i * width) * dtype_size(f->dev->mm), f->dev->mm, m,
			                              width);

			r = fwd_stage(f, s, m, x + i * C, &a);
		}
	}
	free(buf);
	return r;
}

int fwd_embed(struct fwd *f, struct block *embed, const int32_t *ids, int64_t rows, float *x)
{
	const struct tensor *table = block_get(embed, R_EMBED, P_WEIGHT);
	struct tensor y = tensor_view(x, DT_F32, rows, f->m->d_model);

	for (int64_t i = 0; i < rows; i++)
		if (ids[i] < 0 || ids[i] >= f->m->vocab)
			return err_set(ST_BAD, "token id %d is outside the vocabulary of %d", ids[i], f->m->vocab);
	if (!table)
		return err_set(ST_BAD, "'embed.weight' is missing");
	if (!table->data)
		table = prepared(f, embed, R_EMBED, P_WEIGHT, DT_F32);
	return table ? f->dev->ops->embed(f->dev, &y, table, ids) : -1;
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
	struct tensor in = tensor_view((void *)(uintptr_t)x, DT_F32, rows, f->m->d_model);
	struct tensor out = tensor_view(y, DT_F32, rows, f->m->d_model);

	return norm(f, R_NORM_FINAL, &out, &in);
}

int fwd_logits(struct fwd *f, int64_t rows, const float *y, float *logits)
{
	struct tensor in = tensor_view((void *)(uintptr_t)y, DT_F32, rows, f->m->d_model);
	struct tensor out = tensor_view(logits, DT_F32, rows, f->m->vocab);
	bool own = block_get(f->blk, R_HEAD, P_WEIGHT) != NULL;
	float cap = (float)f->m->cap_logit;

	if (linear(f, own ? f->blk : f->embed, own ? R_HEAD : R_EMBED, &out, &in) < 0)
		return -1;
	if (cap > 0)
		for (int64_t i = 0; i < rows * f->m->vocab; i++)
			logits[i] = cap * tanhf(logits[i] / cap);
	return 0;
}
