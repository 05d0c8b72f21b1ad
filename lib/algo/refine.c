/* Coordinate descent on a finished quantization: what GPTQ decides column by column, looking back never, is
 * gone over again with all other columns in view (Behdin et al., QuantEase, arXiv 2309.01885; the scale of a
 * group is one more coordinate).
 *
 *   loss = tr(D H D^T),  D = w - dequantized,  R = D H
 *   code k:   the best value of column k, others fixed, is  deq_k + R_k / H_kk;  rounded to the grid
 *   scale:    with b = code - zero, the best step is  (b . R) / (b H b^T)  over the group's columns
 *
 * No step raises the loss.  Everything is in the order in which groups are consecutive. */
#include "algo/gptq.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct refine {
	struct qrec *q;
	const float *h;                 /* [n, n] damped */
	const int32_t *perm;            /* [n] column of the weight behind each k, or NULL: the same */
	int64_t out, n, c;              /* c: first column of the group at hand */
	int g, gn;                      /* the group, its columns */
	const float *w;                 /* [out, n] weights as given */
	float *d, *r;                   /* [out, n] D, R */
	float *b, *bh, *e;              /* [out, gn]: code - zero, b H, change of D */
	int64_t *changed;               /* [out] */
};

static uint8_t *code_at(const struct refine *f, int64_t o, int64_t k)
{
	return &f->q->code[o * f->n + (f->perm ? f->perm[k] : k)];
}

static void start_row(void *arg, int64_t o, int worker)
{
	struct refine *f = arg;
	float *deq = xmalloc((size_t)f->n * sizeof(*deq));
	const float *w0 = f->w + o * f->n;
	float *d = f->d + o * f->n;

	(void)worker;
	qrec_dequant(f->q, f->n, o, o + 1, deq);
	for (int64_t k = 0; k < f->n; k++) {
		int64_t j = f->perm ? f->perm[k] : k;

		d[k] = w0[j] - deq[j];
	}
	free(deq);
}

static void offsets_row(void *arg, int64_t o, int worker)
{
	struct refine *f = arg;
	float z = grid_zero(f->q, o, f->g);

	(void)worker;
	for (int k = 0; k < f->gn; k++)
		f->b[o * f->gn + k] = (float)*code_at(f, o, f->c + k) - z;
}

/* The scale's step, taken if the rounded scale is still an improvement. */
static void step_scale(struct refine *f, int64_t o, float *d, float *r, float *e)
{
	const float *b = f->b + o * f->gn, *bh = f->bh + o * f->gn;
	float *s = &f->q->scale[o * f->q->ngroup + f->g], t;
	double num = 0, den = 0, step;

	for (int k = 0; k < f->gn; k++) {
		num += (double)b[k] * r[k];
		den += (double)b[k] * bh[k];
	}
	if (!(den > 0))
		return;
	t = (float)(*s + num / den);
	if (!(t / *s > 0.5f && t / *s < 2))
		return;
	t = scale_round(t, f->q->scale_dt);
	step = (double)t - *s;
	if (!(step * step * den - 2 * step * num < 0))
		return;
	*s = t;
	for (int k = 0; k < f->gn; k++) {
		e[k] = (float)-step * b[k];
		d[k] += e[k];
		r[k] -= (float)step * bh[k];
	}
	f->changed[o]++;
}

static void group_row(void *arg, int64_t o, int worker)
{
	struct refine *f = arg;
	float *d = f->d + o * f->n + f->c, *r = f->r + o * f->n + f->c, *e = f->e + o * f->gn, s;
	float z = grid_zero(f->q, o, f->g), maxq = (float)((1 << f->q->spec.bits) - 1);

	(void)worker;
	memset(e, 0, (size_t)f->gn * sizeof(*e));
	if (f->q->spec.gran != G_TENSOR)
		step_scale(f, o, d, r, e);
	s = f->q->scale[o * f->q->ngroup + f->g];
	for (int k = 0; k < f->gn; k++) {
		const float *h = f->h + (f->c + k) * f->n + f->c;
		uint8_t *code = code_at(f, o, f->c + k);
		float now = ((float)*code - z) * s, best = grid_code(now + r[k] / h[k], s, z, maxq), step;

		if (best == (float)*code)
			continue;
		step = (best - z) * s - now;
		*code = (uint8_t)best;
		d[k] -= step;
		e[k] -= step;
		for (int i = 0; i < f->gn; i++)
			r[i] -= step * h[i];
		f->changed[o]++;
	}
}

/* One group of all rows, then the columns outside learn what changed. */
static int group(struct refine *f, struct dev *dev)
{
	int64_t n = f->n, c = f->c, end = c + f->gn;
	const float *h = f->h + c * n;
	int r;

	pool_for(f->out, offsets_row, f);
	r = dev->ops->gemm(dev, 0, 0, f->out, f->gn, f->gn, 1, f->b, f->gn, h + c, n, 0, f->bh, f->gn);
	if (r == 0)
		pool_for(f->out, group_row, f);
	if (r == 0 && c > 0)
		r = dev->ops->gemm(dev, 0, 0, f->out, c, f->gn, 1, f->e, f->gn, h, n, 1, f->r, n);
	if (r == 0 && end < n)
		r = dev->ops->gemm(dev, 0, 0, f->out, n - end, f->gn, 1, f->e, f->gn, h + end, n, 1, f->r + end, n);
	return r;
}

static int passes(struct refine *f, struct dev *dev, int64_t count)
{
	int64_t any = 1;

	for (int64_t p = 0; p < count && any; p++) {
		memset(f->changed, 0, (size_t)f->out * sizeof(*f->changed));
		for (f->g = 0; f->g < f->q->ngroup; f->g++) {
			f->c = (int64_t)f->g * f->q->group;
			f->gn = (int)(f->n - f->c < f->q->group ? f->n - f->c : f->q->group);
			if (group(f, dev) < 0)
				return -1;
		}
		any = 0;
		for (int64_t o = 0; o < f->out; o++)
			any += f->changed[o];
	}
	return 0;
}

int gptq_refine(struct qrec *q, struct dev *dev, const float *h, const int32_t *perm, const float *w, int64_t out, int64_t n,
                int64_t count, double *loss)
{
	size_t all = (size_t)out * (size_t)n * sizeof(float), grp = (size_t)out * (size_t)q->group * sizeof(float);
	struct refine f = { .q = q, .h = h, .perm = perm, .out = out, .n = n, .w = w };
	double sum = 0;
	int r;

	f.d = xmalloc(all);
	f.r = xmalloc(all);
	f.b = xmalloc(grp);
	f.bh = xmalloc(grp);
	f.e = xmalloc(grp);
	f.changed = xcalloc((size_t)out, sizeof(*f.changed));
	pool_for(out, start_row, &f);
	r = dev->ops->gemm(dev, 0, 0, out, n, n, 1, f.d, n, h, n, 0, f.r, n);
	if (r == 0)
		r = passes(&f, dev, count);
	for (int64_t i = 0; i < out * n; i++)
		sum += (double)f.d[i] * f.r[i];
	*loss = sum;
	free(f.d);
	free(f.r);
	free(f.b);
	free(f.bh);
	free(f.e);
	free(f.changed);
	return r;
}
