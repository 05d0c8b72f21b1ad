/* GPTQ (Frantar et al., arXiv 2210.17323): columns are rounded one by one, and each one's error is moved
 * into the columns not yet rounded so that the layer's output on the calibration set changes least.
 *
 *   H = mean of x x^T + damp,   u upper with u^T u = H^-1
 *   for each column j:  e = (w_j - q_j) / u_jj,   w_k -= e u_jk  for k > j
 *
 * Departures from the paper's code, all of which round better: scales are rounded to their storage type
 * before the solver runs; a channel that was never excited keeps its weights (rounded, uncompensated)
 * instead of losing them; grids of QR_MSE weigh errors by diag(H); dynamic grids are fitted to the fully
 * compensated columns. */
#include "algo/gptq.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct by_diag {
	float d;
	int32_t j;
};

static int falling(const void *a, const void *b)
{
	const struct by_diag *x = a, *y = b;

	return x->d != y->d ? (x->d < y->d ? 1 : -1) : x->j - y->j;
}

static void find_order(struct gptq_hess *s, int order)
{
	struct by_diag *v = xmalloc((size_t)s->n * sizeof(*v));

	for (int64_t j = 0; j < s->n; j++)
		v[j] = (struct by_diag){ s->diag[j], (int32_t)j };
	if (order == ORDER_ACT)
		qsort(v, (size_t)s->n, sizeof(*v), falling);
	s->perm = xmalloc((size_t)s->n * sizeof(*s->perm));
	for (int64_t j = 0; j < s->n; j++)
		s->perm[j] = v[j].j;
	free(v);
}

/* h[i][j] = h[perm[i]][perm[j]] in place.  Rows move along the cycles of the permutation, in stripes of columns; then
 * columns, row by row. */
enum { STRIPE = 512 };

struct permute {
	const struct gptq_hess *s;
	float *h, *tmp;                 /* tmp: [n] a worker */
	const int32_t *cycle;           /* [n] the first of each cycle, then -1 */
};

static void permute_stripe(void *arg, int64_t item, int worker)
{
	struct permute *p = arg;
	int64_t n = p->s->n, c = item * STRIPE;
	size_t size = (size_t)(n - c < STRIPE ? n - c : STRIPE) * sizeof(float);
	float *tmp = p->tmp + worker * n, *h = p->h + c;

	for (const int32_t *k = p->cycle; *k >= 0; k++) {
		int32_t i = *k, from;

		memcpy(tmp, h + i * n, size);
		for (; (from = p->s->perm[i]) != *k; i = from)
			memcpy(h + i * n, h + from * n, size);
		memcpy(h + i * n, tmp, size);
	}
}

static void permute_row(void *arg, int64_t i, int worker)
{
	struct permute *p = arg;
	int64_t n = p->s->n;
	float *tmp = p->tmp + worker * n, *h = p->h + i * n;

	memcpy(tmp, h, (size_t)n * sizeof(*h));
	for (int64_t j = 0; j < n; j++)
		h[j] = tmp[p->s->perm[j]];
}

static void permute(const struct gptq_hess *s, float *h)
{
	size_t n = (size_t)s->n;
	int32_t *cycle = xmalloc((n + 1) * sizeof(*cycle)), count = 0;
	bool *seen = xcalloc(n, sizeof(*seen));
	struct permute p = { s, h, xmalloc((size_t)pool_threads() * n * sizeof(*h)), cycle };

	for (int32_t i = 0; i < s->n; i++) {
		if (!seen[i] && s->perm[i] != i)
			cycle[count++] = i;
		for (int32_t j = i; !seen[j]; j = s->perm[j])
			seen[j] = true;
	}
	cycle[count] = -1;
	pool_for((s->n + STRIPE - 1) / STRIPE, permute_stripe, &p);
	pool_for(s->n, permute_row, &p);
	free(cycle);
	free(seen);
	free(p.tmp);
}

/* s->u from H to its factor, with the damping asked for; on failure ten times more, up to the mean of the diagonal
 * itself. */
static int factor(struct gptq_hess *s, struct dev *dev, double damp, double mean)
{
	int64_t n = s->n;
	struct tensor u = tensor_view(s->u, DT_F32, n, n);
	double added = 0;
	int r;

	for (double d = damp; ; d = d > 0 ? d * 10 : 1e-4) {
		if (d > 1)
			d = 1;
		for (int64_t j = 0; j < n; j++)
			s->u[j * n + j] += (float)((d - added) * mean);
		s->damp = added = d;
		if ((r = dev->ops->chol_inv(dev, &u, &u)) <= 0)
			return r;
		if (d >= 1)
			break;
	}
	s->diagonal = true;
	for (int64_t j = 0; j < n; j++) {
		float x = 1 / sqrtf(s->u[j * n + j]);

		memset(s->u + j * n, 0, (size_t)n * sizeof(float));
		s->u[j * n + j] = x;
	}
	return 0;
}

/* The mean of x x^T, its diagonal, and columns never excited made harmless: their rows are zero. */
static int normalise(struct gptq_hess *s, int64_t tokens, double *mean)
{
	int64_t n = s->n, live = 0;
	double sum = 0;

	if (first_nonfinite(s->u, DT_F32, (size_t)n * (size_t)n) >= 0)
		return err_set(ST_FAIL, "the squares of the inputs overflow");
	for (int64_t i = 0; i < n * n; i++)
		s->u[i] /= (float)tokens;
	for (int64_t j = 0; j < n; j++) {
		s->diag[j] = s->u[j * n + j];
		sum += s->diag[j];
		live += s->diag[j] > 0;
	}
	*mean = live ? sum / (double)live : 1;
	for (int64_t j = 0; j < n; j++)
		if (!(s->diag[j] > 0))
			s->u[j * n + j] = (float)*mean;
	return 0;
}

int gptq_prepare(struct gptq_hess *s, struct dev *dev, const struct gptq_opts *o, float *gram, int64_t n, int64_t tokens)
{
	struct tensor h = tensor_view(gram, DT_F32, n, n);
	bool keep = o->refine || o->compare;
	double mean = 1;

	memset(s, 0, sizeof(*s));
	s->n = n;
	s->u = gram;
	s->diag = xmalloc((size_t)n * sizeof(float));
	if (dev->ops->mirror(dev, &h) < 0 || normalise(s, tokens, &mean) < 0)
		return -1;
	find_order(s, o->order);
	s->ordered = o->groups == GROUPS_DYNAMIC;
	if (keep && s->ordered && o->order == ORDER_ACT)
		permute(s, s->u);
	if (keep)
		s->h = memcpy(xmalloc((size_t)n * (size_t)n * sizeof(float)), s->u, (size_t)n * (size_t)n * sizeof(float));
	if (!(keep && s->ordered) && o->order == ORDER_ACT)
		permute(s, s->u);
	if (factor(s, dev, o->damp, mean) < 0)
		return -1;
	for (int64_t j = 0; s->h && j < n; j++)
		s->h[j * n + j] += (float)(s->damp * mean);
	return 0;
}

void gptq_free(struct gptq_hess *s)
{
	free(s->h);
	free(s->u);
	free(s->diag);
	free(s->perm);
	memset(s, 0, sizeof(*s));
}

int64_t gptq_slice(int64_t n)
{
	enum { BYTES = 32 << 20, STEP = 256 };
	int64_t rows = BYTES / (int64_t)sizeof(float) / n;

	return rows < STEP ? STEP : rows / STEP * STEP;
}

/* Work on one linear. */
struct solve {
	struct qrec *q;
	const struct gptq_hess *s;
	int64_t out, n;
	float *w;                       /* [out, n] in processing order */
	uint8_t *code;                  /* likewise */
	float *zero;                    /* [out, ngroup] as floats */
	int32_t *grp;                   /* [n] group of the k-th processed column */
	const float *w0;                /* [out, n] as given */
};

static void take_row(void *arg, int64_t o, int worker)
{
	struct solve *v = arg;

	(void)worker;
	for (int64_t k = 0; k < v->n; k++)
		v->w[o * v->n + k] = v->w0[o * v->n + v->s->perm[k]];
}

static void give_row(void *arg, int64_t o, int worker)
{
	struct solve *v = arg;

	(void)worker;
	for (int64_t k = 0; k < v->n; k++)
		v->q->code[o * v->n + v->s->perm[k]] = v->code[o * v->n + k];
}

static void zeros(struct solve *v, int g0, int g1)
{
	for (int64_t o = 0; o < v->out; o++)
		for (int g = g0; g < g1; g++)
			v->zero[o * v->q->ngroup + g] = grid_zero(v->q, o, g);
}

/* Grid of group g from the columns as they are now; they are consecutive in processing order. */
static void fit_group(struct solve *v, int g)
{
	int64_t c = (int64_t)g * v->q->group;
	int n = (int)(v->n - c < v->q->group ? v->n - c : v->q->group);
	float *imp = xmalloc((size_t)n * sizeof(*imp));

	for (int k = 0; k < n; k++)
		imp[k] = v->s->diag[v->s->perm[c + k]];
	grid_fit(v->q, g, v->w + c, v->n, imp, v->out, n);
	zeros(v, g, g + 1);
	free(imp);
}

/* Columns in panels; within a panel the kernel compensates, after it one product updates all that follow. */
static int columns(struct solve *v, struct dev *dev, const struct gptq_opts *o, bool dynamic, double *loss)
{
	int64_t n = v->n, next, G = v->q->ngroup;
	float *e = xmalloc((size_t)v->out * (size_t)o->panel * sizeof(*e));
	int maxq = (1 << v->q->spec.bits) - 1, r = 0;
	double sum = 0;

	for (int64_t a = 0; a < n && r == 0; a = next) {
		int64_t to_group = v->q->group - a % v->q->group, nb = o->panel;

		if (dynamic && a % v->q->group == 0)
			fit_group(v, (int)(a / v->q->group));
		if (dynamic && nb > to_group)
			nb = to_group;
		if (nb > n - a)
			nb = n - a;
		next = a + nb;
		r = dev->ops->gptq_panel(dev, v->out, (int)nb, v->w + a, n, v->s->u + a * n + a, n, v->q->scale,
		                         v->zero, G, v->grp + a, maxq, v->code + a, n, e);
		if (r == 0 && next < n)
			r = dev->ops->gemm(dev, 0, 0, v->out, n - next, nb, -1, e, nb, v->s->u + a * n + next, n, 1,
			                   v->w + next, n);
		for (int64_t i = 0; i < v->out * nb; i++)
			sum += (double)e[i] * e[i];
	}
	free(e);
	*loss = sum;
	return r;
}

int gptq_solve(struct qrec *q, struct dev *dev, const struct gptq_opts *o, const struct gptq_hess *s, const float *w,
               int64_t out, double *loss)
{
	int64_t n = s->n;
	bool dynamic = o->groups == GROUPS_DYNAMIC && q->spec.gran == G_GROUP;
	struct solve v = { .q = q, .s = s, .out = out, .n = n, .w0 = w };
	int r;

	v.w = xmalloc((size_t)out * (size_t)n * sizeof(*v.w));
	v.code = xmalloc((size_t)out * (size_t)n);
	v.zero = xmalloc((size_t)out * (size_t)q->ngroup * sizeof(*v.zero));
	v.grp = xmalloc((size_t)n * sizeof(*v.grp));
	if (!dynamic) {
		grid_fit_rows(q, w, s->diag, out, n);
		zeros(&v, 0, q->ngroup);
	}
	for (int64_t k = 0; k < n; k++)
		v.grp[k] = (int32_t)((dynamic ? k : s->perm[k]) / q->group);
	pool_for(out, take_row, &v);
	r = columns(&v, dev, o, dynamic, loss);
	pool_for(out, give_row, &v);
	free(v.w);
	free(v.code);
	free(v.zero);
	free(v.grp);
	if (r == 0 && o->refine)
		r = gptq_refine(q, dev, s->h, s->ordered ? s->perm : NULL, w, out, n, o->refine, loss);
	return r;
}

int gptq_loss(const struct qrec *q, struct dev *dev, const struct gptq_hess *s, const float *w, int64_t out, double *loss)
{
	int64_t n = s->n;
	float *d = xmalloc((size_t)out * (size_t)n * sizeof(*d)), *dh = xmalloc((size_t)out * (size_t)n * sizeof(*dh));
	float *row = xmalloc((size_t)n * sizeof(*row));
	double sum = 0;
	int r;

	for (int64_t o = 0; o < out; o++) {
		qrec_dequant(q, n, o, o + 1, row);
		for (int64_t k = 0; k < n; k++) {
			int64_t j = s->ordered ? s->perm[k] : k;

			d[o * n + k] = w[o * n + j] - row[j];
		}
	}
	r = dev->ops->gemm(dev, 0, 0, out, n, n, 1, d, n, s->h, n, 0, dh, n);
	for (int64_t i = 0; i < out * n; i++)
		sum += (double)d[i] * dh[i];
	free(row);
	free(d);
	free(dh);
	*loss = sum;
	return r;
}
