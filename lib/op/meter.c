#include "op/meter.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/tally.h"

#include <stdlib.h>

/* The table that dev->ops points to, and what it stands before. */
struct metered {
	struct ops ops;                 /* first */
	const struct ops *inner;
};

/* Of the largest product that is timed, and of the first. */
enum { SIDE = 1536, FIRST = 64 };

static struct tally
	copying = { .name = "copy" }, embedding = { .name = "embed" }, norms = { .name = "norm" },
	roping = { .name = "rope" }, gating = { .name = "glu" }, adding = { .name = "axpy" },
	losses = { .name = "nll" }, divergence = { .name = "kl" },
	linears[] = { { .name = "linear.f32", .unit = TALLY_F32 }, { .name = "linear.bf16", .unit = TALLY_BF16 } },
	attention[] = { { .name = "attn.f32", .unit = TALLY_F32 }, { .name = "attn.bf16", .unit = TALLY_BF16 } },
	grams[] = { { .name = "gram.f32", .unit = TALLY_F32 }, { .name = "gram.bf16", .unit = TALLY_BF16 } },
	products = { .name = "gemm", .unit = TALLY_F32 }, factors = { .name = "chol_inv", .unit = TALLY_F32 },
	mirrors = { .name = "mirror" }, panels = { .name = "gptq_panel", .unit = TALLY_F32 };

static const struct ops *inner(const struct dev *d)
{
	return ((const struct metered *)(const void *)d->ops)->inner;
}

static double bytes(const struct tensor *t)
{
	return t ? (double)tensor_bytes(t) : 0;
}

static int m_copy(struct dev *d, struct tensor *dst, const struct tensor *src)
{
	int r;

	tally_enter(&copying);
	r = inner(d)->copy(d, dst, src);
	tally_leave(&copying, bytes(dst) + bytes(src));
	return r;
}

static int m_embed(struct dev *d, struct tensor *y, const struct tensor *table, const int32_t *ids)
{
	int r;

	tally_enter(&embedding);
	r = inner(d)->embed(d, y, table, ids);
	tally_leave(&embedding, bytes(y) + (double)tensor_count(y) * (double)dtype_size(table->dt));
	return r;
}

static int m_linear(struct dev *d, struct tensor *y, const struct tensor *x, const struct tensor *w,
                    const struct tensor *b)
{
	struct tally *t = &linears[w->dt == DT_BF16];
	int r;

	tally_enter(t);
	r = inner(d)->linear(d, y, x, w, b);
	tally_leave(t, 2.0 * (double)tensor_rows(x) * (double)tensor_count(w));
	return r;
}

static int m_gemm(struct dev *d, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                  int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	int r;

	tally_enter(&products);
	r = inner(d)->gemm(d, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
	tally_leave(&products, 2.0 * (double)m * (double)n * (double)k);
	return r;
}

static int m_norm(struct dev *d, struct tensor *y, const struct tensor *x, enum norm kind, const float *w,
                  const float *b, float eps)
{
	int r;

	tally_enter(&norms);
	r = inner(d)->norm(d, y, x, kind, w, b, eps);
	tally_leave(&norms, bytes(y) + bytes(x));
	return r;
}

static int m_rope(struct dev *d, float *x, int64_t rows, int64_t ld, int nh, int D, int rot, int T, const float *cos,
                  const float *sin, int interleaved)
{
	int r;

	tally_enter(&roping);
	r = inner(d)->rope(d, x, rows, ld, nh, D, rot, T, cos, sin, interleaved);
	tally_leave(&roping, 2.0 * sizeof(float) * (double)rows * nh * rot);
	return r;
}

static int m_attn(struct dev *d, struct tensor *o, const struct attn_args *a)
{
	struct tally *t = &attention[d->mm == DT_BF16];
	double T = a->T, w = a->window > 0 && a->window < a->T ? a->window : T;
	double pairs = w * (w + 1) / 2 + (T - w) * w;           /* of a query and a key that it sees, in a sequence */
	int r;

	tally_enter(t);
	r = inner(d)->attn(d, o, a);
	tally_leave(t, 2 * pairs * a->n * a->H * (a->D + a->Dv));
	return r;
}

static int m_glu(struct dev *d, struct tensor *y, const struct tensor *g, const struct tensor *u, enum act act)
{
	int r;

	tally_enter(&gating);
	r = inner(d)->glu(d, y, g, u, act);
	tally_leave(&gating, bytes(y) + bytes(g) + bytes(u));
	return r;
}

static int m_axpy(struct dev *d, struct tensor *y, const struct tensor *x, float alpha)
{
	int r;

	tally_enter(&adding);
	r = inner(d)->axpy(d, y, x, alpha);
	tally_leave(&adding, 2 * bytes(y) + bytes(x));
	return r;
}

static int m_gram(struct dev *d, struct tensor *h, const struct tensor *x)
{
	struct tally *t = &grams[x->dt == DT_BF16 || d->mm == DT_BF16];
	double k = (double)tensor_cols(x);
	int r;

	tally_enter(t);
	r = inner(d)->gram(d, h, x);
	tally_leave(t, (double)tensor_rows(x) * k * (k + 1));
	return r;
}

static int m_mirror(struct dev *d, struct tensor *h)
{
	int r;

	tally_enter(&mirrors);
	r = inner(d)->mirror(d, h);
	tally_leave(&mirrors, bytes(h));
	return r;
}

static int m_chol_inv(struct dev *d, struct tensor *u, const struct tensor *h)
{
	double n = (double)tensor_cols(h);
	int r;

	tally_enter(&factors);
	r = inner(d)->chol_inv(d, u, h);
	tally_leave(&factors, 2 * n * n * n / 3);
	return r;
}

static int m_gptq_panel(struct dev *d, int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu,
                        const float *scale, const float *zero, int64_t ldg, const int32_t *grp, int maxq,
                        uint8_t *code, int64_t ldc, float *e)
{
	int r;

	tally_enter(&panels);
	r = inner(d)->gptq_panel(d, rows, nb, w, ldw, u, ldu, scale, zero, ldg, grp, maxq, code, ldc, e);
	tally_leave(&panels, (double)rows * nb * nb);
	return r;
}

static int m_nll(struct dev *d, double *loss, int32_t *top, const struct tensor *logits, const int32_t *label)
{
	int r;

	tally_enter(&losses);
	r = inner(d)->nll(d, loss, top, logits, label);
	tally_leave(&losses, bytes(logits));
	return r;
}

static int m_kl(struct dev *d, double *kl, const struct tensor *p, const struct tensor *q)
{
	int r;

	tally_enter(&divergence);
	r = inner(d)->kl(d, kl, p, q);
	tally_leave(&divergence, bytes(p) + bytes(q));
	return r;
}

void meter_wrap(struct dev *d)
{
	struct metered *m = xmalloc(sizeof(*m));

	m->inner = d->ops;
	m->ops = (struct ops){ d->ops->name, m_copy, m_embed, m_linear, m_gemm, m_norm, m_rope, m_attn, m_glu, m_axpy,
	                       m_gram, m_mirror, m_chol_inv, m_gptq_panel, m_nll, m_kl };
	d->ops = &m->ops;
}

void meter_unwrap(struct dev *d)
{
	struct metered *m = (struct metered *)(uintptr_t)d->ops;

	d->ops = m->inner;
	free(m);
}

static struct tensor noise(enum dtype dt, int64_t n)
{
	struct tensor t = tensor_view(xmalloc((size_t)(n * n) * dtype_size(dt)), dt, n, n);
	float row[SIDE];

	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = 0; j < n; j++)
			row[j] = (float)((i * 29 + j * 37) % 199 - 99) / 99;
		from_f32((char *)t.data + i * n * (int64_t)dtype_size(dt), dt, row, (size_t)n);
	}
	return t;
}

/* The best of some products of this side, as seconds; negative: the device refuses. */
static double product_seconds(struct dev *d, enum dtype dt, int64_t n)
{
	struct tensor x = noise(dt, n), w = noise(dt, n), y = noise(DT_F32, n);
	double best = -1, start = seconds();

	for (int i = 0; i < 12 && (i < 2 || seconds() - start < 0.2); i++) {
		double t = seconds();

		if (inner(d)->linear(d, &y, &x, &w, NULL) < 0)
			break;
		t = seconds() - t;
		if (best < 0 || t < best)
			best = t;
	}
	free(x.data);
	free(w.data);
	free(y.data);
	return best;
}

double meter_rate(struct dev *d, enum dtype dt)
{
	double rate = 0;

	/* Larger ones while the next would be quick: the reference takes seconds where others take none. */
	for (int64_t n = FIRST;; n = 2 * n > SIDE ? SIDE : 2 * n) {
		double t = product_seconds(d, dt, n);

		if (t < 0)
			break;
		rate = 2.0 * (double)n * (double)n * (double)n / t;
		if (n == SIDE || 8 * t > 0.2)
			break;
	}
	return rate;
}

void meter_report(struct dev *d)
{
	double f32 = 0, bf16 = 0;

	tally_stop();
	if (verbose < 1)
		return;
	if (d && tally_used(TALLY_F32))
		f32 = meter_rate(d, DT_F32);
	if (d && tally_used(TALLY_BF16))
		bf16 = meter_rate(d, DT_BF16);
	tally_print(f32, bf16);
}
