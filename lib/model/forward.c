/* The interpreter: the stages of site.h over tensors of one micro-batch.  The residual stream and what a product makes
 * are F32, what a product takes is of the device's product type; weights are prepared once per block in that type
 * (dequantized where they are quantized). */
#include "model/fwdint.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a micro-batch: enough for products at full speed, few enough to stay small.  And bytes of one activation of
 * the MLP, which is wide, and knows no sequences. */
enum { BATCH_ROWS = 2048, WIDE_BYTES = 32 << 20, WIDE_STEP = 256 };

struct fwd *fwd_new(struct dev *dev, const struct model *m, int T)
{
	struct fwd *f = xcalloc(1, sizeof(*f));

	f->dev = dev;
	f->m = m;
	if (m->plain_norm) {
		f->plain = xcalloc(2 * (size_t)m->d_model, sizeof(*f->plain));
		for (int i = 0; i < m->d_model; i++)
			f->plain[i] = 1;
	}
	fwd_resize(f, T);
	return f;
}

void fwd_resize(struct fwd *f, int T)
{
	size_t n = (size_t)T * (size_t)(f->m->rope.dim / 2);

	f->T = T;
	free(f->cos);
	free(f->sin);
	free(f->slope);
	free(f->bias);
	f->slope = f->bias = NULL;
	f->cos = xmalloc(n * sizeof(float));
	f->sin = xmalloc(n * sizeof(float));
	if (f->m->rope.type != ROPE_NONE)
		rope_table(f->m, T, f->cos, f->sin);
	if (f->m->alibi != ALIBI_NONE) {
		f->slope = xmalloc((size_t)f->m->n_head * sizeof(float));
		alibi_slopes(f->m->n_head, f->slope);
	}
	if (f->m->alibi == ALIBI_BF16)
		f->bias = fwd_coarse_bias(f->m->n_head, T, f->slope);
}

void fwd_forget(struct fwd *f, enum role r)
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
		fwd_forget(f, (enum role)r);
	drop(&f->n);
	drop(&f->q);
	drop(&f->k);
	drop(&f->v);
	drop(&f->g);
	drop(&f->u);
	drop(&f->part);
}

void fwd_unbind(struct fwd *f)
{
	for (int r = 0; r < R_N; r++)
		fwd_forget(f, (enum role)r);
	f->blk = f->embed = NULL;
}

void fwd_free(struct fwd *f)
{
	if (!f)
		return;
	fwd_rest(f);
	free(f->cos);
	free(f->sin);
	free(f->slope);
	free(f->bias);
	free(f->plain);
	free(f);
}

/* Scratch of rows x cols, kept from call to call. */
struct tensor fwd_scratch(struct buf *b, enum dtype dt, int64_t rows, int64_t cols)
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
const struct tensor *fwd_prepared(struct fwd *f, struct block *b, enum role r, enum part part, enum dtype dt)
{
	struct prepared *p = &f->w[r][part];
	struct prepare job = { .b = b, .dt = dt };
	char label[64];

	if (p->t.data)
		return &p->t;
	job.i = block_find_expert(b, r, part, role_expert(r) ? f->expert : 0);
	if (job.i < 0) {
		err_set(ST_BAD, "'%s.%s' is missing", role_label(r, f->expert, label), part_name(part));
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
		err_set(ST_BAD, "'%s.%s' cannot be read", role_label(r, f->expert, label), part_name(part));
		fwd_forget(f, r);
		return NULL;
	}
	return &p->t;
}

int fwd_linear(struct fwd *f, struct block *b, enum role r, struct tensor *y, const struct tensor *x)
{
	const struct tensor *w = fwd_prepared(f, b, r, P_WEIGHT, f->dev->mm), *bias = NULL;

	if (!w)
		return -1;
	if (!role_expert(r) && block_find(b, r, P_BIAS) >= 0 && !(bias = fwd_prepared(f, b, r, P_BIAS, DT_F32)))
		return -1;
	return f->dev->ops->linear(f->dev, y, x, w, bias);
}

int fwd_norm(struct fwd *f, enum role r, struct tensor *y, const struct tensor *x)
{
	const struct tensor *w, *b = NULL;

	if (f->m->plain_norm)
		return f->dev->ops->norm(f->dev, y, x, f->m->norm, f->plain, f->plain + f->m->d_model, (float)f->m->eps);
	w = fwd_prepared(f, f->blk, r, P_WEIGHT, DT_F32);
	if (!w || (f->m->norm == NORM_LAYER && !(b = fwd_prepared(f, f->blk, r, P_BIAS, DT_F32))))
		return -1;
	return f->dev->ops->norm(f->dev, y, x, f->m->norm, w->data, b ? b->data : NULL, (float)f->m->eps);
}

int fwd_bind(struct fwd *f, struct block *b)
{
	fwd_unbind(f);
	f->blk = b;
	f->expert = 0;
	if (b->kind == BLK_KIND_DENSE)
		model_program(f->m, b->index, &f->prog);
	return 0;
}

/* The norm of x that a site reads, or a latent is made of. */
static int site_norm(struct fwd *f, const struct site *s, int64_t m, const float *x, struct tensor *y)
{
	struct tensor in = tensor_view((void *)(uintptr_t)x, DT_F32, m, f->m->d_model);

	return s->norm == R_N ? f->dev->ops->copy(f->dev, y, &in) : fwd_norm(f, s->norm, y, &in);
}

int fwd_input(struct fwd *f, int k, int64_t m, const float *x, struct tensor *y)
{
	const struct site *s = &f->prog.site[k];
	struct tensor in, w;

	if (s->latent == R_N)
		return site_norm(f, s, m, x, y);
	in = fwd_scratch(&f->n, f->dev->mm, m, f->m->d_model);
	w = fwd_scratch(&f->k, DT_F32, m, s->latent == R_QA ? f->m->q_rank : f->m->kv_rank + f->m->rope.dim);
	return site_norm(f, s, m, x, &in) < 0 || fwd_linear(f, f->blk, s->latent, &w, &in) < 0 ? -1 :
	       fwd_latent(f, s->latent, &w, y);
}

/* The input of the products of site k. */
int fwd_read(struct fwd *f, int k, int64_t rows, const float *x, struct tensor *in)
{
	*in = fwd_scratch(&f->n, f->dev->mm, rows, f->m->d_model);
	return fwd_input(f, k, rows, x, in);
}

static int mlp(struct fwd *f, const struct step *s, int64_t rows, const float *x, struct tensor *out)
{
	struct tensor u = fwd_scratch(&f->u, DT_F32, rows, f->m->d_ff), g, in;

	if (fwd_read(f, s->in, rows, x, &in) < 0 || fwd_linear(f, f->blk, R_UP, &u, &in) < 0)
		return -1;
	if (!f->m->gated)
		return f->dev->ops->glu(f->dev, out, &u, NULL, f->m->act);
	g = fwd_scratch(&f->g, DT_F32, rows, f->m->d_ff);
	if (fwd_linear(f, f->blk, R_GATE, &g, &in) < 0)
		return -1;
	return f->dev->ops->glu(f->dev, out, &g, &u, f->m->act);
}

/* x += [norm] fwd_linear(a) */
static int add(struct fwd *f, const struct step *s, int64_t rows, float *x, const struct tensor *a)
{
	struct tensor y = fwd_scratch(&f->q, DT_F32, rows, f->m->d_model);
	struct tensor xt = tensor_view(x, DT_F32, rows, f->m->d_model);

	if (fwd_linear(f, f->blk, s->lin, &y, a) < 0 || (s->norm != R_N && fwd_norm(f, s->norm, &y, &y) < 0))
		return -1;
	return f->dev->ops->axpy(f->dev, &xt, &y, f->m->mul_resid > 0 ? (float)f->m->mul_resid : 1);
}

/* Columns [col, col + width) of a, or back into them, where the step's are not all there are. */
static void columns(const struct tensor *a, struct tensor *part, int col, bool back)
{
	size_t e = dtype_size(a->dt), wide = (size_t)tensor_cols(a) * e, n = (size_t)tensor_cols(part) * e;
	char *from = (char *)a->data + (size_t)col * e, *to = part->data;

	for (int64_t i = 0; i < tensor_rows(a); i++, from += wide, to += n)
		memcpy(back ? from : to, back ? to : from, n);
}

static int step(struct fwd *f, const struct step *s, int64_t rows, float *x, struct tensor *a)
{
	int width = s->op == DO_ATTN || (s->op == DO_ADD && s->lin == R_O) ? f->m->n_head * model_dv(f->m) : f->m->d_ff;
	struct tensor xt = tensor_view(x, DT_F32, rows, f->m->d_model), part = *a;
	bool all = s->op == DO_NORM || width == tensor_cols(a);
	int r = -1;

	if (!all)
		part = fwd_scratch(&f->part, a->dt, rows, width);
	if (!all && s->op == DO_ADD)
		columns(a, &part, s->col, false);
	switch (s->op) {
	case DO_ATTN: r = fwd_attend(f, s, rows, x, &part); break;
	case DO_MLP: r = mlp(f, s, rows, x, &part); break;
	case DO_ADD: return add(f, s, rows, x, &part);
	case DO_NORM: return fwd_norm(f, s->norm, &xt, &xt);
	}
	if (!all && r == 0)
		columns(a, &part, s->col, true);
	return r;
}

int fwd_stage(struct fwd *f, int stage, int64_t rows, float *x, struct tensor *a)
{
	const struct program *p = &f->prog;

	for (int i = 0; i < p->nstep; i++)
		if (p->step[i].stage == stage && step(f, &p->step[i], rows, x, a) < 0)
			return -1;
	return 0;
}

const struct program *fwd_program(const struct fwd *f)
{
	return &f->prog;
}

int fwd_a_width(const struct fwd *f, int stage)
{
	return f->prog.a_width[stage];
}

int fwd_batch(const struct fwd *f)
{
	return f->T >= BATCH_ROWS ? 1 : BATCH_ROWS / f->T;
}

static bool attends(const struct fwd *f, int stage)
{
	for (int i = 0; i < f->prog.nstep; i++)
		if (f->prog.step[i].stage == stage && f->prog.step[i].op == DO_ATTN)
			return true;
	return false;
}

bool fwd_idle(const struct fwd *f, int stage)
{
	for (int i = 0; i < f->prog.nstep; i++)
		if (f->prog.step[i].stage == stage)
			return false;
	return true;
}

int64_t fwd_wide(const struct fwd *f)
{
	int64_t n = WIDE_BYTES / (int64_t)sizeof(float) / f->m->d_ff;

	return n < WIDE_STEP ? WIDE_STEP : n / WIDE_STEP * WIDE_STEP;
}

int64_t fwd_rows(const struct fwd *f, int s)
{
	int64_t all = (int64_t)fwd_batch(f) * f->T;

	return attends(f, s) || fwd_wide(f) > all ? all : fwd_wide(f);
}

int fwd_block(struct fwd *f, int n, float *x)
{
	int64_t all = (int64_t)n * f->T, C = f->m->d_model;
	char *buf = xmalloc(1 + (size_t)all * (size_t)f->prog.width * dtype_size(f->dev->mm));
	int width = 0, r = 0;

	for (int s = 0; s < f->prog.nstage; s++) {
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
