/* The hidden states of the calibration set, moved through one block at a time. */
#include "run/calib.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a micro-batch: enough for products at full speed, few enough to stay small. */
enum { MICRO_ROWS = 2048 };

struct calib {
	struct dev *dev;
	const struct model *m;
	struct fwd *fwd;
	const int32_t *ids;             /* [N, T] */
	int64_t N;
	int T, micro;                   /* sequences in a micro-batch */
	float *x;                       /* [N, T, C] */
	float *a;                       /* [N, T, W], between stages of a tapped pass */
};

static float *floats(int64_t N, int T, int W)
{
	uint64_t n;

	if (!size_mul((uint64_t)N * (uint64_t)T, (uint64_t)W * sizeof(float), &n) || n > SIZE_MAX / 2)
		die(ST_FAIL, "%lld x %d hidden states of width %d do not fit in memory", (long long)N, T, W);
	return xmalloc(n);
}

struct calib *calib_new(struct dev *dev, const struct model *m, const int32_t *ids, int64_t N, int T)
{
	struct calib *c = xcalloc(1, sizeof(*c));

	c->dev = dev;
	c->m = m;
	c->ids = ids;
	c->N = N;
	c->T = T;
	c->micro = T >= MICRO_ROWS ? 1 : MICRO_ROWS / T;
	c->fwd = fwd_new(dev, m, T);
	c->x = floats(N, T, m->d_model);
	return c;
}

void calib_free(struct calib *c)
{
	if (!c)
		return;
	fwd_free(c->fwd);
	free(c->x);
	free(c->a);
	free(c);
}

int calib_embed(struct calib *c, struct block *embed)
{
	int r = fwd_embed(c->fwd, embed, c->ids, c->N * c->T, c->x);

	fwd_unbind(c->fwd);
	return r;
}

/* The input of site s, [rows, width] packed: a itself, or a slice of its columns copied out. */
static int show(const struct tap *tap, const struct site *s, int k, float *a, int64_t rows, int width)
{
	struct tensor x = tensor_view(a, DT_F32, rows, width);
	float *slice = NULL;
	int r;

	if (s->width != width) {
		slice = xmalloc((size_t)rows * (size_t)s->width * sizeof(float));
		for (int64_t i = 0; i < rows; i++)
			memcpy(slice + i * s->width, a + i * width + s->col, (size_t)s->width * sizeof(float));
		x = tensor_view(slice, DT_F32, rows, s->width);
	}
	r = tap->see(tap->arg, s, k, &x);
	free(slice);
	return r;
}

static int check_finite(const struct calib *c, const float *a, int64_t row, int64_t rows, int width, const char *what)
{
	int64_t i = first_nonfinite(a, DT_F32, (size_t)rows * (size_t)width);

	if (i < 0)
		return 0;
	row += i / width;
	return err_set(ST_FAIL, "%s is not finite at sequence %lld, position %lld, channel %lld", what,
	               (long long)(row / c->T), (long long)(row % c->T), (long long)(i % width));
}

/* Stage s over every micro-batch; its sites see their inputs as they are made. */
static int stage(struct calib *c, int s, const struct tap *tap, const struct site *site, int nsite)
{
	int W = model_width(c->m), width = fwd_a_width(c->fwd, s);

	for (int64_t i = 0; i < c->N; i += c->micro) {
		int n = (int)(c->N - i < c->micro ? c->N - i : c->micro);
		float *x = c->x + i * c->T * c->m->d_model, *a = c->a + i * c->T * W;

		if (fwd_stage(c->fwd, s, n, x, a) < 0)
			return -1;
		for (int k = 0; k < nsite; k++)
			if (site[k].stage == s) {
				if (check_finite(c, a, i * c->T, (int64_t)n * c->T, width, site[k].name) < 0)
					return -1;
				if (tap->see && show(tap, &site[k], k, a, (int64_t)n * c->T, width) < 0)
					return -1;
			}
	}
	for (int k = 0; k < nsite; k++)
		if (site[k].stage == s && tap->done) {
			if (tap->done(tap->arg, &site[k], k) < 0)
				return -1;
			for (int l = 0; l < site[k].nlin; l++)
				fwd_forget(c->fwd, site[k].lin[l]);
		}
	return 0;
}

/* Without a tap nothing needs the states between stages: each micro-batch goes straight through. */
static int straight(struct calib *c)
{
	for (int64_t i = 0; i < c->N; i += c->micro) {
		int n = (int)(c->N - i < c->micro ? c->N - i : c->micro);
		float *x = c->x + i * c->T * c->m->d_model;

		if (fwd_block(c->fwd, n, x) < 0 ||
		    check_finite(c, x, i * c->T, (int64_t)n * c->T, c->m->d_model, "output") < 0)
			return -1;
	}
	return 0;
}

int calib_block(struct calib *c, struct block *b, const struct tap *tap)
{
	struct site site[MAX_SITE];
	int nsite = model_sites(c->m, site), r = 0;

	if (fwd_bind(c->fwd, b) < 0)
		return -1;
	if (!tap)
		r = straight(c);
	else {
		if (!c->a)
			c->a = floats(c->N, c->T, model_width(c->m));
		for (int s = 0; s < model_stages(c->m) && r == 0; s++)
			r = stage(c, s, tap, site, nsite);
	}
	fwd_unbind(c->fwd);
	return r;
}

float *calib_x(struct calib *c)
{
	return c->x;
}

int64_t calib_rows(const struct calib *c)
{
	return c->N;
}

int calib_seqlen(const struct calib *c)
{
	return c->T;
}

struct fwd *calib_fwd(struct calib *c)
{
	return c->fwd;
}

struct dev *calib_dev(struct calib *c)
{
	return c->dev;
}
