/* GPTQ against the textbook: Optimal Brain Surgeon column by column (Frantar et al., arXiv 2210.17323,
 * section 3), with the full inverse of the remaining Hessian, in double, no Cholesky, no blocking. */
#include "algo/gptq.h"
#include "base/rng.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUT = 12 };

struct problem {
	int n, T;
	float *w, *x, *gram;
};

static void problem_make(struct problem *p, int n, int T, uint64_t seed, int dead)
{
	struct rng r;

	rng_seed(&r, seed);
	p->n = n;
	p->T = T;
	p->w = malloc(sizeof(float) * OUT * (size_t)n);
	p->x = malloc(sizeof(float) * (size_t)(T * n));
	p->gram = calloc((size_t)(n * n), sizeof(float));
	for (int i = 0; i < OUT * n; i++)
		p->w[i] = (float)rng_normal(&r);
	for (int t = 0; t < T; t++) {
		double shared = rng_normal(&r);

		for (int j = 0; j < n; j++)
			p->x[t * n + j] = j == dead ? 0 : (float)((rng_normal(&r) + shared) * (1 + j % 5));
	}
	for (int t = 0; t < T; t++)
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
				p->gram[i * n + j] += p->x[t * n + i] * p->x[t * n + j];
}

static float round_bf16(float s)
{
	union { float f; uint32_t u; } v = { s };

	v.u += 0x7fff + (v.u >> 16 & 1);
	v.u &= 0xffff0000u;
	return v.f;
}

/* Scale and zero of columns [c, c + g) of a row, min-max, asymmetric or symmetric, scale in bfloat16. */
static void grid(const double *w, int g, int bits, int sym, double *s, double *z)
{
	double lo = 0, hi = 0, maxq = (1 << bits) - 1;

	for (int i = 0; i < g; i++) {
		lo = fmin(lo, w[i]);
		hi = fmax(hi, w[i]);
	}
	if (sym) {
		*s = round_bf16((float)(fmax(hi, -lo) / (maxq / 2)));
		*z = 1 << (bits - 1);
	} else {
		*s = round_bf16((float)((hi - lo) / maxq));
		*z = fmin(nearbyint(-lo / *s), maxq);
	}
}

static void invert(double *a, int n)            /* Gauss-Jordan; a is positive definite */
{
	for (int k = 0; k < n; k++) {
		double d = 1 / a[k * n + k];

		a[k * n + k] = 1;
		for (int j = 0; j < n; j++)
			a[k * n + j] *= d;
		for (int i = 0; i < n; i++) {
			double f = a[i * n + k];

			if (i == k)
				continue;
			a[i * n + k] = 0;
			for (int j = 0; j < n; j++)
				a[i * n + j] -= f * a[k * n + j];
		}
	}
}

/* codes [OUT, n] in original column order. */
static void textbook(const struct problem *p, int group, int bits, int sym, int act, int dynamic, double damp, int *codes)
{
	int n = p->n, *order = malloc(sizeof(int) * (size_t)n);
	double *h = malloc(sizeof(double) * (size_t)(n * n)), *inv = malloc(sizeof(double) * (size_t)(n * n));
	double *w = malloc(sizeof(double) * (size_t)n), *s = malloc(sizeof(double) * (size_t)n), *z = malloc(sizeof(double) * (size_t)n);
	double mean = 0, maxq = (1 << bits) - 1;
	int live = 0;

	for (int j = 0; j < n; j++) {
		mean += p->gram[j * n + j] / p->T;
		live += p->gram[j * n + j] > 0;
		order[j] = j;
	}
	mean /= live;
	for (int i = 0; i < n * n; i++)
		h[i] = p->gram[i] / p->T;
	for (int i = 0; act && i < n; i++)      /* stable selection by falling diagonal */
		for (int j = i; j > 0 && p->gram[order[j] * n + order[j]] > p->gram[order[j - 1] * n + order[j - 1]]; j--) {
			int t = order[j];

			order[j] = order[j - 1];
			order[j - 1] = t;
		}
	for (int j = 0; j < n; j++)
		h[j * n + j] += (h[j * n + j] > 0 ? 0 : mean) + damp * mean;
	for (int o = 0; o < OUT; o++) {
		double e;

		for (int j = 0; j < n; j++)
			w[j] = p->w[o * n + order[j]];
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
				inv[i * n + j] = h[order[i] * n + order[j]];
		invert(inv, n);
		for (int g = 0; g < n; g += group) {    /* grids of the original weights, by original column */
			double orig[1024], gs, gz;

			for (int j = 0; j < group && g + j < n; j++)
				orig[j] = p->w[o * n + g + j];
			grid(orig, n - g < group ? n - g : group, bits, sym, &gs, &gz);
			for (int j = 0; j < group && g + j < n; j++) {
				s[g + j] = gs;
				z[g + j] = gz;
			}
		}
		for (int j = 0; j < n; j++) {
			int c = dynamic ? j : order[j];
			double q;

			if (dynamic && j % group == 0) {
				double gs, gz;

				grid(w + j, n - j < group ? n - j : group, bits, sym, &gs, &gz);
				for (int k = j; k < j + group && k < n; k++) {
					s[k] = gs;
					z[k] = gz;
				}
			}
			q = fmin(fmax(nearbyint(w[j] / s[c]) + z[c], 0), maxq);
			codes[o * n + order[j]] = (int)q;
			e = (w[j] - (q - z[c]) * s[c]) / inv[j * n + j];
			for (int k = j + 1; k < n; k++)
				w[k] -= e * inv[j * n + k];
			for (int i = j + 1; i < n; i++)         /* eliminate j from the inverse of the rest */
				for (int k = n - 1; k > j; k--)
					inv[i * n + k] -= inv[i * n + j] * inv[j * n + k] / inv[j * n + j];
		}
	}
	free(order);
	free(h);
	free(inv);
	free(w);
	free(s);
	free(z);
}

static double loss_of(const struct problem *p, const struct qrec *q, double damp)
{
	int n = p->n;
	double sum = 0, mean = 0, *d = malloc(sizeof(double) * (size_t)n);
	float *row = malloc(sizeof(float) * (size_t)n);

	for (int j = 0; j < n; j++)
		mean += p->gram[j * n + j] / p->T / n;
	for (int o = 0; o < OUT; o++) {
		qrec_dequant(q, n, o, o + 1, row);
		for (int j = 0; j < n; j++)
			d[j] = (double)p->w[o * n + j] - row[j];
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
				sum += d[i] * d[j] * (p->gram[i * n + j] / p->T + (i == j ? damp * mean : 0));
	}
	free(d);
	free(row);
	return sum;
}

static void try(int n, const char *text, int order, int groups, int dead)
{
	struct gptq_opts o = { .order = order, .groups = groups, .damp = 0.01, .panel = 16 };
	struct dev *dev = dev_open("ref", 1, 1);
	struct problem p;
	struct gptq_hess h;
	struct arena mem = { 0 };
	struct qspec spec;
	struct qrec q, r;
	float *g, *w;
	int *want, diff = 0;
	double loss, rtn, real;

	problem_make(&p, n, 4 * n, (uint64_t)n * 7 + (uint64_t)order, dead);
	spec_parse(&spec, text);
	qrec_init(&q, &spec, OUT, n, &mem);
	q.scale_dt = DT_BF16;
	g = malloc(sizeof(float) * (size_t)(n * n));
	memcpy(g, p.gram, sizeof(float) * (size_t)(n * n));
	w = malloc(sizeof(float) * OUT * (size_t)n);
	memcpy(w, p.w, sizeof(float) * OUT * (size_t)n);
	ok(gptq_prepare(&h, dev, &o, g, n, p.T) == 0 && !h.diagonal, "%s n=%d: factored", text, n);
	if (order == ORDER_ACT && groups == GROUPS_DYNAMIC)
		q.perm = memcpy(arena_alloc(&mem, sizeof(int32_t) * (size_t)n), h.perm, sizeof(int32_t) * (size_t)n);
	ok(gptq_solve(&q, dev, &o, &h, w, OUT, &loss) == 0, "%s n=%d: solved", text, n);
	want = malloc(sizeof(int) * OUT * (size_t)n);
	textbook(&p, q.group, spec.bits, spec.sym, order == ORDER_ACT, groups == GROUPS_DYNAMIC, 0.01, want);
	for (int i = 0; i < OUT * n; i++)
		diff += want[i] != q.code[i];
	ok(diff == 0, "%s n=%d order %d groups %d: codes equal the textbook's (%d differ)", text, n, order, groups, diff);
	real = loss_of(&p, &q, dead >= 0 ? 0 : 0.01);
	if (dead < 0)
		ok(fabs(loss - real) <= 1e-3 * real, "the loss reported is the loss: %g, %g", loss, real);
	qrec_init(&r, &spec, OUT, n, &mem);
	r.scale_dt = DT_BF16;
	grid_fit_rows(&r, p.w, NULL, OUT, n);
	grid_round_rows(&r, p.w, OUT, n);
	rtn = loss_of(&p, &r, 0);
	real = loss_of(&p, &q, 0);
	ok(real < rtn, "loss %g is below rounding's %g", real, rtn);
	if (dead < 0) {
		double left, measured;

		o.refine = 3;
		gptq_free(&h);
		g = malloc(sizeof(float) * (size_t)(n * n));
		memcpy(g, p.gram, sizeof(float) * (size_t)(n * n));
		gptq_prepare(&h, dev, &o, g, n, p.T);
		gptq_solve(&q, dev, &o, &h, w, OUT, &left);
		measured = loss_of(&p, &q, 0.01);
		ok(left < loss && fabs(left - measured) <= 1e-3 * measured, "refined from %g to %g, measured %g", loss,
		   left, measured);
	}
	gptq_free(&h);
	arena_free(&mem);
	free(p.w);
	free(p.x);
	free(p.gram);
	free(w);
	free(want);
	dev_close(dev);
}

/* gptq_aim must satisfy the normal equations of its objective: (w' - w) H = w C. */
static void aim(int order)
{
	struct gptq_opts o = { .order = order, .damp = 0.01, .panel = 16 };
	struct dev *dev = dev_open("ref", 1, 1);
	struct problem p, t;
	struct gptq_hess h;
	int n = 24;
	float *g, *w, *c = calloc((size_t)(n * n), sizeof(float));
	double mean = 0, worst = 0, big = 0;

	problem_make(&p, n, 96, 11, -1);
	problem_make(&t, n, 96, 12, -1);
	for (int i = 0; i < 96; i++)
		for (int a = 0; a < n; a++)
			for (int b = 0; b < n; b++)
				c[a * n + b] += 0.3f * t.x[i * n + a] * p.x[i * n + b];
	g = malloc(sizeof(float) * (size_t)(n * n));
	memcpy(g, p.gram, sizeof(float) * (size_t)(n * n));
	w = malloc(sizeof(float) * OUT * (size_t)n);
	memcpy(w, p.w, sizeof(float) * OUT * (size_t)n);
	gptq_prepare(&h, dev, &o, g, n, p.T);
	ok(gptq_aim(dev, &h, 1, c, p.T, w, OUT) == 0, "aimed");
	for (int j = 0; j < n; j++)
		mean += p.gram[j * n + j] / p.T / n;
	for (int r = 0; r < OUT; r++)
		for (int b = 0; b < n; b++) {
			double left = 0, right = 0;

			for (int a = 0; a < n; a++) {
				left += ((double)w[r * n + a] - p.w[r * n + a]) *
				        (p.gram[a * n + b] / p.T + (a == b ? 0.01 * mean : 0));
				right += (double)p.w[r * n + a] * c[a * n + b] / p.T;
			}
			worst = fmax(worst, fabs(left - right));
			big = fmax(big, fabs(right));
		}
	ok(worst < 1e-4 * big, "the target solves its normal equations: off by %g of %g", worst, big);
	gptq_free(&h);
	dev_close(dev);
	free(c);
	free(w);
	free(p.w), free(p.x), free(p.gram);
	free(t.w), free(t.x), free(t.gram);
}

int main(void)
{
	for (int order = ORDER_ACT; order <= ORDER_NONE; order++)
		for (int groups = GROUPS_STATIC; groups <= GROUPS_DYNAMIC; groups++) {
			try(48, "int4:g16:asym", order, groups, -1);
			try(48, "int3:g16:sym", order, groups, -1);
			try(40, "int2:g16:asym", order, groups, -1);     /* a short last group */
		}
	try(33, "int4:channel:sym", ORDER_ACT, GROUPS_STATIC, -1);
	try(48, "int4:g16:asym", ORDER_ACT, GROUPS_STATIC, 5);   /* a channel that is never excited */
	aim(ORDER_ACT);
	aim(ORDER_NONE);
	return done();
}
