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
	struct fwd *fwd, *fwd_twin;
	const int32_t *ids;             /* [N, T] */
	int64_t N;
	int T, micro;                   /* sequences in a micro-batch */
	float *x;                       /* [N, T, C] */
	float *a;                       /* [N, T, W], between stages of a tapped pass */
	float *x_twin, *a_twin;         /* the same of the model as it came in, or NULL */
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
	fwd_free(c->fwd_twin);
	free(c->x);
	free(c->a);
	free(c->x_twin);
	free(c->a_twin);
	free(c);
}

void calib_twin(struct calib *c)
{
	c->fwd_twin = fwd_new(c->dev, c->m, c->T);
	c->x_twin = floats(c->N, c->T, c->m->d_model);
}

bool calib_has_twin(const struct calib *c)
{
	return c->x_twin != NULL;
}

int calib_embed(struct calib *c, struct block *embed)
{
	int r = fwd_embed(c->fwd, embed, c->ids, c->N * c->T, c->x);

	fwd_unbind(c->fwd);
	if (c->x_twin)
		memcpy(c->x_twin, c->x, (size_t)(c->N * c->T) * (size_t)c->m->d_model * sizeof(float));
	return r;
}

/* The input of site s, [rows, width] packed: a itself, or a slice of its columns copied to *own. */
static struct tensor input(const struct site *s, float *a, int64_t rows, int width, float **own)
{
	*own = NULL;
	if (s->width == width)
		return tensor_view(a, DT_F32, rows, width);
	*own = xmalloc((size_t)rows * (size_t)s->width * sizeof(float));
	for (int64_t i = 0; i < rows; i++)
		memcpy(*own + i * s->width, a + i * width + s->col, (size_t)s->width * sizeof(float));
	return tensor_view(*own, DT_F32, rows, s->width);
}

static int show(const struct tap *tap, const struct site *s, int k, float *a, float *twin, int64_t rows, int width)
{
	float *own, *own_twin = NULL;
	struct tensor x = input(s, a, rows, width, &own), t = { 0 };
	int r;

	if (twin)
		t = input(s, twin, rows, width, &own_twin);
	r = tap->see(tap->arg, s, k, &x, twin ? &t : NULL);
	free(own);
	free(own_twin);
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
		int64_t row = i * c->T;
		float *a = c->a + row * W, *twin = c->a_twin ? c->a_twin + row * W : NULL;

		if (fwd_stage(c->fwd, s, n, c->x + row * c->m->d_model, a) < 0 ||
		    (twin && fwd_stage(c->fwd_twin, s, n, c->x_twin + row * c->m->d_model, twin) < 0))
			return -1;
		for (int k = 0; k < nsite; k++)
			if (site[k].stage == s) {
				if (check_finite(c, a, row, (int64_t)n * c->T, width, site[k].name) < 0)
					return -1;
				if (tap->see && show(tap, &site[k], k, a, twin, (int64_t)n * c->T, width) < 0)
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
static int straight(struct calib *c, struct fwd *f, float *states)
{
	for (int64_t i = 0; i < c->N; i += c->micro) {
		int n = (int)(c->N - i < c->micro ? c->N - i : c->micro);
		float *x = states + i * c->T * c->m->d_model;

		if (fwd_block(f, n, x) < 0 ||
		    check_finite(c, x, i * c->T, (int64_t)n * c->T, c->m->d_model, "output") < 0)
			return -1;
	}
	return 0;
}

/* The block as it is now; its tensors' storage stays when they are replaced. */
static struct block snapshot(const struct block *b)
{
	struct block s = *b;
	size_t n = (size_t)b->nt;

	s.t = memcpy(xmalloc(n * sizeof(*s.t)), b->t, n * sizeof(*s.t));
	s.q = memcpy(xmalloc(n * sizeof(*s.q)), b->q, n * sizeof(*s.q));
	return s;
}

static int tapped(struct calib *c, const struct tap *tap)
{
	struct site site[MAX_SITE];
	int nsite = model_sites(c->m, site), r = 0;

	if (!c->a)
		c->a = floats(c->N, c->T, model_width(c->m));
	if (c->x_twin && !c->a_twin)
		c->a_twin = floats(c->N, c->T, model_width(c->m));
	for (int s = 0; s < model_stages(c->m) && r == 0; s++)
		r = stage(c, s, tap, site, nsite);
	return r;
}

int calib_block(struct calib *c, struct block *b, const struct tap *tap)
{
	struct block was = { 0 };
	int r = fwd_bind(c->fwd, b);

	if (r == 0 && c->x_twin) {
		was = snapshot(b);
		r = fwd_bind(c->fwd_twin, &was);
	}
	if (r == 0 && tap)
		r = tapped(c, tap);
	else if (r == 0 && (r = straight(c, c->fwd, c->x)) == 0 && c->x_twin)
		r = straight(c, c->fwd_twin, c->x_twin);
	fwd_unbind(c->fwd);
	if (c->x_twin)
		fwd_unbind(c->fwd_twin);
	free(was.t);
	free(was.q);
	return r;
}

static int redo(struct calib *c, struct fwd *f, struct block *b, float *states)
{
	int r = fwd_bind(f, b);

	if (r == 0)
		r = straight(c, f, states);
	fwd_unbind(f);
	return r;
}

int calib_redo(struct calib *c, struct block *done, struct block *was)
{
	int r = redo(c, c->fwd, done, c->x);

	return r == 0 && c->x_twin ? redo(c, c->fwd_twin, was, c->x_twin) : r;
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
