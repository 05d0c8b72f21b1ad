#include "quant/grid.h"

#include "base/clones.h"
#include "base/pool.h"
#include "base/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Each lane does the same IEEE operations in the same order whatever the width of the processor's vectors, so that the
 * sums, and the choices made by them, are equal everywhere. */
enum { LANES = 16 };
static struct tally fitting = { .name = "grids" }, rounding = { .name = "rounding" };

/* What shares a scale: columns [0, n) of some rows. */
struct group {
	const float *w, *imp;
	int64_t rows, ld;
	int n;
	float maxq;
};

static float maxq_of(const struct qspec *s)
{
	return (float)((1 << s->bits) - 1);
}

float scale_round(float s, enum dtype dt)
{
	float least = dt == DT_F16 ? 0x1p-24f : 0x1p-126f;

	if (dt != DT_F32)
		s = bf16_f32(f32_bf16(s));
	if (dt == DT_F16)
		s = f16_f32(f32_f16(s));
	return fabsf(s) > least ? s : copysignf(least, s);
}

/* Sum over the block w [rows, n] (row stride ld) of imp[i] * e^2. */
CLONES static float grid_error(const struct group *b, float s, float z)
{
	float acc[LANES] = { 0 }, sum = 0;
	const float *imp = b->imp, maxq = b->maxq;

	for (int64_t r = 0; r < b->rows; r++) {
		const float *w = b->w + r * b->ld;
		int i = 0;

		for (; i + LANES <= b->n; i += LANES)
			for (int k = 0; k < LANES; k++) {
				float e = w[i + k] - (grid_code(w[i + k], s, z, maxq) - z) * s;

				acc[k] += imp[i + k] * (e * e);
			}
		for (; i < b->n; i++) {
			float e = w[i] - (grid_code(w[i], s, z, maxq) - z) * s;

			acc[i % LANES] += imp[i] * (e * e);
		}
	}
	for (int k = 0; k < LANES; k++)
		sum += acc[k];
	return sum;
}

CLONES static void round_row(const float *w, int n, float s, float z, float maxq, uint8_t *code)
{
	for (int i = 0; i < n; i++)
		code[i] = (uint8_t)(int)grid_code(w[i], s, z, maxq);
}

/* Shrunk ranges: a coarse walk over 1 .. 0.30 of the full range, then a fine one about its best, where the
 * zero may also move by one.  A symmetric grid has one code more below zero than above; a negative scale
 * turns it round, for groups whose far end is the positive one. */
static void search(const struct group *b, enum dtype dt, bool sym, float full, float lo, float *scale, float *zero)
{
	enum { COARSE = 28, FINE = 10 };
	float best = grid_error(b, *scale, *zero), at = 1;

	for (int i = 1; i < COARSE; i++) {
		float p = 1 - 0.025f * (float)i;

		for (int sign = 1; sign >= (sym ? -1 : 1); sign -= 2) {
			float s = scale_round(full * p * (float)sign, dt);
			float z = sym ? *zero : fminf(grid_rne(fminf(-lo * p / s, 65536)), b->maxq);
			float e = grid_error(b, s, z);

			if (e < best) {
				best = e;
				at = p * (float)sign;
				*scale = s;
				*zero = z;
			}
		}
	}
	for (int i = 0; i <= FINE; i++) {
		float p = at + 0.005f * (float)(i - FINE / 2), s = scale_round(full * p, dt);
		float mid = sym ? *zero : fminf(grid_rne(fminf(-lo * p / s, 65536)), b->maxq);

		for (int d = sym ? 0 : -1; d <= (sym ? 0 : 1); d++) {
			float z = fminf(fmaxf(mid + (float)d, 0), b->maxq), e = grid_error(b, s, z);

			if (e < best) {
				best = e;
				*scale = s;
				*zero = z;
			}
		}
	}
}

/* The range of the block, 0 within it.  Of finite floats, those above 0 are ordered as their bits are as a signed
 * number, and of all the least has the greatest as an unsigned one: and maxima of integers compilers make vectors of. */
CLONES static void range(const struct group *b, float *least, float *most)
{
	uint32_t lo = 0x80000000;
	int32_t hi = 0;

	for (int64_t r = 0; r < b->rows; r++)
		for (int i = 0; i < b->n; i++) {
			uint32_t u;

			memcpy(&u, &b->w[r * b->ld + i], sizeof(u));
			lo = u > lo ? u : lo;
			hi = (int32_t)u > hi ? (int32_t)u : hi;
		}
	memcpy(least, &lo, sizeof(lo));
	memcpy(most, &hi, sizeof(hi));
	*least += 0;                            /* of -0, 0 */
}

static void fit(const struct qspec *spec, enum dtype dt, const struct group *b, float *scale, float *zero)
{
	float lo, hi, full;

	range(b, &lo, &hi);
	if (spec->sym) {
		full = (hi > -lo ? hi : -lo) / (b->maxq / 2);
		*scale = scale_round(full, dt);
		*zero = (float)(1 << (spec->bits - 1));
	} else {
		full = (hi - lo) / b->maxq;
		*scale = scale_round(full, dt);
		*zero = fminf(grid_rne(fminf(-lo / *scale, 65536)), b->maxq);
	}
	if (full == 0)
		*scale = 1;                     /* nothing but zeros: any scale will do */
	else if (spec->range == QR_MSE)
		search(b, dt, spec->sym, full, lo, scale, zero);
}

static float *all_ones(int64_t n)
{
	float *p = xmalloc((size_t)n * sizeof(*p));

	for (int64_t i = 0; i < n; i++)
		p[i] = 1;
	return p;
}

float grid_zero(const struct qrec *q, int64_t o, int64_t g)
{
	return q->zero ? (float)q->zero[o * q->ngroup + g] : (float)(1 << (q->spec.bits - 1));
}

struct job {
	struct qrec *q;
	const float *w, *imp;
	int64_t in;                     /* elements from row to row */
	int g, n;                       /* grid_fit: group and its columns */
};

static void fit_one(void *arg, int64_t o, int worker)
{
	struct job *j = arg;
	struct qrec *q = j->q;
	struct group b = { j->w + o * j->in, j->imp, 1, 0, j->n, maxq_of(&q->spec) };
	float z;

	(void)worker;
	fit(&q->spec, q->scale_dt, &b, &q->scale[o * q->ngroup + j->g], &z);
	if (q->zero)
		q->zero[o * q->ngroup + j->g] = (uint8_t)z;
}

static void fit_row(void *arg, int64_t o, int worker)
{
	struct job *j = arg, one = *j;

	for (one.g = 0; one.g < j->q->ngroup; one.g++) {
		int64_t c = (int64_t)one.g * j->q->group;

		one.w = j->w + c;
		one.imp = j->imp + c;
		one.n = (int)(j->in - c < j->q->group ? j->in - c : j->q->group);
		fit_one(&one, o, worker);
	}
}

void grid_fit_rows(struct qrec *q, const float *w, const float *imp, int64_t out, int64_t in)
{
	float *ones = imp ? NULL : all_ones(in), z;

	tally_enter(&fitting);
	imp = imp ? imp : ones;
	if (q->spec.gran == G_TENSOR) {
		fit(&q->spec, q->scale_dt, &(struct group){ w, imp, out, in, (int)in, maxq_of(&q->spec) }, &q->scale[0], &z);
		for (int64_t o = 0; o < out; o++) {
			q->scale[o] = q->scale[0];
			if (q->zero)
				q->zero[o] = (uint8_t)z;
		}
	} else
		pool_for(out, fit_row, &(struct job){ q, w, imp, in, 0, 0 });
	free(ones);
	tally_leave(&fitting, (double)(out * in) * sizeof(*w));
}

void grid_fit(struct qrec *q, int g, const float *w, int64_t ld, const float *imp, int64_t out, int n)
{
	float *ones = imp ? NULL : all_ones(n);

	pool_for(out, fit_one, &(struct job){ q, w, imp ? imp : ones, ld, g, n });
	free(ones);
}

static void code_row(void *arg, int64_t o, int worker)
{
	struct job *j = arg;
	struct qrec *q = j->q;
	float maxq = maxq_of(&q->spec);

	(void)worker;
	for (int g = 0; g < q->ngroup; g++) {
		int64_t c = (int64_t)g * q->group;
		int n = (int)(j->in - c < q->group ? j->in - c : q->group);

		round_row(j->w + o * j->in + c, n, q->scale[o * q->ngroup + g], grid_zero(q, o, g), maxq,
		          q->code + o * j->in + c);
	}
}

void grid_rows(struct qrec *q, const float *w, int64_t rows, int64_t in)
{
	float *ones = all_ones(in);
	struct job j = { q, w, ones, in, 0, 0 };

	for (int64_t o = 0; o < rows; o++) {
		fit_row(&j, o, 0);
		code_row(&j, o, 0);
	}
	free(ones);
}

void grid_round_rows(struct qrec *q, const float *w, int64_t out, int64_t in)
{
	tally_enter(&rounding);
	pool_for(out, code_row, &(struct job){ q, w, NULL, in, 0, 0 });
	tally_leave(&rounding, (double)(out * in) * sizeof(*w));
}
